"""Why a resource does not work: what each of its waits is for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from archsim.errors import InputError
from archsim.simulation.cycle.causes import Causes
from archsim.simulation.cycle.schedule import Schedule
from archsim.simulation.cycle.tasks import Indices
from archsim.simulation.cycle.ticks import TickArray

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
    """The single server with the highest utilisation, the first of equals.

    Of resources of several units (a power cap) some may work while others wait; what waits for them
    is on the critical path.  Raises `InputError` if there are no single servers.
    """
    single = schedule.tasks.resources.capacity == 1
    utilisation = np.where(single, schedule.utilisation, -1.0)
    if not single.any():
        raise InputError(
            "there is no resource of one unit that could be the bottleneck",
            remedy="Let tasks hold the units that they run on.",
        )
    return int(utilisation.argmax())


def stalls(schedule: Schedule, resource: int, causes: Causes | None = None) -> Stalls:
    """What a single server does with its time; `causes` are those of the schedule, if there.

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
    causes = causes or Causes(schedule)
    mine = causes.use.entries(resource)
    begin, end = causes.use.begin[mine], causes.use.end[mine]
    before = np.concatenate(([0], end[:-1])).astype(np.int64)
    found: dict[Stall, int] = dict.fromkeys(STALLS, 0)
    found["busy"] = int(tasks.hold_ticks[mine].sum())
    found["drained"] = schedule.makespan - int(end[-1] if end.size else 0)
    waits = np.flatnonzero(begin > before)
    left, until = before[waits], begin[waits]
    for stall, at in _reasons(causes, causes.row[mine[waits]]):
        reached = np.minimum(at, until)
        waited = np.maximum(reached - left, 0)
        for name in STALLS:
            found[name] += int(waited[stall == STALLS.index(name)].sum())
        left = np.maximum(left, reached)
    return Stalls(tasks.resources.names[resource], found)


def _reasons(causes: Causes, tasks: Indices) -> list[tuple[Indices, TickArray]]:
    """What each of some tasks waits for, one after the other (places in `STALLS`), until when."""
    schedule = causes.schedule
    source = causes.last_input[tasks]
    has = source >= 0
    computed = np.where(has, (schedule.start + schedule.tasks.duration)[source], 0)
    ready = np.where(has, schedule.finish[source], 0)
    brought = np.where(has, causes.ending_stream[source], -1)
    return [
        (np.full(tasks.size, STALLS.index("input")), computed),
        (_kinds(causes, brought, "input"), ready),
        (np.full(tasks.size, STALLS.index("buffer")), schedule.claim[tasks]),
        (_kinds(causes, causes.last_grant[tasks], "unit"), schedule.start[tasks]),
    ]


def _kinds(causes: Causes, entries: Indices, otherwise: Stall) -> Indices:
    """The kind of the resource of each entry as a place in `STALLS`; `otherwise` for none."""
    tasks = causes.schedule.tasks
    if not tasks.holds.item.size:
        return np.full(entries.size, STALLS.index(otherwise))
    kinds = np.array([STALLS.index(kind) for kind in tasks.resources.kind], dtype=np.int64)
    return np.where(entries >= 0, kinds[tasks.holds.item[entries]], STALLS.index(otherwise))
