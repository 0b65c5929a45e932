"""The critical path: the chain of tasks and waits that fixes the makespan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from archsim.simulation.cycle.causes import Causes
from archsim.simulation.cycle.schedule import Schedule

# Why a step could not begin earlier: nothing (`start`), a predecessor, buffer space, a resource.
Reason = Literal["start", "input", "buffer", "unit", "link", "power"]


@dataclass(frozen=True, slots=True)
class Step:
    """One task on the critical path, or what streams for it.

    It takes from tick `begin` to tick `end`; `by` names the resource that worked then (empty for
    the task's own time).  `reason` says what it waited for until `begin`, `through` names the
    buffer or resource of that.
    """

    task: int
    name: str
    begin: int
    end: int
    by: str
    reason: Reason
    through: str


def critical_path(schedule: Schedule) -> tuple[Step, ...]:
    """Steps from tick 0 to the makespan; each begins when the one before it ends."""
    if not schedule.tasks.size:
        return ()
    walk = _Walk(schedule)
    task, entry = walk.last()
    path: list[Step] = []
    end = schedule.makespan
    while task >= 0:
        step, task, entry = walk.back(task, entry, end)
        path.append(step)
        end = step.begin
    return tuple(reversed(path))


class _Walk:
    """Walks back from one binding constraint to the one before.

    A place on the path is a task and an entry of `Tasks.holds`: the use of that resource, or the
    task's own time if the entry is -1.
    """

    def __init__(self, schedule: Schedule) -> None:
        self.schedule, self.causes = schedule, Causes(schedule)

    def last(self) -> tuple[int, int]:
        """Where the makespan is reached."""
        makespan = self.schedule.makespan
        finished = np.flatnonzero(self.schedule.finish == makespan)
        if finished.size:
            return int(finished[0]), self.causes.ending_stream(int(finished[0]))
        entry = int(np.flatnonzero(self.causes.use.end == makespan)[0])
        return int(self.schedule.tasks.holds.row[entry]), entry

    def back(self, task: int, entry: int, end: int) -> tuple[Step, int, int]:
        """The step at one place, and the place before it (task -1: none)."""
        tasks, causes = self.schedule.tasks, self.causes
        streamed = entry >= 0 and bool(tasks.streamed[entry])
        begin = int(causes.use.begin[entry] if streamed else self.schedule.start[task])
        by = tasks.resources.names[int(tasks.holds.item[entry])] if entry >= 0 else ""
        if begin > self.schedule.claim[task]:
            waited = entry if streamed else causes.last_grant(task)
            resource = int(tasks.holds.item[waited])
            reason: Reason = tasks.resources.kind[resource]
            through = tasks.resources.names[resource]
            before = causes.holder_before(waited)
            place = (int(tasks.holds.row[before]), before)
        else:
            reason, through, place = self._before_claim(task, begin)
        return Step(task, str(tasks.names[task]), begin, end, by, reason, through), *place

    def _before_claim(self, task: int, begin: int) -> tuple[Reason, str, tuple[int, int]]:
        """What a task waited for until it claimed its resources."""
        if begin > self.causes.ready[task]:
            buffer, source = self.causes.freer(task)
            name = self.schedule.tasks.buffers.names[buffer]
            return "buffer", name, (source, self.causes.ending_stream(source))
        if begin == 0:
            return "start", "", (-1, -1)
        source = self.causes.last_input(task)
        return "input", "", (source, self.causes.ending_stream(source))
