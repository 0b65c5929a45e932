"""One training step on one architecture, or on thousands at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from collections.abc import Mapping as MappingType
from dataclasses import dataclass

import numpy as np

from archsim.architecture import Architecture
from archsim.fields import FloatArray, Scalar, stack
from archsim.mapping import Mapping, effective_pulses, mapping_candidates
from archsim.mapping.averaging import averaging
from archsim.simulation.analytic import Segments, Timeline, schedule, segment_tasks
from archsim.simulation.columns import TaskCosts
from archsim.simulation.costs import task_costs
from archsim.simulation.memory import Memory, add_spills, memory
from archsim.simulation.program import BoolArray, Program
from archsim.simulation.static import static_energy_j
from archsim.workload.training import TaskKind


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a training step costs, for C configurations (leading axis of every array).

    `energy_j` is by component [C, T] per SAMPLE (per step for per-step tasks); `step_energy_j` [C]
    includes static energy.  `static_power_w` (mean over the step) and `area_m2` are by component, each [C].
    `pulses_per_step` [C, M] is what a device of each matrix takes in one step.
    `stored_bits` [C] is what is kept at once between tasks, `spilled_share` [C] the part in DRAM.
    `fits` says whether the arrays suffice; where they do not, times and energies are meaningless.
    """

    program: Program
    mapping: Mapping
    costs: TaskCosts
    timeline: Timeline
    batch: FloatArray
    arrays_available: FloatArray
    fits: BoolArray
    step_latency_s: FloatArray
    step_energy_j: FloatArray
    dynamic_energy_j: FloatArray
    static_power_w: MappingType[str, FloatArray]
    area_by_component_m2: MappingType[str, FloatArray]
    area_m2: FloatArray
    stored_bits: FloatArray
    spilled_share: FloatArray
    staleness_samples: FloatArray
    pulses_per_step: FloatArray

    @property
    def array_utilisation(self) -> FloatArray:
        """Busy time of arrays over all arrays of the chip and the step, [C]."""
        busy_s = self.timeline.resource_s[:, : len(self.program.matrices.names)]
        arrays = self.mapping.arrays_per_copy * self.mapping.copies * self.mapping.on_array
        available = self.arrays_available * self.step_latency_s
        return np.asarray((busy_s * arrays).sum(axis=1) / available)


def estimate(
    program: Program, architectures: Sequence[Architecture], batches: Sequence[int]
) -> Estimate:
    """Price one training step on architectures that differ in numbers only.

    `batches[c]` samples form the minibatch of `architectures[c]`.  Raises
    `archsim.fields.NotStackable` if the architectures differ in more than numbers: group them by
    `archsim.fields.signature` first.
    """
    architecture = stack(architectures)
    batch = np.asarray(batches, dtype=np.float64).reshape(-1, 1)
    policy = architecture.schedule
    barriers = policy.batchnorm == "batch" and bool(program.barrier.any())
    segments = segment_tasks(program, batch_barriers=barriers, deferred=policy.update == "deferred")

    hop_m = architecture.hop_m

    def price(mapping: Mapping) -> _Priced:
        return _price(program, architecture, mapping, segments, batch, hop_m)

    by_unit = [
        _fastest([price(mapping) for mapping in mappings], price)
        for mappings in mapping_candidates(architecture, program.matrices, batch)
    ]
    return _totals(program, architecture, _cheapest(by_unit, price), batch)


@dataclass(frozen=True, slots=True)
class _Priced:
    """One mapping, priced for all configurations."""

    mapping: Mapping
    costs: TaskCosts
    timeline: Timeline
    kept: Memory
    fits: BoolArray
    dynamic_j: FloatArray


def _price(
    program: Program,
    architecture: Architecture,
    mapping: Mapping,
    segments: Segments,
    batch: FloatArray,
    hop_m: Scalar,
) -> _Priced:
    pipelined = architecture.schedule.mode == "pipelined"
    costs = task_costs(program, architecture, mapping, batch, hop_m)
    gating = architecture.chip.power_gating
    wake_s = 0.0 if gating is None else gating.wake_s

    def timed(costs: TaskCosts) -> Timeline:
        return schedule(program, costs, segments, batch, pipelined=pipelined, wake_s=wake_s)

    timeline = timed(costs)
    kept = memory(program, architecture, timeline, batch)
    if kept.spilled_share.any():
        costs = add_spills(costs, architecture, kept)
        timeline = timed(costs)
    needed = (mapping.arrays_per_copy * mapping.on_array).sum(axis=1)
    available = np.asarray(architecture.arrays_available, dtype=np.float64).reshape(-1)
    repeats = np.where(program.per_step[None, :], 1.0, batch)
    dynamic = [(energy * repeats).sum(axis=1) for energy in costs.energy_j.values()]
    return _Priced(
        mapping, costs, timeline, kept, np.asarray(needed <= available), np.sum(dynamic, axis=0)
    )


