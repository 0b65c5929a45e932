"""Counts times costs: what every task of a program takes on an architecture, in time and energy.

Everything here is numpy over [C, T]: C configurations (the stacked architecture's numbers are
[C, 1]) and T tasks.  No loop runs over vectors, samples or tasks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from archsim.architecture import Architecture
from archsim.fields import FloatArray, Scalar
from archsim.hardware.crossbar import Direction, Placement, PulseStatistics
from archsim.mapping import Mapping, effective_pulses
from archsim.simulation.program import BoolArray, IntArray, Program
from archsim.workload.graph import OpKind
from archsim.workload.training import TaskKind

# Resources that tasks occupy, besides the array group of each matrix.
# Writing a row back fires the row in every slot of its train and a column in half of them.
WRITE_BACK_DENSITY = 0.5

SHARED_RESOURCES = ("vector_unit", "matrix_unit", "activation_buffer", "mesh", "dram")


@dataclass(frozen=True, slots=True)
class TaskCosts:
    """Costs of one sample's (or one step's) execution of each task, all [C, T].

    `main_s` is the time in the task's own unit, `transfer_s` what moving data adds to it; their sum
    is the task's duration.  `array_s` is how long its array group is taken; `shared_s` how long
    each shared resource is.  `energy_j` is by component.
    """

    main_s: FloatArray
    transfer_s: FloatArray
    array_s: FloatArray
    shared_s: dict[str, FloatArray]
    energy_j: dict[str, FloatArray]


class _Builder:
    """Accumulates [C, T] columns; private to `task_costs`."""

    def __init__(self, configurations: int, tasks: int) -> None:
        self.shape = (configurations, tasks)
        self.main = np.zeros(self.shape)
        self.mesh_latency = np.zeros(self.shape)
        self.array = np.zeros(self.shape)
        self.shared = {name: np.zeros(self.shape) for name in SHARED_RESOURCES}
        self.energy: dict[str, FloatArray] = {}

    def add_energy(self, component: str, columns: IntArray, value: Scalar) -> None:
        """Add `value` ([C, len(columns)] or broadcastable) to a component's columns."""
        column = self.energy.setdefault(component, np.zeros(self.shape))
        column[:, columns] += value


def task_costs(
    program: Program, architecture: Architecture, mapping: Mapping
) -> TaskCosts:
    """Price every task; the numbers of `architecture` are [C, 1]."""
    build = _Builder(mapping.copies.shape[0], program.size)
    _analog_reads(build, program, architecture, mapping)
    _analog_updates(build, program, architecture, mapping)
    _digital_matrices(build, program, architecture, mapping)
    _dynamic_products(build, program, architecture)
    _vector_work(build, program, architecture)
    _weight_data(build, program, architecture, mapping)
    _digital_data(build, program, architecture)
    _per_step_matrices(build, program, architecture, mapping)
    # Memory streams overlap with computing; only what they take beyond it is waiting for data.
    stream = np.maximum(build.shared["activation_buffer"], build.shared["dram"])
    transfer = build.mesh_latency + np.maximum(stream - build.main, 0.0)
    return TaskCosts(build.main, transfer, build.array, build.shared, build.energy)


def _pick(values: Scalar | BoolArray, mapping: Mapping, matrices: IntArray) -> FloatArray:
    """Columns of a [C, M] quantity for the matrices of some tasks."""
    full = np.broadcast_to(np.asarray(values, dtype=np.float64), mapping.copies.shape)
    return np.asarray(full[:, matrices])


def _place(mapping: Mapping, matrices: IntArray) -> Placement:
    place = mapping.place
    return Placement(
        inputs=_pick(place.inputs, mapping, matrices),
        outputs=_pick(place.outputs, mapping, matrices),
        blocks=_pick(place.blocks, mapping, matrices),
        blocks_per_array=_pick(place.blocks_per_array, mapping, matrices),
        row_splits=_pick(place.row_splits, mapping, matrices),
        col_splits=_pick(place.col_splits, mapping, matrices),
    )


def _read_tasks(program: Program, *, transposed: bool) -> IntArray:
    reads = program.select(TaskKind.FORWARD, TaskKind.INPUT_GRADIENT)
    reads = reads[program.matrix[reads] >= 0]
    return np.asarray(reads[program.transposed[reads] == transposed], dtype=np.intp)


def _vectors_per_copy(program: Program, columns: IntArray, copies: FloatArray) -> FloatArray:
    """Vectors of one dependent step that one copy takes, [C, len(columns)]."""
    per_step = program.vectors[columns] / program.serial_steps[columns]
    return np.asarray(np.ceil(per_step / copies))


