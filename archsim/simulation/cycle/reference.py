"""The reference engine: one event after the other, for any task set.

It is plain rather than fast; the engines that are fast must give the same ticks.
"""

from __future__ import annotations

import heapq
from collections import deque

import numpy as np

from archsim.errors import InputError
from archsim.simulation.cycle.pools import Pool
from archsim.simulation.cycle.schedule import Schedule
from archsim.simulation.cycle.tasks import Tasks

# At one tick, space is freed before anyone claims.
_FREE, _CLAIM = 0, 1
_NAMED_AT_MOST = 3


def simulate(tasks: Tasks) -> Schedule:
    """The schedule of `tasks` (checked ones) by the rules of `archsim.simulation.cycle`.

    Raises `InputError` that names a full buffer and who waits for it if no task can go on.
    """
    run = _Run(tasks)
    while run.events:
        now, phase, _, task = heapq.heappop(run.events)
        if phase == _FREE:
            run.free_space(task, now)
        elif run.claim_space(task, now):
            run.start_task(task, now)
    if run.started < tasks.size:
        raise _deadlock(run)
    columns = (np.array(ticks, dtype=np.int64) for ticks in (run.claims, run.starts, run.finishes))
    return Schedule(tasks, *columns)


class _Run:
    """The state of one simulation.

    `events` are (tick, phase, order, task).  `unmet[t]` counts predecessors that have not started,
    `space[b]` the free space of a buffer, `queues[b]` who waits for it: (task, amount).
    """

    def __init__(self, tasks: Tasks) -> None:
        size = tasks.size
        self.tasks = tasks
        self.order: list[int] = tasks.order.tolist()
        self.duration: list[int] = tasks.duration.tolist()
        self.unmet: list[int] = np.diff(tasks.predecessors.offsets).tolist()
        self.after = tasks.predecessors.by_item(size).lists()
        self.takes, self.frees = tasks.takes.lists(), tasks.frees.lists()
        self.kept = holds_of(tasks, streamed=False)
        self.streamed = holds_of(tasks, streamed=True)
        self.pools = [Pool(int(capacity)) for capacity in tasks.resources.capacity]
        self.space: list[int] = tasks.buffers.capacity.tolist()
        self.queues: list[deque[tuple[int, int]]] = [deque() for _ in self.space]
        self.ungranted = [-1] * size  # buffers still to grant space; -1: not claimed yet
        self.ready = [0] * size
        self.claims, self.starts, self.finishes = [0] * size, [0] * size, [0] * size
        self.started = 0
        self.events = [(0, _CLAIM, self.order[t], t) for t in range(size) if not self.unmet[t]]
        heapq.heapify(self.events)

    def claim_space(self, task: int, now: int) -> bool:
        """Claim the buffers of a ready task; says whether it has all of its space."""
        if self.ungranted[task] < 0:
            self.ungranted[task] = len(self.takes[task])
            for buffer, amount in self.takes[task]:
                self.queues[buffer].append((task, amount))
                if len(self.queues[buffer]) == 1:
                    self.serve(buffer)
        self.claims[task] = now
        return self.ungranted[task] == 0

    def serve(self, buffer: int) -> list[int]:
        """Grant space to those at the head of the queue that fit; gives who now has all."""
        queue, complete = self.queues[buffer], []
        while queue and queue[0][1] <= self.space[buffer]:
            task, amount = queue.popleft()
            self.space[buffer] -= amount
            self.ungranted[task] -= 1
            if self.ungranted[task] == 0:
                complete.append(task)
        return complete

    def free_space(self, task: int, now: int) -> None:
        """What `task` frees at its finish goes to those who wait for it."""
        for buffer, amount in self.frees[task]:
            self.space[buffer] += amount
            for waiting in self.serve(buffer):
                heapq.heappush(self.events, (now, _CLAIM, self.order[waiting], waiting))

    def start_task(self, task: int, now: int) -> None:
        """Grant the resources of `task`, claimed at `now`, and tell those who wait for it."""
        start = now
        for resource, amount, _ in self.kept[task]:
            start = max(start, self.pools[resource].grant(amount, now))
        for resource, amount, ticks in self.kept[task]:
            self.pools[resource].hold(amount, start + ticks)
        finish = start + self.duration[task]
        for resource, amount, ticks in self.streamed[task]:
            end = self.pools[resource].grant(amount, now) + ticks
            self.pools[resource].hold(amount, end)
            finish = max(finish, end)
        self.starts[task], self.finishes[task] = start, finish
        self.started += 1
        if self.frees[task]:
            heapq.heappush(self.events, (finish, _FREE, self.order[task], task))
        for successor, _ in self.after[task]:
            self.ready[successor] = max(self.ready[successor], finish)
            self.unmet[successor] -= 1
            if self.unmet[successor] == 0:
                event = (self.ready[successor], _CLAIM, self.order[successor], successor)
                heapq.heappush(self.events, event)


def holds_of(tasks: Tasks, *, streamed: bool) -> list[list[tuple[int, int, int]]]:
    """Resource, units and ticks of what each task keeps, or of what streams for it."""
    chosen = tasks.streamed == streamed
    found: list[list[tuple[int, int, int]]] = [[] for _ in range(tasks.size)]
    for task, resource, amount, ticks in zip(
        tasks.holds.row[chosen].tolist(),
        tasks.holds.item[chosen].tolist(),
        tasks.holds.amount[chosen].tolist(),
        tasks.hold_ticks[chosen].tolist(),
        strict=True,
    ):
        found[task].append((resource, amount, ticks))
    return found


def _deadlock(run: _Run) -> InputError:
    """Who waits for which full buffer, when nothing can go on."""
    names, buffers = run.tasks.names, run.tasks.buffers
    for buffer, queue in enumerate(run.queues):
        if queue and queue[0][1] > run.space[buffer]:
            break
    waiting = ", ".join(f"'{names[task]}'" for task, _ in list(queue)[:_NAMED_AT_MOST])
    more = f" and {len(queue) - _NAMED_AT_MOST} more" if len(queue) > _NAMED_AT_MOST else ""
    return InputError(
        f"the schedule comes to a deadlock with {run.tasks.size - run.started} tasks left: the "
        f"buffer '{buffers.names[buffer]}' has {run.space[buffer]} of {buffers.capacity[buffer]} "
        f"free, {waiting}{more} wait for space there (the first needs {queue[0][1]}), and all that "
        "would free some waits as well",
        remedy=f"Give '{buffers.names[buffer]}' more capacity, or let fewer samples in at once.",
    )
