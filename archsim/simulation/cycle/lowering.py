"""From a priced program to the template that the engines run: tasks, barriers, windows.

A task keeps the unit that it runs on (the array group of its matrix, else the matrix unit, else the
vector unit), and all others stream for it, for the time that the analytic fidelity counts as
occupancy; its results are there after its duration.  So both fidelities see the same work.  What they add up differs: here every claim waits its turn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from archsim.fields import FloatArray
from archsim.simulation.analytic import Segments, segment_tasks
from archsim.simulation.columns import SHARED_RESOURCES, TaskCosts
from archsim.simulation.cycle.tasks import ResourceKind, Resources, rows
from archsim.simulation.cycle.template import Template, Window
from archsim.simulation.cycle.ticks import TickArray, choose_tick_s, to_ticks
from archsim.simulation.program import Program
from archsim.workload.training import TaskKind

_LINKS = frozenset({"mesh"})
# Units that a task without arrays can run on, the first that it uses.
_HOMES = ("matrix_unit", "vector_unit")


@dataclass(frozen=True, slots=True)
class Execution:
    """How a minibatch of `samples` is carried out.

    `mode` and `update` are those of the architecture's schedule; `barriers` says whether
    normalisations need the whole minibatch.  `in_flight` bounds the samples on their way at once
    in a pipeline without such barriers (None: no bound).
    """

    samples: int
    mode: Literal["pipelined", "sequential"]
    update: Literal["immediate", "deferred"]
    barriers: bool
    in_flight: int | None = None


@dataclass(frozen=True, slots=True)
class Lowered:
    """The template, and for each of its tasks the program's (-1 for barriers and the like)."""

    template: Template
    program_task: TickArray


@dataclass(slots=True)
class _Draft:
    """A template under construction; entries refer to the draft's own tasks."""

    names: list[str] = field(default_factory=list)
    once: list[bool] = field(default_factory=list)
    program_task: list[int] = field(default_factory=list)
    edges: set[tuple[int, int]] = field(default_factory=set)
    windows: list[Window] = field(default_factory=list)

    def add(self, name: str, needs: Sequence[int], *, once: bool, program_task: int = -1) -> int:
        number = len(self.names)
        self.names.append(name)
        self.once.append(once)
        self.program_task.append(program_task)
        self.edges.update((need, number) for need in needs)
        return number

    def last_of(self, first: int) -> list[int]:
        """Tasks from number `first` on that nothing waits for."""
        needed = {source for source, _ in self.edges}
        return [task for task in range(first, len(self.names)) if task not in needed]


def lower_cycle(
    program: Program, costs: TaskCosts, execution: Execution, configuration: int = 0
) -> Lowered:
    """The template of one training step, priced by one configuration of `costs`."""
    segments = segment_tasks(
        program, batch_barriers=execution.barriers, deferred=execution.update == "deferred"
    )
    draft = _Draft()
    if execution.mode == "sequential":
        _segment_by_segment(draft, program, segments)
    else:
        _by_dependence(draft, program, execution)
    return _priced(draft, program, costs, execution.samples, configuration)


def _inside(program: Program) -> list[list[int]]:
    """Predecessors of each program task within a step.

    What happens once per step closes it: weights that it computes are those of the next step, so
    nothing of this one waits for it.
    """
    found: list[list[int]] = [[] for _ in range(program.size)]
    for source, target in zip(program.edge_from.tolist(), program.edge_to.tolist(), strict=True):
        if program.per_step[target] or not program.per_step[source]:
            found[target].append(source)
    return found


def _segment_by_segment(draft: _Draft, program: Program, segments: Segments) -> None:
    """One sample after the other through each segment; the segments one after the other."""
    needs = _inside(program)
    place: dict[int, int] = {}
    before: list[int] = []
    for number in range(segments.count):
        members = np.flatnonzero(segments.segment == number).tolist()
        if not members:
            continue
        once = bool(segments.per_step[number])
        entry = draft.add(f"begin of segment {number}", before, once=once)
        for task in members:
            own = [place[p] for p in needs[task] if segments.segment[p] == number]
            place[task] = draft.add(
                program.names[task], [entry, *own], once=once, program_task=task
            )
        ends = draft.add(f"end of segment {number}", draft.last_of(entry), once=once)
        if not once:
            draft.windows.append(Window(f"one sample in segment {number}", entry, ends, 1))
        before = [draft.add(f"all of segment {number}", [ends], once=True)]


