"""Flows between placed tiles: conserved, and between the tiles that hold the slices."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim.mapping.flows import (
    Entries,
    Slices,
    Transfers,
    copy_chains,
    entries,
    multicasts,
    reductions,
    within_copies,
)
from archsim.mapping.layout import TileLayout, lay_out
from archsim.mapping.placement import TilePlacement, snake
from archsim.mapping.routing import Flows, link_bits, route

Grid = tuple[np.ndarray, np.ndarray, np.ndarray]


@st.composite
def cases(draw: st.DrawFn) -> tuple[TileLayout, TilePlacement, Grid]:
    size = st.integers(1, 4)
    table = draw(st.lists(st.tuples(size, size, size, st.integers(0, 3)), min_size=2, max_size=4))
    rows, cols, groups, copies = (np.array(column) for column in zip(*table, strict=True))
    copies[:2] = np.maximum(copies[:2], 1)
    per_tile = draw(st.integers(1, 6))
    layout = lay_out((rows * cols * groups).astype(float), copies.astype(float), per_tile, 10_000)
    side = int(np.ceil(np.sqrt(layout.slots)))
    tile = snake(side)[: layout.slots]
    return layout, TilePlacement(side, tile, 0.0, 0.0), (rows, cols, groups)


def holders(
    layout: TileLayout, placement: TilePlacement, grid: Grid, copy: int, side: int, rank: int
) -> list[int]:
    """Tiles of a slice in the order of arrays, by numbering the arrays of the copy one by one."""
    rows, cols, groups = (int(values[layout.copy_matrix[copy]]) for values in grid)
    wanted, number = set(), 0
    for group in range(groups):
        for col in range(cols):
            for row in range(rows):
                if rank == (group * rows + row if side == 0 else group * cols + col):
                    wanted.add(number)
                number += 1
    found: list[int] = []
    for piece in np.flatnonzero(layout.piece_copy == copy):
        first = int(layout.piece_first[piece])
        if wanted & set(range(first, first + int(layout.piece_arrays[piece]))):
            found.append(int(placement.tile[layout.piece_slot[piece]]))
    return found


def leaves_of(flows: Flows, flow: int) -> list[int]:
    return flows.leaf[flows.leaf_flow == flow].tolist()


@given(case=cases(), data=st.data())
def test_partial_sums_of_a_slice_meet_in_its_first_tile(
    case: tuple[TileLayout, TilePlacement, Grid], data: st.DataObject
) -> None:
    layout, placement, grid = case
    slices = Slices(layout, placement, *grid)
    matrices = np.flatnonzero(layout.copies)
    on_rows = np.array([data.draw(st.booleans()) for _ in matrices])
    flows, use = reductions(slices, matrices, 12.0 * np.ones(matrices.size), on_rows)
    found = [(flows.root[f], leaves_of(flows, f), flows.bits[f]) for f in range(use.size)]
    expected = []
    for u, matrix in enumerate(matrices):
        side = 0 if on_rows[u] else 1
        count = int(grid[2][matrix] * grid[side][matrix])
        for copy in np.flatnonzero(layout.copy_matrix == matrix):
            for rank in range(count):
                tiles = holders(layout, placement, grid, int(copy), side, rank)
                share = 12.0 / (count * int(layout.copies[matrix]))
                expected.append((tiles[0], tiles, pytest.approx(share)))
    assert found == expected
    assert flows.inward.all()
    assert np.bincount(use, weights=flows.bits) == pytest.approx(12.0 * np.ones(matrices.size))


@given(case=cases(), from_rows=st.booleans(), to_columns=st.booleans(), every=st.booleans())
def test_multicasts_bring_every_part_to_the_tiles_that_need_it(
    case: tuple[TileLayout, TilePlacement, Grid], from_rows: bool, to_columns: bool, every: bool
) -> None:
    layout, placement, grid = case
    slices = Slices(layout, placement, *grid)
    transfers = Transfers(
        np.array([0]),
        np.array([1]),
        np.array([60.0]),
        np.array([from_rows]),
        np.array([to_columns]),
        np.array([every]),
    )
    flows, owner = multicasts(slices, transfers)
    copies = layout.copies
    assert flows.bits.sum() == pytest.approx(60.0 * (copies[1] if every else 1))
    assert (owner == 0).all()
    assert not flows.inward.any()
    out_side, in_side = (0 if from_rows else 1), (1 if to_columns else 0)
    outputs = int(grid[2][0] * grid[out_side][0])
    inputs = int(grid[2][1] * grid[in_side][1])
    sources = {
        holders(layout, placement, grid, copy, out_side, rank)[0]
        for copy in range(int(copies[0]))
        for rank in range(outputs)
    }
    assert set(flows.root.tolist()) == sources
    second = int(copies[0])
    targets = {
        tuple(holders(layout, placement, grid, second + copy, in_side, rank))
        for copy in range(int(copies[1]))
        for rank in range(inputs)
    }
    assert {tuple(leaves_of(flows, f)) for f in range(owner.size)} == targets


def test_transfers_of_matrices_that_are_not_on_arrays_have_no_flows() -> None:
    layout = lay_out(np.array([2.0, 2.0]), np.array([1.0, 0.0]), 4, 4)
    placement = TilePlacement(2, np.array([0]), 0.0, 0.0)
    two = np.array([1, 1])
    slices = Slices(layout, placement, 2 * two, two, two)
    one, off = np.array([0]), np.array([False])
    flows, _ = multicasts(slices, Transfers(one, one + 1, np.array([3.0]), off, off, off))
    assert flows.bits.size == 0
    assert link_bits(route(flows, 2), flows.bits).sum() == 0.0
    assert reductions(slices, np.array([1]), np.array([3.0]), off)[0].bits.size == 0


@given(case=cases(), held_in=st.integers(2, 3), data=st.data())
def test_arrays_that_hold_the_same_weights_count_as_one_place(
    case: tuple[TileLayout, TilePlacement, Grid], held_in: int, data: st.DataObject
) -> None:
    """With as many times more arrays on a tile, all slices are where they were."""
    layout, _, grid = case
    per_tile = data.draw(st.integers(1, 6))
    rows, cols, groups = grid
    arrays, copies = (rows * cols * groups).astype(float), layout.copies.astype(float)
    one = lay_out(arrays, copies, per_tile, 10_000)
    several = lay_out(held_in * arrays, copies, held_in * per_tile, 10_000)
    assert one.slots == several.slots
    side = int(np.ceil(np.sqrt(one.slots)))
    placement = TilePlacement(side, snake(side)[: one.slots], 0.0, 0.0)
    found = [
        reductions(
            Slices(each, placement, *grid),
            np.flatnonzero(copies),
            np.ones(np.count_nonzero(copies)),
            np.zeros(np.count_nonzero(copies), dtype=np.bool_),
        )[0]
        for each in (one, several)
    ]
    for name in ("root", "leaf_flow", "leaf"):
        assert getattr(found[0], name).tolist() == getattr(found[1], name).tolist()


@given(case=cases())
def test_copies_exchange_all_of_their_arrays_with_the_next(
    case: tuple[TileLayout, TilePlacement, Grid],
) -> None:
    """Both ways along the chain, array by array: the same as a loop over arrays."""
    layout, placement, _ = case
    matrices = np.flatnonzero(layout.copies)
    flows, use = copy_chains(layout, placement, matrices, 6.0 * np.ones(matrices.size))
    expected: dict[tuple[int, int, int], float] = {}
    tile = np.repeat(placement.tile[layout.piece_slot], layout.piece_arrays)
    begin = np.cumsum(layout.copy_arrays) - layout.copy_arrays
    for u, matrix in enumerate(matrices):
        own = np.flatnonzero(layout.copy_matrix == matrix)
        for before, after in itertools.pairwise(own):
            arrays = int(layout.copy_arrays[before])
            for k in range(arrays):
                a, b = int(tile[begin[before] + k]), int(tile[begin[after] + k])
                for ends in ((u, a, b), (u, b, a)):
                    expected[ends] = expected.get(ends, 0.0) + 6.0 / arrays
    found: dict[tuple[int, int, int], float] = {}
    for u, root, leaf, bits in zip(use, flows.root, flows.leaf, flows.bits, strict=True):
        key = (int(u), int(root), int(leaf))
        found[key] = found.get(key, 0.0) + float(bits)
    assert found == {key: pytest.approx(bits) for key, bits in expected.items()}


@given(case=cases(), to_columns=st.booleans(), every=st.booleans())
def test_entries_come_from_the_edge_in_the_row_of_a_slice(
    case: tuple[TileLayout, TilePlacement, Grid], to_columns: bool, every: bool
) -> None:
    """All bits reach each matrix, once or once for each copy, from x = 0."""
    layout, placement, grid = case
    slices = Slices(layout, placement, *grid)
    matrices = np.flatnonzero(layout.copies)
    flags = np.ones(matrices.size, dtype=np.bool_)
    data = Entries(matrices, 5.0 * np.ones(matrices.size), flags & to_columns, flags & every)
    flows, entry = entries(slices, data, placement.side)
    assert (flows.root % placement.side == 0).all()
    times = layout.copies[matrices] if every else np.ones(matrices.size)
    assert np.bincount(entry, weights=flows.bits) == pytest.approx(5.0 * times)
    first = [leaves_of(flows, f)[0] for f in range(flows.root.size)]
    assert (np.array(first) // placement.side == flows.root // placement.side).all()


@given(
    rows=st.integers(1, 5),
    cols=st.integers(1, 4),
    held_in=st.integers(1, 3),
    lacking=st.integers(0, 4),
    per_tile=st.integers(1, 4),
)
def test_words_go_from_the_first_array_of_a_column_to_each_in_it(
    rows: int, cols: int, held_in: int, lacking: int, per_tile: int
) -> None:
    """Against a loop over arrays; the last column of a part of a matrix may lack some."""
    places = rows * cols - min(lacking, rows - 1)
    arrays = places * held_in
    layout = lay_out(np.array([float(arrays)]), np.ones(1), per_tile, 10_000)
    side = int(np.ceil(np.sqrt(layout.slots)))
    placement = TilePlacement(side, snake(side)[: layout.slots], 0.0, 0.0)
    grid = tuple(np.array([n]) for n in (rows, cols, 1))
    flows, use = within_copies(layout, placement, grid, np.zeros(1, dtype=int), np.array([60.0]))
    assert not use.any()
    tile = np.repeat(placement.tile[layout.piece_slot], layout.piece_arrays).tolist()
    each = -(-arrays // (rows * cols))
    firsts = tile[::each]
    expected: dict[tuple[int, int], float] = {}
    for place, there in enumerate(firsts):
        root = firsts[place // rows * rows]
        if root != there:
            expected[root, there] = expected.get((root, there), 0.0) + 60.0 / len(firsts)
    pairs = zip(flows.root.tolist(), flows.leaf.tolist(), strict=True)
    found = dict(zip(pairs, flows.bits.tolist(), strict=True))
    assert found == {key: pytest.approx(bits) for key, bits in expected.items()}