def _analog_reads(
    build: _Builder, program: Program, architecture: Architecture, mapping: Mapping
) -> None:
    crossbar = architecture.crossbar
    for direction in Direction:
        columns = _read_tasks(program, transposed=direction is Direction.TRANSPOSED)
        if not columns.size:
            continue
        matrices = program.matrix[columns]
        on = _pick(mapping.on_array, mapping, matrices)
        cost = crossbar.read_cost(_place(mapping, matrices), direction)
        reads = _vectors_per_copy(program, columns, _pick(mapping.copies, mapping, matrices))
        steps = program.serial_steps[columns]
        last = np.maximum(cost.latency_s - cost.interval_s, 0.0)
        build.main[:, columns] += on * steps * (reads * cost.interval_s + last)
        build.array[:, columns] += on * steps * reads * cost.interval_s
        for component, energy in cost.energy_j.items():
            build.add_energy(component, columns, on * program.vectors[columns] * energy)


def _analog_updates(
    build: _Builder, program: Program, architecture: Architecture, mapping: Mapping
) -> None:
    columns = program.select(TaskKind.WEIGHT_GRADIENT)
    if not columns.size:
        return
    matrices = program.matrix[columns]
    on = _pick(mapping.on_array, mapping, matrices)
    copies = _pick(mapping.copies, mapping, matrices)
    vectors = program.vectors[columns]
    # Tied uses share the sample's pulses in proportion to their vectors.
    of_matrix = program.matrices.updates[matrices]
    signs = program.input_signs[columns]
    pulses = effective_pulses(architecture, of_matrix, signs, copies)
    cost = architecture.crossbar.update_cost(_place(mapping, matrices), pulses)
    if architecture.mapping.sync == "average":
        taken, energy_vectors = np.ceil(vectors / copies), vectors + 0.0 * copies
    else:
        taken, energy_vectors = vectors + 0.0 * copies, vectors * copies
    build.main[:, columns] += on * taken * cost.duration_s
    build.array[:, columns] += on * taken * cost.duration_s
    for component, energy in cost.energy_j.items():
        build.add_energy(component, columns, on * energy_vectors * energy)


def _digital_matrices(
    build: _Builder, program: Program, architecture: Architecture, mapping: Mapping
) -> None:
    """Weight matmuls that the mapping sends to the matrix unit."""
    if mapping.on_array.all():
        return
    shapes: dict[TaskKind, Callable[[FloatArray, FloatArray, FloatArray], tuple[Scalar, ...]]] = {
        TaskKind.FORWARD: lambda r, k, n: (r, k, n),
        TaskKind.INPUT_GRADIENT: lambda r, k, n: (r, n, k),
        TaskKind.WEIGHT_GRADIENT: lambda r, k, n: (k, r, n),
    }
    table = program.matrices
    for kind, shape in shapes.items():
        columns = program.select(kind)
        columns = columns[program.matrix[columns] >= 0]
        matrices = program.matrix[columns]
        off = 1.0 - _pick(mapping.on_array, mapping, matrices)
        m, k, n = shape(
            program.vectors[columns], table.inputs[matrices], table.outputs[matrices]
        )
        _matrix_unit(build, architecture, columns, (table.blocks[matrices], m, k, n), off)


def _dynamic_products(build: _Builder, program: Program, architecture: Architecture) -> None:
    p = program.products
    for i in range(_most_per_task(p.task)):
        # A task has at most a few products; the i-th of every task are priced together.
        chosen = _occurrence(p.task) == i
        columns = p.task[chosen]
        shape = (p.count[chosen], p.m[chosen], p.k[chosen], p.n[chosen])
        _matrix_unit(build, architecture, columns, shape, 1.0)


def _occurrence(values: IntArray) -> IntArray:
    """For each entry, how many equal ones stand before it (entries of a task are adjacent)."""
    first = np.searchsorted(values, values, side="left")
    return np.asarray(np.arange(values.size) - first, dtype=np.intp)


def _most_per_task(values: IntArray) -> int:
    return int(_occurrence(values).max()) + 1 if values.size else 0


def _matrix_unit(
    build: _Builder,
    architecture: Architecture,
    columns: IntArray,
    shape: tuple[Scalar, Scalar, Scalar, Scalar],
    share: Scalar,
) -> None:
    unit, buffer = architecture.matrix_unit, architecture.activation_buffer
    count, m, k, n = shape
    duration = share * unit.duration_s(count, m, k, n)
    bits = architecture.numbers.activation_bits
    read = share * unit.traffic_elements(count, m, k, n) * bits
    written = share * count * m * n * bits
    build.main[:, columns] += duration
    build.shared["matrix_unit"][:, columns] += duration
    build.shared["activation_buffer"][:, columns] += (read + written) / buffer.bandwidth_bit_per_s
    build.add_energy("matrix_unit", columns, share * unit.energy_j(count * m * k * n))
    build.add_energy(
        "activation_buffer",
        columns,
        read * buffer.read_energy_j_per_bit + written * buffer.write_energy_j_per_bit,
    )


