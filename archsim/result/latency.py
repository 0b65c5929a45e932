"""Where the time of a step goes: phases and resources, adding up to the step exactly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from archsim.result.phases import ResultPhase, array_by_phase_s, main_by_phase_s, task_phase
from archsim.simulation.analytic import Timeline
from archsim.simulation.chip_spread import CHIP_LINK
from archsim.simulation.columns import (
    CHIP_POWER,
    CONVERTERS,
    HOST_LINK,
    LINE_WRITES,
    POWER_CAPS,
    UPDATE_POWER,
)
from archsim.simulation.cycle.holding import arrays_of
from archsim.simulation.estimate import Estimate
from archsim.simulation.program import IntArray, Program
from archsim.simulation.recalibration import RECALIBRATION

_DIGITAL = ("vector_unit", "matrix_unit")
# What moving its data adds to a task, beside the time in its own unit.
DATA_MOVEMENT = "data movement"
# Weights of another round come to the arrays.
WRITING = "writing weights"

_LIMIT_WORDS = {
    "arrays": "Crossbar arrays",
    "vector_unit": "The vector unit",
    "matrix_unit": "The matrix unit",
    "activation_buffer": "The activation buffer",
    "mesh": "The mesh",
    "dram": "DRAM",
    HOST_LINK: "The link to the host",
    CONVERTERS: "A set of converters that arrays share",
    LINE_WRITES: "Writing arrays line by line",
    CHIP_LINK: "The links between chips",
    CHIP_POWER: "The power limit of the chip",
    UPDATE_POWER: "The power limit of updates",
    DATA_MOVEMENT: "Data movement",
    WRITING: "Writing weights anew",
    RECALIBRATION: "Recalibration of the references",
}


@dataclass(frozen=True, slots=True)
class Attribution:
    """Step time of the first configuration by phase and by limiting resource, in seconds."""

    by_phase_s: dict[str, float]
    by_limit_s: dict[str, float]


def attribute(estimate: Estimate) -> Attribution:
    """Split the step time.

    In each segment the first sample's time goes to the tasks on its longest path (or to the tasks
    of the busiest resource where that is what limits), and each further sample's time to the tasks
    of the busiest resource, or like the first one's where it waits for others to be done.  The parts
    sum to the step.
    """
    timeline, program = estimate.timeline, estimate.program
    phases = {str(p): 0.0 for p in ResultPhase if p is not ResultPhase.STATIC}
    limits: dict[str, float] = {}
    sources = _Sources(program)
    order = np.argsort(timeline.segments.segment, kind="stable")
    bounds = np.searchsorted(
        timeline.segments.segment[order], np.arange(timeline.segments.count + 1)
    )
    for segment in range(timeline.segments.count):
        tasks = order[bounds[segment] : bounds[segment + 1]]
        if not tasks.size:
            continue
        samples = 1.0 if timeline.segments.per_step[segment] else float(estimate.batch[0])
        largest = float(timeline.bottleneck_s[0, segment])
        busiest = int(timeline.bottleneck[0, segment])
        path = _longest_path(sources, timeline, tasks)
        by_resource = _resource_shares(estimate, tasks, busiest)
        by_path = _path_shares(estimate, path)
        on_path = timeline.finish_s[0, tasks].max() >= largest
        first = by_path if on_path else by_resource
        writing = float(timeline.writing_s[0, segment])
        latency = float(timeline.latency_s[0, segment]) - writing
        interval = float(timeline.interval_s[0, segment])
        asleep = float(timeline.wake_s[0, segment])
        alone = interval > largest or interval == latency - asleep
        again = first if alone else by_resource
        later = (samples - 1.0) * interval
        spread(phases, first[0], latency)
        spread(phases, again[0], later)
        spread(limits, first[1], latency)
        spread(limits, again[1], later)
        if writing:
            phases[str(ResultPhase.UPDATE)] += writing
            limits[WRITING] = limits.get(WRITING, 0.0) + writing
    return Attribution(phases, limits)


def with_recalibration(split: Attribution, seconds: float) -> Attribution:
    """The split of a step that takes `seconds` more in which references are set again."""
    if not seconds:
        return split
    phase = str(ResultPhase.TRANSFER)
    by_phase = {**split.by_phase_s, phase: split.by_phase_s[phase] + seconds}
    return Attribution(by_phase, {**split.by_limit_s, RECALIBRATION: seconds})


def limit_words(limit: str) -> str:
    """A limit as the subject of a sentence."""
    return _LIMIT_WORDS[limit]


def spread(target: dict[str, float], shares: dict[str, float], amount: float) -> None:
    """Add `amount` to the entries of `target` in proportion to `shares`."""
    total = sum(shares.values())
    for name, share in shares.items():
        part = amount * share / total if total else 0.0
        target[name] = target.get(name, 0.0) + part


Shares = tuple[dict[str, float], dict[str, float]]


def _path_shares(estimate: Estimate, path: list[int]) -> Shares:
    """Time on a path by phase and by what it was spent on."""
    phases: dict[str, float] = {}
    limits: dict[str, float] = {}
    for task in path:
        main = float(estimate.costs.main_s[0, task])
        moved = float(estimate.costs.transfer_s[0, task])
        for phase, part in main_by_phase_s(estimate, task).items():
            phases[str(phase)] = phases.get(str(phase), 0.0) + part
        phases[str(ResultPhase.TRANSFER)] = phases.get(str(ResultPhase.TRANSFER), 0.0) + moved
        unit = own_unit(estimate, task)
        limits[unit] = limits.get(unit, 0.0) + main
        limits[DATA_MOVEMENT] = limits.get(DATA_MOVEMENT, 0.0) + moved
    return phases, limits


def own_unit(estimate: Estimate, task: int) -> str:
    """The unit that a task's own time is spent in."""
    if estimate.costs.array_s[0, task] > 0:
        return "arrays"
    shared = estimate.costs.shared_s
    return max(_DIGITAL, key=lambda name: float(shared[name][0, task]))


