"""One-sided updates: both devices of a pair are pulsed up only, and refreshed when they are full."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from archsim.algorithm.one_sided import OneSided
from archsim.tile_kernel.algorithms.contract import (
    AlgorithmKernel,
    LearnReport,
    NewArray,
    Step,
    read_lines,
)
from archsim.tile_kernel.arrays import F32
from archsim.tile_kernel.coincidences import PulseCounts
from archsim.tile_kernel.pulsing import apply_disturb, apply_pulses
from archsim.tile_kernel.state import DeviceArray, show_stored
from archsim.tile_kernel.step_law import Where
from archsim.tile_kernel.update import drive_lines


@dataclass(frozen=True, slots=True)
class OneSidedState:
    """The arrays G+ and G-, and minibatches seen (one number)."""

    plus: DeviceArray
    minus: DeviceArray
    minibatches: NDArray[np.int64]


def _create(algorithm: OneSided, new_array: NewArray) -> OneSidedState:
    return OneSidedState(_empty(new_array()), _empty(new_array()), np.zeros(1, dtype=np.int64))


def _empty(devices: DeviceArray) -> DeviceArray:
    """The devices at their lower bound, where a weight of zero has both of a pair.

    One pulse is taken for the mean step up from there.
    """
    devices.stored[...] = devices.lower
    devices.weights[...] = devices.lower
    steps = devices.law.at(devices.stored.reshape(-1), slice(None))
    return replace(devices, step=float(np.mean(steps.up_rate, dtype=np.float64)))


def _weights(algorithm: OneSided, state: OneSidedState) -> F32:
    return (state.plus.weights - state.plus.lower) - (state.minus.weights - state.minus.lower)


def _learn(algorithm: OneSided, state: OneSidedState, step: Step) -> LearnReport:
    nothing = np.zeros(1, dtype=np.float32)
    disturb = step.parameters.disturb

    def take(where: Where, block: PulseCounts, halves: PulseCounts | None) -> None:
        sides = ((state.plus, block.up, 0), (state.minus, block.down, 1))
        total = np.maximum(block.up + block.down, np.finfo(np.float32).tiny)
        for devices, pulses, side in sides:
            idle = np.broadcast_to(nothing, pulses.shape)
            # The remainder of the counts belongs to both arrays, by their part of the pulses.
            part = None if block.variance is None else block.variance * (pulses / total)
            apply_pulses(devices, where, pulses, idle, step.rng, count_variance=part)
            if disturb is not None and halves is not None:
                seen = (halves.up, halves.down)[side] * np.float32(disturb.up)
                apply_disturb(devices, where, seen, idle)

    report = LearnReport(
        update=drive_lines(
            state.plus, step.x, step.error, step.learning_rate, step.parameters, step.rng, take
        )
    )
    state.minibatches[0] += 1
    if state.minibatches[0] % int(algorithm.refresh_every):
        return report
    return report + _refresh(algorithm, state, step)


def _refresh(algorithm: OneSided, state: OneSidedState, step: Step) -> LearnReport:
    """Reset pairs that are both full, and write their difference again with pulses up."""
    tiles, rows, _ = state.plus.shape
    lines = np.arange(rows, dtype=np.intp)
    read = [
        read_lines(devices.weights - devices.lower, lines, step).reshape(-1)
        for devices in (state.plus, state.minus)
    ]
    ranges = [
        np.broadcast_to(devices.upper - devices.lower, devices.shape).reshape(-1)
        for devices in (state.plus, state.minus)
    ]
    shares = [values / span for values, span in zip(read, ranges, strict=True)]
    high, low = np.maximum(*shares), np.minimum(*shares)
    full = (high > algorithm.refresh_upper) & (low > algorithm.refresh_lower)
    where = np.flatnonzero(full)
    difference = (read[0] - read[1])[where]
    written = 0.0
    for devices, wanted in ((state.plus, difference), (state.minus, -difference)):
        lower = np.broadcast_to(devices.lower, devices.shape).reshape(-1)
        devices.stored.reshape(-1)[where] = lower[where]
        show_stored(devices, where, step.rng)
        pulses = np.rint(np.maximum(wanted, 0) / np.float32(devices.step)).astype(np.float32)
        apply_pulses(devices, where, pulses, np.zeros_like(pulses), step.rng)
        written += float(pulses.sum(dtype=np.float64))
    return LearnReport(lines_read=2 * rows * tiles, written_pulses=written, resets=2 * where.size)


KERNEL = AlgorithmKernel(_create, _weights, _learn)
