"""Tiki-Taka version 1: lines of the fast array are added to the slow one by pulses."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from archsim.algorithm.tiki_taka import TikiTaka
from archsim.tile_kernel.algorithms.contract import (
    AlgorithmKernel,
    LearnReport,
    NewArray,
    Step,
    read_lines,
)
from archsim.tile_kernel.algorithms.fast_and_slow import (
    Pair,
    make_pair,
    parts_of,
    roles,
    transfers_due,
)
from archsim.tile_kernel.arrays import F32
from archsim.tile_kernel.state import set_weights
from archsim.tile_kernel.trains import vector_pairs
from archsim.tile_kernel.update import update


def _create(algorithm: TikiTaka, new_array: NewArray) -> Pair:
    return make_pair(algorithm.reference, new_array)


def _weights(algorithm: TikiTaka, state: Pair) -> F32:
    if algorithm.fast_share == 0:
        return state.slow.weights
    return state.slow.weights + np.float32(algorithm.fast_share) * state.signal


def _learn(algorithm: TikiTaka, state: Pair, step: Step) -> LearnReport:
    """Update A, then make the transfers that are due: with `merge: sample` after each vector."""
    inputs, errors = vector_pairs(state.fast.shape, step.x, step.error, step.learning_rate)
    x, error = inputs.swapaxes(0, 1), errors.swapaxes(0, 1)
    rate = step.learning_rate * float(algorithm.fast_rate)
    report = LearnReport()
    for part, vectors in parts_of(len(x), step.parameters.merge):
        report += LearnReport(
            update=update(state.fast, x[part], error[part], rate, step.parameters, step.rng)
        )
        last = part.stop >= len(x)
        for lines, _ in transfers_due(algorithm, state, vectors, last=last):
            read = read_lines(state.signal, lines, step, "fast")
            report += _write(algorithm, state, lines, read, step)
    return report


def _write(
    algorithm: TikiTaka,
    state: Pair,
    lines: np.ndarray[tuple[int], np.dtype[np.intp]],
    read: F32,
    step: Step,
) -> LearnReport:
    """Pulse each line of C towards what was read of the same line of A."""
    tiles, rows, _ = state.slow.shape
    one_hot = np.zeros((lines.size, tiles, rows), dtype=np.float32)
    one_hot[np.arange(lines.size), :, lines] = 1.0
    parameters = replace(step.parameters, train_length=int(algorithm.write_train_length))
    rate = step.learning_rate * float(algorithm.transfer_rate)
    # The update goes against the error, and C is to follow A.
    written = update(state.slow, one_hot, -read.swapaxes(0, 1), rate, parameters, step.rng)
    return LearnReport(
        lines_read=lines.size * tiles, written_pulses=written.pulses_up + written.pulses_down
    )


def _program(algorithm: TikiTaka, state: Pair, target: F32, rng: np.random.Generator) -> float:
    """C takes what A, as it stands, does not hold."""
    held = np.float32(algorithm.fast_share) * state.signal
    return set_weights(state.slow, target - held, rng)


def _read_roles(algorithm: TikiTaka) -> tuple[str, ...]:
    return ("slow",) if algorithm.fast_share == 0 else ("slow", "fast")


KERNEL = AlgorithmKernel(_create, _weights, _learn, _program, roles, _read_roles)
