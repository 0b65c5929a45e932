"""Laying the weight matrices of a network onto the arrays of an architecture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from archsim.architecture import Architecture
from archsim.errors import InputError
from archsim.fields import FloatArray
from archsim.hardware.crossbar import Direction, Placement, PulseStatistics
from archsim.mapping.averaging import averaging
from archsim.mapping.partition import arrays_per_copy, cell_utilisation, partition
from archsim.mapping.replication import Stages, balance_bottleneck, minimise_sum


class DoesNotFit(InputError):
    """The network needs more arrays than the chip has."""


@dataclass(frozen=True, slots=True)
class MatrixTable:
    """Weight matrices as flat arrays over matrices, [M]; counts are per sample.

    `forward_reads`, `transposed_reads` and `updates` are vectors per sample, `serial_steps` the
    dependent steps among them (1 unless recurrent), `vectors_bound` the most copies that could
    share the vectors of one step.
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


@dataclass(frozen=True, slots=True)
class Mapping:
    """Where each matrix is: all fields [C, M].

    `on_array` is False for matrices that run on the digital matrix unit; these take no arrays.
    """

    place: Placement
    arrays_per_copy: FloatArray
    copies: FloatArray
    on_array: NDArray[np.bool_]
    cell_utilisation: FloatArray

    @property
    def arrays_used(self) -> FloatArray:
        """Arrays in use, [C]."""
        return np.asarray((self.arrays_per_copy * self.copies * self.on_array).sum(axis=1))


def map_matrices(
    architecture: Architecture, table: MatrixTable, batch: FloatArray, *, serial: bool
) -> Mapping:
    """Partition, choose array or matrix unit for grouped matrices, replicate.

    `architecture` is stacked (numbers are [C, 1]), `batch` [C, 1] samples per step.  `serial` says
    that layers work one after the other (minibatch barriers or sequential mode), so that copies
    minimise the sum of stage times rather than the largest.  Configurations whose network does not
    fit keep one copy and need more arrays than there are; `check_fit` refuses them.
    """
    place = partition(architecture.array, table.inputs, table.outputs, table.blocks, table.bias)
    per_copy = arrays_per_copy(place)
    times = _stage_times(architecture, table, place)
    on_array = _choose_unit(architecture, table, place, times)
    copies = np.ones(per_copy.shape)
    if architecture.mapping.replication == "auto" and copies.size:
        stages = _stages(architecture, table, place, batch, times, on_array)
        copies = minimise_sum(stages) if serial else balance_bottleneck(stages)
    return Mapping(
        place=place,
        arrays_per_copy=per_copy,
        copies=copies,
        on_array=on_array,
        cell_utilisation=np.asarray(cell_utilisation(place, architecture.array)),
    )


def _stages(
    architecture: Architecture,
    table: MatrixTable,
    place: Placement,
    batch: FloatArray,
    times: tuple[FloatArray, FloatArray],
    on_array: NDArray[np.bool_],
) -> Stages:
    """What replication weighs: stage times per sample against the cost of equal copies."""
    policy, shape = architecture.mapping, on_array.shape
    most = np.minimum(np.maximum(table.vectors_bound, 1.0), policy.max_copies)
    per_copy, once = np.zeros(shape), np.zeros(shape)
    if policy.sync == "average":
        sync = averaging(architecture, place)
        steps = (table.updates > 0) / (policy.sync_interval * batch)
        per_copy = steps * architecture.mesh.occupancy_s(sync.bit_hops)
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


def _choose_unit(
    architecture: Architecture,
    table: MatrixTable,
    place: Placement,
    times: tuple[FloatArray, FloatArray],
) -> NDArray[np.bool_]:
    """True where a matrix goes to arrays; only grouped matrices may go to the matrix unit."""
    grouped = np.broadcast_to(table.blocks > 1, np.asarray(place.inputs).shape)
    policy = architecture.mapping.grouped
    if policy == "block_diagonal" or not grouped.any():
        return np.ones_like(grouped)
    if policy == "digital":
        return ~grouped
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
    return np.asarray(~(grouped & (digital_s * digital_j < analog_s * analog_j)), dtype=np.bool_)


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
            f"tile (tile.arrays: {denser}, now {tile_arrays}), or use larger arrays "
            f"(array.rows and array.cols: {2 * rows} and {2 * cols})."
        ),
    )
