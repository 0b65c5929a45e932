"""Where in a stored tensor the elements of a weight matrix lie.

A matrix [blocks, K, N] is made of the elements of one stored tensor, reordered: a convolution's
kernel is reshaped and turned, a packed projection sliced.  Almost always the place of element
(b, k, n) is offset + b*s0 + k*s1 + n*s2, and the matrix is a view of the tensor; where it is not,
the places are listed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]


@dataclass(frozen=True)
class MatrixLayout:
    """Places of a matrix's elements in the flattened tensor of `elements` elements.

    `shape` is (blocks, K, N).  Either `strides` (in elements, with `offset`) or `places` [blocks, K,
    N] is set.
    """

    elements: int
    shape: tuple[int, int, int]
    offset: int = 0
    strides: tuple[int, int, int] | None = None
    places: NDArray[np.intp] | None = None

    @property
    def whole(self) -> bool:
        """Whether the matrix has all elements of the tensor."""
        return self.elements == self.shape[0] * self.shape[1] * self.shape[2]

    def take(self, tensor: Array) -> Array:
        """The matrix in `tensor`: a view of it if it is contiguous and the places are regular."""
        flat = tensor.reshape(-1)
        if self.strides is None:
            return np.asarray(flat[self.places])
        return self._window(flat)

    def put(self, tensor: Array, matrix: Array) -> None:
        """Write `matrix` into `tensor`, which must be contiguous (C order)."""
        flat = self._flat(tensor)
        if self.strides is None:
            flat[self.places] = matrix
        else:
            self._window(flat)[...] = matrix

    def add(self, tensor: Array, matrix: Array) -> None:
        """Add `matrix` to its elements in `tensor`, which must be contiguous (C order)."""
        flat = self._flat(tensor)
        if self.strides is None:
            flat[self.places] += matrix
        else:
            window = self._window(flat)
            np.add(window, matrix, out=window)

    def _window(self, flat: Array) -> Array:
        assert self.strides is not None
        size = flat.itemsize
        return as_strided(flat[self.offset :], self.shape, [size * s for s in self.strides])

    @staticmethod
    def _flat(tensor: Array) -> Array:
        assert tensor.flags.c_contiguous, "only a contiguous tensor can be written through a view"
        return tensor.reshape(-1)


def layout_of(places: NDArray[np.intp], elements: int) -> MatrixLayout:
    """The layout of a matrix whose elements lie at `places` [blocks, K, N] of a flattened tensor.

    The places are distinct and below `elements`.
    """
    blocks, inputs, outputs = places.shape
    shape = (blocks, inputs, outputs)
    first = int(places[0, 0, 0])
    strides = (
        int(places[1, 0, 0]) - first if blocks > 1 else elements,
        int(places[0, 1, 0]) - first if inputs > 1 else elements,
        int(places[0, 0, 1]) - first if outputs > 1 else elements,
    )
    regular = first + sum(
        np.arange(size).reshape([-1 if axis == at else 1 for axis in range(3)]) * stride
        for at, (size, stride) in enumerate(zip(shape, strides, strict=True))
    )
    if min(strides) > 0 and np.array_equal(places, regular):
        return MatrixLayout(elements, shape, first, strides)
    return MatrixLayout(elements, shape, places=places)
