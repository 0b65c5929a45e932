"""Pricing every point of a grid at once.

Points that differ in numbers only share one pass through the vectorised simulation; points that
differ in structure (a kind, a scheme, a policy) form groups of their own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from archsim.architecture import Architecture
from archsim.baseline.estimate import GpuEstimate
from archsim.config.loading import Loaded
from archsim.config.overriding import override
from archsim.errors import InputError
from archsim.explore.headline import GPU_HEADLINES, HEADLINES, Goal, Merge
from archsim.explore.journal import Journal, PricedPass
from archsim.explore.limits import Limit
from archsim.explore.pareto import pareto_mask
from archsim.explore.physical import beyond_memory, beyond_tile_buffers, limit_columns
from archsim.explore.points import Failure, Interrupted, Points
from archsim.explore.space import Axis, AxisValue, grid
from archsim.fields import FloatArray, signature
from archsim.simulation.estimate import Estimate, estimate
from archsim.simulation.program import Program
from archsim.units import format_quantity

# Configurations in one pass; bounds the memory of the arrays over configurations and tasks.
PASS_SIZE = 128
# Hears how much is done, of how much that is known to be needed.
Counted: TypeAlias = Callable[[int, int], None]
_STARVED = (
    "a tile's buffer does not hold one vector of a matrix and its outputs.  Enlarge "
    "tile.buffer.capacity, or put fewer arrays into a tile (tile.arrays)."
)


@dataclass(frozen=True, slots=True)
class SweepWorkload:
    """A lowered network with its minibatch, its weight, and the GPU's estimate for it, if any.

    The GPU's is at the same batch, or at its own best one if it cannot hold that; ratios are per
    sample.
    """

    name: str
    program: Program
    batch: int
    weight: float
    gpu: GpuEstimate | None


def sweep(
    base: Loaded[Architecture],
    axes: Sequence[Axis],
    workloads: Sequence[SweepWorkload],
    limits: Sequence[Limit],
    objectives: Mapping[str, Goal],
    places: Mapping[str, str] | None = None,
    *,
    journal: Journal | None = None,
    counted: Counted | None = None,
) -> Points:
    """Price the full grid of `axes` around `base` on every workload.

    `places` says, for messages, where the axis of each path was written.  What `journal` holds is
    not priced again, and what is priced is kept there; `counted` hears the progress.

    A combination that the schema refuses, or on which a network does not fit, is a failure and not
    an error.  Raises `InputError` for an axis none of whose values is valid, and if no point at all
    could be built; `Interrupted`, a `KeyboardInterrupt`, with what is done by then.
    """
    _check_axes(base, axes, places or {})
    settings = tuple(grid(axes))
    architectures, failures = _build(base, settings)
    if not architectures:
        raise InputError(f"no point of the grid is a valid architecture: {failures[0].reason}")
    priced = _Priced(
        {workload.name: _no_numbers(workload, len(settings)) for workload in workloads},
        failures,
        {workload.name: set(architectures) for workload in workloads},
    )
    journal, wanted = journal or Journal(), len(architectures) * len(workloads)
    stopped = False
    try:
        for workload in workloads:
            for some in _passes(architectures):
                found = journal.find_pass(workload.name, some)
                if found is None:
                    found = _price(workload, architectures, some)
                    journal.keep(found)
                priced.enter(found)
                if counted is not None:
                    counted(wanted - sum(map(len, priced.left.values())), wanted)
    except KeyboardInterrupt:
        stopped = True
    points = judged(priced.points(settings), workloads, limits, objectives)
    if stopped:
        raise Interrupted(points, priced.left_mask(len(settings)))
    return points


@dataclass(slots=True)
class _Priced:
    """What is priced so far: columns and points left by workload, and the points that failed."""

    by_workload: dict[str, dict[str, FloatArray]]
    failures: list[Failure]
    left: dict[str, set[int]]

    def enter(self, found: PricedPass) -> None:
        """Enter the numbers of a pass."""
        rows = np.array(found.points)
        for name, values in found.columns.items():
            self.by_workload[found.workload][name][rows] = values
        self.failures += found.failures
        self.left[found.workload].difference_update(found.points)

    def left_mask(self, size: int) -> NDArray[np.bool_]:
        """Points that some workload has yet to be priced on, [size]."""
        mask = np.zeros(size, dtype=bool)
        mask[sorted(set().union(*self.left.values()))] = True
        return mask

    def points(self, settings: tuple[Mapping[str, AxisValue], ...]) -> Points:
        """The points with their numbers on each workload, and nothing that follows from these."""
        nothing = np.zeros(len(settings), dtype=bool)
        return Points(
            settings=settings,
            columns={},
            by_workload=self.by_workload,
            failures=_once_each(self.failures),
            kept={},
            feasible=nothing,
            pareto=nothing,
            cycle=nothing,
        )


def judged(
    points: Points,
    workloads: Sequence[SweepWorkload],
    limits: Sequence[Limit],
    objectives: Mapping[str, Goal],
) -> Points:
    """The points with all that follows from their numbers on each workload."""
    columns = merged(workloads, points.by_workload)
    kept = {limit.text: limit.holds(columns) for limit in limits}
    feasible = np.isfinite(columns["step_latency_s"])
    for holds in kept.values():
        feasible = feasible & holds
    costs = objective_costs(columns, feasible, objectives)
    return replace(points, columns=columns, kept=kept, feasible=feasible, pareto=pareto_mask(costs))


def _check_axes(
    base: Loaded[Architecture], axes: Sequence[Axis], places: Mapping[str, str]
) -> None:
    """Refuse an axis that is wrong as a whole, such as a misspelt path, before the grid is built."""
    kinds = [axis.path.removesuffix("kind") for axis in axes if axis.path.endswith(".kind")]
    for axis in axes:
        if any(axis.path.startswith(block) for block in kinds):
            continue  # what is valid here depends on the kind
        first: InputError | None = None
        for value in axis.values:
            try:
                override(base, {axis.path: value})
                break
            except InputError as error:
                first = first or error
        else:
            assert first is not None
            where = ": ".join(filter(None, (places.get(axis.path), f"space.{axis.path}")))
            raise InputError(
                first.message.removeprefix(f"{axis.path}: "), place=where, remedy=first.remedy
            )


def _build(
    base: Loaded[Architecture], settings: Sequence[Mapping[str, AxisValue]]
) -> tuple[dict[int, Architecture], list[Failure]]:
    """The architecture of every point that is valid, by point, and the others as failures."""
    built: dict[int, Architecture] = {}
    failures = []
    for point, changes in enumerate(settings):
        try:
            built[point] = override(base, changes).value if changes else base.value
        except InputError as error:
            failures.append(Failure(point, refusal_words(error)))
    return built, failures


def refusal_words(error: InputError) -> str:
    """A refusal without its place: the settings of the point say where."""
    return " ".join(filter(None, (error.message, error.remedy)))


def _no_numbers(workload: SweepWorkload, size: int) -> dict[str, FloatArray]:
    """A column of nan for each headline number."""
    return {
        name: np.full(size, np.nan)
        for name in HEADLINES
        if workload.gpu is not None or name not in GPU_HEADLINES
    }


def _price(
    workload: SweepWorkload, architectures: Mapping[int, Architecture], points: list[int]
) -> PricedPass:
    """The numbers of one pass; failed points have none."""
    columns = _no_numbers(workload, len(points))
    place = {point: index for index, point in enumerate(points)}
    passes, failures = _estimated(workload, architectures, points)
    for some, found in passes:
        rows = np.array([place[point] for point in some])
        chips = [architectures[point] for point in some]
        failures += _enter(columns, workload, chips, (some, rows, found))
    return PricedPass(
        workload.name,
        tuple(points),
        {name: tuple(values.tolist()) for name, values in columns.items()},
        tuple(failures),
    )


def _estimated(
    workload: SweepWorkload, architectures: Mapping[int, Architecture], points: list[int]
) -> tuple[list[tuple[list[int], Estimate]], list[Failure]]:
    """The points of one pass, priced at once, or one by one if some of them are refused."""
    passed = [architectures[point] for point in points]
    try:
        return [(points, estimate(workload.program, passed, [workload.batch] * len(points)))], []
    except InputError as error:
        if len(points) == 1:
            return [], [Failure(points[0], refusal_words(error), workload.name)]
    found, failures = [], []
    for point in points:
        one, refused = _estimated(workload, architectures, [point])
        found += one
        failures += refused
    return found, failures


def _enter(
    columns: Mapping[str, FloatArray],
    workload: SweepWorkload,
    architectures: Sequence[Architecture],
    priced: tuple[list[int], NDArray[np.int64], Estimate],
) -> list[Failure]:
    """Enter the headline numbers of points into their rows; those that do not fit are returned."""
    points, rows, found = priced
    misfit = ~np.asarray(found.fits, dtype=bool)
    overflow = beyond_memory(found, architectures) & ~misfit
    starved = beyond_tile_buffers(found, architectures) & ~misfit & ~overflow
    kept = ~(misfit | overflow | starved)
    for name, values in headlines(found, workload, architectures).items():
        columns[name][rows[kept]] = values[kept]
    return [
        *(_misfit(found, int(i), points[i], workload) for i in np.flatnonzero(misfit)),
        *(_overflow(found, int(i), points[i], workload) for i in np.flatnonzero(overflow)),
        *(Failure(points[i], _STARVED, workload.name) for i in np.flatnonzero(starved)),
    ]


def _passes(architectures: Mapping[int, Architecture]) -> Iterable[list[int]]:
    """Points of equal structure, in passes of bounded size."""
    groups: defaultdict[Any, list[int]] = defaultdict(list)
    for point, architecture in architectures.items():
        groups[signature(architecture)].append(point)
    for points in groups.values():
        # Networks written in rounds have rounds of their own in every configuration.
        rounds = architectures[points[0]].mapping.overflow == "reprogram"
        size = 1 if rounds else PASS_SIZE
        for start in range(0, len(points), size):
            yield points[start : start + size]


def headlines(
    found: Estimate, workload: SweepWorkload, architectures: Sequence[Architecture]
) -> dict[str, FloatArray]:
    """The headline numbers of one pass, each [C]."""
    latency_s, energy_j = found.step_latency_s, found.step_energy_j
    columns = {
        "step_latency_s": latency_s,
        "samples_per_s": workload.batch / latency_s,
        "step_energy_j": energy_j,
        "energy_per_sample_j": energy_j / workload.batch,
        "average_power_w": energy_j / latency_s,
        "area_m2": found.area_m2,
        "arrays_used": found.mapping.arrays_used,
        "array_utilisation": found.array_utilisation,
        **limit_columns(found, architectures),
    }
    if workload.gpu is not None:
        gpu, batch = workload.gpu, workload.batch
        columns["speedup"] = gpu.step_latency_s / gpu.batch / (latency_s / batch)
        columns["energy_ratio"] = gpu.step_energy_j / gpu.batch / (energy_j / batch)
    return columns


def _misfit(found: Estimate, index: int, point: int, workload: SweepWorkload) -> Failure:
    mapping, available = found.mapping, found.arrays_available[index]
    needed, chips = mapping.arrays_needed[index].sum(), int(mapping.chips[index])
    reason = f"the network needs {needed:,.0f} arrays, the chip has {available:,.0f}"
    if chips > 1:
        reason = f"the network needs {chips:,} chips, more than system.max_chips"
    return Failure(point, reason, workload.name)


def _overflow(found: Estimate, index: int, point: int, workload: SweepWorkload) -> Failure:
    kept = format_quantity(found.stored_bits[index] / 8.0, "B")
    weights = format_quantity(found.waiting_bits[index] / 8.0, "B")
    beside = f" beside {weights} of weights that wait for their round" * bool(
        found.waiting_bits[index]
    )
    return Failure(
        point,
        f"a batch of {workload.batch:,} keeps {kept} between layers{beside}, more than buffer and DRAM "
        "hold",
        workload.name,
    )


def merged(
    workloads: Sequence[SweepWorkload], by_workload: Mapping[str, Mapping[str, FloatArray]]
) -> dict[str, FloatArray]:
    """One number per point over all workloads, by the rule of each headline number."""
    weights = np.array([workload.weight for workload in workloads])
    weights = (weights / weights.sum())[:, None]
    names = by_workload[workloads[0].name]
    return {
        name: merge(
            HEADLINES[name].merge, np.stack([by_workload[w.name][name] for w in workloads]), weights
        )
        for name in names
    }


def merge(rule: Merge, values: FloatArray, weights: FloatArray) -> FloatArray:
    """Merge `values` [W, P] over the W workloads; `weights` [W, 1] sum to one.  A nan spreads."""
    if rule is Merge.MEAN:
        merged = (weights * values).sum(axis=0)
    elif rule is Merge.RATE:
        merged = 1.0 / (weights / values).sum(axis=0)
    elif rule is Merge.RATIO:
        merged = np.exp((weights * np.log(values)).sum(axis=0))
    elif rule is Merge.SMALLEST:
        merged = values.min(axis=0)
    else:
        merged = values.max(axis=0)
    return np.asarray(merged)


def objective_costs(
    columns: Mapping[str, FloatArray],
    feasible: NDArray[np.bool_],
    objectives: Mapping[str, Goal],
) -> FloatArray:
    """What is to be small, [points, objectives]; nan where a point is not feasible."""
    costs = np.stack(
        [
            columns[name] if goal is Goal.MIN else -columns[name]
            for name, goal in objectives.items()
        ],
        axis=1,
    )
    costs[~feasible] = np.nan
    return costs


def _once_each(failures: Iterable[Failure]) -> tuple[Failure, ...]:
    """The first failure of each point, in the order of the points."""
    first: dict[int, Failure] = {}
    for failure in failures:
        first.setdefault(failure.point, failure)
    return tuple(first[point] for point in sorted(first))
