"""Reads of analog arrays: what comes out of converters when vectors are put in.

y = scale * ADC(DAC(x / scale) @ (W + noise) + noise), vectorised over tiles and batch, in float32.
Noise is drawn from the generator that is passed in, in an order that only shapes and data decide:
the same seed gives the same bits.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from archsim.errors import InputError
from archsim.hardware.placement import Direction
from archsim.tile_kernel.arrays import F32, finite, lines_of
from archsim.tile_kernel.conversion import read_block
from archsim.tile_kernel.ir_drop import (
    WireLosses,
    effective_columns,
    effective_weights,
    paired_columns,
)
from archsim.tile_kernel.parameters import ReadParameters

# Elements of the larger operand of a block: blocks that stay in the cache are twice as fast.
_BLOCK_ELEMENTS = 1 << 17
# Numbers above are refused: their squares leave float32.
_LARGEST_NUMBER = 1e15


@dataclass(frozen=True, slots=True)
class ReadOutput:
    """What a read gives.

    `y` is [batch, outputs] or [batch, tile, outputs] in float32; `repeats` [batch] or [batch, tile]
    counts the reads that each vector took; `clipped_share` is the share of returned conversions
    that the ADC clipped, `clipped_input_share` that of inputs that the DAC clipped in the first
    read.  `mean_abs_input` and `mean_square_input` are E|x| and E[x^2] of the inputs as fed,
    relative to full scale, over all reads, repeats included.
    """

    y: F32
    repeats: NDArray[np.int32]
    clipped_share: float
    clipped_input_share: float
    mean_abs_input: float
    mean_square_input: float


def read_forward(
    weights: F32, x: ArrayLike, parameters: ReadParameters, rng: np.random.Generator
) -> ReadOutput:
    """x @ W as the array computes it: rows driven, columns sensed.

    `weights` is [row, col] with x [batch, row] and y [batch, col], or [tile, row, col] with
    x [batch, tile, row] and y [batch, tile, col]; each tile converts its own inputs and outputs.
    Raises `InputError` for shapes that do not match and for numbers that are not finite.
    """
    return _read(weights, x, parameters, rng, Direction.FORWARD)


def read_transposed(
    weights: F32, x: ArrayLike, parameters: ReadParameters, rng: np.random.Generator
) -> ReadOutput:
    """x @ W^T as the array computes it: columns driven, rows sensed; x is [batch, (tile,) col]."""
    return _read(weights, x, parameters, rng, Direction.TRANSPOSED)


def _read(
    weights: F32,
    x: ArrayLike,
    parameters: ReadParameters,
    rng: np.random.Generator,
    direction: Direction,
) -> ReadOutput:
    tiles = _tiles(weights)
    matrices = seen_by_read(tiles, parameters, direction)
    axis = "rows" if direction is Direction.FORWARD else "columns"
    inputs = lines_of("x", x, matrices.shape[0], matrices.shape[1], axis)
    output = read_tiles(matrices, inputs, parameters, rng)
    if np.ndim(weights) == 2:
        return replace(output, y=output.y[0], repeats=output.repeats[0])
    return replace(
        output,
        y=np.ascontiguousarray(output.y.swapaxes(0, 1)),
        repeats=np.ascontiguousarray(output.repeats.T),
    )


def _tiles(weights: F32) -> F32:
    """The weights as [tile, row, col]."""
    array = finite("weights", weights)
    if array.ndim not in (2, 3) or 0 in array.shape:
        raise InputError(
            f"weights have shape {list(array.shape)}; expected [row, col] or [tile, row, col] "
            "with at least one cell"
        )
    return array.reshape(-1, *array.shape[-2:])


def seen_by_read(
    tiles: F32,
    parameters: ReadParameters,
    direction: Direction,
    losses: WireLosses | None = None,
) -> F32:
    """The matrices [tile, driven line, sensed line] that a read of weights [tile, row, col] sees.

    With wires they hold the losses; where the columns of a pair are converted apart, the first
    columns of all weights and then the second ones.  They depend on weights and parameters only,
    so they may be kept for as long as both stay.  `losses` of the wires are computed if not given.
    """
    if parameters.pair_reference is not None:
        if direction is Direction.TRANSPOSED:
            raise InputError(
                "pair_reference is that of columns converted apart, but a transposed read senses "
                "rows",
                place="read parameters",
                remedy="Leave pair_reference out for transposed reads.",
            )
        if parameters.ir_drop is None:
            columns = paired_columns(tiles, parameters.pair_reference)
        else:
            columns = effective_columns(tiles, parameters.ir_drop, losses)
        return np.concatenate(np.broadcast_arrays(*columns), axis=-1)
    if parameters.ir_drop is not None:
        tiles = effective_weights(tiles, parameters.ir_drop, losses)
    return tiles if direction is Direction.FORWARD else tiles.swapaxes(1, 2)


def read_tiles(
    matrices: F32, inputs: F32, parameters: ReadParameters, rng: np.random.Generator
) -> ReadOutput:
    """Vectors [tile, batch, line] through matrices of `seen_by_read`; y [tile, batch, output].

    `repeats` is [tile, batch].  Shapes are taken to match, and numbers to be finite.
    """
    largest = max(float(inputs.max(initial=0.0)), -float(inputs.min(initial=0.0)))
    if largest > _LARGEST_NUMBER:
        raise InputError(f"x is as large as {largest:g}; expected at most {_LARGEST_NUMBER:g}")
    count, batch, lines = inputs.shape
    outputs = matrices.shape[2]
    y = np.empty((count, batch, outputs), dtype=np.float32)
    repeats = np.ones((count, batch), dtype=np.int32)
    clipped_outputs = abs_inputs = square_inputs = 0.0
    clipped_inputs = 0
    for tile_part, batch_part in _blocks(count, batch, max(lines, outputs)):
        block = read_block(matrices[tile_part], inputs[tile_part, batch_part], parameters, rng)
        y[tile_part, batch_part] = block.y
        repeats[tile_part, batch_part] = block.repeats
        clipped_outputs += float(block.clipped.sum())
        clipped_inputs += block.clipped_inputs
        abs_inputs += block.abs_inputs
        square_inputs += block.square_inputs
    clipped_share = clipped_outputs / max(y.size, 1)
    if parameters.pair_reference is not None:
        y = y[..., : outputs // 2] - y[..., outputs // 2 :]
    fed = max(lines * int(repeats.sum()), 1)
    return ReadOutput(
        y=y,
        repeats=repeats,
        clipped_share=clipped_share,
        clipped_input_share=clipped_inputs / max(inputs.size, 1),
        mean_abs_input=abs_inputs / fed,
        mean_square_input=square_inputs / fed,
    )


def _blocks(tiles: int, batch: int, lines: int) -> Iterator[tuple[slice, slice]]:
    """Parts of tiles and batch that fit the cache: whole tiles if small, else parts of a batch."""
    rows = max(1, _BLOCK_ELEMENTS // lines)
    together = max(1, rows // max(batch, 1))
    for tile in range(0, tiles, together):
        for row in range(0, batch, rows):
            yield slice(tile, tile + together), slice(row, row + rows)