def _vector_work(build: _Builder, program: Program, architecture: Architecture) -> None:
    """Scalar operations of every task, biases included unless they are an array row."""
    counts = program.work
    if architecture.array.bias_row:
        of_weights = np.array([kind is OpKind.WEIGHT_MATMUL for kind in program.op_kind])
        counts = np.where(of_weights[:, None], 0.0, counts)
    columns = np.flatnonzero(counts.any(axis=1))
    per_class: list[Scalar] = [counts[columns, i] for i in range(counts.shape[1])]
    unit = architecture.vector_unit
    duration = unit.duration_s(per_class)
    build.main[:, columns] += duration
    build.shared["vector_unit"][:, columns] += duration
    build.add_energy("vector_unit", columns, unit.energy_j(per_class))


def _weight_data(
    build: _Builder, program: Program, architecture: Architecture, mapping: Mapping
) -> None:
    """Activations and errors of weight matmuls: buffer, mesh, tile buffers."""
    kinds = (TaskKind.FORWARD, TaskKind.INPUT_GRADIENT, TaskKind.WEIGHT_GRADIENT)
    columns = program.select(*kinds)
    columns = columns[program.matrix[columns] >= 0]
    if not columns.size:
        return
    matrices = program.matrix[columns]
    on = _pick(mapping.on_array, mapping, matrices)
    place = _place(mapping, matrices)
    numbers, tile, mesh = architecture.numbers, architecture.tile, architecture.mesh
    update = np.array([program.kind[c] is TaskKind.WEIGHT_GRADIENT for c in columns])
    swapped = np.array([program.kind[c] is TaskKind.INPUT_GRADIENT for c in columns])
    swapped = swapped ^ program.transposed[columns]
    in_splits = np.where(swapped, place.row_splits, place.col_splits)
    out_splits = np.where(swapped, place.col_splits, place.row_splits)
    copies = _pick(mapping.copies, mapping, matrices)
    sent = np.where(update & (architecture.mapping.sync == "broadcast"), copies, 1.0)

    # Every array that shares an input gets it; every row split returns partial sums.  An update
    # sends activations along rows and errors along columns.
    errors = program.errors_stored[columns]
    elements_in = (program.input_elements[columns] - errors) * in_splits + errors * out_splits
    bits_in = elements_in * numbers.activation_bits * sent
    width = np.where(out_splits > 1, numbers.partial_sum_bits, numbers.activation_bits)
    bits_out = program.output_elements[columns] * width * out_splits
    ports = np.ceil(_pick(mapping.arrays_per_copy, mapping, matrices) * copies / tile.arrays)
    bits = on * (bits_in + bits_out)
    build.mesh_latency[:, columns] += mesh.latency_s(bits, ports)
    build.shared["mesh"][:, columns] += mesh.occupancy_s(bits)
    build.add_energy("mesh", columns, mesh.energy_j(bits))

    vectors, rows = program.vectors[columns], np.asarray(place.inputs) * place.blocks
    cols = np.asarray(place.outputs) * place.blocks
    from_x = np.where(swapped, cols * place.row_splits, rows * place.col_splits)
    from_error = np.where(update, cols * place.row_splits, 0.0)
    fed = vectors * (from_x + from_error) * architecture.read.input_bits * sent
    buffer = tile.buffer
    energy = (
        (bits_in + bits_out) * buffer.write_energy_j_per_bit
        + (fed + bits_out) * buffer.read_energy_j_per_bit
    )
    build.add_energy("tile_buffers", columns, on * energy)
    _activation_buffer(
        build,
        architecture,
        columns,
        on * program.input_elements[columns] * numbers.activation_bits,
        on * program.output_elements[columns] * numbers.activation_bits,
    )


def _digital_data(build: _Builder, program: Program, architecture: Architecture) -> None:
    """Operands of vector work, parameters, embedding rows, and the network's input."""
    numbers = architecture.numbers
    digital = np.flatnonzero(
        (program.matrix < 0) & ((program.moved_elements > 0) | (program.parameter_elements > 0))
    )
    if digital.size:
        moved = program.moved_elements[digital] * numbers.activation_bits
        _activation_buffer(build, architecture, digital, 0.5 * moved, 0.5 * moved)
    tables = np.array([kind is OpKind.EMBEDDING for kind in program.op_kind])
    small = np.flatnonzero((program.parameter_elements > 0) & ~tables)
    bits = program.parameter_elements[small] * numbers.parameter_bits
    _activation_buffer(build, architecture, small, bits, 0.0 * bits)
    from_dram = np.where(tables, program.parameter_elements * numbers.parameter_bits, 0.0)
    from_dram = from_dram + program.host_elements * numbers.activation_bits
    columns = np.flatnonzero(from_dram.any(axis=0))
    _dram(build, architecture, columns, np.asarray(from_dram)[:, columns])


