"""The points of a sweep that matter, priced again by the cycle fidelity.

A sweep prices all points analytically.  Those on the Pareto front, and those that are nearly as good,
are then simulated task by task.  Their numbers replace the estimates; that may bring other points to
the front, which are simulated too, until no estimate is left on it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from archsim.architecture import Architecture
from archsim.config.loading import Loaded
from archsim.config.overriding import override
from archsim.errors import InputError
from archsim.explore.headline import Goal
from archsim.explore.limits import Limit
from archsim.explore.pareto import near_mask
from archsim.explore.study import StudyFidelity
from archsim.explore.sweep import (
    Failure,
    Points,
    SweepWorkload,
    headlines,
    judged,
    objective_costs,
    refusal_words,
)
from archsim.fields import FloatArray
from archsim.simulation.cycle.repricing import timed_by_cycle
from archsim.simulation.cycle.run import simulate_step
from archsim.simulation.estimate import estimate

# Numbers that do not depend on when things happen: these are the same by both fidelities.
_TIMELESS = frozenset({"area_m2", "arrays_used", "read_noise", "ir_drop", "disturb_per_pulse"})

# Hears how many points are done, of how many that are known to be needed.
Counted: TypeAlias = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Asked:
    """What a sweep was asked for, as `archsim.explore.sweep.sweep` takes it."""

    base: Loaded[Architecture]
    workloads: Sequence[SweepWorkload]
    limits: Sequence[Limit]
    objectives: Mapping[str, Goal]


def refine(
    points: Points, asked: Asked, fidelity: StudyFidelity, counted: Counted | None = None
) -> Points:
    """`points` with the numbers of the cycle fidelity where `fidelity` asks for them.

    `points.cycle` says where.  A point that the cycle fidelity refuses keeps its estimate and is
    listed in `points.unrefined`.
    """
    done = 0
    while True:
        left = np.flatnonzero(_wanted(points, asked, fidelity) & ~points.cycle & ~_refused(points))
        if not left.size:
            return points
        found: dict[int, _Numbers] = {}
        refused: list[Failure] = []
        for number, point in enumerate(left.tolist(), start=1):
            numbers, failures = _simulated(points, asked, point)
            refused += failures
            if not failures:
                found[point] = numbers
            if counted is not None:
                counted(done + number, done + left.size)
        done += left.size
        points = replace(_entered(points, found), unrefined=(*points.unrefined, *refused))
        points = judged(points, asked.workloads, asked.limits, asked.objectives)


# Headline numbers of one point on each workload.
_Numbers: TypeAlias = dict[str, dict[str, FloatArray]]


def _wanted(points: Points, asked: Asked, fidelity: StudyFidelity) -> NDArray[np.bool_]:
    if fidelity.all == "cycle":
        return np.isfinite(points.columns["step_latency_s"])
    costs = objective_costs(points.columns, points.feasible, asked.objectives)
    share = np.array([0.0 if name in _TIMELESS else fidelity.near for name in asked.objectives])
    # What is simulated already has no better number to hope for.
    hoped = costs - np.where(points.cycle[:, None], 0.0, share * np.abs(costs))
    return near_mask(costs, hoped)


def _refused(points: Points) -> NDArray[np.bool_]:
    found = np.zeros(len(points.settings), dtype=bool)
    found[[failure.point for failure in points.unrefined]] = True
    return found


def _simulated(points: Points, asked: Asked, point: int) -> tuple[_Numbers, list[Failure]]:
    """The numbers of a point on every workload, up to the first that is refused."""
    settings = points.settings[point]
    tree = override(asked.base, settings).value if settings else asked.base.value
    found: _Numbers = {}
    for workload in asked.workloads:
        try:
            first = estimate(workload.program, [tree], [workload.batch])
            timed = timed_by_cycle(first, tree, simulate_step(first, tree))
        except InputError as error:
            return found, [Failure(point, refusal_words(error), workload.name)]
        found[workload.name] = headlines(timed, workload, [tree])
    return found, []


def _entered(points: Points, found: Mapping[int, _Numbers]) -> Points:
    """The points with the numbers of those that were simulated."""
    by_workload = {
        name: {number: values.copy() for number, values in columns.items()}
        for name, columns in points.by_workload.items()
    }
    cycle = points.cycle.copy()
    for point, numbers in found.items():
        cycle[point] = True
        for name, columns in numbers.items():
            for number, value in columns.items():
                by_workload[name][number][point] = value[0]
    return replace(points, by_workload=by_workload, cycle=cycle)
