"""What holds a weight matrix during training: exact numbers, or analog tiles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from archsim.cotraining.numerics.backend import multiplied
from archsim.tile_kernel.matrix_statistics import MatrixStatistics

F32: TypeAlias = NDArray[np.float32]
State: TypeAlias = Mapping[str, NDArray[Any]]


class MatrixHolder(Protocol):
    """One weight matrix [block, input, output] that can be multiplied by and learns in place."""

    def forward(self, x: F32) -> F32:
        """x [block, vector, input] times the matrix, [block, vector, output]."""

    def backward(self, error: F32) -> F32:
        """error [block, vector, output] times the transposed matrix, [block, vector, input]."""

    def update(self, x: F32, error: F32, rate: float) -> None:
        """W -= rate * x^T error, summed over the vectors of one minibatch."""

    def end_of_minibatch(self, elapsed_s: float) -> None:
        """Let `elapsed_s` pass after the updates of a minibatch."""

    def weights(self) -> F32:
        """The matrix as it stands, [block, input, output]."""

    def statistics(self) -> tuple[MatrixStatistics, ...]:
        """What was measured of each of its parts on arrays; empty where there are none."""

    def state(self) -> State:
        """All that changes, as arrays: equal states continue equally, to the bit."""

    def restore(self, state: State) -> None:
        """Take over what `state` gave."""


class ExactMatrix:
    """A matrix of float32 numbers under plain stochastic gradient descent."""

    def __init__(self, weights: F32) -> None:
        self._weights = np.array(weights, dtype=np.float32, order="C")

    def forward(self, x: F32) -> F32:
        """x @ W of every block."""
        return multiplied(x, self._weights)

    def backward(self, error: F32) -> F32:
        """error @ W^T of every block."""
        return multiplied(error, self._weights.swapaxes(1, 2))

    def update(self, x: F32, error: F32, rate: float) -> None:
        """One step of gradient descent."""
        gradient = np.matmul(x.swapaxes(1, 2), error)
        gradient *= np.float32(rate)
        self._weights -= gradient

    def end_of_minibatch(self, elapsed_s: float) -> None:
        """Exact numbers stay."""

    def weights(self) -> F32:
        """A copy."""
        return self._weights.copy()

    def statistics(self) -> tuple[MatrixStatistics, ...]:
        """Nothing lies on arrays."""
        return ()

    def state(self) -> State:
        """The weights."""
        return {"weights": self._weights.copy()}

    def restore(self, state: State) -> None:
        """Take the weights."""
        self._weights[...] = state["weights"]
