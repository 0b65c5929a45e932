"""What a step costs when the cycle fidelity has timed it: the same work, on another schedule."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from archsim.architecture import Architecture
from archsim.fields import FloatArray
from archsim.simulation.cycle.holding import arrays_of
from archsim.simulation.cycle.links import MESH
from archsim.simulation.cycle.run import CycleRun
from archsim.simulation.estimate import Estimate
from archsim.simulation.recalibration import recalibration
from archsim.simulation.static import static_energy_over
from archsim.workload.training import TaskKind


def timed_by_cycle(priced: Estimate, architecture: Architecture, run: CycleRun) -> Estimate:
    """`priced` (one configuration) with the times of `run`, and what depends on them.

    Dynamic energy stays, except that data take the routes of the placed mesh: the same work is
    done.  Static power flows for the new time.
    `timeline` stays the analytic one, except for the busy times of its resources.
    """
    work_s = np.array([run.makespan_s])
    again = recalibration(architecture, priced.mapping, work_s)
    step_s = work_s + again.seconds
    on = None
    if architecture.chip.power_gating is not None:
        on_s, woken = _array_seconds(priced, run)
        on = on_s + priced.mapping.arrays_used * again.seconds, woken
    static = static_energy_over(architecture, step_s, on, priced.mapping.chips)
    energy_j = again.added_to(run.costs.energy_j, priced.program)
    costs = replace(run.costs, energy_j=energy_j)
    repeats = np.where(priced.program.per_step[None, :], 1.0, priced.batch[:, None])
    # In the order of the analytic estimate, so that equal costs give the same sum.
    dynamic = [(energy * repeats).sum(axis=1) for energy in costs.energy_j.values()]
    dynamic_j = np.asarray(np.sum(dynamic, axis=0))
    return replace(
        priced,
        costs=costs,
        timeline=replace(priced.timeline, resource_s=_busy_s(priced, run)),
        step_latency_s=step_s,
        step_energy_j=dynamic_j + sum(static.values()),
        dynamic_energy_j=dynamic_j,
        static_power_w={name: energy / step_s for name, energy in static.items()},
        spilled_share=np.array([run.space.spilled_share]),
        staleness_samples=np.array([_staleness(priced, run)]),
        recalibration_s=again.seconds,
    )


def _busy_s(priced: Estimate, run: CycleRun) -> FloatArray:
    """Busy seconds of each resource of the analytic timeline, [1, R].

    Of a resource of several units (a power cap): seconds for which all of it would be busy.  What
    is no resource of the run keeps its time: the work is equal.  The mesh, which is its links in the
    run, is as busy as the link that carries most.
    """
    resources = run.lowered.template.resources
    seconds = run.schedule.busy / resources.capacity * run.tick_s
    by_name = dict(zip(priced.timeline.resources, priced.timeline.resource_s[0], strict=True))
    by_name |= dict(zip(resources.names, seconds, strict=True))
    if run.placed is not None:
        by_name[MESH] = run.placed.busiest_s * run.execution.samples
    return np.array([[by_name[name] for name in priced.timeline.resources]])


def _staleness(priced: Estimate, run: CycleRun) -> float:
    """Most samples that begin to read an array between one sample's forward read and its update.

    Deferred updates come after all reads, so no sample reads what an earlier one has changed.
    """
    program = priced.program
    if run.execution.update == "deferred":
        return 0.0
    template, schedule = run.lowered.template, run.schedule
    place: dict[int, int] = {}
    for t, task in enumerate(run.lowered.program_task.tolist()):
        place.setdefault(task, t)  # of several blocks of rows the first
    offsets = template.offsets
    first = program.first_reads()
    worst = 0
    for update in program.select(TaskKind.WEIGHT_GRADIENT):
        read, written = place[first[int(program.matrix[update])]], place[int(update)]
        begun = schedule.start[offsets[read] : offsets[read + 1]]
        done = schedule.finish[offsets[written] : offsets[written + 1]]
        later = np.searchsorted(begun, done, side="left") - 1 - np.arange(begun.size)
        worst = max(worst, int(later.max()))
    return float(worst)


def _array_seconds(priced: Estimate, run: CycleRun) -> tuple[FloatArray, FloatArray]:
    """Arrays times the seconds that they are switched on, and arrays switched on, both [1].

    A segment lasts from the start of its first task (and the switching on before it) to the end of
    its last one; the arrays of a matrix are on in every segment in which they work, and stay on
    from one such segment to the next.
    """
    spans = _segment_spans(priced, run)
    mapping = priced.mapping
    arrays = mapping.arrays[0]
    segment, worked = priced.timeline.segments.segment, priced.costs.array_s[0] > 0
    users = arrays_of(priced.program, priced.costs, 0)
    # Where samples leave windows one tick passes for each (see `Template.windows`).
    between = max(len(run.lowered.template.windows), 1)
    on_s, woken = 0.0, 0.0
    for matrix in np.flatnonzero(arrays):
        tasks = (users == matrix) & worked
        end = -between - 1
        for s in np.unique(segment[tasks]).tolist():
            begin, last = spans[s]
            woken += float(arrays[matrix]) * (begin > end + between)
            on_s += float(arrays[matrix]) * max(last - max(begin, end, 0), 0) * run.tick_s
            end = max(end, last)
    return np.array([on_s]), np.array([woken])


def _segment_spans(priced: Estimate, run: CycleRun) -> dict[int, tuple[int, int]]:
    """First tick and last tick of each segment, in which its arrays have to be on."""
    template, schedule = run.lowered.template, run.schedule
    offsets = template.offsets
    wake = round(run.execution.wake_s / run.tick_s)
    spans: dict[int, tuple[int, int]] = {}
    program_task, of_task = run.lowered.program_task, priced.timeline.segments.segment
    segments = np.where(program_task >= 0, of_task[program_task], run.lowered.written_for)
    for t, segment in enumerate(segments.tolist()):
        if segment < 0:
            continue
        own = slice(offsets[t], offsets[t + 1])
        begin = max(int(schedule.start[own].min()) - wake, 0)
        last = int(schedule.finish[own].max())
        before = spans.get(segment, (begin, last))
        spans[segment] = (min(before[0], begin), max(before[1], last))
    return spans
