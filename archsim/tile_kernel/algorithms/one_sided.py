"""One-sided updates: both devices of a pair are pulsed up only, and refreshed when they are full."""

from __future__ import annotations

from collections.abc import Mapping
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
from archsim.tile_kernel.disturb import Exposure, partial_pulses
from archsim.tile_kernel.line_writes import write_some
from archsim.tile_kernel.pulsing import apply_pulses
from archsim.tile_kernel.state import DeviceArray, put_weights, set_weights
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
    at = np.broadcast_to(devices.lower, devices.shape)
    put_weights(devices, slice(None), at.reshape(-1))
    steps = devices.steps(devices.stored.reshape(-1))
    return replace(devices, step=float(np.mean(steps.up_rate, dtype=np.float64)))


def _weights(algorithm: OneSided, state: OneSidedState) -> F32:
    return (state.plus.weights - state.plus.lowest) - (state.minus.weights - state.minus.lowest)


def _learn(algorithm: OneSided, state: OneSidedState, step: Step) -> LearnReport:
    nothing = np.zeros(1, dtype=np.float32)
    disturb = step.parameters.disturb

    def take(where: Where, block: PulseCounts, seen: Exposure | None) -> None:
        sides = (
            (state.plus, block.up, seen and seen.only_up()),
            (state.minus, block.down, seen and seen.down_as_up()),
        )
        total = np.maximum(block.up + block.down, np.finfo(np.float32).tiny)
        for devices, pulses, one_side in sides:
            idle = np.broadcast_to(nothing, pulses.shape)
            # The remainder of the counts belongs to both arrays, by their part of the pulses.
            part = None if block.variance is None else block.variance * (pulses / total)
            partial = partial_pulses(disturb, one_side)
            apply_pulses(
                devices, where, pulses, idle, step.rng, count_variance=part, partial=partial
            )

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
        read_lines(devices.weights - devices.lowest, lines, step, role).reshape(-1)
        for role, devices in _arrays(state).items()
    ]
    ranges = [
        np.broadcast_to(devices.upper - devices.lower, devices.shape).reshape(-1)
        for devices in (state.plus, state.minus)
    ]
    shares = [values / span for values, span in zip(read, ranges, strict=True)]
    high, low = np.maximum(*shares), np.minimum(*shares)
    full = (high > algorithm.refresh_upper) & (low > algorithm.refresh_lower)
    where = np.flatnonzero(full)
    disturb = step.parameters.disturb
    difference = (read[0] - read[1])[where]
    written = 0.0
    for devices, wanted in ((state.plus, difference), (state.minus, -difference)):
        lower = np.broadcast_to(devices.lower, devices.shape).reshape(-1)
        put_weights(devices, where, lower[where], step.rng)
        pulses = np.rint(np.maximum(wanted, 0) / np.float32(devices.step)).astype(np.float32)
        write_some(devices, where, pulses, disturb, step.rng)
        written += float(pulses.sum(dtype=np.float64))
    return LearnReport(lines_read=2 * rows * tiles, written_pulses=written, resets=2 * where.size)


def _program(
    algorithm: OneSided, state: OneSidedState, target: F32, rng: np.random.Generator
) -> float:
    """The device that the sign asks for is raised from its lower bound, the other one left there."""
    bounded = 0.0
    for devices, side in ((state.plus, target), (state.minus, -target)):
        bounded += set_weights(devices, devices.lowest + np.maximum(side, 0), rng)
    return bounded


def _arrays(state: OneSidedState) -> Mapping[str, DeviceArray]:
    return {"plus": state.plus, "minus": state.minus}


def _read_roles(algorithm: OneSided) -> tuple[str, ...]:
    return ("plus", "minus")


KERNEL = AlgorithmKernel(_create, _weights, _learn, _program, _arrays, _read_roles)
