"""One weight matrix on several arrays: partial sums are converted separately and added digitally."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from archsim.errors import InputError
from archsim.hardware.placement import Direction
from archsim.tile_kernel.arrays import F32, finite
from archsim.tile_kernel.parameters import ReadParameters
from archsim.tile_kernel.read import ReadOutput, read_forward, read_transposed


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

    def join(self, weights: F32) -> F32:
        """The matrix [inputs, outputs] that weights [tile, row, col] hold."""
        self._check(weights)
        _, rows, cols = self.shape
        parts = weights.reshape(self.row_splits, self.col_splits, rows, cols).swapaxes(1, 2)
        whole = parts.reshape(self.row_splits * rows, self.col_splits * cols)
        return np.ascontiguousarray(whole[: self.inputs, : self.outputs])

    def _check(self, weights: F32) -> None:
        if weights.shape != self.shape:
            raise InputError(
                f"weights have shape {list(weights.shape)}, but the tiling asks for "
                f"{list(self.shape)}",
                place="tiling",
            )


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
    forward = direction is Direction.FORWARD
    tiles, rows, cols = tiling.shape
    splits = (tiling.row_splits, tiling.col_splits)
    fed, lines, axis = (tiling.inputs, rows, 0) if forward else (tiling.outputs, cols, 1)
    returned = tiling.outputs if forward else tiling.inputs
    vectors = finite("x", x)
    if vectors.ndim != 2 or vectors.shape[1] != fed:
        raise InputError(
            f"x has shape {list(vectors.shape)}; expected [batch, {fed}] for this read of a matrix "
            f"of {tiling.inputs} inputs and {tiling.outputs} outputs"
        )
    batch = len(vectors)
    padded = np.zeros((batch, splits[axis] * lines), dtype=np.float32)
    padded[:, :fed] = vectors
    slices = np.expand_dims(padded.reshape(batch, splits[axis], lines), 2 if forward else 1)
    shared = np.broadcast_to(slices, (batch, *splits, lines)).reshape(batch, tiles, lines)
    read = read_forward if forward else read_transposed
    output = read(weights, shared, parameters, rng)
    partial = output.y.reshape(batch, *splits, -1).sum(axis=1 + axis, dtype=np.float32)
    return ReadOutput(
        y=np.ascontiguousarray(partial.reshape(batch, -1)[:, :returned]),
        repeats=output.repeats,
        clipped_share=output.clipped_share,
        clipped_input_share=output.clipped_input_share,
    )
