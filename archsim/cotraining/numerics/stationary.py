"""Stationary operands of products: matrices that a backend holds, or arrays of the network itself.

Products are [blocks, V, K] x [blocks, K, N] -> [blocks, V, N].  Operators multiply by either kind in
the same way; only what becomes of the weight's gradient differs: a backend records the vectors, an
array gets its gradient back.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from archsim.cotraining.numerics.backend import MatrixBackend, multiplied

Array: TypeAlias = NDArray[Any]


class Stationary(Protocol):
    """The weight of a product."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the node's input that holds the weight."""

    @property
    def trains(self) -> bool:
        """Whether uses are to be recorded; those of others must not be."""

    def times(self, x: Array) -> Array:
        """[blocks, V, K] -> [blocks, V, N], an array of the caller's own."""

    def back(self, d: Array) -> Array:
        """[blocks, V, N] -> [blocks, V, K]: the product by the transpose."""

    def record(self, x: Array, d: Array) -> Array | None:
        """The gradient [blocks, K, N] of one use, or None where a backend takes care of it."""


class HeldMatrix:
    """A matrix of a backend; `transposed` uses multiply by the transpose of what is held.

    `is_last` tells, asked once for each use, whether no further use of the matrix comes.
    """

    def __init__(
        self,
        backend: MatrixBackend,
        name: str,
        shape: tuple[int, ...],
        *,
        transposed: bool,
        trainable: bool,
        is_last: Callable[[], bool],
    ) -> None:
        self._backend = backend
        self._name = name
        self._transposed = transposed
        self._is_last = is_last
        self.trains = trainable
        self.shape = shape

    def times(self, x: Array) -> Array:
        """See `Stationary`."""
        read = self._backend.backward if self._transposed else self._backend.forward
        return read(self._name, x)

    def back(self, d: Array) -> Array:
        """See `Stationary`."""
        read = self._backend.forward if self._transposed else self._backend.backward
        return read(self._name, d)

    def record(self, x: Array, d: Array) -> Array | None:
        """See `Stationary`."""
        into, out = (d, x) if self._transposed else (x, d)
        self._backend.record(self._name, into, out, last=self._is_last())
        return None


class ArrayMatrix:
    """A weight [blocks, K, N] that the network computes, or that is an activation."""

    def __init__(self, matrix: Array, shape: tuple[int, ...], *, trains: bool) -> None:
        self._matrix = matrix
        self.trains = trains
        self.shape = shape

    def times(self, x: Array) -> Array:
        """See `Stationary`."""
        return multiplied(x, self._matrix)

    def back(self, d: Array) -> Array:
        """See `Stationary`."""
        return multiplied(d, self._matrix.swapaxes(1, 2))

    def record(self, x: Array, d: Array) -> Array | None:
        """See `Stationary`."""
        return np.asarray(np.matmul(x.swapaxes(1, 2), d))
