"""Small matrices share an array: each takes a rectangle of rows and weight columns.

Rectangles of one array may share rows or columns, since the matrices of one array never work at the
same moment: a read drives the rows of one and senses its columns, an update fires its lines only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from archsim.fields import FloatArray
from archsim.hardware.array import Array
from archsim.hardware.crossbar import Placement
from archsim.mapping.partition import arrays_per_copy

IntArray: TypeAlias = NDArray[np.int64]
IndexArray: TypeAlias = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Packing:
    """Where each of M matrices is: the shared array's number and its first row and weight column.

    All [M]; `array` is -1 for a matrix that takes no part.  The arrays that hold the others are
    numbered from 0 to `arrays` - 1.
    """

    array: IntArray
    row: IntArray
    column: IntArray
    arrays: int

    @property
    def excluding(self) -> tuple[tuple[int, ...], ...]:
        """The matrices that never work at the same moment: those of each array that holds several."""
        order = np.argsort(self.array, kind="stable")
        order = order[self.array[order] >= 0]
        parts = np.split(order, np.flatnonzero(np.diff(self.array[order])) + 1)
        return tuple(tuple(part.tolist()) for part in parts if part.size > 1)

    @property
    def arrays_saved(self) -> int:
        """Arrays fewer than if every matrix had its own."""
        return int((self.array >= 0).sum()) - self.arrays


def pack(
    height: FloatArray, width: FloatArray, rows: int, columns: int, allowed: NDArray[np.bool_]
) -> Packing:
    """Pack matrices of `height` rows and `width` weight columns ([M]) into arrays of one size.

    Only `allowed` matrices that fit into one array take part.  First fit on shelves, in order of
    decreasing height (or width, with shelves along columns, whichever needs fewer arrays): a matrix goes onto the first shelf that is high and free enough,
    else a new shelf opens in the first array with room, else a new array.
    """
    chosen = np.flatnonzero(allowed & (height <= rows) & (width <= columns))
    tall = np.asarray(np.rint(height[chosen]), dtype=np.int64)
    wide = np.asarray(np.rint(width[chosen]), dtype=np.int64)
    flat = _on_shelves(tall, wide, rows, columns)
    upright = _on_shelves(wide, tall, columns, rows)
    if int(upright[0].max(initial=-1)) < int(flat[0].max(initial=-1)):
        array, column, row = upright
    else:
        array, row, column = flat
    size = height.size
    placed = [np.full(size, -1), np.zeros(size, np.int64), np.zeros(size, np.int64)]
    for whole, part in zip(placed, (array, row, column), strict=True):
        whole[chosen] = part
    return Packing(placed[0], placed[1], placed[2], int(array.max(initial=-1)) + 1)


def _on_shelves(
    height: IntArray, width: IntArray, rows: int, columns: int
) -> tuple[IntArray, IntArray, IntArray]:
    """Array, row and column of each rectangle; shelves run along rows."""
    count = height.size
    array, row, column = (np.zeros(count, dtype=np.int64) for _ in range(3))
    # One shelf per rectangle and one array per shelf at most.
    shelf_height, shelf_used = np.zeros(count, np.int64), np.zeros(count, np.int64)
    shelf_array, shelf_row = np.zeros(count, np.int64), np.zeros(count, np.int64)
    array_used = np.zeros(count, np.int64)
    shelves = 0
    for item in np.lexsort((np.arange(count), -width, -height)).tolist():
        tall, wide = height[item], width[item]
        open_shelves = shelf_used[:shelves] + wide <= columns
        fits = np.flatnonzero(open_shelves & (shelf_height[:shelves] >= tall))
        if fits.size:
            shelf = int(fits[0])
        else:
            shelf, shelves = shelves, shelves + 1
            home = int(np.flatnonzero(array_used + tall <= rows)[0])
            shelf_height[shelf], shelf_array[shelf] = tall, home
            shelf_row[shelf] = array_used[home]
            array_used[home] += tall
        array[item], row[item] = shelf_array[shelf], shelf_row[shelf]
        column[item] = shelf_used[shelf]
        shelf_used[shelf] += wide
    return array, row, column


@dataclass(frozen=True, slots=True)
class Shareable:
    """What M matrices ask of arrays that they may share, in one configuration.

    `height` rows and `width` weight columns, [M], of arrays of `rows` and `columns`; only `allowed`
    ones share.
    """

    height: FloatArray
    width: FloatArray
    rows: int
    columns: int
    allowed: NDArray[np.bool_]

    def within(self, group: IndexArray) -> IndexArray:
        """The first of those that share an array with each, itself if alone, [M].

        Matrices share with others of their `group` [M] only, and not at all in groups below 0.
        """
        found = np.arange(self.height.size, dtype=np.intp)
        # Of groups with a single matrix that may share there is nothing to pack.
        own, count = np.unique(group[self.allowed & (group >= 0)], return_counts=True)
        for number in own[count > 1].tolist():
            together = self.allowed & (group == number)
            packed = pack(self.height, self.width, self.rows, self.columns, together)
            for sharing in packed.excluding:
                found[list(sharing)] = min(sharing)
        return found

    def together(self) -> IndexArray:
        """The same where all of them may share with all others."""
        return self.within(np.zeros(self.height.size, dtype=np.intp))


def shareable(array: Array, place: Placement, on_array: NDArray[np.bool_]) -> tuple[Shareable, ...]:
    """Which matrices may share arrays in each of C configurations.

    Matrices on arrays that take no more than one may; blocks of a grouped one stay together.
    """
    height = np.asarray(place.inputs * place.blocks_per_array)
    width = np.asarray(place.outputs * place.blocks_per_array)
    allowed = on_array & (arrays_per_copy(place) == 1)
    shape = (height.shape[0], 1)
    rows = np.broadcast_to(np.asarray(array.rows, dtype=np.int64), shape)[:, 0]
    columns = np.broadcast_to(np.asarray(array.weight_columns, dtype=np.int64), shape)[:, 0]
    return tuple(
        Shareable(height[c], width[c], int(rows[c]), int(columns[c]), allowed[c])
        for c in range(height.shape[0])
    )


def shared_arrays(array: Array, place: Placement, on_array: NDArray[np.bool_]) -> IndexArray:
    """For every matrix the first of those that share an array with it, itself if alone, [C, M]."""
    return np.stack([each.together() for each in shareable(array, place, on_array)])


def units(array_of: IndexArray) -> IndexArray:
    """Matrices that must stay together if a network is cut between them, numbered in order, [M].

    All from the first to the last of those that share an array; `array_of` is [M].
    """
    size = array_of.size
    # A cut before matrix m is inside as many shared arrays as begin before it and end at it or later.
    inside = np.zeros(size + 1, dtype=np.intp)
    np.add.at(inside, array_of + 1, 1)
    np.add.at(inside, np.arange(size) + 1, -1)
    return np.asarray(np.cumsum(np.cumsum(inside)[:size] == 0) - 1, dtype=np.intp)


def shares_array(array_of: IndexArray) -> NDArray[np.bool_]:
    """Which matrices share their array with another, [C, M]."""
    found = np.zeros(array_of.shape)
    np.add.at(found, (np.arange(array_of.shape[0])[:, None], array_of), 1.0)
    return np.asarray(np.take_along_axis(found, array_of, axis=1) > 1)


def taken_together(array_of: IndexArray, times_s: FloatArray) -> FloatArray:
    """Times of matrices that share an array, summed at the first of them, [C, M]."""
    found = np.zeros(times_s.shape)
    np.add.at(found, (np.arange(array_of.shape[0])[:, None], array_of), times_s)
    return found
