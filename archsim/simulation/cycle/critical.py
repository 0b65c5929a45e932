"""The critical path: the chain of tasks and waits that fixes the makespan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, overload

import numpy as np
from numpy.typing import NDArray

from archsim.simulation.cycle.causes import Causes
from archsim.simulation.cycle.schedule import Schedule
from archsim.simulation.cycle.tasks import Indices, Tasks
from archsim.simulation.cycle.ticks import TickArray

# Why a step could not begin earlier: nothing (`start`), a predecessor, buffer space, a resource.
Reason = Literal["start", "input", "buffer", "unit", "link", "power"]
REASONS: tuple[Reason, ...] = ("start", "input", "buffer", "unit", "link", "power")
_INPUT = REASONS.index("input")
_BUFFER = REASONS.index("buffer")


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


@dataclass(frozen=True, slots=True)
class CriticalPath(Sequence[Step]):
    """Steps from tick 0 to the makespan, P of them; each begins when the one before it ends.

    `task`, `begin`, `end` are [P]; `by` [P] are resources (-1: the task's own time); `reason` [P]
    indexes `REASONS`, and `through` [P] the buffer or resource of that (-1: none).
    """

    tasks: Tasks
    task: Indices
    begin: TickArray
    end: TickArray
    by: Indices
    reason: Indices
    through: Indices

    def __len__(self) -> int:
        return int(self.task.size)

    @overload
    def __getitem__(self, index: int) -> Step: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Step, ...]: ...
    def __getitem__(self, index: int | slice) -> Step | tuple[Step, ...]:
        if isinstance(index, slice):
            return tuple(self[i] for i in range(*index.indices(len(self))))
        task, by = int(self.task[index]), int(self.by[index])
        reason, through = REASONS[int(self.reason[index])], int(self.through[index])
        resources = self.tasks.resources.names
        names = self.tasks.buffers.names if reason == "buffer" else resources
        return Step(
            task,
            str(self.tasks.names[task]),
            int(self.begin[index]),
            int(self.end[index]),
            resources[by] if by >= 0 else "",
            reason,
            names[through] if through >= 0 else "",
        )


def critical_path(schedule: Schedule, causes: Causes | None = None) -> CriticalPath:
    """Steps from tick 0 to the makespan; `causes` are those of the schedule, if they are there."""
    walk = _Walk(schedule, causes or Causes(schedule))
    rows: list[tuple[int, int, int, int, int]] = []
    task, entry = walk.last() if schedule.tasks.size else (-1, -1)
    while task >= 0:
        row, task, entry = walk.back(task, entry)
        rows.append(row)
    table = np.array(rows[::-1], dtype=np.int64).reshape(-1, 5)
    begin = table[:, 1]
    end = np.append(begin[1:], schedule.makespan)[: begin.size]
    return CriticalPath(
        schedule.tasks, table[:, 0], begin, end, table[:, 2], table[:, 3], table[:, 4]
    )


class _Walk:
    """Walks back from one binding constraint to the one before.

    A place on the path is a task and an entry of `Tasks.holds`: the use of that resource, or the
    task's own time if the entry is -1.  Columns are read one number at a time, which views of
    memory do several times faster than arrays, without a copy.
    """

    def __init__(self, schedule: Schedule, causes: Causes) -> None:
        self.schedule, self.causes = schedule, causes
        self.kinds = [REASONS.index(kind) for kind in schedule.tasks.resources.kind]
        self.start, self.claim = _view(schedule.start), _view(schedule.claim)
        self.ready, self.last_input = _view(causes.ready), _view(causes.last_input)
        self.ending_stream = _view(causes.ending_stream)
        self.last_grant = _view(causes.last_grant)
        self.streamed, self.item = _view(schedule.tasks.streamed), _view(schedule.tasks.holds.item)
        self.begin, self.row = _view(causes.use.begin), _view(causes.row)

    def last(self) -> tuple[int, int]:
        """Where the makespan is reached."""
        makespan = self.schedule.makespan
        finished = np.flatnonzero(self.schedule.finish == makespan)
        if finished.size:
            task = int(finished[0])
            return task, self.ending_stream[task]
        entry = int(np.flatnonzero(self.causes.use.end == makespan)[0])
        return self.row[entry], entry

    def back(self, task: int, entry: int) -> tuple[tuple[int, int, int, int, int], int, int]:
        """The step at one place (task, begin, by, reason, through), and the place before it.

        The place before the first step is task -1.
        """
        streamed = entry >= 0 and self.streamed[entry]
        begin = self.begin[entry] if streamed else self.start[task]
        by = self.item[entry] if entry >= 0 else -1
        if begin > self.claim[task]:
            waited = entry if streamed else self.last_grant[task]
            through = self.item[waited]
            before = self.causes.holder_before(waited)
            return (task, begin, by, self.kinds[through], through), self.row[before], before
        reason, through, source = self._before_claim(task, begin)
        stream = self.ending_stream[source] if source >= 0 else -1
        return (task, begin, by, reason, through), source, stream

    def _before_claim(self, task: int, begin: int) -> tuple[int, int, int]:
        """What a task waited for until it claimed: reason, buffer, and the task to thank for it."""
        if begin > self.ready[task]:
            buffer, source = self.causes.freer(task)
            return _BUFFER, buffer, source
        if begin == 0:
            return 0, -1, -1
        return _INPUT, -1, self.last_input[task]


def _view(column: NDArray[np.int64] | NDArray[np.bool_]) -> memoryview:
    return np.ascontiguousarray(column).data
