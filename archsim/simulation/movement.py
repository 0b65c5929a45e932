"""What moving data costs: activations, errors, partial sums, parameters, spills to DRAM."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from archsim.architecture import Architecture
from archsim.architecture.weight_arrays import arrays_per_weight, structure
from archsim.fields import FloatArray
from archsim.hardware.crossbar import Placement
from archsim.mapping import Mapping
from archsim.mapping.partition import tile_spread
from archsim.simulation.columns import (
    CostColumns,
    pick,
    pick_place,
    use_activation_buffer,
    use_dram,
    use_host_link,
)
from archsim.simulation.program import BoolArray, IntArray, Program
from archsim.workload.graph import OpKind
from archsim.workload.training import TaskKind


@dataclass(frozen=True, slots=True)
class _Flow:
    """Data of the weight matmuls among the tasks, each [C, len(columns)] or [len(columns)].

    `inputs` enter along the driven side and go to `into` tiles each, `outputs` come from `out_of`
    tiles; the errors of an update enter along the other side.  All in bits per sample; 0 where the
    matrix is not on arrays.
    """

    columns: IntArray
    on: FloatArray
    place: Placement
    update: BoolArray
    swapped: BoolArray
    sent: FloatArray
    into: FloatArray
    out_of: FloatArray
    inputs: FloatArray
    errors: FloatArray
    outputs: FloatArray


def add_weight_data(
    build: CostColumns, program: Program, architecture: Architecture, mapping: Mapping
) -> None:
    """Activations and errors of weight matmuls: buffer, mesh, tile buffers."""
    columns = _weight_tasks(program)
    if not columns.size:
        return
    flow = _flow(program, architecture, mapping, columns)
    _use_mesh(build, program, architecture, mapping, flow)
    _use_tile_buffers(build, program, architecture, flow)
    bits = architecture.numbers.activation_bits
    use_activation_buffer(
        build,
        architecture,
        columns,
        flow.on * program.input_elements[columns] * bits,
        flow.on * program.output_elements[columns] * bits,
    )


def _flow(
    program: Program, architecture: Architecture, mapping: Mapping, columns: IntArray
) -> _Flow:
    matrices = program.matrix[columns]
    on, place = pick(mapping.on_array, mapping, matrices), pick_place(mapping, matrices)
    numbers = architecture.numbers
    update = np.array([program.kind[c] is TaskKind.WEIGHT_GRADIENT for c in columns])
    if not np.any(structure(architecture).per_vector.parallel_updates):
        on = np.where(update, 0.0, on)  # vectors go to the matrix unit, no array takes them
    # An input gradient is already marked as a transposed use of its matrix.
    swapped = program.transposed[columns]
    to_tiles, from_tiles = tile_spread(place, architecture.tile.arrays)
    sums = np.where(swapped, place.col_splits, place.row_splits)
    everywhere = update & (architecture.mapping.sync == "broadcast")
    sent = np.where(everywhere, pick(mapping.copies, mapping, matrices), 1.0)
    # An update sends activations along rows and errors along columns.
    errors = np.minimum(program.errors_stored[columns], program.input_elements[columns])
    width = np.where(sums > 1, numbers.partial_sum_bits, numbers.activation_bits)
    return _Flow(
        columns=columns,
        on=on,
        place=place,
        update=update,
        swapped=swapped,
        sent=sent,
        into=np.where(swapped, from_tiles, to_tiles),
        out_of=np.where(swapped, to_tiles, from_tiles),
        inputs=on * (program.input_elements[columns] - errors) * numbers.activation_bits * sent,
        errors=on * errors * numbers.activation_bits * sent,
        outputs=on * program.output_elements[columns] * width,
    )


def _use_mesh(
    build: CostColumns,
    program: Program,
    architecture: Architecture,
    mapping: Mapping,
    flow: _Flow,
) -> None:
    """Multicast to the tiles that need an input, reduction from those that make an output."""
    mesh, columns = architecture.mesh, flow.columns
    bit_hops = _bit_hops(architecture, flow)
    matrices = program.matrix[columns]
    # Beside those that hold a weight for reads or updates, other arrays take in no vectors.
    weights = mapping.arrays_per_copy / arrays_per_weight(architecture)
    arrays = pick(weights * mapping.copies, mapping, matrices)
    ports = np.ceil(arrays / architecture.tile.arrays)
    hops = _hops_waited(program, architecture, flow)
    build.latency[:, columns] += mesh.latency_s(_through_ports(flow), hops, ports)
    build.shared["mesh"][:, columns] += mesh.occupancy_s(bit_hops)
    build.add_energy("mesh", columns, mesh.energy_j(bit_hops, build.hop_m))


def _hops_waited(program: Program, architecture: Architecture, flow: _Flow) -> FloatArray:
    """Hops that data of each task wait for, one after the other, [C, len(columns)].

    A recurrent product sends its vectors step by step, each over all the hops.
    """
    hops = architecture.mesh.spread_hops(np.maximum(flow.into, flow.out_of))
    return np.asarray(hops * program.serial_steps[flow.columns])


def mean_distance_latency_s(
    program: Program, architecture: Architecture, mapping: Mapping
) -> FloatArray:
    """The part of each task's duration that is its data's hops at the mean distance, [C, T]."""
    found = np.zeros((mapping.copies.shape[0], program.size))
    columns = _weight_tasks(program)
    if columns.size:
        flow = _flow(program, architecture, mapping, columns)
        moving = (flow.inputs + flow.errors + flow.outputs) > 0
        hops = _hops_waited(program, architecture, flow)
        found[:, columns] = moving * hops * architecture.mesh.hop_latency_s
    return found


@dataclass(frozen=True, slots=True)
class MeshUse:
    """What one copy of each matrix asks of the mesh, [C, T] seconds per sample.

    `port_s` is what the data of a task take through a single port of a tile, `links_s` what they take of
    all links.
    """

    port_s: FloatArray
    links_s: FloatArray


def mesh_use(program: Program, architecture: Architecture, one: Mapping) -> MeshUse:
    """The mesh as each task of `one`, a mapping of one copy of each matrix, uses it."""
    shape = (one.copies.shape[0], program.size)
    found = MeshUse(np.zeros(shape), np.zeros(shape))
    columns, mesh = _weight_tasks(program), architecture.mesh
    if columns.size:
        flow = _flow(program, architecture, one, columns)
        found.port_s[:, columns] = mesh.latency_s(_through_ports(flow), 0.0, 1.0)
        found.links_s[:, columns] = mesh.occupancy_s(_bit_hops(architecture, flow))
    return found


def _bit_hops(architecture: Architecture, flow: _Flow) -> FloatArray:
    """Bits times hops of each task, [C, len(columns)]."""
    mesh = architecture.mesh
    bit_hops = flow.inputs * mesh.spread_hops(flow.into)
    return np.asarray(bit_hops + (flow.errors + flow.outputs) * mesh.spread_hops(flow.out_of))


def _through_ports(flow: _Flow) -> FloatArray:
    """Bits of each task through the ports of its tiles, [C, len(columns)]."""
    return np.asarray(flow.inputs * flow.into + (flow.errors + flow.outputs) * flow.out_of)


def _weight_tasks(program: Program) -> IntArray:
    """Reads and updates of weight matrices."""
    kinds = (TaskKind.FORWARD, TaskKind.INPUT_GRADIENT, TaskKind.WEIGHT_GRADIENT)
    columns = program.select(*kinds)
    return np.asarray(columns[program.matrix[columns] >= 0])


def _use_tile_buffers(
    build: CostColumns, program: Program, architecture: Architecture, flow: _Flow
) -> None:
    """What enters a tile is written once and fed to the lines; outputs pass through as well."""
    buffer, columns, place = architecture.tile.buffer, flow.columns, flow.place
    sums = architecture.numbers.partial_sum_bits
    arriving = flow.inputs * flow.into + flow.errors * flow.out_of
    leaving = flow.outputs * flow.out_of
    # A tile reads each vector once for all of its arrays that share it.
    vectors = program.vectors[columns]
    rows, cols = np.asarray(place.inputs * place.blocks), np.asarray(place.outputs * place.blocks)
    driven = np.where(flow.swapped, cols, rows) * flow.into
    driven = driven + np.where(flow.update, cols * flow.out_of, 0.0)
    fed = flow.on * vectors * driven * architecture.read.input_bits * flow.sent
    # Input gradients of overlapping windows are summed in the tile's buffer.
    gradient = np.array([program.kind[c] is TaskKind.INPUT_GRADIENT for c in columns])
    produced = np.where(flow.swapped, rows, cols) * vectors
    overlap = np.where(gradient, produced - program.output_elements[columns], 0.0)
    overlap = flow.on * np.maximum(overlap, 0.0)
    add_j = architecture.periphery.output_digital.partial_sum_energy_j
    build.add_energy("output_digital", columns, overlap * add_j)
    written = arriving + leaving + overlap * sums
    read = fed + leaving + overlap * sums
    energy = written * buffer.write_energy_j_per_bit + read * buffer.read_energy_j_per_bit
    build.add_energy("tile_buffers", columns, energy)


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
    from_host = np.asarray(program.host_elements * numbers.activation_bits)
    if architecture.host_link is None:
        from_dram = from_dram + from_host
    else:
        from_host = np.atleast_2d(from_host)
        first = np.flatnonzero(from_host.any(axis=0))
        use_host_link(build, architecture.host_link, first, from_host[:, first])
    from_dram = np.atleast_2d(from_dram)
    columns = np.flatnonzero(from_dram.any(axis=0))
    use_dram(build, architecture, columns, np.asarray(from_dram)[:, columns])
    # Rows that are looked up and the network's input are waited for; spills are fetched ahead.
    build.latency[:, columns] += architecture.dram.latency_s
