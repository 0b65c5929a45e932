"""What moving data costs: activations, errors, partial sums, parameters, spills to DRAM."""

from __future__ import annotations

import numpy as np

from archsim.architecture import Architecture
from archsim.mapping import Mapping
from archsim.mapping.partition import tile_spread
from archsim.simulation.columns import (
    CostColumns,
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
    # An input gradient is already marked as a transposed use of its matrix.
    swapped = program.transposed[columns]
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
    # A recurrent product sends its vectors step by step, each over all the hops.
    farthest = mesh.spread_hops(np.maximum(into, out_of)) * program.serial_steps[columns]
    build.latency[:, columns] += mesh.latency_s(on * (bits_in + bits_out), farthest, ports)
    build.shared["mesh"][:, columns] += mesh.occupancy_s(bit_hops)
    build.add_energy("mesh", columns, mesh.energy_j(bit_hops, architecture.hop_m))

    # A tile reads each vector once for all of its arrays that share it.
    vectors, rows = program.vectors[columns], np.asarray(place.inputs) * place.blocks
    cols = np.asarray(place.outputs) * place.blocks
    from_x = np.where(swapped, cols, rows) * into
    from_error = np.where(update, cols * out_of, 0.0)
    fed = vectors * (from_x + from_error) * architecture.read.input_bits * sent
    buffer = tile.buffer
    # Input gradients of overlapping windows are summed in the tile's buffer.
    produced = np.where(swapped, rows, cols) * vectors
    gradient = np.array([program.kind[c] is TaskKind.INPUT_GRADIENT for c in columns])
    overlap = np.where(gradient, produced - program.output_elements[columns], 0.0)
    overlap = on * np.maximum(overlap, 0.0)
    add = architecture.periphery.output_digital.partial_sum_energy_j
    build.add_energy("output_digital", columns, overlap * add)
    both = buffer.read_energy_j_per_bit + buffer.write_energy_j_per_bit
    build.add_energy("tile_buffers", columns, overlap * numbers.partial_sum_bits * both)
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
        steps = program.per_step[digital]
        # The optimizer moves parameters and its state, at their own width; tables live in DRAM.
        width = np.where(steps, numbers.parameter_bits, numbers.activation_bits)
        off_chip = np.where(steps, program.table_share, 0.0)
        moved = program.moved_elements[digital] * width
        near = 0.5 * moved * (1.0 - off_chip)
        use_activation_buffer(build, architecture, digital, near, near)
        use_dram(build, architecture, digital, moved * off_chip)
    tables = np.array([kind is OpKind.EMBEDDING for kind in program.op_kind])
    small = np.flatnonzero((program.parameter_elements > 0) & ~tables)
    bits = program.parameter_elements[small] * numbers.parameter_bits
    use_activation_buffer(build, architecture, small, bits, 0.0 * bits)
    from_dram = np.where(tables, program.parameter_elements * numbers.parameter_bits, 0.0)
    from_dram = from_dram + program.host_elements * numbers.activation_bits
    columns = np.flatnonzero(from_dram.any(axis=0))
    use_dram(build, architecture, columns, np.asarray(from_dram)[:, columns])
    # Rows that are looked up and the network's input are waited for; spills are fetched ahead.
    build.latency[:, columns] += architecture.dram.latency_s
