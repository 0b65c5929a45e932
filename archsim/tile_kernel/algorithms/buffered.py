"""What Tiki-Taka from version 2 on shares: A is filtered digitally before it moves C."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from archsim.algorithm.buffered import BufferedTransfer
from archsim.tile_kernel.algorithms.contract import LearnReport, NewArray, Step, read_lines
from archsim.tile_kernel.algorithms.fast_and_slow import (
    Pair,
    devices_of_lines,
    make_pair,
    parts_of,
    roles,
    transfers_due,
)
from archsim.tile_kernel.arrays import F32
from archsim.tile_kernel.line_writes import write_some
from archsim.tile_kernel.state import DeviceArray, set_weights
from archsim.tile_kernel.trains import vector_pairs
from archsim.tile_kernel.update import UpdateReport, update

Lines: TypeAlias = NDArray[np.intp]

# Beyond, every line that is read fills its buffer many times over.
_LARGEST_TRANSFER = 1e15


@dataclass(frozen=True, slots=True)
class BufferedState:
    """The arrays, the buffer H [tile, row, col], the sign of each line [tile, row] (+1 or -1).

    `largest` float64 holds the running means of max|x| and max|error|, 0 before the first
    minibatch.
    """

    pair: Pair
    buffer: F32
    sign: F32
    largest: NDArray[np.float64]


def make_buffered(algorithm: BufferedTransfer, new_array: NewArray) -> BufferedState:
    """Arrays at their start, an empty buffer, all signs plus."""
    pair = make_pair(algorithm.reference, new_array)
    return BufferedState(
        pair,
        np.zeros(pair.slow.shape, dtype=np.float32),
        np.ones(pair.slow.shape[:2], dtype=np.float32),
        np.zeros(2, dtype=np.float64),
    )


def slow_weights(algorithm: BufferedTransfer, state: BufferedState) -> F32:
    """Reads go through C."""
    return state.pair.slow.weights


def program_slow(
    algorithm: BufferedTransfer, state: BufferedState, target: F32, rng: np.random.Generator
) -> float:
    """C takes the weights."""
    return set_weights(state.pair.slow, target, rng)


def buffered_roles(state: BufferedState) -> Mapping[str, DeviceArray]:
    """The arrays by their role."""
    return roles(state.pair)


def slow_only(algorithm: BufferedTransfer) -> tuple[str, ...]:
    """Reads go through C."""
    return ("slow",)


# Turns what was read of some lines [tile, line, col] in a pass into what H takes, and says
# whether C may be written; may keep state of its own, and turn signs.
Filter: TypeAlias = Callable[[F32, Lines, int], tuple[F32, bool]]


def learn_buffered(
    algorithm: BufferedTransfer, state: BufferedState, step: Step, filtered: Filter
) -> LearnReport:
    """Update A, then make the transfers that are due: with `merge: sample` after each vector."""
    x, error = vector_pairs(state.pair.fast.shape, step.x, step.error, step.learning_rate)
    batch = x.shape[1]
    report = LearnReport()
    for some, vectors in parts_of(batch, step.parameters.merge):
        report += LearnReport(
            update=_update_fast(algorithm, state, x[:, some], error[:, some], batch, step)
        )
        last = some.stop >= batch
        for lines, passes in transfers_due(algorithm, state.pair, vectors, last=last):
            report += _transfer(algorithm, state, step, lines, passes, filtered)
    return report


def _update_fast(
    algorithm: BufferedTransfer, state: BufferedState, x: F32, error: F32, batch: int, step: Step
) -> UpdateReport:
    """Update A with the rate that its recent inputs and errors ask for; x and error [tile, b, n]."""
    share = (1.0 - float(algorithm.scale_momentum)) * x.shape[1] / max(batch, 1)
    for index, values in enumerate((x, error)):
        largest = float(np.abs(values).max(axis=2).sum(dtype=np.float64))
        largest /= max(values.shape[0] * values.shape[1], 1)
        known = state.largest[index]
        if largest > 0:
            state.largest[index] = known + share * (largest - known) if known > 0 else largest
    scale = float(np.prod(state.largest))
    if scale == 0:
        return UpdateReport()
    fast = state.pair.fast
    slots = step.parameters.train_length
    rate = float(algorithm.fast_rate) * slots * fast.step / scale
    signed = x * state.sign[:, np.newaxis, :]
    return update(
        fast, signed.swapaxes(0, 1), error.swapaxes(0, 1), rate, step.parameters, step.rng
    )


def _transfer(
    algorithm: BufferedTransfer,
    state: BufferedState,
    step: Step,
    lines: Lines,
    passes: int,
    filtered: Filter,
) -> LearnReport:
    """Read lines of A, add them to H, and pulse C where H has reached one."""
    pair = state.pair
    read = read_lines(pair.signal, lines, step, "fast")
    period = pair.fast.shape[1] * float(algorithm.transfer_every)
    scale = float(algorithm.transfer_rate) * step.learning_rate * period
    scale /= float(algorithm.granularity) * pair.fast.step
    scale = min(scale, _LARGEST_TRANSFER)
    sign = state.sign[:, lines, np.newaxis].copy()
    taken, may_write = filtered(read, lines, passes)
    held = state.buffer[:, lines, :] + taken * (sign * np.float32(scale))
    full = np.abs(held) >= 1
    pulse = np.sign(held[full])
    if algorithm.forget:
        held[full] *= np.float32(algorithm.momentum)
    else:
        held[full] -= np.float32(1.0 - algorithm.momentum) * pulse
    state.buffer[:, lines, :] = held
    report = LearnReport(lines_read=lines.size * pair.fast.shape[0])
    if not (may_write and pulse.size):
        return report
    where = devices_of_lines(pair, lines, full)
    write_some(pair.slow, where, pulse, step.parameters.disturb, step.rng)
    return report + LearnReport(written_pulses=float(pulse.size))


def turn_signs(
    state: BufferedState,
    lines: Lines,
    passes: int,
    chop_probability: float,
    *,
    at_random: bool,
    rng: np.random.Generator,
) -> NDArray[np.bool_]:
    """Turn the sign of lines that were just read; returns which did, [tile, line].

    At random with the probability given, or all at the end of every `chop_period` passes.
    """
    shape = (state.sign.shape[0], lines.size)
    if at_random:
        turned = rng.random(shape, dtype=np.float32) < chop_probability
    else:
        period = chop_period(chop_probability)
        turned = np.full(shape, passes % period == period - 1)
    state.sign[:, lines] *= np.where(turned, np.float32(-1.0), np.float32(1.0))
    return np.asarray(turned, dtype=np.bool_)


def chop_period(chop_probability: float) -> int:
    """Passes of a regular chopper between two turns, at least 2."""
    return max(int(np.ceil(1.0 / chop_probability)), 2)
