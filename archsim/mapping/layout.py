"""Which arrays of which copy share a tile, before tiles have a place on the mesh.

Copies of matrices are laid into tiles in network order.  A copy that fits into what is left of a
tile goes there, any other begins a new tile, so that copies straddle as few tiles as they can; only
if that needs more tiles than there are, arrays follow each other without gaps.

Arrays of a copy are numbered column by column: all row splits of one column of arrays first, so
that partial sums meet early; groups of packed blocks follow each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from archsim.fields import FloatArray
from archsim.mapping.does_not_fit import DoesNotFit

IntArray: TypeAlias = NDArray[np.int64]
BoolArray: TypeAlias = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class TileLayout:
    """Q copies of M matrices in N pieces on `slots` tiles.

    `copy_matrix`, `copy_rank` and `copy_arrays` are [Q]: the matrix, the number of the copy among
    the matrix's copies, its arrays.  A piece, [N], is what one tile holds of one copy:
    `piece_arrays` arrays of `piece_copy`, the first of them number `piece_first`, in `piece_slot`.
    Pieces are in the order of copies and, within one, of arrays.
    """

    slots: int
    copies: IntArray
    copy_matrix: IntArray
    copy_rank: IntArray
    copy_arrays: IntArray
    piece_copy: IntArray
    piece_slot: IntArray
    piece_first: IntArray
    piece_arrays: IntArray

    @property
    def first_copy(self) -> IntArray:
        """Index of the first copy of each matrix, [M]."""
        return np.asarray(np.cumsum(self.copies) - self.copies)

    @property
    def piece_share(self) -> FloatArray:
        """Share of its copy that a piece is, [N]."""
        return np.asarray(self.piece_arrays / self.copy_arrays[self.piece_copy])


def lay_out(
    arrays_per_copy: FloatArray,
    copies: FloatArray,
    arrays_per_tile: int,
    tiles: int,
    ahead: BoolArray | None = None,
) -> TileLayout:
    """Lay `copies` ([M], 0 for a matrix that is not on arrays) of `arrays_per_copy` arrays into tiles.

    Those of matrices `ahead` ([M], None: of none) come first and without gaps, so that they lie in the
    same slots whatever follows.  Raises `DoesNotFit` if there are more arrays than the tiles hold.
    """
    count = np.asarray(np.rint(copies), dtype=np.int64)
    matrix = np.repeat(np.arange(count.size), count)
    arrays = np.asarray(np.rint(arrays_per_copy), dtype=np.int64)[matrix]
    needed = int(arrays.sum())
    if needed > tiles * arrays_per_tile:
        raise DoesNotFit(
            f"the copies of all matrices take {needed:,} arrays, but {tiles:,} tiles of "
            f"{arrays_per_tile:,} arrays hold {tiles * arrays_per_tile:,}.",
            remedy="Keep fewer copies, or enlarge mesh.side or tile.arrays.",
        )
    before = np.zeros(matrix.size, dtype=np.bool_) if ahead is None else ahead[matrix]
    begin = _one_by_one(arrays, before)
    begin[~before] = _without_straddling(
        arrays[~before], arrays_per_tile, int(arrays[before].sum())
    )
    if _slots(begin, arrays, arrays_per_tile) > tiles:
        begin = _one_by_one(arrays, before)
    first_slot = begin // arrays_per_tile
    spans = (begin + arrays - 1) // arrays_per_tile - first_slot + 1
    piece_copy = np.repeat(np.arange(matrix.size), spans)
    within = np.arange(piece_copy.size) - np.repeat(np.cumsum(spans) - spans, spans)
    piece_slot = first_slot[piece_copy] + within
    low = np.maximum(piece_slot * arrays_per_tile, begin[piece_copy])
    high = np.minimum((piece_slot + 1) * arrays_per_tile, (begin + arrays)[piece_copy])
    return TileLayout(
        slots=_slots(begin, arrays, arrays_per_tile),
        copies=count,
        copy_matrix=matrix,
        copy_rank=np.arange(matrix.size) - np.repeat(np.cumsum(count) - count, count),
        copy_arrays=arrays,
        piece_copy=piece_copy,
        piece_slot=piece_slot,
        piece_first=low - begin[piece_copy],
        piece_arrays=high - low,
    )


def joined(layouts: Sequence[TileLayout], ahead: BoolArray) -> TileLayout:
    """Layouts that have the tiles one after the other, as one whose slots are those of all in turn.

    Matrices `ahead` ([M]), which lie in the same slots in all of them, are taken from the first.  Any
    other matrix is in one of the layouts at most.
    """
    copies = np.max([layout.copies for layout in layouts], axis=0)
    first = np.cumsum(copies) - copies
    matrix = np.repeat(np.arange(copies.size), copies)
    rank = np.arange(matrix.size) - first[matrix]
    arrays = np.zeros(matrix.size, dtype=np.int64)
    columns: list[tuple[IntArray, IntArray, IntArray, IntArray]] = []
    slots = 0
    for number, layout in enumerate(layouts):
        place = first[layout.copy_matrix] + layout.copy_rank
        arrays[place] = layout.copy_arrays
        own = (number == 0) | ~ahead[layout.copy_matrix[layout.piece_copy]]
        columns.append(
            (
                place[layout.piece_copy[own]],
                layout.piece_slot[own] + slots,
                layout.piece_first[own],
                layout.piece_arrays[own],
            )
        )
        slots += layout.slots
    copy, slot, begin, held = (np.concatenate(column) for column in zip(*columns, strict=True))
    order = np.argsort(copy, kind="stable")
    pieces = copy[order], slot[order], begin[order], held[order]
    return TileLayout(slots, copies, matrix, rank, arrays, *pieces)


def _slots(begin: IntArray, arrays: IntArray, arrays_per_tile: int) -> int:
    return int(-(-(begin + arrays).max(initial=0) // arrays_per_tile))


def _one_by_one(arrays: IntArray, before: BoolArray) -> IntArray:
    """Where each copy begins if there are no gaps, those `before` first."""
    order = np.argsort(~before, kind="stable")
    begin = np.empty_like(arrays)
    begin[order] = np.cumsum(arrays[order]) - arrays[order]
    return begin


def _without_straddling(arrays: IntArray, arrays_per_tile: int, position: int) -> IntArray:
    """Where each copy begins, counted in arrays, from `position` on."""
    begin = []
    for size in arrays.tolist():
        left = -position % arrays_per_tile
        if size > left:
            position += left
        begin.append(position)
        position += size
    return np.array(begin, dtype=np.int64)
