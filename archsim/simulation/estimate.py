"""One training step on one architecture, or on thousands at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from collections.abc import Mapping as MappingType
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from archsim.algorithm.operations import Role
from archsim.architecture import Architecture
from archsim.fields import FloatArray, stack, stacked_rows
from archsim.mapping import Mapping, mapping_candidates
from archsim.simulation.algorithm_state import (
    AlgorithmState,
)
from archsim.simulation.analytic import Segments, Timeline, segment_tasks
from archsim.simulation.chip_spread import CHIP_LINKS
from archsim.simulation.columns import TaskCosts
from archsim.simulation.copy_search import better_copies, on_one_chip, searches_for_copies
from archsim.simulation.pricing import Priced, Pricing, dynamic_j
from archsim.simulation.program import BoolArray, IntArray, Program
from archsim.simulation.pulses import pulses_by_role
from archsim.simulation.recalibration import recalibration
from archsim.simulation.rounds import (
    phases_of,
    waiting_bits,
    written_pulses,
)
from archsim.simulation.segment_copies import CopiesPriced, chooses_by_segment, segment_copies
from archsim.simulation.side_by_side import side_by_side, with_copies
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
    Outputs of more than `largest_bits` [C] pass through DRAM on their way to the next task.
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
    largest_bits: FloatArray
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

    def price(mapping: Mapping) -> Priced:
        phase = phases_of(program, mapping)
        segments = at_once if phase is None else segmented(phase)
        repeated = np.broadcast_to(batch, (mapping.copies.shape[0], 1))
        return Pricing(program, architecture, mapping, segments, phase, repeated, hop_m).priced()

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
    if searches_for_copies(architecture):

        def row_steps_s(one: Mapping, copies: FloatArray, rows: IntArray) -> FloatArray:
            tree, mapping = stacked_rows(architecture, rows), with_copies(one, copies, rows)
            hops_m = np.broadcast_to(np.asarray(hop_m), batch.shape)[rows]
            priced = Pricing(program, tree, mapping, at_once, None, batch[rows], hops_m).priced()
            return priced.timeline.makespan_s

        def faster(tried: list[Mapping], step_s: FloatArray) -> FloatArray | None:
            each = partial(row_steps_s, tried[0])
            return better_copies(program, architecture, batch, tried, step_s, each)

        choices = [_searched(faster, same_units, price) for same_units in choices]
    by_unit = [_fastest(same_units, price) for same_units in choices]
    return _totals(program, architecture, _cheapest(by_unit, price), batch)


def _fastest(choices: list[Priced], price: Callable[[Mapping], Priced]) -> Priced:
    """Of several numbers of copies, the fastest that fits for each configuration."""
    cost = [np.where(c.fits, c.timeline.makespan_s, np.inf) for c in choices]
    return _best(choices, cost, price)


def _with_copies(
    choose: Callable[[CopiesPriced], FloatArray],
    choices: list[Priced],
    price: Callable[[Mapping], Priced],
) -> list[Priced]:
    """The choices, and the copies that `choose` makes of the fastest where one chip holds all at once.

    The first of the choices has one copy of each matrix.
    """
    one, alone = choices[0].mapping, on_one_chip(choices[0].mapping)
    if not alone.any():
        return choices
    best, rows = _step_s(choices).argmin(axis=0), np.arange(alone.size)
    copies = np.stack([c.mapping.copies for c in choices])[best, rows]
    array_s = np.stack([c.costs.array_s for c in choices])[best, rows]
    found = choose(CopiesPriced(one, choices[0].costs, copies, array_s))
    found = np.where(alone[:, None], found, copies)
    if (found == copies).all():
        return choices
    return [*choices, price(replace(one, copies=found))]


def _searched(
    find: Callable[[list[Mapping], FloatArray], FloatArray | None],
    choices: list[Priced],
    price: Callable[[Mapping], Priced],
) -> list[Priced]:
    """The choices, and the copies that `find` finds beside them."""
    found = find([choice.mapping for choice in choices], _step_s(choices))
    if found is None:
        return choices
    return [*choices, price(replace(choices[0].mapping, copies=found))]


def _step_s(choices: list[Priced]) -> FloatArray:
    """The step of each of K choices, infinite where it does not fit, [K, C]."""
    return np.stack([np.where(c.fits, c.timeline.makespan_s, np.inf) for c in choices])


def _cheapest(choices: list[Priced], price: Callable[[Mapping], Priced]) -> Priced:
    """Of several units for grouped matrices, the least dynamic energy times time that fits."""
    cost = [np.where(c.fits, c.dynamic_j * c.timeline.makespan_s, np.inf) for c in choices]
    return _best(choices, cost, price)


def _best(
    choices: list[Priced], cost: list[FloatArray], price: Callable[[Mapping], Priced]
) -> Priced:
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
        interval = timeline.interval_s[:, segment[read]]
        gap = timeline.finish_s[:, update] - timeline.finish_s[:, read]
        worst = np.maximum(worst, np.minimum(np.ceil(gap / interval), batch[:, 0] - 1.0))
    return worst


def _totals(
    program: Program, architecture: Architecture, chosen: Priced, batch: FloatArray
) -> Estimate:
    timeline, mapping = chosen.timeline, chosen.mapping
    areas = _areas(architecture, mapping.chips)
    # Again, so that a sum does not depend on what else was priced beside it.
    again = recalibration(architecture, mapping, timeline.makespan_s)
    energy_j = again.added_to(chosen.costs.energy_j, program)
    costs = replace(chosen.costs, energy_j=energy_j)
    asked_j = dynamic_j(program, costs, batch)
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
        step_energy_j=asked_j + sum(static.values()),
        dynamic_energy_j=asked_j,
        static_power_w={name: j / step_s for name, j in static.items()},
        area_by_component_m2=areas,
        area_m2=np.asarray(sum(areas.values())),
        stored_bits=chosen.kept.stored_bits,
        spilled_share=chosen.kept.spilled_share,
        largest_bits=chosen.largest_bits,
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
