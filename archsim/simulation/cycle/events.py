"""The event loop of the fast engine: tasks of one component, in the order of their claims.

An event is one integer, (tick, stage, sample, task) from the highest bits to the lowest, so that
the heap compares machine integers and yields claims in the order that the rules ask for.
"""

from __future__ import annotations

import heapq
from array import array
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from archsim.simulation.cycle.pools import Pool
from archsim.simulation.cycle.steady import Watch

# Tasks of a component whose instances count as progress: a few, so that it costs nothing.
_MILESTONES = 16


class Edge(NamedTuple):
    """Task `target` needs `source` of the sample `lag` before."""

    source: int
    target: int
    lag: int


class _Later(NamedTuple):
    """An edge in no plan: what reaching the instances of its target takes.

    `low` are the low bits of the first one's event, `stride` what the next one's are more (0: it happens
    once), `end` how many there are; `all` of them are reached at once if only the source happens once.
    """

    low: int
    stride: int
    end: int
    lag: int
    needs: int
    base: list[int]
    all: bool


@dataclass(frozen=True, slots=True)
class Component:
    """Tasks that wait for each other, numbered in the order of the template.

    `base[t][s]` is when the predecessors outside have finished; `kept` and
    `streamed` are (resource, units, ticks), `used` all resources held.  `free` (single servers) and `pools` (the others) say when
    resources are free, those of other components too; the run updates what it uses.
    """

    samples: int
    once: list[bool]
    stage: list[int]
    duration: list[int]
    base: list[list[int]]
    kept: list[list[tuple[int, int, int]]]
    streamed: list[list[tuple[int, int, int]]]
    edges: list[Edge]
    used: list[int]
    free: list[int]
    pools: dict[int, Pool]


# What a task does when it is claimed: the single server that it keeps (-1: none, or more than that)
# and for how long; duration; single servers that stream for it (resource, ticks); whether it uses
# anything else; its successors of the same sample, by the low bits of their events, that have no
# other predecessor, just one more, or more than that (with how many); whether anything else follows;
# records of starts (None where they follow from the finishes) and of finishes.
_Plan: TypeAlias = tuple[
    int,
    int,
    int,
    tuple[tuple[int, int], ...],
    bool,
    tuple[int, ...],
    tuple[int, ...],
    tuple[tuple[int, int], ...],
    bool,
    "array[int] | None",
    "array[int]",
]


