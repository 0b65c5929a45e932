"""Mixed precision: the outer product is summed in float32, and leaves in whole pulses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from archsim.algorithm.mixed_precision import MixedPrecision
from archsim.tile_kernel.algorithms.contract import AlgorithmKernel, LearnReport, NewArray, Step
from archsim.tile_kernel.arrays import F32
from archsim.tile_kernel.line_writes import write_some
from archsim.tile_kernel.state import DeviceArray, set_weights
from archsim.tile_kernel.trains import change_of, vector_pairs

# A device takes no more in one transfer, which is many times any range; the rest waits in chi.
_MOST_PULSES = np.float32(1e6)


@dataclass(frozen=True, slots=True)
class MixedPrecisionState:
    """The array, chi [tile, row, col] in weight units, and minibatches seen (one number)."""

    devices: DeviceArray
    chi: F32
    minibatches: NDArray[np.int64]


def _create(algorithm: MixedPrecision, new_array: NewArray) -> MixedPrecisionState:
    devices = new_array()
    return MixedPrecisionState(
        devices, np.zeros(devices.shape, dtype=np.float32), np.zeros(1, dtype=np.int64)
    )


def _weights(algorithm: MixedPrecision, state: MixedPrecisionState) -> F32:
    return state.devices.weights


def _learn(algorithm: MixedPrecision, state: MixedPrecisionState, step: Step) -> LearnReport:
    x, error = vector_pairs(state.devices.shape, step.x, step.error, step.learning_rate)
    change = change_of(x, error, step.learning_rate)
    np.add(state.chi, change, out=state.chi)
    state.minibatches[0] += 1
    if state.minibatches[0] % int(algorithm.transfer_every):
        return LearnReport()
    return LearnReport(written_pulses=_transfer(algorithm, state, step))


def _transfer(algorithm: MixedPrecision, state: MixedPrecisionState, step: Step) -> float:
    """Write what chi holds in whole pulses, and keep the rest; returns the pulses."""
    worth = np.float32(algorithm.granularity * state.devices.step)
    chi = state.chi.reshape(-1)
    pulses = np.clip(np.trunc(chi / worth), -_MOST_PULSES, _MOST_PULSES)
    where = np.flatnonzero(pulses)
    pulses = pulses[where]
    chi[where] -= pulses * worth
    write_some(state.devices, where, pulses, step.parameters.disturb, step.rng)
    return float(np.abs(pulses).sum(dtype=np.float64))


def _program(
    algorithm: MixedPrecision, state: MixedPrecisionState, target: F32, rng: np.random.Generator
) -> float:
    return set_weights(state.devices, target, rng)


def _arrays(state: MixedPrecisionState) -> Mapping[str, DeviceArray]:
    return {"weights": state.devices}


def _read_roles(algorithm: MixedPrecision) -> tuple[str, ...]:
    return ("weights",)


KERNEL = AlgorithmKernel(_create, _weights, _learn, _program, _arrays, _read_roles)
