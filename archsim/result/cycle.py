"""What the cycle fidelity adds to a result: stalls, the critical path, and what differs, by cause."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from archsim.fields import FloatArray
from archsim.result.latency import DATA_MOVEMENT, WRITING, Attribution, own_unit, spread
from archsim.result.phases import ResultPhase, array_by_phase_s, main_by_phase_s, task_phase
from archsim.simulation.chip_spread import CHIP_LINK
from archsim.simulation.columns import (
    CONVERTERS,
    HOST_LINK,
    LINE_WRITES,
    POWER_CAPS,
    SHARED_RESOURCES,
)
from archsim.simulation.cycle.causes import Causes
from archsim.simulation.cycle.critical import REASONS, CriticalPath, critical_path
from archsim.simulation.cycle.run import CycleRun
from archsim.simulation.cycle.stalls import Stalls, bottleneck, stalls
from archsim.simulation.cycle.tasks import Indices
from archsim.simulation.estimate import Estimate

# Steps of the critical path, and tasks on it, that a result lists.
LISTED: Final = 20
_DIGITAL = ("vector_unit", "matrix_unit")
_QUEUES = tuple(REASONS.index(reason) for reason in ("unit", "link", "power"))


@dataclass(frozen=True, slots=True)
class CycleFindings:
    """Analysis of one run: its critical path, and the stalls of its bottleneck."""

    run: CycleRun
    path: CriticalPath
    stalls: Stalls
    utilisation: float

    @property
    def path_s(self) -> FloatArray:
        """Seconds of each step of the critical path."""
        return np.asarray((self.path.end - self.path.begin) * self.run.tick_s)


def analyse(run: CycleRun) -> CycleFindings:
    """Find the critical path and what the bottleneck does when it does not work."""
    causes = Causes(run.schedule)
    busiest = bottleneck(run.schedule)
    return CycleFindings(
        run,
        critical_path(run.schedule, causes),
        stalls(run.schedule, busiest, causes),
        float(run.schedule.utilisation[busiest]),
    )


def attribute_path(priced: Estimate, found: CycleFindings) -> Attribution:
    """Split the step time over the critical path, step by step; the parts sum to the step.

    A task's own time is its unit's and that of moving its data, as in the analytic fidelity; what
    streams for it counts for the resource that streams.  Waiting is on no path: somebody works
    meanwhile.  Switching arrays on is spread over everything.  Writing arrays anew is a part of its
    own, with what memory and mesh move for it.
    """
    # Data take the ways of the placed mesh, and spills are those of the schedule.
    priced = replace(priced, costs=found.run.costs)
    path, resources = found.path, found.run.schedule.tasks.resources.names
    task = found.run.program_tasks(path.task)
    phases = {str(p): 0.0 for p in ResultPhase if p is not ResultPhase.STATIC}
    limits: dict[str, float] = {}
    for key, seconds in _grouped(task, path.by, found.path_s):
        own, by = key
        if own < 0:
            continue
        for phase, limit, share in _shares(priced, own, resources[by] if by >= 0 else ""):
            phases[phase] += share * seconds
            limits[limit] = limits.get(limit, 0.0) + share * seconds
    writing_s = float(found.path_s[found.run.moves_weights(path.task)].sum())
    if writing_s:
        phases[str(ResultPhase.UPDATE)] += writing_s
        limits[WRITING] = limits.get(WRITING, 0.0) + writing_s
    step_s = found.run.makespan_s
    by_phase, by_limit = dict.fromkeys(phases, 0.0), dict[str, float]()
    spread(by_phase, phases, step_s)
    spread(by_limit, limits, step_s)
    return Attribution(by_phase, by_limit)


def _grouped(
    task: Indices, by: Indices, seconds: FloatArray
) -> list[tuple[tuple[int, int], float]]:
    """Seconds summed over equal pairs of task and resource."""
    width = int(by.max(initial=0)) + 2
    keys, place = np.unique((task + 1) * width + by + 1, return_inverse=True)
    sums = np.bincount(place, seconds, minlength=keys.size)
    return [
        ((key // width - 1, key % width - 1), float(s))
        for key, s in zip(keys.tolist(), sums, strict=True)
    ]


def _shares(priced: Estimate, task: int, by: str) -> list[tuple[str, str, float]]:
    """Phase, limit and share of what works at a place of the path: a resource, or the task."""
    unit = by.partition(":")[0]  # any link of the mesh, or the unit of any chip
    if unit in SHARED_RESOURCES or unit in (HOST_LINK, CHIP_LINK, LINE_WRITES):
        by = unit
        phase = ResultPhase.DIGITAL if by in _DIGITAL else ResultPhase.TRANSFER
        return [(str(phase), by, 1.0)]
    own = str(task_phase(priced.program, task))
    if unit in (CONVERTERS, *POWER_CAPS):
        return [(own, unit, 1.0)]
    if by:
        parts = array_by_phase_s(priced, task)
        held = sum(parts.values())
        return [(str(phase), "arrays", part / held) for phase, part in parts.items() if held]
    main = float(priced.costs.main_s[0, task])
    moved = float(priced.costs.transfer_s[0, task])
    total = main + moved
    if not total:
        return []
    unit = own_unit(priced, task)
    return [
        *((str(p), unit, part / total) for p, part in main_by_phase_s(priced, task).items()),
        (str(ResultPhase.TRANSFER), DATA_MOVEMENT, moved / total),
    ]


def cycle_section(found: CycleFindings) -> dict[str, Any]:
    """The result's `cycle`: stalls of the bottleneck and the critical path."""
    run = found.run
    one_pipeline = run.execution.mode == "pipelined" and not run.execution.barriers
    in_flight = run.execution.in_flight if one_pipeline else None
    return {
        "tick_s": run.tick_s,
        "tasks": run.schedule.tasks.size,
        "samples_in_flight": in_flight,
        "activation_buffer": _buffer(run),
        "stalls": {
            "resource": found.stalls.resource,
            "utilisation": found.utilisation,
            "seconds": {k: ticks * run.tick_s for k, ticks in found.stalls.ticks.items()},
        },
        "critical_path": {
            "steps": len(found.path),
            "waited_for_s": _waited_for(found),
            "queues_s": dict(list(queues(found).items())[:LISTED]),
            "tasks": _tasks_on_path(found),
            "first": [_step(found, i) for i in range(min(LISTED, len(found.path)))],
            "longest": [
                _step(found, int(i)) for i in np.argsort(-found.path_s, kind="stable")[:LISTED]
            ],
        },
    }