class Layout:
    """Where tick, stage, sample and task stand in an event, and what waits for what.

    `needs[t]` is how many predecessor instances each instance of t has in full; `told` are tasks
    whose instances count as progress (none unless `tells`).
    """

    def __init__(self, component: Component, *, tells: bool = False) -> None:
        size, samples = len(component.duration), component.samples
        self.component = component
        self.told = frozenset(range(0, size, max(1, size // _MILESTONES)) if tells else ())
        self.task_bits = max(size - 1, 1).bit_length()
        self.sample_bits = samples.bit_length()
        self.low_bits = self.task_bits + self.sample_bits + max(component.stage).bit_length()
        self.needs = [0] * size
        for source, target, _ in component.edges:
            gathers = component.once[target] and not component.once[source]
            self.needs[target] += samples if gathers else 1
        # Machine integers: lists would keep every tick as an object of its own.
        self.starts = [
            array("q") if kept and streamed else None
            for kept, streamed in zip(component.kept, component.streamed, strict=True)
        ]
        self.finishes = [array("q") for _ in range(size)]
        mixed = {t for s, t, lag in component.edges if not self._simple(s, t, lag)}
        # Inputs that are there before anything here can happen need not be waited for.
        first = {t for t, needs in enumerate(self.needs) if needs == 0} | mixed
        earliest = min((component.base[t][0] for t in first), default=0)
        self.alone: list[list[int]] = [[] for _ in range(size)]
        self.paired: list[list[int]] = [[] for _ in range(size)]
        self.joined: list[list[tuple[int, int]]] = [[] for _ in range(size)]
        self.later: list[list[_Later]] = [[] for _ in range(size)]
        for source, target, lag in component.edges:
            plain = target not in mixed and max(component.base[target]) <= earliest
            if plain and self.needs[target] == 1:
                self.alone[source].append(self.low(target, -1))
            elif plain and self.needs[target] == 2:
                self.paired[source].append(self.low(target, -1))
            elif plain:
                self.joined[source].append((self.low(target, -1), self.needs[target]))
            else:
                self.later[source].append(self._later(source, target, lag))

    def _later(self, source: int, target: int, lag: int) -> _Later:
        component = self.component
        single = component.once[target]
        return _Later(
            self.low(target, 0),
            0 if single else 1 << self.task_bits,
            1 if single else component.samples,
            lag,
            self.needs[target],
            component.base[target],
            component.once[source] and not single,
        )

    def _simple(self, source: int, target: int, lag: int) -> bool:
        once = self.component.once
        return lag == 0 and not once[source] and not once[target]

    def low(self, task: int, sample: int) -> int:
        """The bits of an event below its tick; tasks that happen once come before sample 0."""
        number = 0 if self.component.once[task] else sample + 1
        stage = self.component.stage[task] << self.sample_bits
        return (stage | number) << self.task_bits | task

    def plans(self) -> list[_Plan]:
        """One plan for each task."""
        component, found = self.component, []
        last = len(component.duration) - 1
        for task, kept in enumerate(component.kept):
            streamed = component.streamed[task]
            pooled = any(r in component.pools for r, _, _ in kept + streamed)
            home, _, ticks = kept[0] if len(kept) == 1 and not pooled else (-1, 1, 0)
            found.append(
                (
                    home,
                    ticks,
                    component.duration[task],
                    () if pooled else tuple((r, ticks) for r, _, ticks in streamed),
                    pooled or len(kept) > 1,
                    tuple(self.alone[task]),
                    tuple(self.paired[task]),
                    tuple(self.joined[task]),
                    bool(self.later[task]) or task == last or task in self.told,
                    self.starts[task],
                    self.finishes[task],
                )
            )
        return found


class Waiting:
    """Instances that some, but not all, of their predecessors have been scheduled for.

    Both maps are keyed by the low bits of the instance's event.  `halves` holds those of two
    predecessors, one of which finishes at the tick given; `partial` those of any number: (left,
    tick of the latest so far).
    """

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.halves: dict[int, int] = {}
        self.partial: dict[int, tuple[int, int]] = {}

    def initial(self) -> list[int]:
        """Events of the instances that wait for nothing inside."""
        layout, component, events = self.layout, self.layout.component, []
        lags_of: dict[int, list[int]] = {}
        for _, target, lag in component.edges:
            if lag:
                lags_of.setdefault(target, []).append(lag)
        for task, needs in enumerate(layout.needs):
            if needs == 0:
                first = layout.low(task, 0)
                events += [
                    base << layout.low_bits | first + (sample << layout.task_bits)
                    for sample, base in enumerate(component.base[task])
                ]
            lags = lags_of.get(task, [])
            for sample in range(max(lags, default=0)):
                left = needs - sum(lag > sample for lag in lags)
                base, low = component.base[task][sample], layout.low(task, sample)
                if left:
                    self.partial[low] = (left, base)
                else:
                    events.append(base << layout.low_bits | low)
        return events

    def follow(self, task: int, sample: int, finish: int) -> list[int]:
        """Events that become known when an instance is scheduled, by edges in no plan."""
        layout, partial, found = self.layout, self.partial, []
        for edge in layout.later[task]:
            first = sample + edge.lag if edge.stride else 0
            for reached in range(first, edge.end if edge.all else min(first + 1, edge.end)):
                low = edge.low + reached * edge.stride
                left, at = partial.get(low) or (edge.needs, edge.base[reached])
                at = finish if finish > at else at  # noqa: FURB136
                if left > 1:
                    partial[low] = (left - 1, at)
                    continue
                partial.pop(low, None)
                found.append(at << layout.low_bits | low)
        return found


def run_events(
    component: Component, *, watch: bool, tell: Callable[[float], None] | None = None
) -> tuple[Layout, int]:
    """Finishes (and starts) of every instance, and how many were repeated, not stepped.

    With `watch`, a state that occurred before is recognised, and what followed it is repeated as
    often as samples allow (see `archsim.simulation.cycle.steady`).  `tell` hears now and then how many
    instances more have been stepped.
    """
    layout = Layout(component, tells=tell is not None)
    waiting = Waiting(layout)
    heap = waiting.initial()
    heapq.heapify(heap)
    watcher = Watch(layout, waiting, heap) if watch and not any(component.once) else None
    _loop(layout, waiting, heap, watcher, tell)
    return layout, watcher.repeated if watcher else 0


def _loop(  # noqa: C901, PLR0912, PLR0915
    layout: Layout,
    waiting: Waiting,
    heap: list[int],
    watch: Watch | None,
    tell: Callable[[float], None] | None,
) -> None:
    """The loop itself: one function, because a call per task would double its time."""
    push, pop, push_pop = heapq.heappush, heapq.heappop, heapq.heappushpop
    free, halves, partial = layout.component.free, waiting.halves, waiting.partial
    plans = layout.plans()
    low_bits, task_bits = layout.low_bits, layout.task_bits
    task_mask = (1 << task_bits) - 1
    sample_field = ((1 << layout.sample_bits) - 1) << task_bits
    event = pop(heap) if heap else -1
    while event >= 0:
        now = event >> low_bits
        number = event & sample_field
        task = event & task_mask
        home, ticks, duration, streamed, others, alone, paired, joined, more, starts, finishes = (
            plans[task]
        )
        # Comparing is twice as fast as calling max(), here and below.
        start = now
        if home >= 0:
            if free[home] > now:
                start = free[home]
            free[home] = start + ticks
        finish = start + duration
        for resource, ticks in streamed:
            end = free[resource]
            if end < now:  # noqa: PLR1730
                end = now
            end += ticks
            free[resource] = end
            if end > finish:  # noqa: PLR1730
                finish = end
        if others:
            start, finish = _hold_all(layout.component, task, now)
        if starts is not None:
            starts.append(start)
        finishes.append(finish)
        event = -1
        for low in alone:
            if event >= 0:
                push(heap, event)
            event = finish << low_bits | low + number
        for low in paired:
            at = halves.pop(low + number, -1)
            if at < 0:
                halves[low + number] = finish
                continue
            if event >= 0:
                push(heap, event)
            event = (finish if finish > at else at) << low_bits | low + number  # noqa: FURB136
        for low, needs in joined:
            left, at = partial.pop(low + number, (needs, finish))
            if finish > at:  # noqa: PLR1730
                at = finish
            if left > 1:
                partial[low + number] = (left - 1, at)
                continue
            if event >= 0:
                push(heap, event)
            event = at << low_bits | low + number
        if more:
            if event >= 0:
                push(heap, event)
            sample = (number >> task_bits) - 1
            for found in waiting.follow(task, max(sample, 0), finish):
                push(heap, found)
            if tell is not None and task in layout.told:
                tell(len(plans) / len(layout.told))
            if watch is not None and task == len(plans) - 1 and not watch.look(now, sample):
                watch = None
            event = pop(heap) if heap else -1
        elif event >= 0:
            event = push_pop(heap, event)
        elif heap:
            event = pop(heap)


def _hold_all(component: Component, task: int, now: int) -> tuple[int, int]:
    """Start and finish of a task that keeps several resources, or units of pools."""
    start = now
    for resource, amount, _ in component.kept[task]:
        pool = component.pools.get(resource)
        start = max(start, pool.grant(amount, now) if pool else component.free[resource])
    for resource, amount, ticks in component.kept[task]:
        component.free[resource] = start + ticks
        if resource in component.pools:
            component.pools[resource].hold(amount, start + ticks)
    finish = start + component.duration[task]
    for resource, amount, ticks in component.streamed[task]:
        pool = component.pools.get(resource)
        end = ticks + (pool.grant(amount, now) if pool else max(component.free[resource], now))
        component.free[resource] = end
        if pool:
            pool.hold(amount, end)
        finish = max(finish, end)
    return start, finish
