"""AGAD: what is read counts relative to the mean of the chopper period before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from archsim.algorithm.agad import Agad
from archsim.tile_kernel.algorithms.buffered import (
    BufferedState,
    Lines,
    buffered_roles,
    chop_period,
    learn_buffered,
    make_buffered,
    program_slow,
    slow_only,
    slow_weights,
    turn_signs,
)
from archsim.tile_kernel.algorithms.contract import (
    AlgorithmKernel,
    LearnReport,
    NewArray,
    Step,
)
from archsim.tile_kernel.arrays import F32
from archsim.tile_kernel.state import DeviceArray


@dataclass(frozen=True, slots=True)
class AgadState:
    """Beside the buffered state: running mean and past mean of the reads, [tile, row, col].

    `turned` [tile, row] marks the lines whose sign turned after their last read.
    """

    base: BufferedState
    mean: F32
    past: F32
    turned: NDArray[np.bool_]


def _create(algorithm: Agad, new_array: NewArray) -> AgadState:
    base = make_buffered(algorithm, new_array)
    shape = base.buffer.shape
    return AgadState(
        base,
        np.zeros(shape, dtype=np.float32),
        np.zeros(shape, dtype=np.float32),
        np.zeros(shape[:2], dtype=np.bool_),
    )


def _weights(algorithm: Agad, state: AgadState) -> F32:
    return slow_weights(algorithm, state.base)


def _learn(algorithm: Agad, state: AgadState, step: Step) -> LearnReport:
    probability = float(algorithm.chop_probability)
    period = chop_period(probability)
    forgets = np.float32(min(1.0, float(algorithm.tail_weighting) / period))

    def referred(read: F32, lines: Lines, passes: int) -> tuple[F32, bool]:
        mean, turned = state.mean[:, lines], state.turned[:, lines, np.newaxis]
        past = np.where(turned, mean, state.past[:, lines])
        state.past[:, lines] = past
        state.mean[:, lines] = mean + forgets * (read - mean)
        base = state.base
        turns = turn_signs(base, lines, passes, probability, at_random=False, rng=step.rng)
        if algorithm.chop_random:
            stay = ~turns
            more = turn_signs(base, lines, passes, probability, at_random=True, rng=step.rng)
            # A line that both would turn turns once.
            base.sign[:, lines] *= np.where(more & ~stay, np.float32(-1.0), np.float32(1.0))
            turns = turns | more
        state.turned[:, lines] = turns
        return read - past, passes > period

    return learn_buffered(algorithm, state.base, step, referred)


def _program(algorithm: Agad, state: AgadState, target: F32, rng: np.random.Generator) -> float:
    return program_slow(algorithm, state.base, target, rng)


def _arrays(state: AgadState) -> Mapping[str, DeviceArray]:
    return buffered_roles(state.base)


KERNEL = AlgorithmKernel(_create, _weights, _learn, _program, _arrays, slow_only)
