"""Which arrays of which copy share a tile, before tiles have a place on the mesh.

Copies of matrices are laid into tiles in network order.  A copy that fits into what is left of a
tile goes there, any other begins a new tile, so that copies straddle as few tiles as they can; only
if that needs more tiles than there are, arrays follow each other without gaps.

Arrays of a copy are numbered column by column: all row splits of one column of arrays first, so
that partial sums meet early; groups of packed blocks follow each other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from archsim.fields import FloatArray
from archsim.mapping.does_not_fit import DoesNotFit

IntArray: TypeAlias = NDArray[np.int64]


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
    arrays_per_copy: FloatArray, copies: FloatArray, arrays_per_tile: int, tiles: int
) -> TileLayout:
    """Lay `copies` ([M], 0 for a matrix that is not on arrays) of `arrays_per_copy` arrays into tiles.

    Raises `DoesNotFit` if there are more arrays than the tiles hold.
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
    begin = _without_straddling(arrays, arrays_per_tile)
    if begin.size and _slots(begin, arrays, arrays_per_tile) > tiles:
        begin = np.cumsum(arrays) - arrays
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


def _slots(begin: IntArray, arrays: IntArray, arrays_per_tile: int) -> int:
    return int(-(-(begin[-1] + arrays[-1]) // arrays_per_tile)) if begin.size else 0


def _without_straddling(arrays: IntArray, arrays_per_tile: int) -> IntArray:
    """Where each copy begins, counted in arrays."""
    begin, position = [], 0
    for size in arrays.tolist():
        left = -position % arrays_per_tile
        if size > left:
            position += left
        begin.append(position)
        position += size
    return np.array(begin, dtype=np.int64)
