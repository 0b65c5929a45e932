"""What an update algorithm does beside parallel updates: transfers, refreshes, outer products.

Transfers that wait for vector pairs are part of the updates, between which they take place;
transfers that wait for minibatches happen once per step, or, where every sample is a minibatch of
its own, with each sample's update.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from archsim.algorithm.operations import NO_WORK, Operations, Unit
from archsim.architecture import Architecture
from archsim.architecture.weight_arrays import structure
from archsim.fields import FloatArray, Scalar
from archsim.mapping import Mapping
from archsim.mapping.transfers import PREFIX, Transfer, transfer, transfers_per_sample
from archsim.simulation.columns import LINE_WRITES, CostColumns, pick, pick_place
from archsim.simulation.program import IntArray, Program
from archsim.workload.training import TaskKind

# Words of transfers on the mesh.
TRANSFER_MESH = f"{PREFIX}mesh"
# Where digital work of the update algorithm is reported.
FILTER = "algorithm_digital"


@dataclass(frozen=True, slots=True)
class _Due:
    """Transfers of some tasks, [C, n]: per copy, on how many copies, by how many digital units.

    `times` is per execution of a task, `per_sample` what a copy makes per training sample in all.
    `arrays` take pulses of their own.
    """

    columns: IntArray
    times: FloatArray
    copies: FloatArray
    states: FloatArray
    per_sample: FloatArray
    arrays: FloatArray


def add_algorithm_work(
    build: CostColumns,
    program: Program,
    architecture: Architecture,
    mapping: Mapping,
    batch: FloatArray,
) -> None:
    """Price what the update algorithm asks for beyond reads and parallel updates."""
    operations = structure(architecture)
    if np.any(operations.per_vector.digital_macs):
        _outer_products(build, program, architecture, mapping)
    due = _find(program, architecture, mapping, batch)
    if due is not None:
        place = pick_place(mapping, program.matrix[due.columns])
        _add(build, architecture, due, transfer(architecture, place, due.per_sample))


@dataclass(frozen=True, slots=True)
class TransferTraffic:
    """What transfers send over the mesh, all [n]: the tasks that they are part of, and bits of one
    copy each time that the task happens, from the arrays to the vector unit and back.
    """

    task: IntArray
    read_bits: FloatArray
    pulse_bits: FloatArray


def transfer_traffic(
    program: Program, architecture: Architecture, mapping: Mapping, batch: FloatArray
) -> TransferTraffic | None:
    """The transfers of the first configuration; None if the algorithm makes none."""
    due = _find(program, architecture, mapping, batch)
    if due is None:
        return None
    each = transfer(architecture, pick_place(mapping, program.matrix[due.columns]), due.per_sample)
    # Minibatches that share what happens once per step bear their part of it.
    once = program.per_step[due.columns]
    times = due.times * np.where(once, 1.0 / architecture.schedule.accumulate, 1.0)
    times = times * (due.copies > 0)
    return TransferTraffic(
        due.columns,
        np.asarray(times * each.read_bits)[0],
        np.asarray(times * each.pulse_bits)[0],
    )


def _find(
    program: Program, architecture: Architecture, mapping: Mapping, batch: FloatArray
) -> _Due | None:
    """The transfers of a step, with the tasks that bear them; None if there are none."""
    operations = structure(architecture)
    if not operations.transfers:
        return None
    with_updates = (
        operations.transfer_unit is Unit.VECTOR or architecture.schedule.update == "immediate"
    )
    find = _with_updates if with_updates else _once_per_step
    due = find(program, architecture, mapping, batch, operations)
    return due if due.columns.size else None


def _sharing(architecture: Architecture, copies: FloatArray) -> FloatArray:
    """Among how many copies the updates of a sample are divided."""
    return copies if architecture.mapping.sync == "average" else np.ones_like(copies)


def _with_updates(
    program: Program,
    architecture: Architecture,
    mapping: Mapping,
    batch: FloatArray,
    operations: Operations,
) -> _Due:
    columns = program.select(TaskKind.WEIGHT_GRADIENT)
    matrices = program.matrix[columns]
    copies = pick(mapping.copies, mapping, matrices)
    on = pick(mapping.on_array, mapping, matrices)
    every = program.matrices.updates[matrices]
    per_sample = transfers_per_sample(
        architecture, operations, every / _sharing(architecture, copies), batch
    )
    # Tied uses share the sample's transfers in proportion to their vectors.
    times = on * per_sample * (program.vectors[columns] / np.maximum(every, 1e-300))
    return _due(operations, mapping, matrices, columns, times, np.asarray(per_sample))


def _once_per_step(
    program: Program,
    architecture: Architecture,
    mapping: Mapping,
    batch: FloatArray,
    operations: Operations,
) -> _Due:
    columns = program.closing
    updates = program.matrices.updates + 0.0 * mapping.copies
    per_sample = np.asarray(transfers_per_sample(architecture, operations, updates, batch))
    # In all minibatches that share their updates; each bears its part (`spread_over_minibatches`).
    times = mapping.on_array * per_sample * batch * architecture.schedule.accumulate
    return _due(operations, mapping, np.arange(columns.size), columns, times, per_sample)


def _due(
    operations: Operations,
    mapping: Mapping,
    matrices: IntArray,
    columns: IntArray,
    times: FloatArray,
    per_sample: FloatArray,
) -> _Due:
    copies = pick(mapping.on_array * mapping.copies, mapping, matrices)
    states = np.minimum(copies, 1.0) if operations.copies_alike else copies
    arrays = states * pick(mapping.arrays_per_copy, mapping, matrices)
    return _Due(columns, times, copies, states, per_sample, arrays)


def _add(build: CostColumns, architecture: Architecture, due: _Due, each: Transfer) -> None:
    """Add transfers to tasks: arrays, digital work, mesh, and words of the state.

    The vector unit works on one line while the arrays go on with others; only what it takes
    beyond their time is waited for.  Arrays beyond what is written at once take turns.
    """
    columns, numbers = due.columns, architecture.numbers
    array_s, at_once = due.times * each.array_s, architecture.update.written_at_once
    if at_once is not None:
        held = build.shared.setdefault(LINE_WRITES, np.zeros(build.shape))
        held[:, columns] += array_s * due.arrays / at_once
        array_s = array_s * np.maximum(np.ceil(due.arrays / at_once), 1.0)
    for component, energy in each.energy_j.items():
        build.add_energy(component, columns, due.times * due.copies * energy)
    digital = due.times * due.states
    unit = architecture.vector_unit
    macs, compares = digital * each.macs, digital * each.compares
    none = np.zeros_like(macs)
    counts: Sequence[Scalar] = [macs, macs, none, none, none, none, none, compares]
    digital_s = unit.duration_s(counts)
    build.shared["vector_unit"][:, columns] += digital_s
    build.add_energy(FILTER, columns, unit.energy_j(counts))
    beyond_s = np.maximum(digital_s - array_s, 0.0)
    build.main[:, columns] += array_s + beyond_s
    build.array[:, columns] += array_s
    build.transfers[:, columns] += array_s + beyond_s
    mesh = architecture.mesh
    moved = due.times * due.copies * (each.read_bits + each.pulse_bits)
    bit_hops = moved * mesh.spread_hops(1.0)
    build.shared["mesh"][:, columns] += mesh.occupancy_s(bit_hops)
    build.add_energy(TRANSFER_MESH, columns, mesh.energy_j(bit_hops, build.hop_m))
    build.state_bits[:, columns] += digital * each.words * numbers.parameter_bits


def _outer_products(
    build: CostColumns, program: Program, architecture: Architecture, mapping: Mapping
) -> None:
    """Products x * error of every vector pair on the matrix unit, summed in the digital state.

    One product of depth 1 per vector and block, each of which reads and writes every word of the
    state, or one of all vectors of a sample, which does so once.
    """
    columns = program.select(TaskKind.WEIGHT_GRADIENT)
    matrices = program.matrix[columns]
    on, place = pick(mapping.on_array, mapping, matrices), pick_place(mapping, matrices)
    unit, buffer, numbers = (
        architecture.matrix_unit,
        architecture.activation_buffer,
        architecture.numbers,
    )
    operations = architecture.algorithm.operations(place.inputs, place.outputs)
    vectors = program.vectors[columns]
    pairs = on * vectors * place.blocks
    at_once = operations.per_sample is not NO_WORK
    count, depth = (on * place.blocks, vectors) if at_once else (pairs, 1.0)
    shape = (count, place.inputs, depth, place.outputs)
    duration = np.asarray(unit.duration_s(*shape))
    build.main[:, columns] += duration
    build.shared["matrix_unit"][:, columns] += duration
    build.add_energy(FILTER, columns, unit.energy_j(pairs * operations.per_vector.digital_macs))
    operands = unit.traffic_elements(*shape) * numbers.activation_bits
    build.shared["activation_buffer"][:, columns] += operands / buffer.bandwidth_bit_per_s
    build.add_energy("activation_buffer", columns, operands * buffer.read_energy_j_per_bit)
    words = pairs * operations.per_vector.words_moved
    words = words + count * operations.per_sample.words_moved
    build.state_bits[:, columns] += words * numbers.parameter_bits
