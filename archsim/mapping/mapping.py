"""Laying the weight matrices of a network onto the arrays of an architecture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from archsim.architecture import Architecture
from archsim.architecture.weight_arrays import arrays_per_weight, structure
from archsim.fields import FloatArray
from archsim.hardware.crossbar import Direction, Placement, PulseStatistics
from archsim.mapping.averaging import averaging
from archsim.mapping.chips import chips_needed
from archsim.mapping.holding import ways_of_holding
from archsim.mapping.packing import IndexArray, shares_array, taken_together
from archsim.mapping.partition import arrays_per_copy, cell_utilisation, partition
from archsim.mapping.replication import Stages, balance_bottleneck, minimise_sum
from archsim.mapping.rounds import arrays_at_once
from archsim.mapping.stated_copies import stated_copies
from archsim.mapping.transfers import transfer, transfers_per_sample
from archsim.mapping.weight_reads import weight_read

BoolArray: TypeAlias = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class MatrixTable:
    """Weight matrices as flat arrays over matrices, [M]; counts are per sample.

    `forward_reads`, `transposed_reads` and `updates` are vectors per sample, `serial_steps` the
    dependent steps among them (1 unless recurrent), `vectors_bound` the most copies that could
    share the vectors of one step.  `computed` matrices are made anew from parameters in every step,
    so that they stay digital (None: there are none).  `uses` is how many layers read each (None:
    one).
    """

    names: tuple[str, ...]
    inputs: FloatArray
    outputs: FloatArray
    blocks: FloatArray
    bias: FloatArray
    forward_reads: FloatArray
    transposed_reads: FloatArray
    updates: FloatArray
    input_signs: FloatArray
    vectors_bound: FloatArray
    computed: BoolArray | None = None
    uses: FloatArray | None = None


@dataclass(frozen=True, slots=True)
class Mapping:
    """Where each matrix is: all fields [C, M].

    `on_array` is False for matrices that run on the digital matrix unit; these take no arrays.
    `array_of` is the first of the matrices that share an array with each (None: none do), `chips`
    [C] how many chips there are (more than `system.max_chips` if these are too few), `round_of` in
    which round each matrix is on the arrays (None: all are at once).  `stages` is what the choice of
    copies weighed (None: there was none).
    """

    place: Placement
    arrays_per_copy: FloatArray
    copies: FloatArray
    on_array: BoolArray
    cell_utilisation: FloatArray
    chips: IndexArray
    array_of: IndexArray | None = None
    round_of: IndexArray | None = None
    stages: Stages | None = None

    def where(self, chosen: BoolArray, other: Mapping) -> Mapping:
        """The mapping itself for the configurations `chosen` ([C]), `other` for the rest."""
        pick = chosen[:, None]
        shared = self.array_of
        if shared is not None and other.array_of is not None:
            shared = np.where(pick, shared, other.array_of)
        rounds = self.round_of
        if rounds is not None and other.round_of is not None:
            rounds = np.where(pick, rounds, other.round_of)
        return replace(
            self,
            copies=np.where(pick, self.copies, other.copies),
            on_array=np.where(pick, self.on_array, other.on_array),
            chips=np.where(chosen, self.chips, other.chips),
            array_of=shared,
            round_of=rounds,
        )

    @property
    def read_place(self) -> Placement:
        """`place`, where all copies of a matrix are read at once."""
        return replace(self.place, at_once=np.asarray(self.place.arrays * self.copies))

    @property
    def arrays_needed(self) -> FloatArray:
        """Arrays that one copy of each matrix takes, [C, M]; a shared one counts for its first."""
        needed = self.arrays_per_copy * self.on_array
        if self.array_of is not None:
            needed = needed * (self.array_of == np.arange(needed.shape[1]))
        return np.asarray(needed)

    @property
    def arrays(self) -> FloatArray:
        """Arrays that all copies of each matrix take, [C, M]."""
        return np.asarray(self.arrays_needed * self.copies)

    @property
    def arrays_used(self) -> FloatArray:
        """Arrays in use at once, [C]."""
        if self.round_of is not None:
            return arrays_at_once(self.arrays, self.round_of)
        return np.asarray(self.arrays.sum(axis=1))


def mapping_candidates(
    architecture: Architecture, table: MatrixTable, batch: FloatArray
) -> tuple[tuple[Mapping, ...], ...]:
    """Mappings to choose from: for each choice of unit for grouped matrices, numbers of copies.

    `architecture` is stacked (numbers are [C, 1]), `batch` [C, 1] samples per step.  Copies: none,
    those that minimise the sum of stage times, and those that minimise the largest; which is the
    fastest depends on the schedule, which is not known here.  Units (`grouped: auto`): each matrix
    where it alone takes less energy times time, all on arrays, all on the matrix unit.
    Computed matrices stay on the matrix unit: no update in an array can change what they are
    computed from.  Configurations whose network does not fit keep one copy and need more arrays
    than there are; `check_fit` refuses them.
    """
    place = partition(architecture.array, table.inputs, table.outputs, table.blocks, table.bias)
    times = _stage_times(architecture, table, place, batch)
    found = []
    for on_array in _unit_choices(architecture, table, place, times):
        one = Mapping(
            place=place,
            arrays_per_copy=arrays_per_copy(place) * arrays_per_weight(architecture),
            copies=np.ones(on_array.shape),
            on_array=on_array,
            cell_utilisation=np.asarray(cell_utilisation(place, architecture.array)),
            chips=np.ones(on_array.shape[0], dtype=np.intp),
        )
        found.append(
            tuple(
                replace(each, copies=copies)
                for held in _held(architecture, table, one)
                for each in (_weighed(architecture, table, held, batch, times),)
                for copies in _copy_choices(architecture, table, each)
            )
        )
    return tuple(found)


def _held(architecture: Architecture, table: MatrixTable, one: Mapping) -> list[Mapping]:
    """`one` with the chips, the rounds and the shared arrays that hold it."""
    uses = np.ones(len(table.names)) if table.uses is None else table.uses
    ways = ways_of_holding(architecture, uses, one.place, one.on_array, one.arrays_needed)
    return [
        replace(one, chips=way.chips, array_of=way.array_of, round_of=way.round_of) for way in ways
    ]


def _weighed(
    architecture: Architecture,
    table: MatrixTable,
    one: Mapping,
    batch: FloatArray,
    times: tuple[FloatArray, FloatArray],
) -> Mapping:
    """`one` with its stages, if numbers of copies are to be chosen."""
    if architecture.mapping.replication != "auto" or not one.copies.size:
        return one
    return replace(one, stages=_stages(architecture, table, one, batch, times))


def _copy_choices(
    architecture: Architecture, table: MatrixTable, one: Mapping
) -> tuple[FloatArray, ...]:
    if architecture.mapping.replication == "stated" and one.copies.size:
        stated = stated_copies(architecture.mapping.copies, table.names)
        return (np.where(one.on_array, stated, 1.0),)
    stages = one.stages
    if stages is None:
        return (one.copies,)
    if architecture.mapping.overflow == "multi_chip":
        return (
            one.copies,
            *(_on_chips(architecture, one, stages, choose) for choose in _CHOICES),
        )
    return (one.copies, *(choose(stages) for choose in _CHOICES))


_CHOICES: tuple[Callable[[Stages], FloatArray], ...] = (minimise_sum, balance_bottleneck)
# Budgets tried until all copies find a chip.
_BUDGETS = 8


def _on_chips(
    architecture: Architecture,
    one: Mapping,
    stages: Stages,
    choose: Callable[[Stages], FloatArray],
) -> FloatArray:
    """Copies for the largest budget with which all find room, though chips have rests.

    The rest of a chip may be too small for the next matrix, so that all arrays cannot always be used;
    one copy of each has room by the number of chips.  The budget between is bisected.
    """
    best, high = np.ones_like(one.copies), stages.budget
    low = one.arrays_needed.sum(axis=1, keepdims=True)
    budget = high
    for _ in range(_BUDGETS):
        copies = choose(replace(stages, budget=budget))
        chips = chips_needed(
            one.arrays_needed * copies, architecture.arrays_available, one.array_of
        )
        fits = (chips <= one.chips)[:, None]
        best = np.where(fits, copies, best)
        low, high = np.where(fits, budget, low), np.where(fits, high, budget)
        if (low >= high).all():
            break
        budget = 0.5 * (low + high)
    return best


def _stages(
    architecture: Architecture,
    table: MatrixTable,
    one: Mapping,
    batch: FloatArray,
    times: tuple[FloatArray, FloatArray],
) -> Stages:
    """What replication weighs: stage times per sample against the cost of equal copies."""
    policy, on_array, shape = architecture.mapping, one.on_array, one.on_array.shape
    most = np.minimum(np.maximum(table.vectors_bound, 1.0), policy.max_copies)
    per_copy, once = np.zeros(shape), np.zeros(shape)
    if policy.sync == "average":
        sync = averaging(architecture, one.place, batch)
        samples = policy.sync_interval * architecture.schedule.accumulate * batch
        steps = (table.updates > 0) / samples
        none = np.zeros_like(sync.additions)
        adding = architecture.vector_unit.duration_s([sync.additions] + [none] * 7)
        # Both units work at once; the slower of the two sets the time.
        moving = architecture.mesh.occupancy_s(sync.bit_hops)
        per_copy = steps * np.maximum(moving, adding)
        once = steps * sync.array_s
    available = np.asarray(architecture.arrays_available, dtype=np.float64)
    if (one.chips > 1).any():
        # Copies are kept equal on their chip: they do not go to several.
        room = np.maximum(np.floor(available / np.maximum(one.arrays_per_copy, 1.0)), 1.0)
        most = np.where(one.chips[:, None] > 1, np.minimum(most, room), most)
    shared_s, fixed_s = np.where(on_array, times[0], 0.0), np.where(on_array, times[1], 0.0)
    if one.array_of is not None:
        shared_s = taken_together(one.array_of, shared_s)
        fixed_s = taken_together(one.array_of, fixed_s)
        most = np.where(shares_array(one.array_of), 1.0, most)
    # A matrix on the digital unit takes no arrays; a vanishing size keeps ratios finite.
    return Stages(
        shared_s=shared_s,
        fixed_s=fixed_s,
        per_copy_s=np.broadcast_to(np.asarray(per_copy), shape),
        once_s=np.broadcast_to(np.asarray(once), shape),
        arrays=np.where(one.arrays_needed > 0, one.arrays_needed, 1e-9),
        most=np.where(on_array, most, 1.0),
        budget=np.broadcast_to(available * one.chips[:, None], (shape[0], 1)),
    )


def effective_pulses(
    architecture: Architecture, vectors: FloatArray, input_signs: FloatArray, copies: FloatArray
) -> PulseStatistics:
    """Pulse statistics of one copy of matrices with `vectors` updates per sample.

    Averaged copies take a share of the vectors with a learning rate larger by their number, so
    that pulses per device and sample stay what they are for one copy: fewer updates, denser pulses.
    """
    share = copies if architecture.mapping.sync == "average" else np.ones_like(copies)
    probability = architecture.update.firing_probability(vectors / share)
    return PulseStatistics(
        probability_x=probability,
        probability_error=probability,
        input_signs=input_signs + 0.0 * copies,
        error_signs=2.0 + 0.0 * copies,
    )


def _stage_times(
    architecture: Architecture, table: MatrixTable, place: Placement, batch: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Array time of a sample that copies share, and that they do not, [C, M]."""
    crossbar = architecture.crossbar
    reads = table.forward_reads * weight_read(architecture, place, Direction.FORWARD).interval_s
    reads = reads + (
        table.transposed_reads * weight_read(architecture, place, Direction.TRANSPOSED).interval_s
    )
    ones = np.ones_like(np.asarray(place.inputs))
    pulses = effective_pulses(architecture, table.updates, table.input_signs, ones)
    operations = structure(architecture)
    each = operations.per_vector.parallel_updates * table.updates
    updates = each * crossbar.update_cost(place, pulses).duration_s
    if operations.transfers:
        due = transfers_per_sample(architecture, operations, table.updates, batch)
        updates = updates + due * transfer(architecture, place, due).array_s
    if architecture.mapping.sync == "average":
        return np.asarray(reads + updates), np.zeros_like(np.asarray(reads))
    return np.asarray(reads), np.asarray(updates)


