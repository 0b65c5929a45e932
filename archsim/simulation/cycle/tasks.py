"""What the engines simulate: tasks, resources and buffers as flat arrays."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from archsim.simulation.cycle.ticks import TickArray

Indices = NDArray[np.int64]
# `unit`: arrays, vector and matrix units, memory channels; `link`: mesh and chip-to-chip links;
# `power`: a cap on simultaneous updates, whose units are watts (or parts of them).
ResourceKind = Literal["unit", "link", "power"]


@dataclass(frozen=True, slots=True)
class Resources:
    """What tasks hold while they work: `capacity` units each, [R], at least one.

    A single server has capacity 1; a group of equal servers has several; a power cap has as many
    units as it allows and each task holds what it burns.
    """

    names: tuple[str, ...]
    capacity: Indices
    kind: tuple[ResourceKind, ...]


@dataclass(frozen=True, slots=True)
class Buffers:
    """Space that one task takes when it starts and another frees when it finishes, [F]."""

    names: tuple[str, ...]
    capacity: Indices


@dataclass(frozen=True, slots=True)
class Rows:
    """A list of entries for each of N rows: row i has those at `offsets[i]:offsets[i + 1]`.

    `item` names what each entry is about (a task, a resource, a buffer), `amount` how much of it.
    """

    offsets: Indices
    item: Indices
    amount: Indices

    @property
    def row(self) -> Indices:
        """The row of each entry."""
        return np.repeat(np.arange(self.offsets.size - 1, dtype=np.int64), np.diff(self.offsets))

    def lists(self) -> list[list[tuple[int, int]]]:
        """Item and amount of every entry, row by row."""
        pairs = list(zip(self.item.tolist(), self.amount.tolist(), strict=True))
        cuts = self.offsets.tolist()
        return [pairs[a:b] for a, b in itertools.pairwise(cuts)]

    def row_items(self, row: int) -> Indices:
        """What the entries of one row are about."""
        return self.item[self.offsets[row] : self.offsets[row + 1]]

    def by_item(self, items: int) -> Rows:
        """The transposed lists: for each item the rows that name it, in ascending order."""
        order = np.argsort(self.item, kind="stable")
        counts = np.bincount(self.item, minlength=items)
        return Rows(_offsets(counts), self.row[order], self.amount[order])


def _offsets(counts: NDArray[np.int64]) -> Indices:
    return np.concatenate(([0], np.cumsum(counts))).astype(np.int64)


def rows(size: int, row: Sequence[int] | Indices, item: Indices, amount: Indices) -> Rows:
    """`Rows` of `size` rows out of entries in any order; entries of a row keep theirs."""
    row = np.asarray(row, dtype=np.int64)
    order = np.argsort(row, kind="stable")
    counts = np.bincount(row, minlength=size)
    return Rows(
        _offsets(counts),
        np.asarray(item, dtype=np.int64)[order],
        np.asarray(amount, dtype=np.int64)[order],
    )


@dataclass(frozen=True, slots=True)
class Tasks:
    """N tasks as flat arrays; times in ticks of `tick_s`.

    `duration` and `order` are [N]; `order` is a permutation of 0..N-1 that grows along every
    dependence and settles ties.  `predecessors` lists tasks (amount 1).  `holds` lists resources
    and how many units of them are held; `hold_ticks`, one per entry of `holds`, is for how long (an
    array may be free again before its last result has left it), and `streamed` whether the resource
    streams or is kept from the task's start.  `takes` and `frees` list buffers and the
    space taken before the start and freed at the finish.  `names` are [N].

    Make one with `archsim.simulation.cycle.checking.checked`, which refuses what cannot run.
    """

    tick_s: float
    names: Sequence[str]
    duration: TickArray
    order: Indices
    predecessors: Rows
    holds: Rows
    hold_ticks: TickArray
    streamed: NDArray[np.bool_]
    takes: Rows
    frees: Rows
    resources: Resources
    buffers: Buffers

    @property
    def size(self) -> int:
        """Number of tasks."""
        return int(self.duration.size)
