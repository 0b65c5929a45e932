"""Why a resource does not work: what each of its waits is for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from archsim.errors import InputError
from archsim.simulation.cycle.causes import Causes
from archsim.simulation.cycle.schedule import Schedule

# What a server does: works; waits until the inputs of its next task are computed; until a link, a
# unit or a power cap that they or the task need as well is done; for buffer space; has no more tasks.
Stall = Literal["busy", "input", "buffer", "unit", "link", "power", "drained"]
STALLS: tuple[Stall, ...] = ("busy", "input", "buffer", "unit", "link", "power", "drained")


@dataclass(frozen=True, slots=True)
class Stalls:
    """Ticks that one server spends in each way; they add up to the makespan."""

    resource: str
    ticks: dict[Stall, int]


def bottleneck(schedule: Schedule) -> int:
    """The resource with the highest utilisation, the first of equals.

    Raises `InputError` if there are no resources.
    """
    utilisation = schedule.utilisation
    if not utilisation.size:
        raise InputError(
            "there is no resource that could be the bottleneck",
            remedy="Let tasks hold the units that they run on.",
        )
    return int(utilisation.argmax())


def stalls(schedule: Schedule, resource: int) -> Stalls:
    """What a single server does with its time.

    Before each of its tasks it waits first for the task's inputs (computed, then brought by
    whatever streams), then for the task's buffer space, then for what else the task keeps.  Raises
    `InputError` for a resource of several units, of which some may work while others wait.
    """
    tasks = schedule.tasks
    capacity = tasks.resources.capacity[resource]
    if capacity != 1:
        raise InputError(
            f"'{tasks.resources.names[resource]}' has {capacity} units, and each of them stalls "
            "for its own reasons",
            remedy="Ask for a resource of capacity 1.",
        )
    causes = Causes(schedule)
    mine = causes.use.entries(resource)
    begin, end = causes.use.begin[mine], causes.use.end[mine]
    before = np.concatenate(([0], end[:-1])).astype(np.int64)
    found: dict[Stall, int] = dict.fromkeys(STALLS, 0)
    found["busy"] = int(tasks.hold_ticks[mine].sum())
    found["drained"] = schedule.makespan - int(end[-1] if end.size else 0)
    waits = np.flatnonzero(begin > before)
    for i in waits.tolist():
        left, until = int(before[i]), int(begin[i])
        for stall, at in _reasons(causes, int(tasks.holds.row[mine[i]])):
            found[stall] += max(min(at, until) - left, 0)
            left = max(left, min(at, until))
    return Stalls(tasks.resources.names[resource], found)


def _reasons(causes: Causes, task: int) -> list[tuple[Stall, int]]:
    """What a task waits for, one after the other, and until when."""
    schedule = causes.schedule
    found: list[tuple[Stall, int]] = []
    source = causes.last_input(task)
    if source >= 0:
        found.append(("input", int(schedule.start[source] + schedule.tasks.duration[source])))
        entry = causes.ending_stream(source)
        ready = int(schedule.finish[source])
        found.append((causes.kind(entry) if entry >= 0 else "input", ready))
    found.append(("buffer", int(schedule.claim[task])))
    entry = causes.last_grant(task)
    found.append((causes.kind(entry) if entry >= 0 else "unit", int(schedule.start[task])))
    return found
