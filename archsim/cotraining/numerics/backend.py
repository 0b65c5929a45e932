"""Where a network's stationary matrices are held and multiplied: the float32 reference."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from archsim.workload.executable_types import ExecutableGraph, MatrixTensor

Array: TypeAlias = NDArray[Any]


class MatrixBackend(Protocol):
    """Holds the matrices of a network by name: reads them both ways, and takes their updates.

    `blocks` is 1 but for grouped convolutions and stacks of matrices.  Arrays that come in may have
    any memory layout and must not be changed; those of `record` may be kept.  What a read returns is
    the caller's to change.
    """

    def forward(self, matrix: str, x: Array) -> Array:
        """The read: `x` [blocks, V, K] times the matrix, [blocks, V, N]."""

    def backward(self, matrix: str, d: Array) -> Array:
        """The transposed read: `d` [blocks, V, N] times the transpose, [blocks, V, K]."""

    def record(self, matrix: str, x: Array, d: Array, *, last: bool) -> None:
        """One use of a trainable matrix, after its transposed read in the backward pass.

        Its gradient is the sum over v of the outer products of `x` [blocks, V, K] and `d` [blocks,
        V, N], where `d` is the gradient of the loss by the product.  `last` tells that this backward
        pass neither reads nor records the matrix again.
        """


def multiplied(x: Array, matrix: Array) -> Array:
    """`x` [blocks, V, K] times `matrix` [blocks, K, N], in the memory order of `x`.

    Convolutions bring their vectors as columns, and columns that leave again need no turning.
    """
    if x.strides[2] > x.strides[1]:
        turned = np.matmul(matrix.swapaxes(1, 2), x.swapaxes(1, 2))
        return np.asarray(turned.swapaxes(1, 2))
    return np.asarray(np.matmul(x, matrix))


class FloatBackend:
    """Matrices as they are in `parameters` (not copied), and their gradients by parameter.

    Changes of the parameters in place are seen at once; otherwise make a new backend, which costs
    nothing.
    """

    def __init__(self, graph: ExecutableGraph, parameters: Mapping[str, Array]) -> None:
        self._tensors: Mapping[str, MatrixTensor] = graph.matrices
        self._shapes = {name: p.shape for name, p in graph.parameters.items()}
        self._matrices = {
            name: tensor.take(parameters[tensor.parameter])
            for name, tensor in graph.matrices.items()
        }
        self._gradients: dict[str, Array] = {}

    def forward(self, matrix: str, x: Array) -> Array:
        """See `MatrixBackend`."""
        return multiplied(x, self._matrices[matrix])

    def backward(self, matrix: str, d: Array) -> Array:
        """See `MatrixBackend`."""
        return multiplied(d, self._matrices[matrix].swapaxes(1, 2))

    def record(self, matrix: str, x: Array, d: Array, *, last: bool) -> None:
        """See `MatrixBackend`; the gradient is added to its parameter's."""
        tensor = self._tensors[matrix]
        layout, name = tensor.layout, tensor.parameter
        known = self._gradients.get(name)
        regular = layout.strides is not None
        if known is None and layout.whole and regular:
            gradient = np.empty(self._shapes[name], d.dtype)
            window = layout.take(gradient)
            # The product is written where the parameter has it, without a pass of its own.
            if window.strides[1] < window.strides[2]:
                np.matmul(d.swapaxes(1, 2), x, out=window.swapaxes(1, 2))
            else:
                np.matmul(x.swapaxes(1, 2), d, out=window)
            self._gradients[name] = gradient
            return
        if known is None:
            known = self._gradients[name] = np.zeros(self._shapes[name], d.dtype)
        layout.add(known, np.matmul(x.swapaxes(1, 2), d))

    def gradients(self) -> dict[str, Array]:
        """The gradients of all records since the last call, by parameter."""
        found, self._gradients = self._gradients, {}
        return found
