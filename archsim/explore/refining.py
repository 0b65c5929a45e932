"""The points of a sweep that matter, priced again by the cycle fidelity.

A sweep prices all points analytically.  Those on the Pareto front, and those that are nearly as good,
are then simulated task by task.  Their numbers replace the estimates; that may bring other points to
the front, which are simulated too, until no estimate is left on it.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from archsim.architecture import Architecture
from archsim.config.loading import Loaded
from archsim.config.overriding import override
from archsim.errors import InputError
from archsim.explore.headline import Goal
from archsim.explore.journal import Journal, SimulatedPoint
from archsim.explore.limits import Limit
from archsim.explore.pareto import near_mask
from archsim.explore.points import Failure, Interrupted, Points
from archsim.explore.processes import worked
from archsim.explore.space import AxisValue
from archsim.explore.study import StudyFidelity
from archsim.explore.sweep import (
    Counted,
    SweepWorkload,
    headlines,
    judged,
    objective_costs,
    refusal_words,
)
from archsim.simulation.cycle.best_copies import simulate_best_copies
from archsim.simulation.cycle.repricing import timed_by_cycle
from archsim.simulation.estimate import estimate

# Numbers that do not depend on when things happen: these are the same by both fidelities.
_TIMELESS = frozenset({"area_m2", "arrays_used", "read_noise", "ir_drop", "disturb_per_pulse"})


@dataclass(frozen=True, slots=True)
class Asked:
    """What a sweep was asked for, as `archsim.explore.sweep.sweep` takes it."""

    base: Loaded[Architecture]
    workloads: Sequence[SweepWorkload]
    limits: Sequence[Limit]
    objectives: Mapping[str, Goal]


def refine(
    points: Points,
    asked: Asked,
    fidelity: StudyFidelity,
    counted: Counted | None = None,
    *,
    journal: Journal | None = None,
    jobs: int = 1,
) -> Points:
    """`points` with the numbers of the cycle fidelity where `fidelity` asks for them.

    `points.cycle` says where.  A point that the cycle fidelity refuses keeps its estimate and is
    listed in `points.unrefined`.  What `journal` holds is not simulated again, and what is simulated,
    by `jobs` processes, is kept there.  Raises `Interrupted`, a `KeyboardInterrupt`, with what is
    done by then.
    """
    journal = journal or Journal()
    done = 0
    while True:
        left = np.flatnonzero(waiting(points, asked, fidelity)).tolist()
        if not left:
            return points
        found: dict[int, SimulatedPoint] = {}
        try:
            with closing(_simulated(points, asked, left, journal, jobs)) as simulated:
                for one in simulated:
                    found[one.point] = one
                    if counted is not None:
                        counted(done + len(found), done + len(left))
        except KeyboardInterrupt:
            points = _entered(points, asked, found)
            raise Interrupted(points, waiting(points, asked, fidelity)) from None
        done += len(left)
        points = _entered(points, asked, found)


def waiting(points: Points, asked: Asked, fidelity: StudyFidelity) -> NDArray[np.bool_]:
    """Points that `fidelity` wants simulated, as far as is known, and that were not yet, [P]."""
    wanted = (
        _wanted(points, asked, fidelity)
        if fidelity.simulates
        else np.zeros(len(points.settings), dtype=bool)
    )
    return np.asarray(wanted & ~points.cycle & ~_refused(points))


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


def _simulated(
    points: Points, asked: Asked, left: Sequence[int], journal: Journal, jobs: int
) -> Generator[SimulatedPoint, None, None]:
    """The points of `left`, first those of the journal, then the others, which are kept there."""
    stored = {point: journal.find_point(point) for point in left}
    yield from (one for one in stored.values() if one is not None)
    fresh = [(point, points.settings[point]) for point in left if stored[point] is None]
    with closing(worked(partial(_simulate, asked), fresh, jobs)) as answers:
        for _, answer in answers:
            journal.keep(answer)
            yield answer


def _simulate(asked: Asked, wanted: tuple[int, Mapping[str, AxisValue]]) -> SimulatedPoint:
    """The numbers of a point on every workload, up to the first that is refused."""
    point, settings = wanted
    tree = override(asked.base, settings).value if settings else asked.base.value
    found: dict[str, dict[str, float]] = {}
    for workload in asked.workloads:
        try:
            first = estimate(workload.program, [tree], [workload.batch])
            best = simulate_best_copies(first, tree)
            timed = timed_by_cycle(best.priced, tree, best.run)
        except InputError as error:
            return SimulatedPoint(
                point, found, (Failure(point, refusal_words(error), workload.name),)
            )
        numbers = headlines(timed, workload, [tree])
        found[workload.name] = {name: float(value[0]) for name, value in numbers.items()}
    return SimulatedPoint(point, found, ())


def _entered(points: Points, asked: Asked, found: Mapping[int, SimulatedPoint]) -> Points:
    """The points with the numbers of those that were simulated, and what follows from them."""
    by_workload = {
        name: {number: values.copy() for number, values in columns.items()}
        for name, columns in points.by_workload.items()
    }
    cycle, refused = points.cycle.copy(), list(points.unrefined)
    for point, one in sorted(found.items()):
        refused += one.failures
        if one.failures:
            continue
        cycle[point] = True
        for name, numbers in one.numbers.items():
            for number, value in numbers.items():
                by_workload[name][number][point] = value
    entered = replace(points, by_workload=by_workload, cycle=cycle, unrefined=tuple(refused))
    return judged(entered, asked.workloads, asked.limits, asked.objectives)


def only_done(stop: Interrupted, asked: Asked, fidelity: StudyFidelity) -> tuple[Points, int]:
    """The points of an interrupted sweep without those that are not done, and how many are done.

    What is not done has no numbers and a reason, as a point that failed.  A point is done when it has
    all the numbers that the study asks for, so an estimate does not count where a simulation is
    wanted; among what is left, others may come to the front.
    """
    points = stop.points
    left = stop.left | waiting(points, asked, fidelity)
    left[[failure.point for failure in points.failures]] = False
    size = left.size
    done = size - int(left.sum())
    reason = f"not done: the sweep was interrupted with {done:,} of {size:,} points done"
    failures = [*points.failures, *(Failure(int(p), reason) for p in np.flatnonzero(left))]
    found = replace(
        points,
        by_workload={
            name: {number: np.where(left, np.nan, values) for number, values in columns.items()}
            for name, columns in points.by_workload.items()
        },
        failures=tuple(sorted(failures, key=lambda failure: failure.point)),
        cycle=points.cycle & ~left,
        unrefined=tuple(failure for failure in points.unrefined if not left[failure.point]),
    )
    return judged(found, asked.workloads, asked.limits, asked.objectives), done