def _by_dependence(draft: _Draft, program: Program, execution: Execution) -> None:
    """Every task as soon as its inputs are there; barriers wait for the minibatch."""
    needs = _inside(program)
    deferred = np.zeros(program.size, dtype=bool)
    if execution.update == "deferred":
        deferred[program.select(TaskKind.WEIGHT_GRADIENT)] = True
    ordinary = np.flatnonzero(~deferred & ~program.per_step).tolist()
    place: dict[int, int] = {}
    entry = draft.add("sample admitted", [], once=False)
    for task in ordinary:
        before = [place[p] for p in needs[task] if p in place] or [entry]
        if execution.barriers and program.barrier[task]:
            before = [*before, draft.add(f"{program.names[task]}: minibatch", before, once=True)]
        place[task] = draft.add(program.names[task], before, once=False, program_task=task)
    leave = draft.add("sample done", draft.last_of(entry), once=False)
    waits = execution.barriers and bool(program.barrier[ordinary].any())
    if execution.in_flight is not None and not waits:
        draft.windows.append(Window("samples in flight", entry, leave, execution.in_flight))
    before = [leave]
    if deferred.any():
        before = [draft.add("minibatch done", before, once=True)]
        updates = np.flatnonzero(deferred).tolist()
        for task in updates:
            own = [place[p] for p in needs[task] if p in place and deferred[p]]
            place[task] = draft.add(
                program.names[task], [*before, *own], once=False, program_task=task
            )
        before = draft.last_of(leave)
    closing = np.flatnonzero(program.per_step).tolist()
    before = [draft.add("all updates done", before, once=True)]
    for task in closing:
        own = [place[p] for p in needs[task] if program.per_step[p]]
        place[task] = draft.add(program.names[task], own or before, once=True, program_task=task)


def _place(unit: str) -> int:
    """Units that tasks run on come first."""
    return _HOMES.index(unit) if unit in _HOMES else len(_HOMES) + SHARED_RESOURCES.index(unit)


def _durations(seconds: FloatArray, tick_s: float, draft: _Draft) -> TickArray:
    """Ticks of each task; the end of a window takes one, as whatever frees space must."""
    ticks = to_ticks(seconds, tick_s)
    ends = [window.exit for window in draft.windows]
    ticks[ends] = np.maximum(ticks[ends], 1)
    return ticks


def _priced(
    draft: _Draft, program: Program, costs: TaskCosts, samples: int, configuration: int
) -> Lowered:
    size = len(draft.names)
    task = np.array(draft.program_task, dtype=np.int64)
    real = np.flatnonzero(task >= 0)
    own = task[real]
    seconds = np.zeros(size)
    seconds[real] = (costs.main_s + costs.transfer_s)[configuration, own]
    names = tuple(f"arrays:{name}" for name in program.matrices.names) + SHARED_RESOURCES
    matrices = len(program.matrices.names)
    on_array = np.where(program.matrix[own] >= 0, costs.array_s[configuration, own], 0.0)
    columns = [(program.matrix[own], on_array)] + [
        (np.full(own.size, matrices + SHARED_RESOURCES.index(name)), held[configuration, own])
        for name, held in sorted(costs.shared_s.items(), key=lambda pair: _place(pair[0]))
    ]
    homeless = np.ones(own.size, dtype=bool)
    streams = []
    for number, (_, held) in enumerate(columns):
        keeps = homeless & (held > 0) & (number <= len(_HOMES))
        streams.append(~keeps[held > 0])
        homeless &= ~keeps
    row = np.concatenate([real[held > 0] for _, held in columns])
    item = np.concatenate([resource[held > 0] for resource, held in columns])
    held_s = np.concatenate([held[held > 0] for _, held in columns])
    repeats = np.where(draft.once, 1.0, samples)
    serial_s = float((seconds * repeats).sum() + (held_s * repeats[row]).sum())
    tick_s = choose_tick_s(serial_s)
    holds = rows(size, row, item, np.ones_like(item))
    edges = np.array(sorted(draft.edges), dtype=np.int64).reshape(-1, 2)
    kinds: tuple[ResourceKind, ...] = tuple("link" if n in _LINKS else "unit" for n in names)
    template = Template(
        tick_s=tick_s,
        samples=samples,
        names=tuple(draft.names),
        duration=_durations(seconds, tick_s, draft),
        once=np.array(draft.once, dtype=bool),
        source=edges[:, 0],
        target=edges[:, 1],
        lag=np.zeros(len(edges), dtype=np.int64),
        holds=holds,
        hold_ticks=to_ticks(held_s, tick_s)[np.argsort(row, kind="stable")],
        streamed=np.concatenate(streams)[np.argsort(row, kind="stable")],
        resources=Resources(names, np.ones(len(names), dtype=np.int64), kinds),
        windows=tuple(draft.windows),
    )
    return Lowered(template, task)
