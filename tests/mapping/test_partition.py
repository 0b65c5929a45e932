"""Cutting matrices into arrays, against naive fillings."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from archsim.architecture import Architecture
from archsim.config.loading import load
from archsim.fields import stack
from archsim.mapping.partition import arrays_per_copy, cell_utilisation, partition
from archsim.resources import data_folder

PROTONIC = load("protonic_256", Architecture, data_folder("arch_configs")).value


def array_of(rows: int, cols: int, encoding: str, *, bias_row: bool = False):
    changed = PROTONIC.array.model_copy(
        update={"rows": rows, "cols": cols, "encoding": encoding, "bias_row": bias_row}
    )
    return stack([changed])


def naive_arrays(inputs: int, outputs: int, blocks: int, rows: int, weight_columns: int) -> int:
    """Fill arrays cell by cell: dense blocks tile, small blocks go down the diagonal."""
    if inputs > rows or outputs > weight_columns:
        count = 0
        for _ in range(0, inputs, rows):
            for _ in range(0, outputs, weight_columns):
                count += 1
        return count * blocks
    arrays, row, column = 0, rows + 1, weight_columns + 1
    for _ in range(blocks):
        if row + inputs > rows or column + outputs > weight_columns:
            arrays, row, column = arrays + 1, 0, 0
        row, column = row + inputs, column + outputs
    return arrays


@given(
    inputs=st.integers(1, 700),
    outputs=st.integers(1, 700),
    blocks=st.integers(1, 60),
    rows=st.integers(4, 300),
    cols=st.integers(4, 300),
    encoding=st.sampled_from(["differential", "reference"]),
)
def test_array_count_is_that_of_filling_arrays_one_by_one(
    inputs: int, outputs: int, blocks: int, rows: int, cols: int, encoding: str
) -> None:
    array = array_of(rows, cols, encoding)
    one = np.array([1.0])
    place = partition(array, inputs * one, outputs * one, blocks * one, 0.0 * one)
    weight_columns = cols // 2 if encoding == "differential" else cols - 1
    expected = naive_arrays(inputs, outputs, blocks, rows, weight_columns)
    assert arrays_per_copy(place)[0, 0] == expected
    assert 0.0 < np.asarray(cell_utilisation(place, array))[0, 0] <= 1.0


def test_a_bias_row_takes_one_more_row_only_where_there_is_a_bias() -> None:
    array = array_of(256, 256, "differential", bias_row=True)
    sizes = np.array([256.0, 256.0])
    place = partition(array, sizes, np.array([8.0, 8.0]), np.ones(2), np.array([1.0, 0.0]))
    assert arrays_per_copy(place).tolist() == [[2.0, 1.0]]
