"""Counts times costs: what every task of a program takes on an architecture, in time and energy.

Everything here is numpy over [C, T]: C configurations (the stacked architecture's numbers are
[C, 1]) and T tasks.  No loop runs over vectors, samples or tasks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from archsim.architecture import Architecture
from archsim.architecture.weight_arrays import structure
from archsim.fields import FloatArray, Scalar
from archsim.hardware.crossbar import Direction
from archsim.mapping import Mapping, effective_pulses
from archsim.mapping.partition import tile_bits_per_vector
from archsim.mapping.weight_reads import weight_read
from archsim.simulation.columns import (
    CostColumns,
    TaskCosts,
    pick,
    pick_place,
    waiting_s,
)
from archsim.simulation.converter_sharing import with_converter_sets
from archsim.simulation.copies import add_per_step_work
from archsim.simulation.movement import add_digital_data, add_weight_data
from archsim.simulation.program import IntArray, Program
from archsim.simulation.transfers import add_algorithm_work
from archsim.workload.graph import OpKind
from archsim.workload.training import TaskKind


def task_costs(
    program: Program,
    architecture: Architecture,
    mapping: Mapping,
    batch: FloatArray,
    hop_m: Scalar,
) -> TaskCosts:
    """Price every task; the numbers of `architecture` are [C, 1], `batch` is [C, 1] samples.

    `hop_m` is that of the architecture.
    """
    build = CostColumns(mapping.copies.shape[0], program.size, hop_m)
    _analog_reads(build, program, architecture, mapping)
    _analog_updates(build, program, architecture, mapping)
    _digital_matrices(build, program, architecture, mapping)
    _dynamic_products(build, program, architecture)
    _vector_work(build, program, architecture)
    add_weight_data(build, program, architecture, mapping)
    add_digital_data(build, program, architecture)
    add_algorithm_work(build, program, architecture, mapping, batch)
    add_per_step_work(build, program, architecture, mapping, batch)
    staged = architecture.schedule.data == "staged"
    transfer = build.latency + waiting_s(build.shared, build.main, staged=staged)
    costs = TaskCosts(build.main, transfer, build.array, build.shared, build.energy, staged=staged)
    costs = with_converter_sets(costs, build.converters, (program, architecture, mapping))
    if not structure(architecture).transfers:
        return costs
    return replace(costs, transfers_s=build.transfers, state_bits=build.state_bits)


def _read_tasks(program: Program, *, transposed: bool) -> IntArray:
    reads = program.select(TaskKind.FORWARD, TaskKind.INPUT_GRADIENT)
    reads = reads[program.matrix[reads] >= 0]
    return np.asarray(reads[program.transposed[reads] == transposed], dtype=np.intp)


def _vectors_per_copy(program: Program, columns: IntArray, copies: FloatArray) -> FloatArray:
    """Vectors of one dependent step that one copy takes, [C, len(columns)]."""
    per_step = program.vectors[columns] / program.serial_steps[columns]
    return np.asarray(np.ceil(per_step / copies))


def _analog_reads(
    build: CostColumns, program: Program, architecture: Architecture, mapping: Mapping
) -> None:
    for direction in Direction:
        columns = _read_tasks(program, transposed=direction is Direction.TRANSPOSED)
        if not columns.size:
            continue
        matrices = program.matrix[columns]
        on = pick(mapping.on_array, mapping, matrices)
        cost = weight_read(architecture, pick_place(mapping, matrices), direction)
        reads = _vectors_per_copy(program, columns, pick(mapping.copies, mapping, matrices))
        steps = program.serial_steps[columns]
        feed = _tile_buffer_s(architecture, mapping, matrices, direction)
        staged = architecture.schedule.data == "staged"
        interval = cost.interval_s + feed if staged else np.maximum(cost.interval_s, feed)
        last = np.maximum(cost.latency_s - cost.interval_s, 0.0)
        build.main[:, columns] += on * steps * (reads * interval + last)
        build.array[:, columns] += on * steps * reads * interval
        build.converters[:, columns] += on * steps * reads * cost.converters_s
        for component, energy in cost.energy_j.items():
            build.add_energy(component, columns, on * program.vectors[columns] * energy)


def _tile_buffer_s(
    architecture: Architecture, mapping: Mapping, matrices: IntArray, direction: Direction
) -> FloatArray:
    """Time that a tile's buffer takes to feed one vector and to take its outputs."""
    numbers, tile = architecture.numbers, architecture.tile
    inputs, sums = architecture.read.input_bits, numbers.partial_sum_bits
    widths = (inputs, sums) if direction is Direction.FORWARD else (sums, inputs)
    rows, cols = tile_bits_per_vector(
        pick_place(mapping, matrices),
        architecture.array,
        tile.arrays,
        widths,
        pick(mapping.copies, mapping, matrices),
    )
    return np.asarray((rows + cols) / tile.buffer.bandwidth_bit_per_s)


def _analog_updates(
    build: CostColumns, program: Program, architecture: Architecture, mapping: Mapping
) -> None:
    columns = program.select(TaskKind.WEIGHT_GRADIENT)
    if not columns.size:
        return
    matrices = program.matrix[columns]
    on = pick(mapping.on_array, mapping, matrices)
    copies = pick(mapping.copies, mapping, matrices)
    vectors = program.vectors[columns]
    # Tied uses share the sample's pulses in proportion to their vectors.
    of_matrix = program.matrices.updates[matrices]
    signs = program.input_signs[columns]
    pulses = effective_pulses(architecture, of_matrix, signs, copies)
    each = structure(architecture).per_vector.parallel_updates
    if not np.any(each):
        return
    cost = architecture.crossbar.update_cost(pick_place(mapping, matrices), pulses)
    vectors = each * vectors
    if architecture.mapping.sync == "average":
        taken, energy_vectors = np.ceil(vectors / copies), vectors + 0.0 * copies
    else:
        taken, energy_vectors = vectors + 0.0 * copies, vectors * copies
    build.main[:, columns] += on * taken * cost.duration_s
    build.array[:, columns] += on * taken * cost.duration_s
    for component, energy in cost.energy_j.items():
        build.add_energy(component, columns, on * energy_vectors * energy)


def _digital_matrices(
    build: CostColumns, program: Program, architecture: Architecture, mapping: Mapping
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
        off = 1.0 - pick(mapping.on_array, mapping, matrices)
        m, k, n = shape(program.vectors[columns], table.inputs[matrices], table.outputs[matrices])
        _matrix_unit(build, architecture, columns, (table.blocks[matrices], m, k, n), off)


def _dynamic_products(build: CostColumns, program: Program, architecture: Architecture) -> None:
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
    build: CostColumns,
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


def _vector_work(build: CostColumns, program: Program, architecture: Architecture) -> None:
    """Scalar operations of every task, biases included unless they are an array row."""
    counts = program.work
    if architecture.array.bias_row:
        of_weights = np.array([kind is OpKind.WEIGHT_MATMUL for kind in program.op_kind])
        counts = np.where(of_weights[:, None], 0.0, counts)
    columns = np.flatnonzero(counts.any(axis=1))
    per_class: list[Scalar] = [counts[columns, i] for i in range(counts.shape[1])]
    unit = architecture.vector_unit
    duration = unit.duration_s(per_class)
    # However many lanes there are, one element passes its operations one after the other, and a
    # recurrence does so in every time step.
    chain = unit.chain_s(per_class) * program.serial_steps[columns]
    build.main[:, columns] += np.maximum(duration, chain)
    build.shared["vector_unit"][:, columns] += duration
    build.add_energy("vector_unit", columns, unit.energy_j(per_class))
