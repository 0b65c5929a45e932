"""Copies of weight matrices where data wait for the mesh: a search that prices whole steps.

Ports count whole tiles, and a sample's way is as long as its longest branch, so that a step is no sum over
matrices.  Copies are weighed with the time of ports and links first (`copies_on_mesh`).  What comes of that
is improved by the price of the whole step: more copies of one matrix at the cost of others, or fewer, which
others take; where that gains no more, two matrices change at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np

from archsim.architecture import Architecture
from archsim.fields import FloatArray
from archsim.mapping import Mapping
from archsim.mapping.replication import Stages, balance_bottleneck, exchanged, minimise_sum
from archsim.simulation.copies_on_mesh import OnMesh, on_mesh, worth_a_search
from archsim.simulation.program import BoolArray, IntArray, Program

# Seconds of a step [R] with copies [R, M] on the configurations [R].
StepTimes: TypeAlias = Callable[[FloatArray, IntArray], FloatArray]

# A round that gains less than this share is the last.
_GAIN = 3e-4
_ROUNDS = 8
# For less than this share of a step the copies that were found beforehand stay.
_TAKEN = 0.01
# Matrices whose copies are changed in a round, those of the longest stages.
_LOOKED_AT = 6
# Tasks that are priced for one configuration while its copies are improved.
_EFFORT = 30_000
# More would take more memory, and no less time.
_TASKS_AT_ONCE = 250_000
_CHOICES: tuple[Callable[[Stages], FloatArray], ...] = (minimise_sum, balance_bottleneck)


def searches_for_copies(architecture: Architecture) -> bool:
    """Whether copies may be searched for: those of whole arrays, chosen automatically."""
    return architecture.mapping.packing == "none" and architecture.mapping.replication == "auto"


def better_copies(
    program: Program,
    architecture: Architecture,
    batch: FloatArray,
    tried: Sequence[Mapping],
    priced_s: FloatArray,
    step_s: StepTimes,
) -> FloatArray | None:
    """Copies [C, M] that are faster where data wait for the mesh; None if no configuration has any.

    `priced_s` [K, C] are the steps of the K mappings `tried`, infinite where they do not fit; the first has
    one copy of each matrix.  `batch` is [C, 1] samples.  Only networks are looked at that one chip holds
    at once.
    """
    one, best_s = tried[0], priced_s.min(axis=0)
    possible = on_one_chip(one) & np.isfinite(best_s)
    mesh = on_mesh(program, architecture, one, batch) if possible.any() else None
    if mesh is None:
        return None
    copies = np.stack([mapping.copies for mapping in tried])
    best = copies[priced_s.argmin(axis=0), np.arange(best_s.size)]
    worth = worth_a_search(mesh, list(copies), best, best_s / batch[:, 0])
    rows = np.flatnonzero(possible & worth)
    if not rows.size:
        return None

    def own_step_s(copies: FloatArray, which: IntArray) -> FloatArray:
        return step_s(copies, rows[which])

    found = best.copy()
    found[rows] = searched_copies(mesh.rows(rows), best[rows], program.size, own_step_s)
    return None if (found == best).all() else found


def on_one_chip(one: Mapping) -> BoolArray:
    """Where one chip holds all matrices at once, [C]."""
    alone = one.chips == 1
    if one.round_of is not None:
        alone = alone & (one.round_of <= 0).all(axis=1)
    return np.asarray(alone)


def searched_copies(mesh: OnMesh, start: FloatArray, tasks: int, step_s: StepTimes) -> FloatArray:
    """Copies [C, M], never slower than `start` [C, M]; a step has `tasks` tasks."""
    search = _Search(mesh, start, tasks, step_s)
    chosen = [choose(stages) for stages in mesh.stages for choose in _CHOICES]
    count = len(start)
    search.price(start, np.arange(count))
    start_s = search.step_s.copy()
    search.price(np.concatenate(chosen), np.tile(np.arange(count), len(chosen)))
    left: IntArray = np.full(count, max(_EFFORT // tasks, 1))
    for near in _REACHES:
        # The wider neighbourhood is looked at where the nearer one has nothing left to gain.
        active = np.arange(count)
        for _ in range(_ROUNDS):
            copies, rows = near(mesh.rows(active), search.copies[active], left[active])
            if not rows.size:
                break
            left[active] -= np.bincount(rows, minlength=active.size)
            before = search.step_s[active]
            search.price(copies, active[rows])
            active = active[search.step_s[active] < before * (1.0 - _GAIN)]
    better = search.step_s < start_s * (1.0 - _TAKEN)
    return np.asarray(np.where(better[:, None], search.copies, start))


class _Search:
    """The best copies [C, M] so far, and their steps `step_s` [C]."""

    def __init__(self, mesh: OnMesh, start: FloatArray, tasks: int, step_s: StepTimes) -> None:
        self.copies = start.copy()
        self.step_s = np.full(len(start), np.inf)
        self._limits = mesh.limits
        self._price = step_s
        self._rows_at_once = max(_TASKS_AT_ONCE // tasks, 1)

    def price(self, copies: FloatArray, rows: IntArray) -> None:
        """Price copies [R, M] for the configurations `rows` [R], and keep what is faster."""
        table = np.unique(np.column_stack([rows, copies]), axis=0)
        rows, copies = table[:, 0].astype(np.intp), np.asarray(table[:, 1:], dtype=np.float64)
        held = (copies * self._limits.arrays[rows]).sum(axis=1)
        fits = held <= self._limits.budget[rows, 0]
        rows, copies = rows[fits], copies[fits]
        if not rows.size:
            return
        parts = np.array_split(np.arange(rows.size), -(-rows.size // self._rows_at_once))
        taken = np.concatenate([self._price(copies[part], rows[part]) for part in parts])
        order = np.lexsort((taken, rows))
        best = order[np.flatnonzero(np.diff(rows[order], prepend=-1))]
        best = best[taken[best] < self.step_s[rows[best]]]
        self.copies[rows[best]] = copies[best]
        self.step_s[rows[best]] = taken[best]


def _one_changed(mesh: OnMesh, copies: FloatArray, most: IntArray) -> tuple[FloatArray, IntArray]:
    """Copies [R, M] near `copies` [C, M] and whose they are, [R]: at most `most` [C] of each.

    One matrix has other copies, and the others are left as they are, or make room and take what is left.
    """
    rows, matrix, number = _changes(mesh, copies, most // 2)
    alone = copies[rows]
    alone[np.arange(rows.size), matrix] = number
    shared = exchanged(copies[rows], mesh.rows(rows).stages[0], matrix, number)
    return np.concatenate([alone, shared]), np.concatenate([rows, rows])


def _two_changed(mesh: OnMesh, copies: FloatArray, most: IntArray) -> tuple[FloatArray, IntArray]:
    """The same, where one other matrix gives what is asked for and takes all that is left, or keeps one."""
    others = min(_LOOKED_AT, copies.shape[1])
    rows, matrix, number = _changes(mesh, copies, most // (2 * others))
    partner = _looked_at(mesh, copies)[rows].ravel()
    own = partner != np.repeat(matrix, others)
    rows, matrix, partner = (
        np.repeat(rows, others)[own],
        np.repeat(matrix, others)[own],
        partner[own],
    )
    number = np.repeat(number, others)[own]
    each: IntArray = np.arange(rows.size)
    alone, arrays = copies[rows], mesh.limits.arrays[rows]
    alone[each, matrix] = number
    alone[each, partner] = 1.0
    left = mesh.limits.budget[rows, 0] - (alone * arrays).sum(axis=1)
    room = np.floor(left / arrays[each, partner]) + 1.0
    taking = alone.copy()
    taking[each, partner] = np.clip(room, 1.0, mesh.limits.most[rows, partner])
    return np.concatenate([taking, alone]), np.concatenate([rows, rows])


_REACHES = (_one_changed, _two_changed)


def _looked_at(mesh: OnMesh, copies: FloatArray) -> IntArray:
    """The matrices that changes begin with, longest stage first, [C, L]."""
    stage_s = np.where(mesh.most > 1, mesh.stages[0].shared_s / copies, -1.0)
    return np.asarray(np.argsort(-stage_s, axis=1, kind="stable")[:, :_LOOKED_AT])


def _changes(
    mesh: OnMesh, copies: FloatArray, most: IntArray
) -> tuple[IntArray, IntArray, FloatArray]:
    """Changes [R]: whose, of which matrix, to how many; at most `most` [C] for each of `copies` [C, M]."""
    looked_at = _looked_at(mesh, copies)
    wanted = np.clip(_other_numbers(mesh, copies), 1.0, mesh.most)
    configuration = np.repeat(np.arange(len(copies)), looked_at.shape[1])
    matrix = looked_at.ravel()
    numbers = np.sort(wanted[:, configuration, matrix], axis=0)
    fresh = np.diff(numbers, axis=0, prepend=0.0) > 0
    fresh &= numbers != copies[configuration, matrix]
    pair, kind = np.nonzero(fresh.T)
    rows = configuration[pair]
    kept = np.arange(rows.size) - np.searchsorted(rows, rows) < most[rows]
    pair, kind = pair[kept], kind[kept]
    return configuration[pair], matrix[pair], numbers[kind, pair]


def _other_numbers(mesh: OnMesh, copies: FloatArray) -> FloatArray:
    """Numbers of copies of each matrix that are worth a try, [K, C, M].

    One more or less, twice or half as many, one or all; the fewest that fill as many tiles as now, one
    more or one less, twice as many; the fewest that take as many vectors each, one more or one less.
    """
    each = np.ceil(mesh.vectors / copies)
    tiles = np.ceil(mesh.tiles * copies)
    one = np.ones_like(copies)
    near = [one, np.ceil(copies / 2.0), copies - 1.0, copies + 1.0, 2.0 * copies, mesh.most]
    filled = [tiles - 2.0, tiles - 1.0, tiles, 2.0 * tiles]
    taken = [each - 1.0, each, each + 1.0]
    by_tile = [np.floor(np.maximum(full, 0.0) / mesh.tiles) + 1.0 for full in filled]
    by_vector = [np.ceil(mesh.vectors / np.maximum(number, 1.0)) for number in taken]
    return np.stack([*near, *by_tile, *by_vector])
