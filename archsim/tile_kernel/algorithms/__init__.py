"""Update algorithms on device arrays, driven by the objects that the cost model counts with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from archsim.algorithm import Algorithm
from archsim.tile_kernel.algorithms import (
    agad,
    chopped_tiki_taka_v2,
    mixed_precision,
    one_sided,
    sgd,
    tiki_taka,
    tiki_taka_v2,
)
from archsim.tile_kernel.algorithms.contract import AlgorithmKernel, LearnReport, NewArray, Step
from archsim.tile_kernel.arrays import F32
from archsim.tile_kernel.state import DeviceArray

# By the `kind` of the algorithm's component.
KERNELS: Mapping[str, AlgorithmKernel] = {
    "sgd": sgd.KERNEL,
    "mixed_precision": mixed_precision.KERNEL,
    "tiki_taka": tiki_taka.KERNEL,
    "tiki_taka_v2": tiki_taka_v2.KERNEL,
    "chopped_tiki_taka_v2": chopped_tiki_taka_v2.KERNEL,
    "agad": agad.KERNEL,
    "one_sided": one_sided.KERNEL,
}

__all__ = ["KERNELS", "AlgorithmKernel", "LearnReport", "NewArray", "Step"]


def create(algorithm: Algorithm, new_array: NewArray) -> Any:
    """The state of one weight matrix under `algorithm`; each array is drawn by `new_array`."""
    return KERNELS[algorithm.kind].create(algorithm, new_array)


def read_weights(algorithm: Algorithm, state: Any) -> F32:
    """The weights [tile, row, col] that forward and transposed reads go through."""
    return KERNELS[algorithm.kind].weights(algorithm, state)


def program(algorithm: Algorithm, state: Any, target: F32, rng: np.random.Generator) -> float:
    """Write weights [tile, row, col]; returns the share of them that device bounds kept away."""
    return KERNELS[algorithm.kind].program(algorithm, state, target, rng)


def arrays_of(algorithm: Algorithm, state: Any) -> Mapping[str, DeviceArray]:
    """The device arrays of a state by their role."""
    return KERNELS[algorithm.kind].arrays(state)


def arrays_read(algorithm: Algorithm, state: Any) -> tuple[DeviceArray, ...]:
    """The arrays that forward and transposed reads go through."""
    arrays = arrays_of(algorithm, state)
    return tuple(arrays[role] for role in read_roles(algorithm))


def read_roles(algorithm: Algorithm) -> tuple[str, ...]:
    """The roles of the arrays that forward and transposed reads go through."""
    return KERNELS[algorithm.kind].read_roles(algorithm)


def learn(algorithm: Algorithm, state: Any, step: Step) -> LearnReport:
    """One minibatch, in place.  InputError for bad input, before anything is changed."""
    return KERNELS[algorithm.kind].learn(algorithm, state, step)
