"""Cutting weight matrices into arrays."""

from __future__ import annotations

import numpy as np

from archsim.fields import FloatArray, Scalar
from archsim.hardware.array import Array
from archsim.hardware.crossbar import Placement


def partition(
    array: Array, inputs: FloatArray, outputs: FloatArray, blocks: FloatArray, bias: FloatArray
) -> Placement:
    """Place `blocks` matrices of `inputs` x `outputs` (each [M]) on arrays; fields are [C, M].

    A dense matrix takes ceil(K/rows) * ceil(N/weight columns) arrays.  Blocks of a grouped matrix
    that fit more than once into an array are packed along its diagonal, as many as rows and columns
    allow.  `bias` is 1 where the matrix has a bias to be mapped as an extra row.
    """
    rows_needed = inputs + (bias if array.bias_row else 0.0)
    fit_rows = np.floor(array.rows / rows_needed)
    fit_cols = np.floor(array.weight_columns / outputs)
    packed = np.clip(np.minimum(fit_rows, fit_cols), 1.0, blocks)
    return Placement(
        inputs=rows_needed + 0.0 * packed,
        outputs=outputs + 0.0 * packed,
        blocks=blocks + 0.0 * packed,
        blocks_per_array=packed,
        row_splits=np.ceil(rows_needed / array.rows) + 0.0 * packed,
        col_splits=np.ceil(outputs / array.weight_columns) + 0.0 * packed,
    )


def arrays_per_copy(place: Placement) -> FloatArray:
    """Arrays that one copy of each matrix takes, [C, M]."""
    return np.asarray(place.arrays)


def cell_utilisation(place: Placement, array: Array) -> Scalar:
    """Share of a copy's cells that hold weights, [C, M]."""
    used = place.inputs * place.outputs * place.blocks * array.columns_per_weight
    return used / (arrays_per_copy(place) * array.rows * array.cols)


def tile_bits_per_vector(
    place: Placement,
    array: Array,
    arrays_per_tile: Scalar,
    widths: tuple[Scalar, Scalar],
    copies: FloatArray,
) -> tuple[Scalar, Scalar]:
    """Bits that a tile's buffer moves per vector on the row side and on the column side, [C, M].

    `widths` are the bits of one value on the row and on the column side.  Arrays of a tile that
    share a row (or column) slice share its values; copies that fit into one tile each have theirs.
    """
    rows_in_tile = np.minimum(place.row_splits, arrays_per_tile)
    cols_in_tile = np.clip(np.floor(arrays_per_tile / rows_in_tile), 1.0, place.col_splits)
    rows = np.minimum(place.inputs * place.blocks_per_array, array.rows)
    cols = np.minimum(place.outputs * place.blocks_per_array, array.weight_columns)
    sharing = np.clip(np.floor(arrays_per_tile / arrays_per_copy(place)), 1.0, copies)
    return rows_in_tile * rows * widths[0] * sharing, cols_in_tile * cols * widths[1] * sharing


def tile_spread(place: Placement, arrays_per_tile: Scalar) -> tuple[Scalar, Scalar]:
    """Tiles that an input slice goes to, and that an output slice comes from, each [C, M].

    A tile holds a rectangle of the grid of splits: all row splits of a column first, so that
    partial sums meet inside the tile, then as many columns as fit.  The transposed direction swaps
    the two numbers.
    """
    rows_in_tile = np.minimum(place.row_splits, arrays_per_tile)
    cols_in_tile = np.maximum(np.floor(arrays_per_tile / rows_in_tile), 1.0)
    return (
        np.ceil(place.col_splits / cols_in_tile),
        np.ceil(place.row_splits / rows_in_tile),
    )