def _buffer(run: CycleRun) -> dict[str, float]:
    """How the activation buffer is used: the most that waits in queues at once, and what spills."""
    return {
        "queued_bytes": run.peak.bits * (1.0 - run.space.overflow_share) / 8.0,
        "room_bytes": run.asked.room / 8.0,
        "queued_share_spilled": run.space.overflow_share,
        "saved_share_spilled": run.space.spilled_share,
    }


def _waited_for(found: CycleFindings) -> dict[str, float]:
    """Time on the path by what the next step waited for meanwhile; the sum is the step.

    The end of the step waits for the last result.
    """
    following = np.append(found.path.reason[1:], REASONS.index("input"))
    sums = np.bincount(following, found.path_s, minlength=len(REASONS))
    return {name: float(s) for name, s in zip(REASONS, sums, strict=True) if name != "start"}


def queues(found: CycleFindings) -> dict[str, float]:
    """Time on the path for which the next step queued for a resource, longest first."""
    path, seconds = found.path, found.path_s[:-1]
    queued = np.isin(path.reason[1:], _QUEUES)
    names = found.run.schedule.tasks.resources.names
    sums = np.bincount(path.through[1:][queued], seconds[queued], minlength=len(names))
    longest = np.argsort(-sums, kind="stable")
    return {names[int(r)]: float(sums[r]) for r in longest if sums[r] > 0}


def _tasks_on_path(found: CycleFindings) -> list[dict[str, Any]]:
    """The tasks that take most of the path, all of their samples together."""
    template = found.run.lowered.template
    task = found.run.template_tasks(found.path.task)
    sums = np.bincount(task, found.path_s, minlength=template.size)
    steps = np.bincount(task, minlength=template.size)
    longest = np.argsort(-sums, kind="stable")[:LISTED]
    return [
        {"task": template.names[int(t)], "steps": int(steps[t]), "seconds": float(sums[t])}
        for t in longest
        if sums[t] > 0
    ]


def _step(found: CycleFindings, index: int) -> dict[str, Any]:
    step, run = found.path[index], found.run
    instance = np.array([step.task])
    sample = int(run.samples(instance)[0])
    return {
        "task": run.lowered.template.names[int(run.template_tasks(instance)[0])],
        "sample": sample if sample >= 0 else None,
        "begin_s": step.begin * run.tick_s,
        "seconds": (step.end - step.begin) * run.tick_s,
        "by": step.by or None,
        "waited_for": step.reason,
        "through": step.through or None,
    }
