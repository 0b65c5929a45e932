"""Local improvement of a placement: swap two tiles while that shortens traffic times distance.

With `F[t, u]` the traffic between the contents of slots t and u, slot t at (x, y) costs
`sum_u F[t, u] (|x - x_u| + |y - y_u|)`, the sum of a table over x and a table over y.  Swapping t
and u over a distance D changes the whole cost by what the two tables say, plus
`D (2 F[t, u] - F[t, t] - F[u, u])`: neither is where the other's table takes it to be.
Empty tiles are slots without traffic, so that a move is a swap.
"""

from __future__ import annotations

from collections import deque
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from archsim.fields import FloatArray
from archsim.mapping.layout import TileLayout
from archsim.mapping.traffic import Traffic

IntArray: TypeAlias = NDArray[np.int64]

# A gain below this share of the cost is rounding.
_ROUNDING = 1e-12
# Random swaps that leave a local optimum.
_KICKS = 3
# Up to so many slots all traffic between slots is kept as a table, 32 MiB.
_MOST_KEPT = 2048
# Element operations of one slot against all others, and of moving one slot, as far as they matter
# for time: passes over all slots, passes over a table's touched part, and the calls themselves.
_PASSES = 8
_PASSES_OF_TABLES = 20
_CALLS = 25_000


class Swapper:
    """The state of one search; made for one call of `place_tiles` and thrown away after it.

    The first `staying` slots are not moved.
    """

    def __init__(
        self, layout: TileLayout, traffic: Traffic, side: int, tile: IntArray, staying: int = 0
    ) -> None:
        self._side, self._slots, self._staying = side, layout.slots, staying
        places = side * side
        everywhere = np.concatenate([tile, np.setdiff1d(np.arange(places), tile)])
        self._x, self._y = everywhere % side, everywhere // side
        self._contents = _Contents(layout, traffic, places)
        self._kept: FloatArray | None = None
        if places <= _MOST_KEPT:
            self._kept = np.array([self._contents.traffic_of(slot) for slot in range(places)])
        self._line = np.arange(side, dtype=np.float64)
        self._own = self._contents.own()
        # Tables [side, places]: the cost of each slot by its column (its row).
        self._by_x = self._contents.table(self._x, side)
        self._by_y = self._contents.table(self._y, side)
        self._here = self._costs_here()
        self._spent = 0

    def improve(self, rng: np.random.Generator, effort: int) -> IntArray:
        """The best tiles of the slots found within about `effort` element operations."""
        least = _ROUNDING * 0.5 * float(self._here.sum())
        best, best_state, change = 0.0, self._state(), 0.0
        waiting = _Waiting(self._staying, self._slots, self._x.size)
        self._spent = 0
        while self._spent < effort:
            if not waiting:
                if change < best - least:
                    best, best_state = change, self._state()
                else:
                    self._restore(best_state)
                    change = best
                change += self._kick(rng, waiting)
                continue
            slot = waiting.next()
            changes = self._changes(slot)
            other = int(changes.argmin())
            if changes[other] < -least:
                change += float(changes[other])
                waiting.add(*self._swap(slot, other))
        if change >= best - least:
            self._restore(best_state)
        return np.asarray((self._y * self._side + self._x)[: self._slots])

    def _kick(self, rng: np.random.Generator, waiting: _Waiting) -> float:
        """Swap a few slots at random; returns what that changes."""
        change = 0.0
        for _ in range(_KICKS):
            a, b = int(rng.integers(self._slots)), int(rng.integers(self._x.size))
            if min(a, b) < self._staying:
                self._spent += _CALLS
                continue
            change += float(self._changes(a)[b]) if a != b else 0.0
            waiting.add(*self._swap(a, b))
        return change

    def _traffic_of(self, slot: int) -> FloatArray:
        return self._contents.traffic_of(slot) if self._kept is None else self._kept[slot]

    def _costs_here(self) -> FloatArray:
        every = np.arange(self._x.size)
        return np.asarray(self._by_x[self._x, every] + self._by_y[self._y, every])

    def _changes(self, slot: int) -> FloatArray:
        """What swapping `slot` with each slot changes."""
        self._spent += _PASSES * self._x.size + _CALLS
        x, y = self._x[slot], self._y[slot]
        there = self._by_x[self._x, slot] + self._by_y[self._y, slot]
        others = self._by_x[x] + self._by_y[y]
        apart = np.abs(self._x - x) + np.abs(self._y - y)
        mutual = 2.0 * self._traffic_of(slot) - self._own[slot] - self._own
        changes = np.asarray(there - self._here[slot] + others - self._here + apart * mutual)
        changes[: self._staying] = np.inf
        return changes

    def _swap(self, a: int, b: int) -> list[int]:
        """Swap two slots; returns them and all slots whose cost that changes."""
        changed = np.zeros(self._x.size, dtype=np.bool_)
        changed[[a, b]] = True
        for slot, to in ((a, b), (b, a)):
            row = self._traffic_of(slot)
            touched = np.flatnonzero(row)
            changed[touched] = True
            self._spent += _PASSES_OF_TABLES * touched.size * self._side + _CALLS
            for table, place in ((self._by_x, self._x), (self._by_y, self._y)):
                moved = np.abs(self._line - place[to]) - np.abs(self._line - place[slot])
                if moved.any():
                    table[:, touched] += moved[:, None] * row[touched]
        for place in (self._x, self._y):
            place[a], place[b] = place[b], place[a]
        self._here = self._costs_here()
        return np.flatnonzero(changed).tolist()

    def _state(self) -> tuple[NDArray[np.float64] | IntArray, ...]:
        return tuple(
            values.copy() for values in (self._x, self._y, self._by_x, self._by_y, self._here)
        )

    def _restore(self, state: tuple[NDArray[np.float64] | IntArray, ...]) -> None:
        for own, kept in zip(
            (self._x, self._y, self._by_x, self._by_y, self._here), state, strict=True
        ):
            own[:] = kept


