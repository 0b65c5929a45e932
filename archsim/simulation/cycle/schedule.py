"""What an engine answers: when every task claims, starts and finishes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from archsim.fields import FloatArray
from archsim.simulation.cycle.queues import Queue, served
from archsim.simulation.cycle.tasks import Indices, Tasks
from archsim.simulation.cycle.ticks import TickArray


@dataclass(frozen=True, slots=True)
class Schedule:
    """Times of N tasks, in ticks.

    `claim` is when a task claims its resources (its inputs are there and its buffer space is
    granted), `start` when it has all that it keeps, `finish` when its results are there.
    """

    tasks: Tasks
    claim: TickArray
    start: TickArray
    finish: TickArray

    @property
    def ready(self) -> TickArray:
        """When the last predecessor of each task has finished, [N]."""
        before = self.tasks.predecessors
        found = np.zeros(self.tasks.size, dtype=np.int64)
        some = np.flatnonzero(np.diff(before.offsets))
        if some.size:
            finish = self.finish[before.item]
            found[some] = np.maximum.reduceat(finish, before.offsets[some])
        return found

    @property
    def makespan(self) -> int:
        """Ticks until the last task has finished and the last resource is free."""
        tasks = self.tasks
        kept = (self.start[tasks.holds.row] + tasks.hold_ticks)[~tasks.streamed]
        return max(int(self.finish.max(initial=0)), int(kept.max(initial=0)))

    @property
    def makespan_s(self) -> float:
        """Seconds until the last task has finished and the last resource is free."""
        return self.makespan * self.tasks.tick_s

    @property
    def busy(self) -> FloatArray:
        """Ticks that each resource works, summed over its units, [R]."""
        holds = self.tasks.holds
        work = holds.amount.astype(np.float64) * self.tasks.hold_ticks
        busy = np.bincount(holds.item, work, minlength=len(self.tasks.resources.names))
        return busy.astype(np.float64)

    @property
    def utilisation(self) -> FloatArray:
        """Busy share of each resource's units over the makespan, in 0..1, [R]."""
        available = self.tasks.resources.capacity * float(max(self.makespan, 1))
        return np.asarray(self.busy / available)

    @property
    def rank(self) -> Indices:
        """Places of the tasks in the order in which they claim, [N]."""
        place = np.empty(self.tasks.size, dtype=np.int64)
        place[np.lexsort((self.tasks.order, self.claim))] = np.arange(self.tasks.size)
        return place

    def use(self) -> Use:
        """When each resource begins and ends with each task."""
        tasks, rank = self.tasks, self.rank
        row, count = tasks.holds.row, tasks.holds.item.size
        granted, end = np.zeros(count, dtype=np.int64), np.zeros(count, dtype=np.int64)
        place = np.lexsort((rank[row], tasks.holds.item))
        cuts = np.searchsorted(
            tasks.holds.item[place], np.arange(len(tasks.resources.names) + 1), side="left"
        )
        for resource, capacity in enumerate(tasks.resources.capacity.tolist()):
            mine = place[cuts[resource] : cuts[resource + 1]]
            queue = Queue(
                self.claim[row[mine]],
                self.start[row[mine]],
                tasks.hold_ticks[mine],
                tasks.holds.amount[mine],
                tasks.streamed[mine],
            )
            granted[mine], end[mine] = served(queue, capacity)
        begin = np.where(tasks.streamed, granted, self.start[row])
        return Use(place, np.asarray(cuts, dtype=np.int64), granted, begin, end)


@dataclass(frozen=True, slots=True)
class Use:
    """When resources work, by entry of `Tasks.holds`, in ticks.

    `granted` is when the resource is the task's, `begin` when it begins to work for it, `end` when
    it is free again.  The entries of resource r in the order in which it serves them are
    `place[cuts[r]:cuts[r + 1]]`.
    """

    place: Indices
    cuts: Indices
    granted: TickArray
    begin: TickArray
    end: TickArray

    def entries(self, resource: int) -> Indices:
        """Entries of `Tasks.holds` that one resource serves, in its order."""
        return self.place[self.cuts[resource] : self.cuts[resource + 1]]
