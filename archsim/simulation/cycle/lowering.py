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
from numpy.typing import NDArray

from archsim.fields import FloatArray
from archsim.simulation.analytic import Segments, segment_tasks, working_segments
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
    in a pipeline without such barriers (None: no bound).  `wake_s` is what a segment in which arrays
    work waits for them to be switched on.
    """

    samples: int
    mode: Literal["pipelined", "sequential"]
    update: Literal["immediate", "deferred"]
    barriers: bool
    in_flight: int | None = None
    wake_s: float = 0.0


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
    wakes: list[int] = field(default_factory=list)

    def add(self, name: str, needs: Sequence[int], *, once: bool, program_task: int = -1) -> int:
        number = len(self.names)
        self.names.append(name)
        self.once.append(once)
        self.program_task.append(program_task)
        self.edges.update((need, number) for need in needs)
        return number

    def once_for_all(self, name: str, needs: Sequence[int]) -> int:
        """Append what waits for all samples and takes no time."""
        return self.add(name, needs, once=True)

    def wake(self, name: str, needs: Sequence[int]) -> int:
        """Append the switching on of arrays, once for all samples."""
        self.wakes.append(self.add(name, needs, once=True))
        return self.wakes[-1]

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
    woken = np.zeros(segments.count, dtype=bool)
    if execution.wake_s > 0:
        woken = working_segments(program, costs, segments)[configuration].any(axis=1)
    if execution.mode == "sequential":
        _segment_by_segment(draft, program, segments, woken)
    else:
        _by_dependence(draft, program, segments, woken, execution)
    return _priced(draft, program, costs, execution, configuration)


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


def _segment_by_segment(
    draft: _Draft, program: Program, segments: Segments, woken: NDArray[np.bool_]
) -> None:
    """One sample after the other through each segment; the segments one after the other.

    `woken` [S] are segments whose arrays are switched on first.
    """
    needs = _inside(program)
    place: dict[int, int] = {}
    before: list[int] = []
    for number in range(segments.count):
        members = np.flatnonzero(segments.segment == number).tolist()
        if not members:
            continue
        once = bool(segments.per_step[number])
        if woken[number]:
            before = [draft.wake(f"arrays of segment {number} on", before)]
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


def _by_dependence(
    draft: _Draft,
    program: Program,
    segments: Segments,
    woken: NDArray[np.bool_],
    execution: Execution,
) -> None:
    """Every task as soon as its inputs are there; barriers wait for the minibatch.

    `woken` [S] are segments whose arrays are switched on at the barrier before them.
    """
    needs = _inside(program)
    deferred = np.zeros(program.size, dtype=bool)
    if execution.update == "deferred":
        deferred[program.select(TaskKind.WEIGHT_GRADIENT)] = True
    ordinary = np.flatnonzero(~deferred & ~program.per_step).tolist()
    place: dict[int, int] = {}
    before = [draft.wake("arrays on", [])] if woken[segments.segment[ordinary[:1]]].any() else []
    entry = draft.add("sample admitted", before, once=False)
    for task in ordinary:
        before = [place[p] for p in needs[task] if p in place] or [entry]
        if execution.barriers and program.barrier[task]:
            add = draft.wake if woken[segments.segment[task]] else draft.once_for_all
            before = [*before, add(f"{program.names[task]}: minibatch", before)]
        place[task] = draft.add(program.names[task], before, once=False, program_task=task)
    leave = draft.add("sample done", draft.last_of(entry), once=False)
    waits = execution.barriers and bool(program.barrier[ordinary].any())
    if execution.in_flight is not None and not waits:
        draft.windows.append(Window("samples in flight", entry, leave, execution.in_flight))
    before = [leave]
    for name, later, once in (
        ("minibatch done", np.flatnonzero(deferred), False),
        ("all updates done", np.flatnonzero(program.per_step), True),
    ):
        if not later.size:
            continue
        add = draft.wake if woken[segments.segment[later]].any() else draft.once_for_all
        before = [add(name, before)]
        for task in later.tolist():
            own = [place[p] for p in needs[task] if segments.segment[p] == segments.segment[task]]
            place[task] = draft.add(
                program.names[task], [*before, *own], once=once, program_task=task
            )
        before = draft.last_of(before[0])


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
    draft: _Draft, program: Program, costs: TaskCosts, execution: Execution, configuration: int
) -> Lowered:
    size = len(draft.names)
    task = np.array(draft.program_task, dtype=np.int64)
    real = np.flatnonzero(task >= 0)
    own = task[real]
    samples = execution.samples
    seconds = np.zeros(size)
    seconds[draft.wakes] = execution.wake_s
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
