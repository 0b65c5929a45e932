"""Tiki-Taka version 2: the buffer takes what is read, as it is."""

from __future__ import annotations

from archsim.algorithm.tiki_taka_v2 import TikiTakaV2
from archsim.tile_kernel.algorithms.buffered import (
    BufferedState,
    Lines,
    buffered_roles,
    learn_buffered,
    make_buffered,
    program_slow,
    slow_only,
    slow_weights,
)
from archsim.tile_kernel.algorithms.contract import AlgorithmKernel, LearnReport, Step
from archsim.tile_kernel.arrays import F32


def _as_read(read: F32, lines: Lines, passes: int) -> tuple[F32, bool]:
    return read, True


def _learn(algorithm: TikiTakaV2, state: BufferedState, step: Step) -> LearnReport:
    return learn_buffered(algorithm, state, step, _as_read)


KERNEL = AlgorithmKernel(
    make_buffered, slow_weights, _learn, program_slow, buffered_roles, slow_only
)
