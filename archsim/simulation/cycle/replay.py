"""Simulation with a fixed order: every resource and buffer serves tasks in a given order.

With the order fixed, all times are maxima and sums of durations, so nothing that gets shorter makes
anything later; with FIFO queues a shorter task may reorder others and delay the end (Graham's
anomalies).
"""

from __future__ import annotations

import numpy as np

from archsim.errors import InputError
from archsim.simulation.cycle.pools import Pool
from archsim.simulation.cycle.reference import holds_of
from archsim.simulation.cycle.schedule import Schedule
from archsim.simulation.cycle.tasks import Indices, Tasks


def replay(tasks: Tasks, rank: Indices) -> Schedule:
    """The schedule in which tasks claim in ascending `rank` (a permutation of 0..N-1).

    `Schedule.rank` of another schedule is such an order.  Raises `InputError` if the order starts a
    task before one that it needs, or needs space that only later tasks free.
    """
    kept, streamed = (holds_of(tasks, streamed=s) for s in (False, True))
    takes, frees = tasks.takes.lists(), tasks.frees.lists()
    units = [Pool(c) for c in tasks.resources.capacity.tolist()]
    space = [Pool(c) for c in tasks.buffers.capacity.tolist()]
    claim, start, finish = (np.zeros(tasks.size, dtype=np.int64) for _ in range(3))
    seen = np.zeros(tasks.size, dtype=bool)
    for task in np.argsort(rank).tolist():
        needs = tasks.predecessors.row_items(task)
        if not seen[needs].all():
            raise _unfeasible(tasks, task, "a task that it needs")
        seen[task] = True
        now = ready = int(finish[needs].max(initial=0))
        for buffer, amount in takes[task]:
            if not space[buffer].can_grant(amount):
                raise _unfeasible(tasks, task, f"space in '{tasks.buffers.names[buffer]}' is freed")
            now = max(now, space[buffer].grant(amount, ready))
        begin = max([now, *(units[r].grant(amount, now) for r, amount, _ in kept[task])])
        for resource, amount, ticks in kept[task]:
            units[resource].hold(amount, begin + ticks)
        end = begin + int(tasks.duration[task])
        for resource, amount, ticks in streamed[task]:
            done = units[resource].grant(amount, now) + ticks
            units[resource].hold(amount, done)
            end = max(end, done)
        for buffer, amount in frees[task]:
            space[buffer].hold(amount, end)
        claim[task], start[task], finish[task] = now, begin, end
    return Schedule(tasks, claim, start, finish)


def _unfeasible(tasks: Tasks, task: int, what: str) -> InputError:
    return InputError(
        f"the fixed order serves '{tasks.names[task]}' before {what}",
        remedy="Use the order of a schedule of the same graph.",
    )
