"""The same task sets in SimPy, a general discrete-event library, written from the rules alone.

SimPy serves what happens at one tick in the order in which it was scheduled; the rules serve claims
of one tick by the order of the tasks.  So every claim is an event of its own, with a priority that
comes after all that happens by itself at that tick.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import numpy as np
import simpy

from archsim.simulation.cycle.tasks import Tasks

_AFTER_EVERYTHING_ELSE = 10


class Oracle:
    """One simulation; `start` and `finish` are filled while it runs."""

    def __init__(self, tasks: Tasks) -> None:
        self.tasks = tasks
        self.env = simpy.Environment()
        self.start = np.full(tasks.size, -1, dtype=np.int64)
        self.finish = np.full(tasks.size, -1, dtype=np.int64)
        self.done = [self.env.event() for _ in range(tasks.size)]
        self.units = [self.stock(c) for c in tasks.resources.capacity.tolist()]
        self.space = [self.stock(c) for c in tasks.buffers.capacity.tolist()]

    def stock(self, amount: int) -> simpy.Container:
        return simpy.Container(self.env, init=amount)

    def run(self) -> Oracle:
        for task in range(self.tasks.size):
            self.env.process(self.task(task))
        self.env.run()
        return self

    def turn(self, task: int) -> simpy.Event:
        event = self.env.event()
        event._ok, event._value = True, None
        self.env.schedule(event, priority=_AFTER_EVERYTHING_ELSE + int(self.tasks.order[task]))
        return event

    def task(self, task: int) -> Generator[simpy.Event, Any, None]:
        tasks, env = self.tasks, self.env
        yield env.all_of([self.done[p] for p in tasks.predecessors.row_items(task)])
        yield self.turn(task)
        yield env.all_of([self.space[b].get(a) for b, a in self.row(tasks.takes, task)])
        yield self.turn(task)
        entries = range(tasks.holds.offsets[task], tasks.holds.offsets[task + 1])
        claims = [self.units[tasks.holds.item[e]].get(int(tasks.holds.amount[e])) for e in entries]
        streams = [
            env.process(self.use(e, claim))
            for e, claim in zip(entries, claims, strict=True)
            if tasks.streamed[e]
        ]
        kept = [e for e in entries if not tasks.streamed[e]]
        yield env.all_of([claims[e - entries.start] for e in kept])
        self.start[task] = env.now
        for entry in kept:
            env.process(self.use(entry, env.timeout(0)))
        yield env.all_of([env.timeout(int(tasks.duration[task])), *streams])
        self.finish[task] = env.now
        for buffer, amount in self.row(tasks.frees, task):
            self.space[buffer].put(amount)
        self.done[task].succeed()

    def use(self, entry: int, begin: simpy.Event) -> Generator[simpy.Event, Any, None]:
        yield begin
        yield self.env.timeout(int(self.tasks.hold_ticks[entry]))
        amount = int(self.tasks.holds.amount[entry])
        self.units[self.tasks.holds.item[entry]].put(amount)

    @staticmethod
    def row(rows: Any, task: int) -> list[tuple[int, int]]:
        entries = slice(rows.offsets[task], rows.offsets[task + 1])
        return list(zip(rows.item[entries].tolist(), rows.amount[entries].tolist(), strict=True))