class _Waiting:
    """Slots from `first` on that are still to be tried, each at most once, first come first served."""

    def __init__(self, first: int, slots: int, places: int) -> None:
        self._queue = deque(range(first, slots))
        # Those before the first never wait.
        self._queued = [True] * slots + [False] * (places - slots)

    def __bool__(self) -> bool:
        return bool(self._queue)

    def add(self, *slots: int) -> None:
        """Try these (again)."""
        for slot in slots:
            if not self._queued[slot]:
                self._queued[slot] = True
                self._queue.append(slot)

    def next(self) -> int:
        """The next slot to try."""
        slot = self._queue.popleft()
        self._queued[slot] = False
        return slot


class _Contents:
    """What slots hold, and the traffic both ways between the contents of slots."""

    def __init__(self, layout: TileLayout, traffic: Traffic, places: int) -> None:
        self._places, self._copies = places, layout.copy_matrix.size
        self._slot, self._copy = layout.piece_slot, layout.piece_copy
        self._share = layout.piece_share
        self._order = np.argsort(self._slot, kind="stable")
        self._bounds = np.searchsorted(self._slot[self._order], np.arange(places + 1))
        both = Traffic(
            np.concatenate([traffic.source, traffic.target]),
            np.concatenate([traffic.target, traffic.source]),
            np.concatenate([traffic.bits, traffic.bits]),
        ).merged()
        self._near, self._bits = both.target, both.bits
        self._rows = np.searchsorted(both.source, np.arange(self._copies + 1))

    def table(self, place: IntArray, side: int) -> FloatArray:
        """Cost of each slot by its coordinate, [side, places], while slots are at `place`."""
        key = self._copy * side + place[self._slot]
        share = np.bincount(key, weights=self._share, minlength=self._copies * side)
        line = np.arange(side, dtype=np.float64)
        field = share.reshape(self._copies, side) @ np.abs(line[:, None] - line)
        felt = np.zeros_like(field)
        busy = np.flatnonzero(np.diff(self._rows))
        if busy.size:
            terms = self._bits[:, None] * field[self._near]
            felt[busy] = np.add.reduceat(terms, self._rows[busy], axis=0)
        found = np.zeros((self._places, side))
        np.add.at(found, self._slot, self._share[:, None] * felt[self._copy])
        return np.ascontiguousarray(found.T)

    def traffic_of(self, slot: int) -> FloatArray:
        """F[slot, :], [places]."""
        wanted = self._wanted(self._pieces(slot))
        weights = self._share * wanted[self._copy]
        found = np.bincount(self._slot, weights=weights, minlength=self._places)
        return np.asarray(found, dtype=np.float64)

    def own(self) -> FloatArray:
        """F[t, t] of every slot."""
        found = np.zeros(self._places)
        for slot in np.unique(self._slot).tolist():
            pieces = self._pieces(slot)
            found[slot] = (self._share[pieces] * self._wanted(pieces)[self._copy[pieces]]).sum()
        return found

    def _pieces(self, slot: int) -> IntArray:
        return self._order[self._bounds[slot] : self._bounds[slot + 1]]

    def _wanted(self, pieces: IntArray) -> FloatArray:
        """Traffic of some pieces with each copy."""
        wanted = np.zeros(self._copies)
        for piece in pieces.tolist():
            row = slice(self._rows[self._copy[piece]], self._rows[self._copy[piece] + 1])
            wanted[self._near[row]] += self._share[piece] * self._bits[row]
        return wanted
