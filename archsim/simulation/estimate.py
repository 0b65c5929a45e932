"""One training step on one architecture, or on thousands at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from collections.abc import Mapping as MappingType
from dataclasses import dataclass, fields, replace

import numpy as np

from archsim.algorithm.operations import Role
from archsim.architecture import Architecture
from archsim.fields import FloatArray, Scalar, stack
from archsim.mapping import Mapping, fits, mapping_candidates
from archsim.simulation.accumulation import spread_over_minibatches
from archsim.simulation.algorithm_state import (
    AlgorithmState,
    add_state_traffic,
    algorithm_state,
)
from archsim.simulation.analytic import Segments, Timeline, schedule, segment_tasks
from archsim.simulation.chip_spread import CHIP_LINKS, ChipSpread
from archsim.simulation.chips import over_chips, ways_of_cutting
from archsim.simulation.columns import TaskCosts
from archsim.simulation.costs import task_costs
from archsim.simulation.memory import Memory, add_spills, memory
from archsim.simulation.power import with_power_caps
from archsim.simulation.program import BoolArray, IntArray, Program
from archsim.simulation.pulses import pulses_by_role
from archsim.simulation.recalibration import recalibration
from archsim.simulation.rounds import (
    phases_of,
    waiting_bits,
    with_writing,
    writing,
    written_pulses,
)
from archsim.simulation.segment_copies import CopiesPriced, chooses_by_segment, segment_copies
from archsim.simulation.side_by_side import row_of, side_by_side
from archsim.simulation.static import static_energy_j
from archsim.workload.training import TaskKind


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a training step costs, for C configurations (leading axis of every array).

    `energy_j` is by component [C, T] per SAMPLE (per step for per-step tasks); `step_energy_j` [C]
    includes static energy.  `static_power_w` (mean over the step) and `area_m2` are by component, each [C].
    `pulses_per_step` [C, M] is what a device of each matrix takes in one step, the most of
    `pulses_by_role`, and `state` what the update algorithm keeps digitally.
    `recalibration_s` [C] is the part of the step in which references are set again.
    `stored_bits` [C] is what is kept at once between tasks, `spilled_share` [C] the part in DRAM.
    `waiting_bits` [C] is DRAM kept for weights that are not on the arrays all the time.
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
    waiting_bits: FloatArray
    staleness_samples: FloatArray
    pulses_per_step: FloatArray
    pulses_by_role: MappingType[Role, FloatArray]
    state: AlgorithmState
    recalibration_s: FloatArray

    @property
    def array_utilisation(self) -> FloatArray:
        """Busy time of arrays over all arrays of the chip and the step, [C]."""
        busy_s = self.timeline.resource_s[:, : len(self.program.matrices.names)]
        arrays = self.mapping.arrays
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

    def segmented(phase: IntArray | None) -> Segments:
        deferred = policy.update == "deferred"
        return segment_tasks(program, batch_barriers=barriers, deferred=deferred, phase=phase)

    at_once, hop_m = segmented(None), architecture.hop_m

    def price(mapping: Mapping) -> _Priced:
        phase = phases_of(program, mapping)
        segments = at_once if phase is None else segmented(phase)
        repeated = np.broadcast_to(batch, (mapping.copies.shape[0], 1))
        return _price(program, architecture, mapping, (segments, phase), repeated, hop_m)

    candidates = mapping_candidates(architecture, program.matrices, batch)
    if batch.size == 1 and architecture.mapping.overflow != "reprogram":
        # Rounds of writing would differ from row to row.
        priced = price(side_by_side([mapping for mappings in candidates for mapping in mappings]))
        rows = iter(range(priced.fits.size))
        choices = [
            [priced.row(next(rows), mapping) for mapping in mappings] for mappings in candidates
        ]
    else:
        choices = [[price(mapping) for mapping in mappings] for mappings in candidates]
    if chooses_by_segment(architecture):

        def between(known: CopiesPriced) -> FloatArray:
            return segment_copies(program, architecture, at_once, known, batch)

        choices = [_with_copies(between, same_units, price) for same_units in choices]
    by_unit = [_fastest(same_units, price) for same_units in choices]
    return _totals(program, architecture, _cheapest(by_unit, price), batch)


@dataclass(frozen=True, slots=True)
class _Priced:
    """One mapping, priced for all configurations."""

    mapping: Mapping
    costs: TaskCosts
    timeline: Timeline
    kept: Memory
    state: AlgorithmState
    fits: BoolArray
    dynamic_j: FloatArray

    def row(self, row: int, mapping: Mapping) -> _Priced:
        """The row of one `mapping` alone, of those that were priced side by side."""
        own = {field.name: row_of(getattr(self, field.name), row) for field in fields(self)[1:]}
        return _Priced(mapping, **own)


def _price(
    program: Program,
    architecture: Architecture,
    mapping: Mapping,
    parts: tuple[Segments, IntArray | None],
    batch: FloatArray,
    hop_m: Scalar,
) -> _Priced:
    """`parts` are the segments and, if arrays are written anew in the step, the phase of each task."""
    segments, phase = parts
    pipelined = architecture.schedule.mode == "pipelined"
    uncapped = task_costs(program, architecture, mapping, batch, hop_m)
    uncapped = spread_over_minibatches(uncapped, program, architecture.schedule.accumulate)
    gating = architecture.chip.power_gating
    wake_s = 0.0 if gating is None else gating.wake_s
    anew = None
    if phase is not None:
        anew = writing(program, architecture, mapping, segments, phase)

    def timed(costs: TaskCosts) -> Timeline:
        return schedule(
            program,
            costs,
            segments,
            batch,
            pipelined=pipelined,
            wake_s=wake_s,
            writing=anew,
            blocks=architecture.schedule.row_blocks,
        )

    def finished(costs: TaskCosts, spread: ChipSpread | None) -> TaskCosts:
        costs = over_chips(costs, program, architecture, spread)
        if mapping.array_of is not None:
            costs = replace(costs, array_of=mapping.array_of)
        costs = with_power_caps(costs, program, architecture, mapping)
        return (
            costs if phase is None else with_writing(costs, program, architecture, mapping, hop_m)
        )

    spread: ChipSpread | None = None
    for other in ways_of_cutting(program, architecture, mapping, uncapped):
        if spread is None:
            spread = other
            continue
        ways = [timed(finished(uncapped, way)).makespan_s for way in (spread, other)]
        spread = spread.where(ways[0] <= ways[1], other)
    costs = finished(uncapped, spread)
    timeline = timed(costs)
    kept = memory(program, architecture, timeline, batch, mapping.chips)
    state = algorithm_state(program, architecture, mapping, kept)
    moved = add_spills(uncapped, architecture, kept)
    moved = add_state_traffic(moved, architecture, state)
    if moved is not uncapped:
        costs = finished(moved, spread)
        timeline = timed(costs)
    return _Priced(
        mapping,
        costs,
        timeline,
        kept,
        state,
        fits(architecture, mapping),
        _dynamic_j(program, costs, batch),
    )


def _dynamic_j(program: Program, costs: TaskCosts, batch: FloatArray) -> FloatArray:
    """Energy of a step that tasks ask for, [C]."""
    repeats = np.where(program.per_step[None, :], 1.0, batch)
    parts = [(energy * repeats).sum(axis=1) for energy in costs.energy_j.values()]
    return np.asarray(np.sum(parts, axis=0))


def _fastest(choices: list[_Priced], price: Callable[[Mapping], _Priced]) -> _Priced:
    """Of several numbers of copies, the fastest that fits for each configuration."""
    cost = [np.where(c.fits, c.timeline.makespan_s, np.inf) for c in choices]
    return _best(choices, cost, price)


def _with_copies(
    choose: Callable[[CopiesPriced], FloatArray],
    choices: list[_Priced],
    price: Callable[[Mapping], _Priced],
) -> list[_Priced]:
    """The choices, and the copies that `choose` makes of the fastest where one chip holds all at once.

    The first of the choices has one copy of each matrix.
    """
    one = choices[0].mapping
    alone = one.chips == 1
    if one.round_of is not None:
        alone = alone & (one.round_of <= 0).all(axis=1)
    if not alone.any():
        return choices
    times = np.stack([np.where(c.fits, c.timeline.makespan_s, np.inf) for c in choices])
    best, rows = times.argmin(axis=0), np.arange(times.shape[1])
    copies = np.stack([c.mapping.copies for c in choices])[best, rows]
    array_s = np.stack([c.costs.array_s for c in choices])[best, rows]
    found = choose(CopiesPriced(one, choices[0].costs, copies, array_s))
    found = np.where(alone[:, None], found, copies)
    if (found == copies).all():
        return choices
    return [*choices, price(replace(one, copies=found))]


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
    first = program.first_reads()
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


def _totals(
    program: Program, architecture: Architecture, chosen: _Priced, batch: FloatArray
) -> Estimate:
    timeline, mapping = chosen.timeline, chosen.mapping
    areas = _areas(architecture, mapping.chips)
    # Again, so that a sum does not depend on what else was priced beside it.
    again = recalibration(architecture, mapping, timeline.makespan_s)
    energy_j = again.added_to(chosen.costs.energy_j, program)
    costs = replace(chosen.costs, energy_j=energy_j)
    dynamic_j = _dynamic_j(program, costs, batch)
    step_s = timeline.makespan_s + again.seconds
    pulses = pulses_by_role(architecture, program, mapping, batch)
    if mapping.round_of is not None:
        anew = written_pulses(program, architecture, mapping)
        pulses = {role: taken + anew for role, taken in pulses.items()}
    static = static_energy_j(program, architecture, mapping, costs, timeline, again.seconds)
    available = np.broadcast_to(
        np.asarray(architecture.arrays_available, dtype=np.float64), batch.shape
    )[:, 0]
    available = available * mapping.chips
    return Estimate(
        program=program,
        mapping=mapping,
        costs=costs,
        timeline=timeline,
        batch=batch[:, 0],
        arrays_available=available,
        fits=chosen.fits,
        step_latency_s=step_s,
        step_energy_j=dynamic_j + sum(static.values()),
        dynamic_energy_j=dynamic_j,
        static_power_w={name: j / step_s for name, j in static.items()},
        area_by_component_m2=areas,
        area_m2=np.asarray(sum(areas.values())),
        stored_bits=chosen.kept.stored_bits,
        spilled_share=chosen.kept.spilled_share,
        waiting_bits=waiting_bits(program, architecture, mapping),
        staleness_samples=_staleness(architecture, program, timeline, batch),
        pulses_per_step=np.maximum.reduce(list(pulses.values())),
        pulses_by_role=pulses,
        state=chosen.state,
        recalibration_s=again.seconds,
    )


def _areas(architecture: Architecture, chips: IntArray) -> dict[str, FloatArray]:
    """Area of `chips` [C] chips by component, each [C]."""
    shape = (chips.size, 1)
    found = {
        name: np.broadcast_to(np.asarray(area, dtype=np.float64), shape)[:, 0] * chips
        for name, area in architecture.area_by_component_m2().items()
    }
    if architecture.system is not None and (chips > 1).any():
        each = np.broadcast_to(np.asarray(architecture.system.link.area_m2), shape)[:, 0]
        found[CHIP_LINKS] = np.asarray(each * architecture.system.links(chips))
    return found
