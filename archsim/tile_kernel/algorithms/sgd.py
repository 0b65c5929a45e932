"""Plain pulsed SGD: every vector pair updates the one array."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from archsim.algorithm.sgd import PlainSgd
from archsim.tile_kernel.algorithms.contract import AlgorithmKernel, LearnReport, NewArray, Step
from archsim.tile_kernel.arrays import F32
from archsim.tile_kernel.state import DeviceArray, set_weights
from archsim.tile_kernel.update import update


def _create(algorithm: PlainSgd, new_array: NewArray) -> DeviceArray:
    return new_array()


def _weights(algorithm: PlainSgd, state: DeviceArray) -> F32:
    return state.weights


def _learn(algorithm: PlainSgd, state: DeviceArray, step: Step) -> LearnReport:
    report = update(state, step.x, step.error, step.learning_rate, step.parameters, step.rng)
    return LearnReport(update=report)


def _program(
    algorithm: PlainSgd, state: DeviceArray, target: F32, rng: np.random.Generator
) -> float:
    return set_weights(state, target, rng)


def _arrays(state: DeviceArray) -> Mapping[str, DeviceArray]:
    return {"weights": state}


def _read_roles(algorithm: PlainSgd) -> tuple[str, ...]:
    return ("weights",)


KERNEL = AlgorithmKernel(_create, _weights, _learn, _program, _arrays, _read_roles)
