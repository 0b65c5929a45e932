"""What travels between placed tiles: multicasts of inputs, reductions of partial sums.

The arrays of a copy form a grid of row splits and column splits per group of blocks.  A slice is one
row (or one column) of that grid: a forward read takes inputs along row slices and gives outputs along
column slices, a transposed read the other way round, and an update takes activations along row
slices and errors along column slices.  Outputs of a slice are summed in its first tile.

Values are in order on both ends: the k-th part of what one matrix gives goes to where the k-th part
of what another takes is needed, for vectors over copies and for channels over slices.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from archsim.fields import FloatArray
from archsim.mapping.layout import TileLayout
from archsim.mapping.placement import TilePlacement
from archsim.mapping.routing import Flows
from archsim.mapping.traffic import overlaps

IntArray: TypeAlias = NDArray[np.int64]
BoolArray: TypeAlias = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Transfers:
    """Data from the outputs of one use of a matrix to the inputs of another, all [E].

    `bits` per sample from matrix `source` to matrix `target`.  `from_rows`: they leave along row
    slices (a transposed read); `to_columns`: they enter along column slices (the input of a
    transposed read, the errors of an update).  `to_every_copy`: each copy of the target takes all
    vectors (an update that is broadcast) instead of its share.
    """

    source: IntArray
    target: IntArray
    bits: FloatArray
    from_rows: BoolArray
    to_columns: BoolArray
    to_every_copy: BoolArray


class Slices:
    """The tiles of every slice of every copy; slices are numbered copy by copy, rows first.

    `row_splits`, `col_splits` and `groups` are [M]: the grid of one group of packed blocks, and how
    many groups there are.  A copy may have several times as many arrays as that: as many for each
    place of the grid, for an update algorithm that keeps several arrays per weight.  Of a part of a
    matrix the last column may lack some.
    """

    def __init__(
        self,
        layout: TileLayout,
        placement: TilePlacement,
        row_splits: IntArray,
        col_splits: IntArray,
        groups: IntArray,
    ) -> None:
        matrix, slot = layout.copy_matrix, np.repeat(layout.piece_slot, layout.piece_arrays)
        self.layout = layout
        self.per_copy = np.stack([groups * row_splits, groups * col_splits])
        sides = self.per_copy[:, matrix]
        both = sides.sum(axis=0)
        self._base = np.stack([np.cumsum(both) - both, np.cumsum(both) - both + sides[0]])
        copy = np.repeat(layout.piece_copy, layout.piece_arrays)
        first = np.repeat(layout.piece_first, layout.piece_arrays)
        begin = np.cumsum(layout.piece_arrays) - layout.piece_arrays
        number = first + np.arange(copy.size) - np.repeat(begin, layout.piece_arrays)
        # Where a weight is held in several arrays, these follow each other.
        places = np.maximum((groups * row_splits * col_splits)[matrix], 1)
        number = number // np.maximum(-(-layout.copy_arrays // places), 1)[copy]
        rows, cols = row_splits[matrix[copy]], col_splits[matrix[copy]]
        group, inside = number // (rows * cols), number % (rows * cols)
        row = self._base[0][copy] + group * rows + inside % rows
        col = self._base[1][copy] + group * cols + inside // rows
        count = int(both.sum())
        # In the order of slots, which is that of the arrays of a copy.
        key = np.unique(np.concatenate([row, col]) * layout.slots + np.tile(slot, 2))
        self._tile = placement.tile[key % max(layout.slots, 1)]
        self._bounds = np.searchsorted(key // max(layout.slots, 1), np.arange(count + 1))

    def of(self, copy: IntArray, side: IntArray, rank: IntArray) -> IntArray:
        """The number of slice `rank` of a copy, on side 0 (rows) or 1 (columns)."""
        return np.asarray(self._base[side, copy] + rank)

    def root(self, number: IntArray) -> IntArray:
        """The tile in which a slice's outputs are summed."""
        return np.asarray(self._tile[self._bounds[number]])

    def leaves(self, number: IntArray) -> tuple[IntArray, IntArray]:
        """For each of the slices asked for, its index in `number` and its tiles, as two columns."""
        count = self._bounds[number + 1] - self._bounds[number]
        index = np.repeat(np.arange(number.size), count)
        within = np.arange(index.size) - np.repeat(np.cumsum(count) - count, count)
        return index, np.asarray(self._tile[self._bounds[number][index] + within])


