"""The same graph of tasks for every sample of a minibatch: the compact form of a training step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np
from numpy.typing import NDArray

from archsim.errors import InputError
from archsim.simulation.cycle.checking import checked
from archsim.simulation.cycle.tasks import Buffers, Indices, Resources, Rows, Tasks, rows
from archsim.simulation.cycle.ticks import TickArray


@dataclass(frozen=True, slots=True)
class Window:
    """At most `samples` samples may be between the start of `entry` and the finish of `exit`.

    A finite buffer between two tasks, or the number of samples that are in flight at once.
    """

    name: str
    entry: int
    exit: int
    samples: int


@dataclass(frozen=True, slots=True)
class Template:
    """T tasks that every one of `samples` samples repeats, except those that happen `once`.

    `names`, `duration` (ticks of `tick_s`) and `once` are [T].  Edge e says that task `target[e]`
    needs `source[e]` of the sample `lag[e]` before (0: the same sample).  Between a task of every
    sample and one that happens once, an edge means all samples.  Tasks are in topological order
    along edges without lag.  `holds` lists resources and units for each task, `hold_ticks` and
    `streamed` are one per entry, as in `Tasks`; `windows` limit samples on their way.
    """

    tick_s: float
    samples: int
    names: tuple[str, ...]
    duration: TickArray
    once: NDArray[np.bool_]
    source: Indices
    target: Indices
    lag: Indices
    holds: Rows
    hold_ticks: TickArray
    streamed: NDArray[np.bool_]
    resources: Resources
    windows: tuple[Window, ...] = ()

    @property
    def size(self) -> int:
        """Number of tasks of one sample."""
        return len(self.names)

    @property
    def counts(self) -> Indices:
        """How often each task happens, [T]."""
        return np.where(self.once, 1, self.samples)

    @property
    def offsets(self) -> Indices:
        """Where the instances of each task begin in the flat arrays, [T + 1]."""
        return np.concatenate(([0], np.cumsum(self.counts))).astype(np.int64)

    @property
    def stage(self) -> Indices:
        """Barriers (all samples into one task) on the longest way to each task, [T].

        Raises `InputError` if a lagging edge closes a cycle through a barrier.
        """
        stage = [0] * self.size
        rises = (self.once[self.target] & ~self.once[self.source]).tolist()
        edges = sorted(
            zip(self.target.tolist(), self.source.tolist(), rises, self.lag.tolist(), strict=True)
        )
        edges = [edge for edge in edges if edge[3] < self.samples]
        for _ in range(self.size + 1):
            moved = False
            for target, source, rise, _lag in edges:
                if stage[source] + rise > stage[target]:
                    stage[target], moved = stage[source] + rise, True
            if not moved:
                return np.array(stage, dtype=np.int64)
        raise InputError(
            "a sample waits for an earlier one across a barrier that waits for both",
            remedy="Remove the dependence between samples, or the barrier.",
        )


class InstanceNames(Sequence[str]):
    """Names of all instances, made when asked for: 'task' or 'task [sample]'."""

    def __init__(self, template: Template) -> None:
        self._template = template
        self._offsets = template.offsets

    def __len__(self) -> int:
        return int(self._offsets[-1])

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        task = int(np.searchsorted(self._offsets, index, side="right")) - 1
        name = self._template.names[task]
        return name if self._template.once[task] else f"{name} [{index - self._offsets[task]}]"


def instance_order(template: Template) -> Indices:
    """Places of all instances that settle ties: by stage, then sample, then task."""
    task = np.repeat(np.arange(template.size), template.counts)
    once = template.once[task]
    sample = np.arange(task.size) - template.offsets[task]
    place = np.lexsort((task, np.where(once, -1, sample), template.stage[task]))
    order = np.empty(task.size, dtype=np.int64)
    order[place] = np.arange(task.size)
    return order


def expand(template: Template) -> Tasks:
    """All instances as a plain task set: task t of sample s is number `offsets[t] + s`.

    Raises `InputError` for what `checked` refuses, and for edges against the order of the tasks.
    """
    check_template(template)
    task = np.repeat(np.arange(template.size), template.counts)
    holds = template.holds
    sizes = np.diff(holds.offsets)[task]
    entry = np.arange(sizes.sum()) + np.repeat(
        holds.offsets[task] - np.concatenate(([0], np.cumsum(sizes)[:-1])), sizes
    )
    edges = [_instances_of_edge(template, e) for e in range(template.source.size)]
    row = np.concatenate([t for t, _ in edges] or [np.zeros(0, np.int64)])
    needs = np.concatenate([s for _, s in edges] or [np.zeros(0, np.int64)])
    return checked(
        Tasks(
            tick_s=template.tick_s,
            names=InstanceNames(template),
            duration=template.duration[task],
            order=instance_order(template),
            predecessors=rows(task.size, row, needs, np.ones_like(needs)),
            holds=Rows(
                np.concatenate(([0], np.cumsum(sizes))).astype(np.int64),
                holds.item[entry],
                holds.amount[entry],
            ),
            hold_ticks=template.hold_ticks[entry],
            streamed=template.streamed[entry],
            takes=_window_ends(template, [w.entry for w in template.windows]),
            frees=_window_ends(template, [w.exit for w in template.windows]),
            resources=template.resources,
            buffers=Buffers(
                tuple(w.name for w in template.windows),
                np.array([w.samples for w in template.windows], dtype=np.int64),
            ),
        )
    )


def check_template(template: Template) -> None:
    """Raise `InputError` for edges against the order, and for windows or lags around barriers."""
    same = template.lag == 0
    for e in np.flatnonzero(same & (template.source >= template.target)):
        first, then = template.names[template.source[e]], template.names[template.target[e]]
        raise InputError(
            f"the task '{then}' needs '{first}', which comes after it or is itself",
            remedy="List tasks so that each comes after those it needs; cycles cannot run.",
        )
    around_once = template.once[template.source] | template.once[template.target]
    for e in np.flatnonzero((around_once & ~same) | (template.lag < 0)):
        raise InputError(
            f"the edge from '{template.names[template.source[e]]}' to "
            f"'{template.names[template.target[e]]}' has a lag of {template.lag[e]} samples",
            remedy="Lags are not negative, and tasks that happen once have none.",
        )
    for window in template.windows:
        if template.duration[window.exit] < 1:
            raise InputError(
                f"'{window.name}' ends at '{template.names[window.exit]}', which takes no time",
                remedy="Let it take a tick, so that all claims of a tick know what is free.",
            )
        for end in (window.entry, window.exit):
            if template.once[end]:
                raise InputError(
                    f"'{window.name}' counts samples at '{template.names[end]}', which happens once",
                    remedy="Count samples at tasks that every sample has.",
                )


def _instances_of_edge(template: Template, e: int) -> tuple[Indices, Indices]:
    """Targets and sources of every instance of edge e."""
    source, target, lag = int(template.source[e]), int(template.target[e]), int(template.lag[e])
    offsets, counts = template.offsets, template.counts
    there = np.arange(offsets[target], offsets[target + 1])
    here = np.arange(offsets[source], offsets[source + 1])
    if counts[source] == counts[target]:
        return there[lag:], here[: max(here.size - lag, 0)]
    there, here = np.broadcast_arrays(there, here)
    return there, here


def _window_ends(template: Template, ends: list[int]) -> Rows:
    """Every instance of the tasks at one end of each window, with one unit of its buffer."""
    samples = np.arange(template.samples)
    row = [template.offsets[end] + samples for end in ends]
    item = [np.full(template.samples, w) for w in range(len(ends))]
    return rows(
        int(template.offsets[-1]),
        np.concatenate(row or [np.zeros(0, np.int64)]),
        np.concatenate(item or [np.zeros(0, np.int64)]),
        np.ones(template.samples * len(ends), np.int64),
    )
