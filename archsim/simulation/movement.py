"""What moving data costs: activations, errors, partial sums, parameters, spills to DRAM."""

from __future__ import annotations

import numpy as np

from archsim.architecture import Architecture
from archsim.fields import FloatArray
from archsim.mapping import Mapping
from archsim.mapping.partition import tile_spread
from archsim.simulation.columns import (
    CostColumns,
    TaskCosts,
    pick,
    pick_place,
    use_activation_buffer,
    use_dram,
)
from archsim.simulation.program import Program
from archsim.workload.graph import OpKind
from archsim.workload.training import TaskKind


def add_weight_data(
    build: CostColumns, program: Program, architecture: Architecture, mapping: Mapping
) -> None:
    """Activations and errors of weight matmuls: buffer, mesh, tile buffers."""
    kinds = (TaskKind.FORWARD, TaskKind.INPUT_GRADIENT, TaskKind.WEIGHT_GRADIENT)
    columns = program.select(*kinds)
    columns = columns[program.matrix[columns] >= 0]
    if not columns.size:
        return
    matrices = program.matrix[columns]
    on = pick(mapping.on_array, mapping, matrices)
    place = pick_place(mapping, matrices)
    numbers, tile, mesh = architecture.numbers, architecture.tile, architecture.mesh
    update = np.array([program.kind[c] is TaskKind.WEIGHT_GRADIENT for c in columns])
    swapped = np.array([program.kind[c] is TaskKind.INPUT_GRADIENT for c in columns])
    swapped = swapped ^ program.transposed[columns]
    to_tiles, from_tiles = tile_spread(place, tile.arrays)
    into = np.where(swapped, from_tiles, to_tiles)
    out_of = np.where(swapped, to_tiles, from_tiles)
    sums = np.where(swapped, place.col_splits, place.row_splits)
    copies = pick(mapping.copies, mapping, matrices)
    sent = np.where(update & (architecture.mapping.sync == "broadcast"), copies, 1.0)

    # An update sends activations along rows and errors along columns.
    errors = program.errors_stored[columns] * numbers.activation_bits * sent
    inputs = program.input_elements[columns] * numbers.activation_bits * sent - errors
    width = np.where(sums > 1, numbers.partial_sum_bits, numbers.activation_bits)
    outputs = program.output_elements[columns] * width
    bit_hops = on * (
        inputs * mesh.spread_hops(into) + (errors + outputs) * mesh.spread_hops(out_of)
    )
    bits_in, bits_out = inputs * into + errors * out_of, outputs * out_of
    ports = np.ceil(pick(mapping.arrays_per_copy, mapping, matrices) * copies / tile.arrays)
    farthest = mesh.spread_hops(np.maximum(into, out_of))
    build.mesh_latency[:, columns] += mesh.latency_s(on * (bits_in + bits_out), farthest, ports)
    build.shared["mesh"][:, columns] += mesh.occupancy_s(bit_hops)
    build.add_energy("mesh", columns, mesh.energy_j(bit_hops))

    vectors, rows = program.vectors[columns], np.asarray(place.inputs) * place.blocks
    cols = np.asarray(place.outputs) * place.blocks
    from_x = np.where(swapped, cols * place.row_splits, rows * place.col_splits)
    from_error = np.where(update, cols * place.row_splits, 0.0)
    fed = vectors * (from_x + from_error) * architecture.read.input_bits * sent
    buffer = tile.buffer
    energy = (bits_in + bits_out) * buffer.write_energy_j_per_bit + (
        fed + bits_out
    ) * buffer.read_energy_j_per_bit
    build.add_energy("tile_buffers", columns, on * energy)
    use_activation_buffer(
        build,
        architecture,
        columns,
        on * program.input_elements[columns] * numbers.activation_bits,
        on * program.output_elements[columns] * numbers.activation_bits,
    )


def add_digital_data(build: CostColumns, program: Program, architecture: Architecture) -> None:
    """Operands of vector work, parameters, embedding rows, and the network's input."""
    numbers = architecture.numbers
    digital = np.flatnonzero(
        (program.matrix < 0) & ((program.moved_elements > 0) | (program.parameter_elements > 0))
    )
    if digital.size:
        moved = program.moved_elements[digital] * numbers.activation_bits
        use_activation_buffer(build, architecture, digital, 0.5 * moved, 0.5 * moved)
    tables = np.array([kind is OpKind.EMBEDDING for kind in program.op_kind])
    small = np.flatnonzero((program.parameter_elements > 0) & ~tables)
    bits = program.parameter_elements[small] * numbers.parameter_bits
    use_activation_buffer(build, architecture, small, bits, 0.0 * bits)
    from_dram = np.where(tables, program.parameter_elements * numbers.parameter_bits, 0.0)
    from_dram = from_dram + program.host_elements * numbers.activation_bits
    columns = np.flatnonzero(from_dram.any(axis=0))
    use_dram(build, architecture, columns, np.asarray(from_dram)[:, columns])


def add_spills(
    costs: TaskCosts, program: Program, architecture: Architecture, spilled: FloatArray
) -> TaskCosts:
    """The costs with a share `spilled` [C, 1] of saved activations written to DRAM and read back.

    Spills stream beside the computation, so they lengthen a task only where DRAM is slower.
    """
    bits_in, bits_out = saved_bits(program, architecture)
    shape = costs.main_s.shape
    traffic = np.zeros(shape)
    rows = np.arange(shape[0])[:, None]
    np.add.at(traffic, (rows, program.saved.writer[None, :]), bits_in * spilled)
    np.add.at(traffic, (rows, program.saved.reader[None, :]), bits_in * spilled)
    traffic += 2.0 * bits_out * spilled
    occupied = traffic / architecture.dram.bandwidth_bit_per_s
    shared = dict(costs.shared_s)
    energy = dict(costs.energy_j)
    before = np.maximum(shared["activation_buffer"], shared["dram"])
    shared["dram"] = shared["dram"] + occupied
    after = np.maximum(shared["activation_buffer"], shared["dram"])
    waiting = np.maximum(after - costs.main_s, 0.0) - np.maximum(before - costs.main_s, 0.0)
    energy["dram"] = energy.get("dram", np.zeros(shape)) + (
        traffic * architecture.dram.energy_j_per_bit
    )
    return TaskCosts(costs.main_s, costs.transfer_s + waiting, costs.array_s, shared, energy)


def saved_bits(program: Program, architecture: Architecture) -> tuple[FloatArray, FloatArray]:
    """Saved bits per sample: of each saved tensor [C, S], and of stored errors per task [C, T].

    Errors are stored only when updates are deferred to the end of the minibatch.
    """
    numbers = architecture.numbers
    tensors = program.saved.values * numbers.activation_bits + program.saved.fixed_bits
    errors = program.errors_stored * numbers.activation_bits
    if architecture.schedule.update == "immediate":
        errors = errors * 0.0
    return np.asarray(tensors), np.asarray(errors)
