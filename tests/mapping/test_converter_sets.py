"""Which matrices share sets of converters: the same as walking through all tiles array by array."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from archsim.mapping.converter_sets import converter_sets
from archsim.mapping.layout import TileLayout, lay_out


def array_by_array(layout: TileLayout, per_tile: int, per_set: int) -> list[list[int]]:
    """For every set the matrices of its arrays, one entry for each array in use."""
    filled: dict[int, list[int]] = {}
    for piece, slot in enumerate(layout.piece_slot.tolist()):
        matrix = int(layout.copy_matrix[layout.piece_copy[piece]])
        filled.setdefault(slot, []).extend([matrix] * int(layout.piece_arrays[piece]))
    return [
        members[first : first + per_set]
        for members in filled.values()
        for first in range(0, per_tile, per_set)
        if members[first : first + per_set]
    ]


@given(
    sizes=st.lists(st.tuples(st.integers(1, 40), st.integers(0, 5)), min_size=1, max_size=6),
    per_set=st.sampled_from([1, 2, 4]),
    sets=st.integers(1, 6),
)
def test_sets_serve_what_lies_on_them(
    sizes: list[tuple[int, int]], per_set: int, sets: int
) -> None:
    """Every set of several matrices is an entry; of sets of one matrix, one that is not less full."""
    per_tile = per_set * sets
    arrays, copies = (np.array(column, dtype=np.float64) for column in zip(*sizes, strict=True))
    # Room for copies that would straddle tiles.
    tiles = int((np.ceil(arrays / per_tile) * copies).sum()) + 1
    layout = lay_out(arrays, copies, per_tile, tiles)
    found = converter_sets(layout, per_tile, per_set).arrays
    walked = [
        tuple(np.bincount(members, minlength=len(sizes)).tolist())
        for members in array_by_array(layout, per_tile, per_set)
    ]
    entries = set(map(tuple, found.tolist()))
    assert len(entries) == len(found)
    assert entries <= set(walked)
    for served in walked:
        if np.count_nonzero(served) > 1:
            assert served in entries
        else:
            assert any(np.greater_equal(entry, served).all() for entry in entries)
