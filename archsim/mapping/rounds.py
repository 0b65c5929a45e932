"""A network that is written to the arrays of one chip in rounds: which matrix in which."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Final

import numpy as np

from archsim.fields import FloatArray
from archsim.mapping.chips import reprogram
from archsim.mapping.packing import IndexArray, Shareable
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


def packed_rounds(
    arrays: FloatArray, uses: FloatArray, available: float, shareable: Shareable
) -> tuple[IndexArray, IndexArray]:
    """The round of each matrix, as in `rounds_of`, and the first of those that share its array.

    Both [M].  `arrays` is what one copy of each takes alone.  Matrices of one round share arrays, so
    that a round may hold more of them; those with several uses share only if there is one round.
    """
    own = np.arange(arrays.size, dtype=np.intp)
    whole = shareable.together()
    if arrays[whole == own].sum() <= available:
        return np.zeros(arrays.size, dtype=np.intp), whole
    stays = (uses > 1) & (arrays > 0)
    room = available - arrays[stays].sum()
    turns = np.flatnonzero(~stays)
    if arrays[turns].max(initial=1.0) > room:
        return np.full(arrays.size, NOWHERE, dtype=np.intp), own

    def shared(first: int, last: int) -> IndexArray:
        group = np.full(arrays.size, ALWAYS, dtype=np.intp)
        group[turns[first:last]] = 0
        return shareable.within(group)

    def fit(first: int, last: int) -> bool:
        chosen = turns[first:last]
        return bool(arrays[chosen][shared(first, last)[chosen] == chosen].sum() <= room)

    found, array_of = np.full(arrays.size, ALWAYS, dtype=np.intp), own
    for number, (first, last) in enumerate(pairwise(_cuts(turns.size, fit))):
        found[turns[first:last]] = number
        array_of = np.minimum(array_of, shared(first, last))
    return found, array_of


def _cuts(size: int, fit: Callable[[int, int], bool]) -> list[int]:
    """Where to cut `size` matrices into few parts that fit, both ends included.

    Each part is as large as can be, but for the last but one: the last is, for what it holds is written
    once in a step, and what parts between hold twice.
    """
    cuts = [0]
    while cuts[-1] < size:
        first = cuts[-1]
        cuts.append(_farthest(range(first + 1, size + 1), partial(fit, first)))
    if len(cuts) > 2:
        back = range(cuts[-2], cuts[-3], -1)
        cuts[-2] = _farthest(back, lambda begin: fit(begin, size))
    return cuts


def _farthest(places: range, possible: Callable[[int], bool]) -> int:
    """The last of `places` up to which all are possible, by bisection; the first always is."""
    low, high = 0, len(places)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if possible(places[middle]) else (low, middle)
    return places[low]


def arrays_at_once(arrays: FloatArray, round_of: IndexArray) -> FloatArray:
    """The most arrays that are in use in one round, [C]; both arguments are [C, M]."""
    always = np.where(round_of == ALWAYS, arrays, 0.0).sum(axis=1)
    by_round = [
        np.where(round_of == number, arrays, 0.0).sum(axis=1)
        for number in range(int(round_of.max(initial=0)) + 1)
    ]
    return np.asarray(always + np.max(by_round, axis=0))
