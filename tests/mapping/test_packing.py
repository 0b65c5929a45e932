"""Small matrices in shared arrays, against all ways of packing a few."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.mapping.packing import Packing, pack

Sizes = tuple[tuple[int, int], ...]


def packed(sizes: Sizes, rows: int, columns: int, allowed: list[bool] | None = None) -> Packing:
    height, width = (np.array(column, dtype=float) for column in zip(*sizes, strict=True))
    take_part = np.ones(len(sizes), dtype=bool) if allowed is None else np.array(allowed)
    return pack(height, width, rows, columns, take_part)


@given(
    sizes=st.lists(st.tuples(st.integers(1, 30), st.integers(1, 30)), min_size=1, max_size=30),
    rows=st.integers(1, 25),
    columns=st.integers(1, 25),
    seed=st.integers(0, 1000),
)
def test_every_matrix_that_takes_part_has_cells_of_its_own_and_no_array_is_wasted(
    sizes: list[tuple[int, int]], rows: int, columns: int, seed: int
) -> None:
    allowed = (np.random.default_rng(seed).random(len(sizes)) < 0.8).tolist()
    found = packed(tuple(sizes), rows, columns, allowed)
    cells = np.zeros((max(found.arrays, 1), rows, columns), dtype=int)
    for m, (height, width) in enumerate(sizes):
        takes_part = allowed[m] and height <= rows and width <= columns
        assert (found.array[m] >= 0) == takes_part
        if takes_part:
            top, left = found.row[m], found.column[m]
            assert top + height <= rows
            assert left + width <= columns
            cells[found.array[m], top : top + height, left : left + width] += 1
    assert cells.max() <= 1
    used = found.array[found.array >= 0]
    assert np.unique(used).tolist() == list(range(found.arrays))
    assert found.arrays <= used.size
    assert found.arrays_saved == used.size - found.arrays
    alike = {(a, b) for group in found.excluding for a in group for b in group if a < b}
    assert alike == {
        (a, b)
        for a in range(len(sizes))
        for b in range(a + 1, len(sizes))
        if found.array[a] >= 0 and found.array[a] == found.array[b]
    }


def partitions(count: int) -> Iterator[list[list[int]]]:
    """All ways to divide the numbers below `count` into groups."""
    if count == 0:
        yield []
        return
    for smaller in partitions(count - 1):
        yield [*smaller, [count - 1]]
        for i in range(len(smaller)):
            yield [*smaller[:i], [*smaller[i], count - 1], *smaller[i + 1 :]]


@cache
def fits(sizes: Sizes, rows: int, columns: int) -> bool:
    """Whether rectangles fit into one array, by trying every place of every one."""

    def place(rest: Sizes, free: np.ndarray) -> bool:
        if not rest:
            return True
        (height, width), *others = rest
        for top in range(rows - height + 1):
            for left in range(columns - width + 1):
                part = free[top : top + height, left : left + width]
                if part.all():
                    part[:] = False
                    if place(tuple(others), free):
                        return True
                    part[:] = True
        return False

    if sum(h * w for h, w in sizes) > rows * columns:
        return False
    return place(sizes, np.ones((rows, columns), dtype=bool))


def fewest(sizes: Sizes, rows: int, columns: int) -> int:
    return min(
        len(groups)
        for groups in partitions(len(sizes))
        if all(fits(tuple(sorted(sizes[i] for i in g)), rows, columns) for g in groups)
    )


@given(
    sizes=st.lists(st.tuples(st.integers(1, 4), st.integers(1, 5)), min_size=1, max_size=5),
)
@settings(max_examples=60, deadline=None)
def test_a_few_matrices_take_at_most_one_array_more_than_they_must(
    sizes: list[tuple[int, int]],
) -> None:
    best = fewest(tuple(sizes), 4, 5)
    assert best <= packed(tuple(sizes), 4, 5).arrays <= best + 1


def test_equal_small_matrices_fill_an_array() -> None:
    found = packed(((64, 32),) * 16, 256, 128)
    assert found.arrays == 1
    assert found.excluding == (tuple(range(16)),)


@pytest.mark.parametrize(("rows", "columns"), [(8, 4), (4, 8)])
def test_shelves_run_along_rows_or_columns_whichever_packs_better(rows: int, columns: int) -> None:
    # Shelves along the long side hold these; across it each would open with the widest.
    sizes = ((4, 3), (4, 3), (3, 1), (3, 1), (2, 1))
    turned = tuple((w, h) for h, w in sizes)
    assert packed(sizes if rows == 8 else turned, rows, columns).arrays == 1


def test_thousands_of_matrices_are_packed_at_once() -> None:
    found = packed(((2, 2),) * 5000, 256, 128)
    assert found.arrays == 1


def test_no_matrix_takes_no_array() -> None:
    found = packed(((4, 4),), 8, 8, [False])
    assert (found.arrays, found.array.tolist(), found.excluding) == (0, [-1], ())
