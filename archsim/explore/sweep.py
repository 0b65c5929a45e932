"""Pricing every point of a grid at once.

Points that differ in numbers only share one pass through the vectorised simulation; points that
differ in structure (a kind, a scheme, a policy) form groups of their own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archsim.architecture import Architecture
from archsim.baseline.estimate import GpuEstimate
from archsim.config.loading import Loaded
from archsim.config.overriding import override
from archsim.errors import InputError
from archsim.explore.headline import GPU_HEADLINES, HEADLINES, Goal, Merge
from archsim.explore.limits import Limit
from archsim.explore.pareto import pareto_mask
from archsim.explore.physical import beyond_memory, beyond_tile_buffers, limit_columns
from archsim.explore.space import Axis, AxisValue, grid
from archsim.fields import FloatArray, signature
from archsim.simulation.estimate import Estimate, estimate
from archsim.simulation.program import Program
from archsim.units import format_quantity

# Configurations in one pass; bounds the memory of the arrays over configurations and tasks.
PASS_SIZE = 128
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


@dataclass(frozen=True, slots=True)
class Failure:
    """A point that could not be priced, and why; `workload` is "" if none of them could be."""

    point: int
    reason: str
    workload: str = ""


@dataclass(frozen=True)
class Points:
    """All points of a sweep, P of them.

    `settings` holds the axes' values of each; `columns` the headline numbers over all workloads,
    each [P], and `by_workload` those of each workload; failed points are nan.  `kept` says which
    keep each limit, `feasible` which keep all of them, `pareto` which of these no other feasible
    point dominates.  `cycle` says which were timed by the cycle fidelity, `unrefined` which it refused.
    """

    settings: tuple[Mapping[str, AxisValue], ...]
    columns: Mapping[str, FloatArray]
    by_workload: Mapping[str, Mapping[str, FloatArray]]
    failures: tuple[Failure, ...]
    kept: Mapping[str, NDArray[np.bool_]]
    feasible: NDArray[np.bool_]
    pareto: NDArray[np.bool_]
    cycle: NDArray[np.bool_]
    unrefined: tuple[Failure, ...] = ()


def sweep(
    base: Loaded[Architecture],
    axes: Sequence[Axis],
    workloads: Sequence[SweepWorkload],
    limits: Sequence[Limit],
    objectives: Mapping[str, Goal],
    places: Mapping[str, str] | None = None,
) -> Points:
    """Price the full grid of `axes` around `base` on every workload.

    `places` says, for messages, where the axis of each path was written.

    A combination that the schema refuses, or on which a network does not fit, is a failure and not
    an error.  Raises `InputError` for an axis none of whose values is valid, and if no point at all
    could be built.
    """
    _check_axes(base, axes, places or {})
    settings = tuple(grid(axes))
    architectures, failures = _build(base, settings)
    if not architectures:
        raise InputError(f"no point of the grid is a valid architecture: {failures[0].reason}")
    by_workload = {}
    for workload in workloads:
        columns, misfits = _price(workload, architectures, len(settings))
        by_workload[workload.name] = columns
        failures += misfits
    nothing = np.zeros(len(settings), dtype=bool)
    points = Points(
        settings=settings,
        columns={},
        by_workload=by_workload,
        failures=_once_each(failures),
        kept={},
        feasible=nothing,
        pareto=nothing,
        cycle=nothing,
    )
    return judged(points, workloads, limits, objectives)


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


def _price(
    workload: SweepWorkload, architectures: Mapping[int, Architecture], size: int
) -> tuple[dict[str, FloatArray], list[Failure]]:
    columns = {
        name: np.full(size, np.nan)
        for name in HEADLINES
        if workload.gpu is not None or name not in GPU_HEADLINES
    }
    failures = []
    for points in _passes(architectures):
        passes, refused = _estimated(workload, architectures, points)
        failures += refused
        for some, found in passes:
            failures += _enter(columns, workload, [architectures[p] for p in some], (some, found))
    return columns, failures


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
    priced: tuple[list[int], Estimate],
) -> list[Failure]:
    """Enter the headline numbers of one pass into the columns; points that do not fit are returned."""
    points, found = priced
    misfit = ~np.asarray(found.fits, dtype=bool)
    overflow = beyond_memory(found, architectures) & ~misfit
    starved = beyond_tile_buffers(found, architectures) & ~misfit & ~overflow
    kept, rows = ~(misfit | overflow | starved), np.asarray(points)
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
