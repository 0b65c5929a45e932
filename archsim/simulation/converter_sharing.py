"""Converters that several arrays of a tile share: who waits for whom.

The arrays of one matrix that share a set convert one after the other; that is part of the time of a
read (`archsim.hardware.array_read`).  Here it is about different matrices, which lie on the same set
where one ends and the next begins: a set is busy for the conversions of all of them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from archsim.architecture import Architecture
from archsim.fields import FloatArray
from archsim.mapping import Mapping
from archsim.mapping.converter_sets import ConverterSets, converter_sets
from archsim.mapping.layout import lay_out
from archsim.simulation.columns import CONVERTERS, TaskCosts
from archsim.simulation.program import IntArray, Program

# A set that serves more matrices is named by the first of them.
_NAMED = 3


@dataclass(frozen=True, slots=True)
class ConverterSharing:
    """Sets of converters of C configurations, D of them in configuration c.

    `user` [C, T] is the matrix that converts in each task, counted again from M on where it does so on
    the bank of transposed reads; -1 for tasks that do not convert.  `arrays[c]` [D, 2 M] is how many
    arrays of each user a set serves, `names[c]` what a set is called.
    """

    user: IntArray
    arrays: tuple[FloatArray, ...]
    names: tuple[tuple[str, ...], ...]

    def busy_s(self, held_s: FloatArray, segment: IntArray, count: int, c: int) -> FloatArray:
        """Busy time of every set by one sample, [S, D] (one idle set if there is none).

        `held_s` [C, T] is how long each array of a task has its set, `segment` [T] one of `count`.
        """
        arrays, converts = self.arrays[c], np.flatnonzero(self.user[c] >= 0)
        by_user = np.zeros((count, arrays.shape[1]))
        np.add.at(by_user, (segment[converts], self.user[c, converts]), held_s[c, converts])
        busy: FloatArray = by_user @ arrays.T
        return busy if busy.shape[1] else np.zeros((count, 1))

    def held_by_set_s(self, held_s: FloatArray, c: int) -> FloatArray:
        """How long each task has each set, [D, T]; `held_s` [C, T] as above."""
        converts = self.user[c] >= 0
        arrays = self.arrays[c][:, np.maximum(self.user[c], 0)]
        return np.where(converts, arrays * held_s[c], 0.0)

    def on_busiest_s(self, held_s: FloatArray, tasks: IntArray) -> FloatArray:
        """How long each task has the set that `tasks` use most, [T], in the first configuration."""
        by_set = self.held_by_set_s(held_s, 0)
        if not by_set.size:
            return np.zeros(held_s.shape[1])
        return np.asarray(by_set[int(by_set[:, tasks].sum(axis=1).argmax())])


def with_converter_sets(
    costs: TaskCosts, converters_s: FloatArray, parts: tuple[Program, Architecture, Mapping]
) -> TaskCosts:
    """`costs` with the sets of converters as a shared unit; the same where arrays have their own, or no
    set is known.

    `converters_s` [C, T] is how long each array has its set in each task; `parts` are the program,
    the stacked architecture and the mapping that it is priced on.
    """
    program, architecture, mapping = parts
    if np.all(np.equal(architecture.tile.arrays_per_converter_set, 1)):
        return costs
    found = [_sets(architecture, mapping, c) for c in range(mapping.copies.shape[0])]
    if not any(sets.arrays.size for sets in found):
        return costs
    matrices, doubled = len(program.matrices.names), architecture.periphery.sides == "doubled"
    user = np.tile(program.matrix, (mapping.copies.shape[0], 1))
    if mapping.array_of is not None:
        user = np.take_along_axis(mapping.array_of, np.maximum(user, 0), axis=1)
    if doubled:
        user = user + matrices * program.transposed
    user = np.where((program.matrix >= 0) & (converters_s > 0), user, -1)
    return replace(
        costs,
        shared_s={**costs.shared_s, CONVERTERS: converters_s},
        sharing=ConverterSharing(
            user=np.asarray(user, dtype=np.intp),
            arrays=tuple(_by_user(sets, doubled=doubled) for sets in found),
            names=tuple(_names(sets, program.matrices.names, doubled=doubled) for sets in found),
        ),
    )


def on_own_sets(costs: TaskCosts) -> TaskCosts:
    """The costs (one configuration) with every set of converters as a resource of its own."""
    if costs.sharing is None:
        return costs
    shared = {name: held for name, held in costs.shared_s.items() if name != CONVERTERS}
    by_set = costs.sharing.held_by_set_s(costs.shared_s[CONVERTERS], 0)
    for name, held_s in zip(costs.sharing.names[0], by_set, strict=True):
        if held_s.any():
            shared[name] = held_s[None, :]
    return replace(costs, shared_s=shared, sharing=None)


def _sets(architecture: Architecture, mapping: Mapping, c: int) -> ConverterSets:
    """The sets of one configuration; none where arrays are written anew, or are on several chips."""

    def number(value: object) -> int:
        each = np.broadcast_to(np.asarray(value), (mapping.copies.shape[0], 1))
        return int(each[c, 0])

    per_tile = number(architecture.tile.arrays)
    tiles = number(architecture.arrays_available) // per_tile
    needed = mapping.arrays_needed[c]
    copies = np.where(needed > 0, mapping.copies[c], 0.0)
    too_many = float((needed * copies).sum()) > tiles * per_tile
    anew = mapping.round_of is not None and bool((mapping.round_of[c] > 0).any())
    if mapping.chips[c] > 1 or anew or too_many:
        return ConverterSets(np.zeros((0, needed.size), dtype=np.int64))
    layout = lay_out(needed, copies, per_tile, tiles)
    return converter_sets(layout, per_tile, number(architecture.tile.arrays_per_converter_set))


def _by_user(sets: ConverterSets, *, doubled: bool) -> FloatArray:
    """Arrays of each user, [D, 2 M]: every set is two banks where these are `doubled`."""
    arrays = sets.arrays.astype(np.float64)
    nothing = np.zeros_like(arrays)
    forward = np.concatenate([arrays, nothing], axis=1)
    if not doubled:
        return forward
    return np.concatenate([forward, np.concatenate([nothing, arrays], axis=1)])


def _names(sets: ConverterSets, matrices: tuple[str, ...], *, doubled: bool) -> tuple[str, ...]:
    """Sets by the matrices that they serve; no two begin with the same two of them."""
    found = []
    for entry in range(sets.arrays.shape[0]):
        users = [matrices[m] for m in sets.users(entry)]
        more = f" + {len(users) - _NAMED} more" if len(users) > _NAMED else ""
        found.append(f"{CONVERTERS}:{' + '.join(users[:_NAMED])}{more}")
    transposed = [f"{name}, transposed" for name in found] if doubled else []
    return (*found, *transposed)
