"""One weight matrix on several arrays: partial sums are converted separately and added digitally."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from archsim.errors import InputError
from archsim.hardware.placement import Direction
from archsim.tile_kernel.arrays import F32, finite
from archsim.tile_kernel.parameters import ReadParameters
from archsim.tile_kernel.read import ReadOutput, read_tiles, seen_by_read

S = TypeVar("S", bound=np.generic)


@dataclass(frozen=True, slots=True)
class Tiling:
    """A matrix of `inputs` x `outputs` on the fewest arrays of at most `rows` x `cols` weights.

    Tiles are numbered along the outputs first: tile = row split * col_splits + col split.  All have
    one shape, and the last ones are filled up with zero weights.
    """

    inputs: int
    outputs: int
    rows: int
    cols: int

    def __post_init__(self) -> None:
        for name in ("inputs", "outputs", "rows", "cols"):
            if getattr(self, name) < 1:
                raise InputError(
                    f"{name} is {getattr(self, name)}, expected at least 1", place="tiling"
                )

    @property
    def row_splits(self) -> int:
        """Arrays that share the inputs."""
        return math.ceil(self.inputs / self.rows)

    @property
    def col_splits(self) -> int:
        """Arrays that share the outputs."""
        return math.ceil(self.outputs / self.cols)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Tiles, and rows and columns used of each: as even as they can be."""
        return (
            self.row_splits * self.col_splits,
            math.ceil(self.inputs / self.row_splits),
            math.ceil(self.outputs / self.col_splits),
        )

    def split(self, matrix: ArrayLike) -> F32:
        """The matrix [inputs, outputs] as weights [tile, row, col]."""
        array = finite("matrix", matrix)
        if array.shape != (self.inputs, self.outputs):
            raise InputError(
                f"the matrix has shape {list(array.shape)}, but the tiling is of "
                f"{self.inputs} inputs and {self.outputs} outputs",
                place="tiling",
            )
        tiles, rows, cols = self.shape
        padded = np.zeros((self.row_splits * rows, self.col_splits * cols), dtype=np.float32)
        padded[: self.inputs, : self.outputs] = array
        parts = padded.reshape(self.row_splits, rows, self.col_splits, cols).swapaxes(1, 2)
        return np.ascontiguousarray(parts).reshape(tiles, rows, cols)

    def join(self, weights: NDArray[S]) -> NDArray[S]:
        """The matrix [inputs, outputs] that values [tile, row, col] hold: weights, or others."""
        self._check(weights)
        _, rows, cols = self.shape
        parts = weights.reshape(self.row_splits, self.col_splits, rows, cols).swapaxes(1, 2)
        whole = parts.reshape(self.row_splits * rows, self.col_splits * cols)
        return np.ascontiguousarray(whole[: self.inputs, : self.outputs])

    def _check(self, weights: NDArray[S]) -> None:
        if weights.shape != self.shape:
            raise InputError(
                f"weights have shape {list(weights.shape)}, but the tiling asks for "
                f"{list(self.shape)}",
                place="tiling",
            )

    def inputs_of(self, vectors: F32, direction: Direction, name: str = "x") -> F32:
        """Vectors [batch, inputs] (transposed: [batch, outputs]) as [tile, batch, line] in C order.

        Every tile gets its part; lines that the matrix does not reach get zero.
        """
        forward = direction is Direction.FORWARD
        tiles, rows, cols = self.shape
        splits = (self.row_splits, self.col_splits)
        axis, lines = (0, rows) if forward else (1, cols)
        fed = self.inputs if forward else self.outputs
        if vectors.ndim != 2 or vectors.shape[1] != fed:
            raise InputError(
                f"{name} has shape {list(vectors.shape)}; expected [batch, {fed}] for a matrix of "
                f"{self.inputs} inputs and {self.outputs} outputs"
            )
        batch = len(vectors)
        if tiles == 1:
            return vectors[np.newaxis]
        parts = np.zeros((splits[axis], batch, lines), dtype=np.float32)
        for k in range(splits[axis]):
            part = vectors[:, k * lines : (k + 1) * lines]
            parts[k, :, : part.shape[1]] = part
        shared = np.broadcast_to(np.expand_dims(parts, 1 - axis), (*splits, batch, lines))
        return shared.reshape(tiles, batch, lines)

    def sum_of(self, outputs: F32, direction: Direction) -> F32:
        """Partial sums [tile, batch, line] of a read, added up to [batch, outputs] or [batch, inputs]."""
        forward = direction is Direction.FORWARD
        axis, returned = (0, self.outputs) if forward else (1, self.inputs)
        if len(outputs) == 1:
            alone: F32 = outputs[0]
            return alone
        by_split = outputs.reshape(self.row_splits, self.col_splits, *outputs.shape[1:])
        partial = by_split.sum(axis=axis, dtype=np.float32)
        lines = partial.shape[0] * partial.shape[2]
        whole = partial.swapaxes(0, 1).reshape(outputs.shape[1], lines)
        return np.ascontiguousarray(whole[:, :returned])


def read_matrix(
    weights: F32,
    x: ArrayLike,
    tiling: Tiling,
    parameters: ReadParameters,
    rng: np.random.Generator,
    direction: Direction = Direction.FORWARD,
) -> ReadOutput:
    """x @ M, or x @ M^T, of a matrix on tiles: each tile converts, then partial sums are added.

    `weights` is [tile, row, col] as `Tiling.split` gives it; x is [batch, inputs], or
    [batch, outputs] for a transposed read; y the other way round, repeats [batch, tile].
    """
    tiling._check(weights)
    seen = seen_by_read(finite("weights", weights), parameters, direction)
    return read_seen(seen, x, tiling, parameters, rng, direction)


def read_seen(
    seen: F32,
    x: ArrayLike,
    tiling: Tiling,
    parameters: ReadParameters,
    rng: np.random.Generator,
    direction: Direction,
) -> ReadOutput:
    """`read_matrix` of weights as `seen_by_read` gives them, which may be kept between reads."""
    inputs = tiling.inputs_of(finite("x", x), direction)
    output = read_tiles(seen, inputs, parameters, rng)
    return replace(
        output,
        y=tiling.sum_of(output.y, direction),
        repeats=np.ascontiguousarray(output.repeats.T),
    )
