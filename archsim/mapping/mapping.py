"""Laying the weight matrices of a network onto the arrays of an architecture."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from archsim.architecture import Architecture
from archsim.errors import InputError
from archsim.fields import FloatArray
from archsim.hardware.crossbar import Direction, Placement, PulseStatistics
from archsim.mapping.averaging import averaging
from archsim.mapping.partition import arrays_per_copy, cell_utilisation, partition
from archsim.mapping.replication import Stages, balance_bottleneck, minimise_sum

BoolArray: TypeAlias = NDArray[np.bool_]


class DoesNotFit(InputError):
    """The network needs more arrays than the chip has."""


@dataclass(frozen=True, slots=True)
class MatrixTable:
    """Weight matrices as flat arrays over matrices, [M]; counts are per sample.

    `forward_reads`, `transposed_reads` and `updates` are vectors per sample, `serial_steps` the
    dependent steps among them (1 unless recurrent), `vectors_bound` the most copies that could
    share the vectors of one step.  `computed` matrices are made anew from parameters in every step,
    so that they stay digital (None: there are none).
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


@dataclass(frozen=True, slots=True)
class Mapping:
    """Where each matrix is: all fields [C, M].

    `on_array` is False for matrices that run on the digital matrix unit; these take no arrays.
    """

    place: Placement
    arrays_per_copy: FloatArray
    copies: FloatArray
    on_array: BoolArray
    cell_utilisation: FloatArray

    def where(self, chosen: BoolArray, other: Mapping) -> Mapping:
        """The mapping itself for the configurations `chosen` ([C]), `other` for the rest."""
        pick = chosen[:, None]
        return replace(
            self,
            copies=np.where(pick, self.copies, other.copies),
            on_array=np.where(pick, self.on_array, other.on_array),
        )

    @property
    def arrays_used(self) -> FloatArray:
        """Arrays in use, [C]."""
        return np.asarray((self.arrays_per_copy * self.copies * self.on_array).sum(axis=1))


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
    times = _stage_times(architecture, table, place)
    return tuple(
        tuple(
            Mapping(
                place=place,
                arrays_per_copy=arrays_per_copy(place),
                copies=copies,
                on_array=on_array,
                cell_utilisation=np.asarray(cell_utilisation(place, architecture.array)),
            )
            for copies in _copy_choices(architecture, table, place, batch, times, on_array)
        )
        for on_array in _unit_choices(architecture, table, place, times)
    )


def _copy_choices(
    architecture: Architecture,
    table: MatrixTable,
    place: Placement,
    batch: FloatArray,
    times: tuple[FloatArray, FloatArray],
    on_array: BoolArray,
) -> tuple[FloatArray, ...]:
    none = np.ones(on_array.shape)
    if architecture.mapping.replication == "none" or not none.size:
        return (none,)
    stages = _stages(architecture, table, place, batch, times, on_array)
    return (none, minimise_sum(stages), balance_bottleneck(stages))


def _stages(
    architecture: Architecture,
    table: MatrixTable,
    place: Placement,
    batch: FloatArray,
    times: tuple[FloatArray, FloatArray],
    on_array: BoolArray,
) -> Stages:
    """What replication weighs: stage times per sample against the cost of equal copies."""
    policy, shape = architecture.mapping, on_array.shape
    most = np.minimum(np.maximum(table.vectors_bound, 1.0), policy.max_copies)
    per_copy, once = np.zeros(shape), np.zeros(shape)
    if policy.sync == "average":
        sync = averaging(architecture, place, batch)
        steps = (table.updates > 0) / (policy.sync_interval * batch)
        none = np.zeros_like(sync.additions)
        adding = architecture.vector_unit.duration_s([sync.additions] + [none] * 7)
        # Both units work at once; the slower of the two sets the time.
        moving = architecture.mesh.occupancy_s(sync.bit_hops)
        per_copy = steps * np.maximum(moving, adding)
        once = steps * sync.array_s
    # A matrix on the digital unit takes no arrays; a vanishing size keeps ratios finite.
    budget = np.asarray(architecture.arrays_available, dtype=np.float64)
    return Stages(
        shared_s=np.where(on_array, times[0], 0.0),
        fixed_s=np.where(on_array, times[1], 0.0),
        per_copy_s=np.broadcast_to(np.asarray(per_copy), shape),
        once_s=np.broadcast_to(np.asarray(once), shape),
        arrays=np.where(on_array, arrays_per_copy(place), 1e-9),
        most=np.where(on_array, most, 1.0),
        budget=np.broadcast_to(budget, (shape[0], 1)),
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
    architecture: Architecture, table: MatrixTable, place: Placement
) -> tuple[FloatArray, FloatArray]:
    """Array time of a sample that copies share, and that they do not, [C, M]."""
    crossbar = architecture.crossbar
    reads = table.forward_reads * crossbar.read_cost(place, Direction.FORWARD).interval_s
    reads = reads + (
        table.transposed_reads * crossbar.read_cost(place, Direction.TRANSPOSED).interval_s
    )
    ones = np.ones_like(np.asarray(place.inputs))
    pulses = effective_pulses(architecture, table.updates, table.input_signs, ones)
    updates = table.updates * crossbar.update_cost(place, pulses).duration_s
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
    forward = crossbar.read_cost(place, Direction.FORWARD).energy_j
    backward = crossbar.read_cost(place, Direction.TRANSPOSED).energy_j
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


def check_fit(architecture: Architecture, table: MatrixTable, mapping: Mapping) -> None:
    """Refuse a network that needs more arrays than the chip has (one configuration, C = 1)."""
    needed = int((mapping.arrays_per_copy * mapping.on_array).sum())
    available = int(np.asarray(architecture.arrays_available).item())
    if needed <= available:
        return
    side = int(np.asarray(architecture.mesh.side).item())
    tile_arrays = int(np.asarray(architecture.tile.arrays).item())
    rows = int(np.asarray(architecture.array.rows).item())
    cols = int(np.asarray(architecture.array.cols).item())
    wider = int(np.ceil(np.sqrt(needed / tile_arrays)))
    denser = int(np.ceil(needed / side**2))
    largest = int(np.argmax((mapping.arrays_per_copy * mapping.on_array)[0]))
    raise DoesNotFit(
        f"the network needs {needed:,} arrays of {rows} x {cols} for one copy of each weight "
        f"matrix, the chip has {available:,} (largest: '{table.names[largest]}', "
        f"{int(mapping.arrays_per_copy[0, largest]):,} arrays).",
        remedy=(
            f"Remedies: enlarge the mesh (mesh.side: {wider}, now {side}), put more arrays on a "
            f"tile (tile.arrays: {denser}, now {tile_arrays}), or "
            + _larger_arrays(architecture, table, mapping, available)
        ),
    )


def _larger_arrays(
    architecture: Architecture, table: MatrixTable, mapping: Mapping, available: int
) -> str:
    """The smallest doubling of the arrays with which the network fits, as a remedy."""
    array = architecture.array
    for power in range(1, 7):
        larger = array.model_copy(
            update={"rows": array.rows * 2**power, "cols": array.cols * 2**power}
        )
        place = partition(larger, table.inputs, table.outputs, table.blocks, table.bias)
        needed = int((arrays_per_copy(place) * mapping.on_array).sum())
        if needed <= available:
            side = int(np.asarray(larger.rows).item()), int(np.asarray(larger.cols).item())
            return (
                f"use larger arrays (array.rows: {side[0]} and array.cols: {side[1]} need "
                f"{needed:,})."
            )
    return "choose a smaller network: no array size up to 64 times as large makes it fit."
