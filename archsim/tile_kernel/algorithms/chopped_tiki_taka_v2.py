"""Chopped Tiki-Taka version 2: lines change their sign after they were read."""

from __future__ import annotations

from archsim.algorithm.chopped_tiki_taka_v2 import ChoppedTikiTakaV2
from archsim.tile_kernel.algorithms.buffered import (
    BufferedState,
    Lines,
    buffered_roles,
    learn_buffered,
    make_buffered,
    program_slow,
    slow_only,
    slow_weights,
    turn_signs,
)
from archsim.tile_kernel.algorithms.contract import AlgorithmKernel, LearnReport, Step
from archsim.tile_kernel.arrays import F32


def _learn(algorithm: ChoppedTikiTakaV2, state: BufferedState, step: Step) -> LearnReport:
    probability = float(algorithm.chop_probability)

    def chopped(read: F32, lines: Lines, passes: int) -> tuple[F32, bool]:
        turn_signs(state, lines, passes, probability, at_random=algorithm.chop_random, rng=step.rng)
        return read, True

    return learn_buffered(algorithm, state, step, chopped)


KERNEL = AlgorithmKernel(
    make_buffered, slow_weights, _learn, program_slow, buffered_roles, slow_only
)
