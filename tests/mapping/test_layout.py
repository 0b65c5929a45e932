"""Copies of matrices in tiles: nothing lost, nothing overfull."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim.mapping import DoesNotFit
from archsim.mapping.layout import lay_out

matrices = st.lists(st.tuples(st.integers(1, 40), st.integers(0, 4)), min_size=1, max_size=8)


@given(table=matrices, per_tile=st.integers(1, 16), spare=st.integers(0, 3))
def test_every_array_of_every_copy_is_in_one_tile_and_no_tile_is_overfull(
    table: list[tuple[int, int]], per_tile: int, spare: int
) -> None:
    arrays, copies = (np.array(column, dtype=float) for column in zip(*table, strict=True))
    tiles = int(np.ceil((arrays * copies).sum() / per_tile)) + spare
    layout = lay_out(arrays, copies, per_tile, tiles)
    held: dict[int, list[int]] = {copy: [] for copy in range(int(copies.sum()))}
    load = [0] * tiles
    for copy, slot, first, count in zip(
        layout.piece_copy, layout.piece_slot, layout.piece_first, layout.piece_arrays, strict=True
    ):
        held[int(copy)] += range(int(first), int(first + count))
        load[int(slot)] += int(count)
    assert max(load, default=0) <= per_tile
    assert layout.slots <= tiles
    for copy, matrix in enumerate(layout.copy_matrix.tolist()):
        assert held[copy] == list(range(int(arrays[matrix])))
    assert np.bincount(layout.copy_matrix, minlength=arrays.size).tolist() == copies.tolist()


@given(table=matrices, per_tile=st.integers(1, 16))
def test_with_tiles_to_spare_a_copy_straddles_no_more_tiles_than_it_must(
    table: list[tuple[int, int]], per_tile: int
) -> None:
    arrays, copies = (np.array(column, dtype=float) for column in zip(*table, strict=True))
    layout = lay_out(arrays, copies, per_tile, 10_000)
    least = -(-layout.copy_arrays // per_tile)
    assert (np.bincount(layout.piece_copy, minlength=least.size) == least).all()


def test_more_arrays_than_the_tiles_hold_are_refused_with_both_numbers() -> None:
    with pytest.raises(DoesNotFit, match=r"take 33 arrays, but 2 tiles of 16 arrays hold 32") as e:
        lay_out(np.array([11.0]), np.array([3.0]), 16, 2)
    assert "tile.arrays" in e.value.remedy


def test_a_matrix_that_is_not_on_arrays_takes_no_tile() -> None:
    layout = lay_out(np.array([4.0, 5.0]), np.array([0.0, 0.0]), 16, 1)
    assert (layout.slots, layout.piece_copy.size) == (0, 0)