def _resource_shares(estimate: Estimate, tasks: IntArray, resource: int) -> Shares:
    """Occupancy of one resource by the phases of its tasks."""
    program, costs = estimate.program, estimate.costs
    name = estimate.timeline.resources[resource]
    phases: dict[str, float] = {}
    is_shared = name in costs.occupancy_s
    users = arrays_of(program, costs, 0)
    on_set = np.zeros(program.size)
    if name == CONVERTERS and costs.sharing is not None:
        on_set = costs.sharing.on_busiest_s(costs.shared_s[name], tasks)
    for task in (int(t) for t in tasks):
        if name in POWER_CAPS:
            busy = {task_phase(program, task): float(costs.power[name].busy_s[0, task])}
        elif name == CONVERTERS:
            busy = {task_phase(program, task): float(on_set[task])}
        elif is_shared:
            phase = ResultPhase.DIGITAL if name in _DIGITAL else ResultPhase.TRANSFER
            busy = {phase: float(costs.shared_s[name][0, task])}
        elif users[task] == resource:
            busy = array_by_phase_s(estimate, task)
        else:
            continue
        for phase, seconds in busy.items():
            phases[str(phase)] = phases.get(str(phase), 0.0) + seconds
    return phases, {name if is_shared else "arrays": 1.0}


class _Sources:
    """What each task waits for, looked up without going through all edges."""

    def __init__(self, program: Program) -> None:
        order = np.argsort(program.edge_to, kind="stable")
        self._from = program.edge_from[order]
        self._bounds = np.searchsorted(program.edge_to[order], np.arange(program.size + 1))

    def of(self, task: int) -> IntArray:
        """The tasks that `task` waits for."""
        return self._from[self._bounds[task] : self._bounds[task + 1]]


def _longest_path(edges: _Sources, timeline: Timeline, tasks: IntArray) -> list[int]:
    """Tasks on the longest path of a segment, from its last task backwards."""
    segment = timeline.segments.segment
    finish = timeline.finish_s[0]
    task = int(tasks[int(finish[tasks].argmax())])
    path = [task]
    while True:
        sources = edges.of(task)
        sources = sources[segment[sources] == segment[task]]
        if not sources.size:
            return path[::-1]
        task = int(sources[int(finish[sources].argmax())])
        path.append(task)