def _unit_choices(
    architecture: Architecture,
    table: MatrixTable,
    place: Placement,
    times: tuple[FloatArray, FloatArray],
) -> tuple[BoolArray, ...]:
    """True where a matrix goes to arrays; only grouped matrices may go to the matrix unit."""
    shape = np.asarray(place.inputs).shape
    possible = np.ones(shape, dtype=np.bool_)
    if table.computed is not None:
        possible = possible & ~table.computed
    grouped = np.broadcast_to(table.blocks > 1, shape)
    policy = architecture.mapping.grouped
    if policy == "block_diagonal" or not grouped.any():
        return (possible,)
    if policy == "digital":
        return (possible & ~grouped,)
    cheaper = ~(grouped & _digital_is_cheaper(architecture, table, place, times))
    return (possible & cheaper, possible, possible & ~grouped)


def _digital_is_cheaper(
    architecture: Architecture,
    table: MatrixTable,
    place: Placement,
    times: tuple[FloatArray, FloatArray],
) -> BoolArray:
    """Where a sample of one copy takes less energy times time on the matrix unit, [C, M]."""
    crossbar, unit = architecture.crossbar, architecture.matrix_unit
    forward = weight_read(architecture, place, Direction.FORWARD).energy_j
    backward = weight_read(architecture, place, Direction.TRANSPOSED).energy_j
    ones = np.ones_like(np.asarray(place.inputs))
    pulses = effective_pulses(architecture, table.updates, table.input_signs, ones)
    update = crossbar.update_cost(place, pulses).energy_j
    analog_j = (
        table.forward_reads * sum(forward.values())
        + table.transposed_reads * sum(backward.values())
        + table.updates * sum(update.values())
    )
    analog_s = times[0] + times[1]
    digital_s = np.zeros_like(ones)
    digital_j = np.zeros_like(ones)
    buffer, bits = architecture.activation_buffer, architecture.numbers.activation_bits
    for count, m, k, n in grouped_products(table):
        digital_s = digital_s + unit.duration_s(count, m, k, n)
        traffic = unit.traffic_elements(count, m, k, n) * bits
        digital_j = (
            digital_j + unit.energy_j(count * m * k * n) + (traffic * buffer.read_energy_j_per_bit)
        )
    return np.asarray(digital_s * digital_j < analog_s * analog_j, dtype=np.bool_)


def grouped_products(
    table: MatrixTable,
) -> tuple[tuple[FloatArray, FloatArray, FloatArray, FloatArray], ...]:
    """The digital products (count, m, k, n) of forward, input gradient and weight gradient."""
    used = table.blocks
    return (
        (used * (table.forward_reads > 0), table.forward_reads, table.inputs, table.outputs),
        (
            used * (table.transposed_reads > 0),
            table.transposed_reads,
            table.outputs,
            table.inputs,
        ),
        (used * (table.updates > 0), table.inputs, table.updates, table.outputs),
    )
