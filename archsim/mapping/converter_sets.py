"""Which matrices share sets of converters, from where their arrays lie in the tiles.

A tile's arrays are numbered as in `archsim.mapping.layout`; `arrays_per_set` of them in a row have a
set.  What counts of a set is how many arrays of each matrix it serves, so that equal sets are one
entry; sets that one matrix has for itself are represented by the fullest of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from archsim.mapping.layout import TileLayout

IntArray: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class ConverterSets:
    """`arrays` [D, M]: how many arrays of each of M matrices each of D sets serves."""

    arrays: IntArray

    def users(self, entry: int) -> list[int]:
        """The matrices that an entry serves, in network order."""
        found: list[int] = np.flatnonzero(self.arrays[entry]).tolist()
        return found


def converter_sets(layout: TileLayout, arrays_per_tile: int, arrays_per_set: int) -> ConverterSets:
    """The sets of `layout`; `arrays_per_set` divides `arrays_per_tile`.

    A matrix's own sets are left out where it has as many arrays on one that it shares.
    """
    matrices = layout.copies.size
    owner, served = _served(layout, arrays_per_tile, arrays_per_set)
    users = np.bincount(owner[:, 0])
    shared = users[owner[:, 0]] > 1
    numbers, row = np.unique(owner[shared, 0], return_inverse=True)
    mixed = np.zeros((numbers.size, matrices), dtype=np.int64)
    mixed[row, owner[shared, 1]] = served[shared]
    mixed = np.unique(mixed, axis=0)
    own = np.zeros(matrices, dtype=np.int64)
    np.maximum.at(own, owner[~shared, 1], served[~shared])
    alone = np.flatnonzero(own > mixed.max(axis=0, initial=0))
    lone = np.zeros((alone.size, matrices), dtype=np.int64)
    lone[np.arange(alone.size), alone] = own[alone]
    return ConverterSets(np.concatenate([lone, mixed]))


def _served(
    layout: TileLayout, arrays_per_tile: int, arrays_per_set: int
) -> tuple[IntArray, IntArray]:
    """Pairs of set and matrix, [N, 2] in ascending order, and how many arrays each pair has, [N]."""
    # The pieces of a tile follow each other without gaps from its first array on.
    until = np.cumsum(layout.piece_arrays)
    _, first, slot = np.unique(layout.piece_slot, return_index=True, return_inverse=True)
    begin = until - layout.piece_arrays
    begin = begin - begin[first][slot]
    end = begin + layout.piece_arrays
    low, high = begin // arrays_per_set, (end - 1) // arrays_per_set
    spans = high - low + 1
    piece = np.repeat(np.arange(spans.size), spans)
    in_tile = low[piece] + np.arange(piece.size) - np.repeat(np.cumsum(spans) - spans, spans)
    arrays = np.minimum(end[piece], (in_tile + 1) * arrays_per_set)
    arrays = arrays - np.maximum(begin[piece], in_tile * arrays_per_set)
    number = layout.piece_slot[piece] * (arrays_per_tile // arrays_per_set) + in_tile
    matrices = max(layout.copies.size, 1)
    keys, place = np.unique(
        number * matrices + layout.copy_matrix[layout.piece_copy[piece]], return_inverse=True
    )
    found = np.zeros(keys.size, dtype=np.int64)
    np.add.at(found, place, arrays)
    return np.stack(np.divmod(keys, matrices), axis=1), found