def multicasts(slices: Slices, transfers: Transfers) -> tuple[Flows, IntArray]:
    """Flows from summed outputs to the tiles that need them, and the transfer of each, [F].

    Transfers from or to a matrix that is not on arrays have no flows.
    """
    copies, first = slices.layout.copies, slices.layout.first_copy
    on = np.flatnonzero((copies[transfers.source] > 0) & (copies[transfers.target] > 0))
    parts_a, parts_b = copies[transfers.source[on]], copies[transfers.target[on]]
    one = np.where(transfers.to_every_copy[on], parts_a, parts_b)
    edge, a, b, share = overlaps(parts_a, one)
    # An update that every copy takes: the part of each source copy goes to all of them.
    again = np.where(transfers.to_every_copy[on], parts_b, 1)[edge]
    nth = np.arange(int(again.sum())) - np.repeat(np.cumsum(again) - again, again)
    transfer, share = on[np.repeat(edge, again)], np.repeat(share, again)
    a, b = np.repeat(a, again), np.repeat(b, again)
    b = np.where(transfers.to_every_copy[transfer], nth, b)
    source, target = transfers.source[transfer], transfers.target[transfer]
    out_side = np.where(transfers.from_rows[transfer], 0, 1)
    in_side = np.where(transfers.to_columns[transfer], 1, 0)
    pair, out_rank, in_rank, part = overlaps(
        slices.per_copy[out_side, source], slices.per_copy[in_side, target]
    )
    roots = slices.of((first[source] + a)[pair], out_side[pair], out_rank)
    wanted = slices.of((first[target] + b)[pair], in_side[pair], in_rank)
    leaf_flow, leaf = slices.leaves(wanted)
    bits = (transfers.bits[transfer] * share)[pair] * part
    none_inward = np.zeros(bits.size, dtype=np.bool_)
    return Flows(slices.root(roots), bits, none_inward, leaf_flow, leaf), transfer[pair]


def reductions(
    slices: Slices, matrix: IntArray, bits: FloatArray, from_rows: BoolArray
) -> tuple[Flows, IntArray]:
    """Flows of partial sums within the copies of each matrix, and the use of each flow, [F].

    Uses are [U]: `bits` per sample of summed outputs of `matrix`, along row slices or column slices.
    """
    first, copies = slices.layout.first_copy, slices.layout.copies
    use = np.repeat(np.arange(matrix.size), copies[matrix])
    rank = np.arange(use.size) - np.repeat(
        np.cumsum(copies[matrix]) - copies[matrix], copies[matrix]
    )
    side = np.where(from_rows, 0, 1)[use]
    count = slices.per_copy[side, matrix[use]]
    share = (bits / np.maximum(copies[matrix], 1))[use] / count
    each = np.repeat(np.arange(use.size), count)
    nth = np.arange(each.size) - np.repeat(np.cumsum(count) - count, count)
    number = slices.of((first[matrix][use] + rank)[each], side[each], nth)
    leaf_flow, leaf = slices.leaves(number)
    inward = np.ones(number.size, dtype=np.bool_)
    return Flows(slices.root(number), share[each], inward, leaf_flow, leaf), use[each]


@dataclass(frozen=True, slots=True)
class Entries:
    """Data that come from outside the arrays to the inputs of matrices, all [E].

    `bits` per sample to matrix `target`; `to_columns` and `to_every_copy` as in `Transfers`.
    """

    target: IntArray
    bits: FloatArray
    to_columns: BoolArray
    to_every_copy: BoolArray


def entries(slices: Slices, data: Entries, side: int) -> tuple[Flows, IntArray]:
    """Flows from the memory controllers, and the entry of `data` of each, [F].

    Controllers lie along the edge x = 0 of the `side` x `side` mesh, one in each row; a slice is
    served by that of the row in which its first tile lies.
    """
    first, copies = slices.layout.first_copy, slices.layout.copies
    parts = copies[data.target]
    each = np.repeat(np.arange(data.target.size), parts)
    copy = (
        first[data.target][each] + np.arange(each.size) - np.repeat(np.cumsum(parts) - parts, parts)
    )
    share = data.bits / np.where(data.to_every_copy, 1, np.maximum(parts, 1))
    in_side = np.where(data.to_columns, 1, 0)[each]
    count = slices.per_copy[in_side, data.target[each]]
    into = np.repeat(np.arange(each.size), count)
    rank = np.arange(into.size) - np.repeat(np.cumsum(count) - count, count)
    number = slices.of(copy[into], in_side[into], rank)
    leaf_flow, leaf = slices.leaves(number)
    none_inward = np.zeros(number.size, dtype=np.bool_)
    bits = np.asarray(share[each][into] / count[into], dtype=np.float64)
    root = slices.root(number) // side * side
    return Flows(root, bits, none_inward, leaf_flow, leaf), each[into]


def leaving(slices: Slices, data: Entries, side: int) -> tuple[Flows, IntArray]:
    """Flows of summed outputs to the edge x = 0, and the entry of `data` of each, [F].

    `data` says what leaves its `target`: along column slices or, if `to_columns` is not set, along
    row slices, each copy its share.  Every slice sends along the row of its first tile.
    """
    first, copies = slices.layout.first_copy, slices.layout.copies
    parts = copies[data.target]
    each = np.repeat(np.arange(data.target.size), parts)
    rank = np.arange(each.size) - np.repeat(np.cumsum(parts) - parts, parts)
    out_side = np.where(data.to_columns, 1, 0)[each]
    count = slices.per_copy[out_side, data.target[each]]
    out_of = np.repeat(np.arange(each.size), count)
    nth = np.arange(out_of.size) - np.repeat(np.cumsum(count) - count, count)
    copy = (first[data.target][each] + rank)[out_of]
    root = slices.root(slices.of(copy, out_side[out_of], nth))
    share = (data.bits / np.maximum(parts, 1))[each]
    bits = np.asarray(share[out_of] / count[out_of], dtype=np.float64)
    none_inward = np.zeros(root.size, dtype=np.bool_)
    edge = root // side * side
    return Flows(root, bits, none_inward, np.arange(root.size), edge), each[out_of]


