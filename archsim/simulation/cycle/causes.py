"""What each task and each use of a resource had to wait for."""

from __future__ import annotations

import numpy as np

from archsim.simulation.cycle.schedule import Schedule, Use
from archsim.simulation.cycle.tasks import Indices, ResourceKind


class Causes:
    """Finds the binding constraint of any task of one schedule.

    Entries are those of `Tasks.holds`; -1 means that there is none.
    """

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule
        self.use: Use = schedule.use()
        self.rank = schedule.rank
        self.ready = schedule.ready
        tasks = schedule.tasks
        self._freed = tasks.frees.by_item(len(tasks.buffers.names))
        self._ends = self._first_by_end()

    def kind(self, entry: int) -> ResourceKind:
        """The kind of the resource of an entry."""
        tasks = self.schedule.tasks
        return tasks.resources.kind[int(tasks.holds.item[entry])]

    def last_input(self, task: int) -> int:
        """The predecessor that finished last, the first in order of equals."""
        tasks = self.schedule.tasks
        needs = tasks.predecessors.row_items(task)
        if not needs.size:
            return -1
        binding = needs[self.schedule.finish[needs] == self.ready[task]]
        return int(binding[tasks.order[binding].argmin()])

    def ending_stream(self, task: int) -> int:
        """The stream that delayed the finish of a task beyond its own duration."""
        finish = self.schedule.finish[task]
        if finish == self.schedule.start[task] + self.schedule.tasks.duration[task]:
            return -1
        entries = self._entries(task, streamed=True)
        return int(entries[self.use.end[entries] == finish][0])

    def last_grant(self, task: int) -> int:
        """The kept resource for which a task waited last after it had claimed."""
        start = self.schedule.start[task]
        if start == self.schedule.claim[task]:
            return -1
        entries = self._entries(task, streamed=False)
        return int(entries[self.use.granted[entries] == start][0])

    def holder_before(self, entry: int) -> int:
        """The entry whose end granted this one, the first in order of claims."""
        tasks = self.schedule.tasks
        return self._ends[int(tasks.holds.item[entry]), int(self.use.granted[entry])]

    def freer(self, task: int) -> tuple[int, int]:
        """The buffer that a task waited for last, and the task whose finish made room in it."""
        schedule, tasks = self.schedule, self.schedule.tasks
        for buffer in tasks.takes.row_items(task).tolist():
            who = self._freed.row_items(buffer)
            who = who[schedule.finish[who] == schedule.claim[task]]
            who = who[self.rank[who] < self.rank[task]]
            if who.size:
                return int(buffer), int(who[self.rank[who].argmin()])
        raise AssertionError("space that was waited for was freed by some task")

    def _entries(self, task: int, *, streamed: bool) -> Indices:
        tasks = self.schedule.tasks
        begin, end = tasks.holds.offsets[task : task + 2]
        entries = np.arange(begin, end, dtype=np.int64)
        return np.asarray(entries[tasks.streamed[entries] == streamed])

    def _first_by_end(self) -> dict[tuple[int, int], int]:
        """For each resource and tick the first claim of those whose hold ends then."""
        tasks, found = self.schedule.tasks, dict[tuple[int, int], int]()
        for entry in self.use.place.tolist():
            found.setdefault((int(tasks.holds.item[entry]), int(self.use.end[entry])), entry)
        return found