def _fastest(choices: list[_Priced], price: Callable[[Mapping], _Priced]) -> _Priced:
    """Of several numbers of copies, the fastest for each configuration."""
    return _best(choices, [c.timeline.makespan_s for c in choices], price)


def _cheapest(choices: list[_Priced], price: Callable[[Mapping], _Priced]) -> _Priced:
    """Of several units for grouped matrices, the least dynamic energy times time that fits."""
    cost = [np.where(c.fits, c.dynamic_j * c.timeline.makespan_s, np.inf) for c in choices]
    return _best(choices, cost, price)


def _best(
    choices: list[_Priced], cost: list[FloatArray], price: Callable[[Mapping], _Priced]
) -> _Priced:
    """The choice of least cost for each configuration; priced again if configurations differ."""
    best = np.argmin(np.stack(cost), axis=0)
    if (best == best[0]).all():
        return choices[int(best[0])]
    merged = choices[0].mapping
    for index, choice in enumerate(choices[1:], start=1):
        merged = merged.where(best != index, choice.mapping)
    return price(merged)


def _staleness(
    architecture: Architecture, program: Program, timeline: Timeline, batch: FloatArray
) -> FloatArray:
    """Most samples that read an array between one sample's forward read and its update, [C]."""
    policy = architecture.schedule
    if policy.update == "deferred":
        return np.zeros(batch.shape[0])
    updates = program.select(TaskKind.WEIGHT_GRADIENT)
    reads = program.select(TaskKind.FORWARD)
    first = {int(program.matrix[r]): int(r) for r in reversed(reads) if program.matrix[r] >= 0}
    worst = np.zeros(batch.shape[0])
    segment = timeline.segments.segment
    for update in updates:
        read = first[int(program.matrix[update])]
        if segment[read] != segment[update]:
            # A barrier lies between: every later sample of the minibatch has read by then.
            worst = np.maximum(worst, batch[:, 0] - 1.0)
            continue
        if policy.mode == "sequential":  # a sample ends its segment before the next begins it
            continue
        interval = timeline.bottleneck_s[:, segment[read]]
        gap = timeline.finish_s[:, update] - timeline.finish_s[:, read]
        worst = np.maximum(worst, np.minimum(np.ceil(gap / interval), batch[:, 0] - 1.0))
    return worst


def _pulses(
    architecture: Architecture, program: Program, mapping: Mapping, batch: FloatArray
) -> FloatArray:
    """Pulses that one device takes per step, [C, M].

    Each sample gives vectors * BL * p_x * p_error coincidences; averaging the copies writes each
    device once per interval.
    """
    table = program.matrices
    average = architecture.mapping.sync == "average"
    share = mapping.copies if average else np.ones_like(mapping.copies)
    pulses = effective_pulses(architecture, table.updates, table.input_signs, mapping.copies)
    both = pulses.probability_x * pulses.probability_error
    trained = table.updates / share * architecture.update.train_length * both * batch
    written = (mapping.copies > 1) * average * (table.updates > 0)
    rewrite = averaging(architecture, mapping.place, batch).pulses
    rewrite = rewrite / architecture.mapping.sync_interval
    return np.asarray((trained + written * rewrite) * mapping.on_array)


def _totals(
    program: Program, architecture: Architecture, chosen: _Priced, batch: FloatArray
) -> Estimate:
    timeline, mapping = chosen.timeline, chosen.mapping
    areas = _areas(architecture, batch.shape[0])
    static = static_energy_j(program, architecture, mapping, chosen.costs, timeline)
    available = np.broadcast_to(
        np.asarray(architecture.arrays_available, dtype=np.float64), batch.shape
    )[:, 0]
    return Estimate(
        program=program,
        mapping=mapping,
        costs=chosen.costs,
        timeline=timeline,
        batch=batch[:, 0],
        arrays_available=available,
        fits=chosen.fits,
        step_latency_s=timeline.makespan_s,
        step_energy_j=chosen.dynamic_j + sum(static.values()),
        dynamic_energy_j=chosen.dynamic_j,
        static_power_w={name: j / timeline.makespan_s for name, j in static.items()},
        area_by_component_m2=areas,
        area_m2=np.asarray(sum(areas.values())),
        stored_bits=chosen.kept.stored_bits,
        spilled_share=chosen.kept.spilled_share,
        staleness_samples=_staleness(architecture, program, timeline, batch),
        pulses_per_step=_pulses(architecture, program, mapping, batch),
    )


def _areas(architecture: Architecture, configurations: int) -> dict[str, FloatArray]:
    """Chip area by component, each [C]."""
    shape = (configurations, 1)
    return {
        name: np.broadcast_to(np.asarray(area, dtype=np.float64), shape)[:, 0].copy()
        for name, area in architecture.area_by_component_m2().items()
    }
