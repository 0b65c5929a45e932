"""A network that is written to the arrays of one chip in rounds: which matrix in which."""

from __future__ import annotations

from typing import Final

import numpy as np

from archsim.fields import FloatArray
from archsim.mapping.chips import reprogram
from archsim.mapping.packing import IndexArray
from archsim.mapping.sequence import LayerSequence

# A matrix that several layers use stays on the arrays in every round; one that finds no room at all.
ALWAYS: Final = -1
NOWHERE: Final = -2


def rounds_of(arrays: FloatArray, uses: FloatArray, available: float) -> IndexArray:
    """The round of each matrix, [M], in network order; `ALWAYS` for those with several uses.

    `arrays` [M] is what one copy takes (0 for those that are not on arrays), `uses` [M] how many
    layers read it.  All are in round 0 where they fit at once, and `NOWHERE` if what always stays
    leaves too little for the largest of the others.
    """
    found = np.zeros(arrays.size, dtype=np.intp)
    if arrays.sum() <= available:
        return found
    stays = (uses > 1) & (arrays > 0)
    room = int(available - arrays[stays].sum())
    turns = np.flatnonzero(~stays)
    if arrays[turns].max(initial=1.0) > room:
        return np.full(arrays.size, NOWHERE, dtype=np.intp)
    plan = reprogram(
        LayerSequence(
            arrays=np.asarray(np.rint(arrays[turns]), dtype=np.int64),
            load_s=np.zeros(turns.size),
            weight_bits=arrays[turns],
            crossing_bits=np.zeros(turns.size + 1),
        ),
        room,
    )
    found[turns] = np.repeat(np.arange(plan.rounds), np.diff(plan.first))
    found[stays] = ALWAYS
    return found


def arrays_at_once(arrays: FloatArray, round_of: IndexArray) -> FloatArray:
    """The most arrays that are in use in one round, [C]; both arguments are [C, M]."""
    always = np.where(round_of == ALWAYS, arrays, 0.0).sum(axis=1)
    by_round = [
        np.where(round_of == number, arrays, 0.0).sum(axis=1)
        for number in range(int(round_of.max(initial=0)) + 1)
    ]
    return np.asarray(always + np.max(by_round, axis=0))
