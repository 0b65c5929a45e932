"""The fast engine, for templates: the same graph of tasks for every sample.

Tasks that only wait for what is already scheduled take one pass of numpy over all samples: on a
FIFO server `start[i] = max(ready[i], start[i-1] + hold)`, which is a running maximum.  Tasks that
wait for each other both ways go through an event loop (`archsim.simulation.cycle.events`), which
knows the template and recognises a steady state.

Samples never overtake each other: they are alike, and all queues are FIFO.  So a window of k
samples is the same as a wait for the sample k before, and every queue of one task is in the order
of its samples.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from archsim.simulation.cycle.certify import is_schedule
from archsim.simulation.cycle.components import components
from archsim.simulation.cycle.events import Component, Edge, run_events
from archsim.simulation.cycle.pools import Pool
from archsim.simulation.cycle.reference import simulate
from archsim.simulation.cycle.schedule import Schedule
from archsim.simulation.cycle.template import Template, check_template, expand
from archsim.simulation.cycle.ticks import TickArray

# What to do when the event loop is in a state that it was in before, apart from a shift in time and
# samples: go on regardless; repeat what followed and check every repeated task against all of its
# constraints; or repeat it unchecked (the state proves it).
Steady = Literal["ignore", "check", "trust"]


@dataclass(frozen=True, slots=True)
class TemplateSchedule:
    """When each instance claims its resources and starts, flat, task by task: see `expand`.

    `scanned` instances were scheduled by numpy passes, `stepped` by the event loop, `repeated` by
    repetition of a steady state; their sum is the number of instances.  `handed_over` says why the
    reference engine did it all, and is empty if it did not.
    """

    template: Template
    claim: TickArray
    start: TickArray
    finish: TickArray
    scanned: int
    stepped: int
    repeated: int
    handed_over: str = ""

    @property
    def makespan(self) -> int:
        """Ticks until the last task has finished and the last resource is free."""
        template = self.template
        last = self.start[template.offsets[1:] - 1]
        ends = (last[template.holds.row] + template.hold_ticks)[~template.streamed]
        return max(int(self.finish.max(initial=0)), int(ends.max(initial=0)))

    def schedule(self) -> Schedule:
        """The same over all instances as plain tasks, for analysis."""
        return Schedule(expand(self.template), self.claim, self.start, self.finish)


# Hears which share of the work is done, in 0..1.
Progress: TypeAlias = Callable[[float], None]


def simulate_template(
    template: Template, *, steady: Steady = "trust", progress: Progress | None = None
) -> TemplateSchedule:
    """The schedule of all instances, the same to the tick as `simulate(expand(template))`.

    `progress` is called now and then.  Raises `InputError` as that does.
    """
    check_template(template)
    stage = template.stage
    windows = [w for w in template.windows if w.samples < template.samples]
    reason = next(
        (
            f"the window '{w.name}' reaches across a barrier"
            for w in windows
            if stage[w.exit] > stage[w.entry] or w.samples < 1
        ),
        "",
    )
    if reason or (template.resources.capacity < 1).any():
        found = simulate(expand(template))
        return TemplateSchedule(template, found.claim, found.start, found.finish, 0, 0, 0, reason)
    return _Run(template, steady, progress).run()


class _Run:
    """State of one run: times per task, and when each resource is free."""

    def __init__(
        self, template: Template, steady: Steady, progress: Progress | None = None
    ) -> None:
        self.template, self.steady, self.progress = template, steady, progress
        self.total = int(template.offsets[-1])
        self.stage = template.stage
        self.counts: list[int] = template.counts.tolist()
        self.edges = _edges(template)
        self.into: list[list[Edge]] = [[] for _ in range(template.size)]
        for edge in self.edges:
            self.into[edge.target].append(edge)
        self.kept = _holds(template, streamed=False)
        self.streamed = _holds(template, streamed=True)
        capacity = template.resources.capacity.tolist()
        self.free = [0] * len(capacity)
        self.pools = {r: Pool(units) for r, units in enumerate(capacity) if units > 1}
        self.claim: list[TickArray] = [_NOTHING] * template.size
        self.start: list[TickArray] = [_NOTHING] * template.size
        self.finish: list[TickArray] = [_NOTHING] * template.size
        self.scanned = self.stepped = self.repeated = 0

    def run(self) -> TemplateSchedule:
        """Schedule component after component."""
        extra = [(e.source, e.target) for e in self.edges if e.lag]
        for group in components(self.template, extra):
            (task, *others) = group
            if others or not self._scannable(task):
                self._step(group)
            else:
                self._scan(task)
        if self.steady == "check" and self.repeated and not self.holds_true():
            return _Run(self.template, "ignore").run()
        return TemplateSchedule(
            self.template,
            np.concatenate(self.claim or [_NOTHING]),
            np.concatenate(self.start or [_NOTHING]),
            np.concatenate(self.finish or [_NOTHING]),
            self.scanned,
            self.stepped,
            self.repeated,
        )

    def holds_true(self) -> bool:
        """Whether all instances satisfy all of their constraints."""
        times = (self.claim, self.start, self.finish)
        return is_schedule(self.template, self.edges, times)

    def _scannable(self, task: int) -> bool:
        alone = all(edge.source != task for edge in self.into[task])
        holds = self.kept[task] + self.streamed[task]
        return alone and not any(resource in self.pools for resource, _, _ in holds)

    def _ready(self, task: int, inside: frozenset[int] = frozenset()) -> TickArray:
        """When the predecessors of each instance have finished, less those `inside` a group."""
        ready = np.zeros(self.counts[task], dtype=np.int64)
        for edge in self.into[task]:
            if edge.source in inside:
                continue
            finish = self.finish[edge.source]
            if self.counts[edge.source] > self.counts[task]:
                np.maximum(ready, finish.max(), out=ready)
            elif edge.lag:
                np.maximum(ready[edge.lag :], finish[: -edge.lag], out=ready[edge.lag :])
            else:
                np.maximum(ready, finish, out=ready)
        return ready

    def _scan(self, task: int) -> None:
        ready = self._ready(task)
        kept = self.kept[task]
        free = max((self.free[resource] for resource, _, _ in kept), default=0)
        start = ready
        if kept:
            start = _in_turn(np.maximum(ready, free), max(ticks for _, _, ticks in kept))
        for resource, _, ticks in kept:
            self.free[resource] = int(start[-1]) + ticks
        finish = start + self.template.duration[task]
        for resource, _, ticks in self.streamed[task]:
            end = _in_turn(np.maximum(ready, self.free[resource]), ticks) + ticks
            self.free[resource] = int(end[-1])
            finish = np.maximum(finish, end)
        self.claim[task], self.start[task], self.finish[task] = ready, start, finish
        self.scanned += start.size

    def _step(self, group: list[int]) -> None:
        inside = frozenset(group)
        stage = self.stage[group]
        component = Component(
            samples=self.template.samples,
            once=self.template.once[group].tolist(),
            stage=(stage - stage.min()).tolist(),
            duration=self.template.duration[group].tolist(),
            base=[self._ready(t, inside).tolist() for t in group],
            kept=[self.kept[t] for t in group],
            streamed=[self.streamed[t] for t in group],
            edges=_inside(self.edges, group),
            used=sorted({r for t in group for r, _, _ in self.kept[t] + self.streamed[t]}),
            free=self.free,
            pools=self.pools,
        )
        found, repeated = run_events(
            component,
            watch=self.steady != "ignore",
            tell=None if self.progress is None else self._teller(self.progress),
        )
        for task, finishes in zip(group, found.finishes, strict=True):
            self.finish[task] = np.array(finishes, dtype=np.int64)
        for task, starts in zip(group, found.starts, strict=True):
            self.claim[task] = self._ready(task)
            self.start[task] = self.claim[task]
            if starts is not None:
                self.start[task] = np.array(starts, dtype=np.int64)
            elif self.kept[task]:
                # Nothing streams that could delay the finish.
                self.start[task] = self.finish[task] - self.template.duration[task]
        total = sum(self.counts[t] for t in group)
        self.repeated += repeated
        self.stepped += total - repeated

    def _teller(self, progress: Progress) -> Progress:
        """Adds what one component has stepped to what is scheduled already."""
        done = float(self.scanned + self.stepped + self.repeated)

        def tell(more: float) -> None:
            nonlocal done
            done += more
            progress(min(done / self.total, 1.0))

        return tell


def _in_turn(asked: TickArray, ticks: int) -> TickArray:
    """When a server that takes `ticks` for each claim begins with them, in their order."""
    steps = np.arange(asked.size, dtype=np.int64) * ticks
    return np.asarray(np.maximum.accumulate(asked - steps) + steps)


_NOTHING = np.zeros(0, dtype=np.int64)


def _edges(template: Template) -> list[Edge]:
    """Dependences and windows; a window of k samples waits for the k-th sample before."""
    found = [
        Edge(source, target, lag)
        for source, target, lag in zip(
            template.source.tolist(), template.target.tolist(), template.lag.tolist(), strict=True
        )
        if lag < template.samples
    ]
    found += [
        Edge(w.exit, w.entry, w.samples) for w in template.windows if w.samples < template.samples
    ]
    return sorted(set(found))


def _holds(template: Template, *, streamed: bool) -> list[list[tuple[int, int, int]]]:
    """Resource, units and ticks of what each task keeps, or of what streams for it."""
    chosen = template.streamed == streamed
    found: list[list[tuple[int, int, int]]] = [[] for _ in range(template.size)]
    entries = zip(
        template.holds.row[chosen].tolist(),
        template.holds.item[chosen].tolist(),
        template.holds.amount[chosen].tolist(),
        template.hold_ticks[chosen].tolist(),
        strict=True,
    )
    for task, resource, amount, ticks in entries:
        found[task].append((resource, amount, ticks))
    return found


def _inside(edges: list[Edge], group: list[int]) -> list[Edge]:
    """Edges between tasks of a group, by their places in it."""
    place = {task: i for i, task in enumerate(group)}
    return [
        Edge(place[e.source], place[e.target], e.lag)
        for e in edges
        if e.source in place and e.target in place
    ]