def arriving(slices: Slices, data: Entries, side: int) -> tuple[Flows, IntArray]:
    """Flows of `leaving` the other way round: from the edge to where outputs are summed."""
    flows, entry = leaving(slices, data, side)
    return replace(flows, root=flows.leaf, leaf=flows.root), entry


def copy_chains(
    layout: TileLayout, placement: TilePlacement, matrix: IntArray, bits: FloatArray
) -> tuple[Flows, IntArray]:
    """Flows along the chain of a matrix's copies and back, and the use of each flow, [F].

    Uses are [U]: each copy of `matrix` sends `bits` to the next one, spread evenly over its arrays
    and each to its counterpart; as much comes back.  What two tiles exchange is one flow each way.
    """
    tile = np.repeat(placement.tile[layout.piece_slot], layout.piece_arrays)
    begin = np.cumsum(layout.copy_arrays) - layout.copy_arrays
    found: list[IntArray] = []
    share: list[FloatArray] = []
    for use, (m, sent) in enumerate(zip(matrix.tolist(), bits.tolist(), strict=True)):
        copies = int(layout.copies[m])
        if copies < 2:
            continue
        first = int(layout.first_copy[m])
        arrays = int(layout.copy_arrays[first])
        there = tile[begin[first] : begin[first] + copies * arrays].reshape(copies, arrays)
        ends = np.stack([there[:-1].reshape(-1), there[1:].reshape(-1)], axis=1)
        pairs, count = np.unique(ends, axis=0, return_counts=True)
        both = np.concatenate([pairs, pairs[:, ::-1]])
        found.append(np.concatenate([np.full((both.shape[0], 1), use), both], axis=1))
        share.append(np.tile(count, 2) * (sent / arrays))
    table = np.concatenate([np.zeros((0, 3), dtype=np.int64), *found])
    size = np.concatenate([np.zeros(0), *share])
    none_inward = np.zeros(size.size, dtype=np.bool_)
    flow = np.arange(size.size)
    return Flows(table[:, 1], size, none_inward, flow, table[:, 2]), table[:, 0]


def within_copies(
    layout: TileLayout,
    placement: TilePlacement,
    grids: tuple[IntArray, IntArray, IntArray],
    matrix: IntArray,
    bits: FloatArray,
) -> tuple[Flows, IntArray]:
    """Flows from the first array of each column slice to every array in it, and the use of each, [F].

    Uses are [U]: `bits` for each copy of `matrix`, spread evenly over the places of its grid (row
    splits, column splits and groups of `grids`).  What two tiles exchange is one flow.
    """
    tile = np.repeat(placement.tile[layout.piece_slot], layout.piece_arrays)
    begin = np.cumsum(layout.copy_arrays) - layout.copy_arrays
    rows, cols, groups = grids
    found: list[IntArray] = []
    share: list[FloatArray] = []
    for use, (m, sent) in enumerate(zip(matrix.tolist(), bits.tolist(), strict=True)):
        copies, places = int(layout.copies[m]), int(rows[m] * cols[m] * groups[m])
        if not copies or not sent:
            continue
        first = int(layout.first_copy[m])
        arrays = int(layout.copy_arrays[first])
        there = tile[begin[first] : begin[first] + copies * arrays].reshape(copies, arrays)
        # Arrays that hold one weight follow each other; the first of them stands for all.
        there = there[:, :: -(-arrays // places)]
        filled = there.shape[1]
        # What the last column lacks is taken to be where that column begins.
        last = np.repeat(there[:, places - int(rows[m])], places - filled).reshape(copies, -1)
        slices = np.concatenate([there, last], axis=1).reshape(-1, int(rows[m]))
        ends = np.stack([np.repeat(slices[:, 0], slices.shape[1]), slices.reshape(-1)], axis=1)
        pairs, count = np.unique(ends[ends[:, 0] != ends[:, 1]], axis=0, return_counts=True)
        found.append(np.concatenate([np.full((count.size, 1), use), pairs], axis=1))
        share.append(count * (sent / filled))
    table = np.concatenate([np.zeros((0, 3), dtype=np.int64), *found])
    size = np.concatenate([np.zeros(0), *share])
    none_inward = np.zeros(size.size, dtype=np.bool_)
    return Flows(table[:, 1], size, none_inward, np.arange(size.size), table[:, 2]), table[:, 0]
