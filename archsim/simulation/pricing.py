"""One mapping, priced: costs, spills, samples in flight, and the schedule of a step."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import cached_property

import numpy as np

from archsim.architecture import Architecture
from archsim.fields import FloatArray, Scalar
from archsim.mapping import Mapping, fits
from archsim.simulation.accumulation import spread_over_minibatches
from archsim.simulation.algorithm_state import (
    AlgorithmState,
    add_state_traffic,
    algorithm_state,
)
from archsim.simulation.analytic import Segments, Timeline, Writing, schedule
from archsim.simulation.chip_spread import ChipSpread
from archsim.simulation.chips import over_chips, ways_of_cutting
from archsim.simulation.columns import TaskCosts
from archsim.simulation.costs import task_costs
from archsim.simulation.in_flight import fastest_in_flight, fastest_outputs
from archsim.simulation.memory import Memory, add_spills, memory
from archsim.simulation.power import with_power_caps
from archsim.simulation.program import BoolArray, IntArray, Program
from archsim.simulation.queue_space import most_in_flight
from archsim.simulation.round_trips import capacity_bits, with_round_trips
from archsim.simulation.rounds import with_writing, writing
from archsim.simulation.side_by_side import row_of


@dataclass(frozen=True, slots=True)
class Priced:
    """One mapping, priced for all configurations.

    `dynamic_j` [C] is what tasks of a step ask for; outputs of more than `largest_bits` [C] pass through
    DRAM on their way to the next task.
    """

    mapping: Mapping
    costs: TaskCosts
    timeline: Timeline
    kept: Memory
    state: AlgorithmState
    fits: BoolArray
    dynamic_j: FloatArray
    largest_bits: FloatArray

    def row(self, row: int, mapping: Mapping) -> Priced:
        """The row of one `mapping` alone, of those that were priced side by side."""
        own = {field.name: row_of(getattr(self, field.name), row) for field in fields(self)[1:]}
        return Priced(mapping, **own)


@dataclass(frozen=True)
class Pricing:
    """What a mapping is priced with.

    `phase` [T] is that of each task, if arrays are written anew in the step; `batch` is [C, 1].
    """

    program: Program
    architecture: Architecture
    mapping: Mapping
    segments: Segments
    phase: IntArray | None
    batch: FloatArray
    hop_m: Scalar

    def priced(self) -> Priced:
        """The fastest of the ways to divide the buffer."""
        whole_bits = capacity_bits(self.architecture, self.mapping.chips)
        return fastest_outputs(whole_bits, self._with_outputs)

    def _with_outputs(self, largest_bits: FloatArray) -> tuple[Priced, BoolArray]:
        """Larger outputs pass through DRAM; and where others bound the samples in flight, [C]."""
        program, architecture = self.program, self.architecture
        base = with_round_trips(self._tasks, program, architecture, self.segments, largest_bits)
        costs = self._finished(base, self._spread)
        draft = self._timed(costs)

        def kept_as(kept: Memory, in_flight: FloatArray | None) -> Priced:
            state = algorithm_state(program, architecture, self.mapping, kept)
            moved = add_spills(base, architecture, kept)
            moved = add_state_traffic(moved, architecture, state)
            own, timeline = costs, draft
            if moved is not base or in_flight is not None:
                own = self._finished(moved, self._spread)
                timeline = self._timed(own, in_flight)
            fitting, dynamic = fits(architecture, self.mapping), dynamic_j(program, own, self.batch)
            return Priced(self.mapping, own, timeline, kept, state, fitting, dynamic, largest_bits)

        kept = memory(program, architecture, draft, self.batch, self.mapping.chips)
        none = np.zeros(self.batch.shape[0], dtype=bool)
        if architecture.schedule.mode != "pipelined":
            return kept_as(kept, None), none
        most = most_in_flight(program, architecture, costs, draft, kept, largest_bits)
        bound = none if most is None else np.any(most < kept.samples[:, None], axis=1)
        dram_bit_per_s = architecture.dram.bandwidth_bit_per_s
        return fastest_in_flight(draft, kept, most, dram_bit_per_s, kept_as), bound

    @cached_property
    def _tasks(self) -> TaskCosts:
        """What tasks cost apart from spills, caps and what goes between chips."""
        costs = task_costs(self.program, self.architecture, self.mapping, self.batch, self.hop_m)
        return spread_over_minibatches(costs, self.program, self.architecture.schedule.accumulate)

    @cached_property
    def _spread(self) -> ChipSpread | None:
        """The faster way of cutting the network for several chips, for each configuration."""
        spread: ChipSpread | None = None
        for other in ways_of_cutting(self.program, self.architecture, self.mapping, self._tasks):
            if spread is None:
                spread = other
                continue
            ways = [
                self._timed(self._finished(self._tasks, way)).makespan_s for way in (spread, other)
            ]
            spread = spread.where(ways[0] <= ways[1], other)
        return spread

    @cached_property
    def _writing(self) -> Writing | None:
        if self.phase is None:
            return None
        return writing(self.program, self.architecture, self.mapping, self.segments, self.phase)

    def _finished(self, costs: TaskCosts, spread: ChipSpread | None) -> TaskCosts:
        """The costs with links between chips, shared arrays, power caps and weights that are moved."""
        program, architecture, mapping = self.program, self.architecture, self.mapping
        costs = over_chips(costs, program, architecture, spread)
        if mapping.array_of is not None:
            costs = replace(costs, array_of=mapping.array_of)
        costs = with_power_caps(costs, program, architecture, mapping)
        if self.phase is None:
            return costs
        return with_writing(costs, program, architecture, mapping, self.hop_m)

    def _timed(self, costs: TaskCosts, in_flight: FloatArray | None = None) -> Timeline:
        policy, gating = self.architecture.schedule, self.architecture.chip.power_gating
        return schedule(
            self.program,
            costs,
            self.segments,
            self.batch,
            pipelined=policy.mode == "pipelined",
            wake_s=0.0 if gating is None else gating.wake_s,
            writing=self._writing,
            blocks=policy.row_blocks,
            in_flight=in_flight,
        )


def dynamic_j(program: Program, costs: TaskCosts, batch: FloatArray) -> FloatArray:
    """Energy of a step that tasks ask for, [C]."""
    repeats = np.where(program.per_step[None, :], 1.0, batch)
    parts = [(energy * repeats).sum(axis=1) for energy in costs.energy_j.values()]
    return np.asarray(np.sum(parts, axis=0))