def _activation_buffer(
    build: _Builder, architecture: Architecture, columns: IntArray, read: Scalar, written: Scalar
) -> None:
    buffer = architecture.activation_buffer
    build.shared["activation_buffer"][:, columns] += (read + written) / buffer.bandwidth_bit_per_s
    energy = read * buffer.read_energy_j_per_bit + written * buffer.write_energy_j_per_bit
    build.add_energy("activation_buffer", columns, energy)


def _dram(build: _Builder, architecture: Architecture, columns: IntArray, bits: Scalar) -> None:
    dram = architecture.dram
    build.shared["dram"][:, columns] += bits / dram.bandwidth_bit_per_s
    build.add_energy("dram", columns, bits * dram.energy_j_per_bit)


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


def _per_step_matrices(
    build: _Builder, program: Program, architecture: Architecture, mapping: Mapping
) -> None:
    """Once per step and matrix: keep averaged copies equal; step the weights held digitally.

    Averaging reads every row of every copy (one-hot transposed reads), sums the copies on the
    vector unit and writes the mean back row by row with one pulse train per row; its cost is spread
    over `sync_interval` steps.
    """
    count = len(program.matrices.names)
    columns = np.arange(program.size - count, program.size)
    if not count:
        return
    _average_copies(build, program, architecture, mapping, columns)
    trained = program.matrices.updates > 0
    held = (1.0 - mapping.on_array) * trained
    if held.any():
        weights = held * program.matrices.inputs * program.matrices.outputs * (
            program.matrices.blocks
        )
        none = np.zeros_like(weights)
        counts: Sequence[Scalar] = [weights, weights] + [none] * 6
        _vector_columns(build, architecture, columns, counts)
        bits = weights * architecture.numbers.parameter_bits
        _activation_buffer(build, architecture, columns, 2.0 * bits, bits)


def _average_copies(
    build: _Builder,
    program: Program,
    architecture: Architecture,
    mapping: Mapping,
    columns: IntArray,
) -> None:
    policy = architecture.mapping
    copied = (mapping.copies > 1) & mapping.on_array & (program.matrices.updates > 0)
    if policy.sync != "average" or not copied.any():
        return
    crossbar, place = architecture.crossbar, mapping.place
    share = copied / policy.sync_interval
    rows = np.minimum(place.inputs * place.blocks_per_array, architecture.array.rows)
    read = crossbar.read_cost(place, Direction.FORWARD)
    one_row = Placement(
        inputs=np.ones_like(np.asarray(place.inputs)),
        outputs=place.outputs,
        blocks=place.blocks,
        blocks_per_array=np.ones_like(np.asarray(place.inputs)),
        row_splits=place.row_splits,
        col_splits=place.col_splits,
    )
    one = np.ones_like(np.asarray(place.inputs))
    density = WRITE_BACK_DENSITY * one
    write = crossbar.update_cost(one_row, PulseStatistics(one, density, one, 2.0 * one))
    duration = share * rows * (read.interval_s + write.duration_s)
    build.main[:, columns] += duration
    build.array[:, columns] += duration
    accesses = share * mapping.copies * place.inputs
    for component, energy in read.energy_j.items():
        driven = 1.0 / place.inputs if component in _PER_DRIVEN_LINE else 1.0
        build.add_energy(component, columns, accesses * energy * driven)
    for component, energy in write.energy_j.items():
        build.add_energy(component, columns, accesses * energy)
    weights = place.inputs * place.outputs * place.blocks
    none = np.zeros_like(np.asarray(weights))
    counts: Sequence[Scalar] = [share * (mapping.copies - 1) * weights, share * weights] + [none] * 6
    _vector_columns(build, architecture, columns, counts)
    bits = share * 2.0 * mapping.copies * weights * architecture.numbers.parameter_bits
    build.shared["mesh"][:, columns] += architecture.mesh.occupancy_s(bits)
    build.add_energy("mesh", columns, architecture.mesh.energy_j(bits))


# Read energy that scales with the driven rows: a one-hot read drives one.
_PER_DRIVEN_LINE = ("array_devices", "array_lines", "input_drivers")


def _vector_columns(
    build: _Builder, architecture: Architecture, columns: IntArray, counts: Sequence[Scalar]
) -> None:
    unit = architecture.vector_unit
    duration = unit.duration_s(counts)
    build.main[:, columns] += duration
    build.shared["vector_unit"][:, columns] += duration
    build.add_energy("vector_unit", columns, unit.energy_j(counts))
