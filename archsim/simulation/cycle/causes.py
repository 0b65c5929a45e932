"""What each task and each use of a resource had to wait for."""

from __future__ import annotations

from bisect import bisect_left

import numpy as np
from numpy.typing import NDArray

from archsim.simulation.cycle.schedule import Schedule, Use
from archsim.simulation.cycle.tasks import Indices, ResourceKind, Tasks
from archsim.simulation.cycle.ticks import TickArray


class Causes:
    """Finds the binding constraint of any task of one schedule.

    `last_input` [N] is the predecessor that finished last, the first in order of equals.
    `ending_stream` [N] is the stream that delayed the finish of a task beyond its own duration, and
    `last_grant` [N] the kept resource for which a task waited last after it had claimed, both as
    entries of `Tasks.holds`; -1 means that there is none.  `row` names the task of each entry.
    """

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule
        self.use: Use = schedule.use()
        self.rank = schedule.rank
        self.ready = schedule.ready
        self.row = schedule.tasks.holds.row
        self.last_input = _last_input(schedule, self.ready)
        streamed = schedule.tasks.streamed
        ends_late = schedule.finish != schedule.start + schedule.tasks.duration
        on_finish = self.use.end == schedule.finish[self.row]
        self.ending_stream = self._first_entry(streamed & on_finish & ends_late[self.row])
        waited = schedule.start != schedule.claim
        on_start = self.use.granted == schedule.start[self.row]
        self.last_grant = self._first_entry(~streamed & on_start & waited[self.row])
        self._by_end = _by_end(schedule.tasks, self.use)
        self._ends = np.ascontiguousarray(self.use.end[self._by_end]).data
        self._cuts: list[int] = self.use.cuts.tolist()
        self._freed = [self._by_finish(b) for b in range(len(schedule.tasks.buffers.names))]

    def kind(self, entry: int) -> ResourceKind:
        """The kind of the resource of an entry."""
        tasks = self.schedule.tasks
        return tasks.resources.kind[int(tasks.holds.item[entry])]

    def holder_before(self, entry: int) -> int:
        """The entry whose end granted this one, the first in order of claims."""
        resource = int(self.schedule.tasks.holds.item[entry])
        begin, end = self._cuts[resource : resource + 2]
        return int(self._by_end[bisect_left(self._ends, self.use.granted[entry], begin, end)])

    def freer(self, task: int) -> tuple[int, int]:
        """The buffer that a task waited for last, and the task whose finish made room in it."""
        schedule, tasks = self.schedule, self.schedule.tasks
        claim = schedule.claim[task]
        for buffer in tasks.takes.row_items(task).tolist():
            who = self._freed[buffer]
            at = int(np.searchsorted(schedule.finish[who], claim, side="left"))
            if at < who.size and schedule.finish[who[at]] == claim:
                first = int(who[at])
                if self.rank[first] < self.rank[task]:
                    return int(buffer), first
        raise AssertionError("space that was waited for was freed by some task")

    def _first_entry(self, chosen: NDArray[np.bool_]) -> Indices:
        """The first chosen entry of each task, -1 without one."""
        found = np.full(self.schedule.tasks.size, -1, dtype=np.int64)
        entries = np.flatnonzero(chosen)[::-1]
        found[self.row[entries]] = entries  # of several, the last to be assigned stays
        return found

    def _by_finish(self, buffer: int) -> Indices:
        """Tasks that free space of a buffer, by finish, then in the order of claims."""
        frees = self.schedule.tasks.frees
        who = frees.row[frees.item == buffer]
        return np.asarray(who[np.lexsort((self.rank[who], self.schedule.finish[who]))])


def _last_input(schedule: Schedule, ready: TickArray) -> Indices:
    """The predecessor of each task that finished last, the first in order of equals."""
    tasks = schedule.tasks
    before = tasks.predecessors
    found = np.full(tasks.size, -1, dtype=np.int64)
    some = np.flatnonzero(np.diff(before.offsets))
    if not some.size:
        return found
    binding = schedule.finish[before.item] == ready[before.row]
    order = np.where(binding, tasks.order[before.item], tasks.size)
    by_order = np.empty(tasks.size, dtype=np.int64)
    by_order[tasks.order] = np.arange(tasks.size)
    found[some] = by_order[np.minimum.reduceat(order, before.offsets[some])]
    return found


def _by_end(tasks: Tasks, use: Use) -> Indices:
    """Entries by resource, then end, then the order in which they are served."""
    return use.place[np.lexsort((use.end[use.place], tasks.holds.item[use.place]))]
