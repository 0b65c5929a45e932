"""One training step on one architecture, or on thousands at once."""

from __future__ import annotations

from collections.abc import Mapping as MappingType
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from archsim.architecture import Architecture
from archsim.fields import FloatArray, stack
from archsim.mapping import Mapping, effective_pulses, map_matrices
from archsim.mapping.averaging import WRITE_BACK_DENSITY
from archsim.simulation.analytic import Timeline, schedule, segment_tasks
from archsim.simulation.columns import TaskCosts
from archsim.simulation.costs import task_costs
from archsim.simulation.movement import add_spills, saved_bits
from archsim.simulation.program import Program
from archsim.workload.training import TaskKind


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a training step costs, for C configurations (leading axis of every array).

    `energy_j` is by component [C, T] per SAMPLE (per step for per-step tasks); `step_energy_j` [C]
    includes static energy.  `static_power_w` and `area_m2` are by component, each [C].
    `pulses_per_step` [C, M] is what a device of each matrix takes in one step.
    `fits` says whether the arrays suffice; where they do not, times and energies are meaningless.
    """

    program: Program
    mapping: Mapping
    costs: TaskCosts
    timeline: Timeline
    batch: FloatArray
    arrays_available: FloatArray
    fits: FloatArray
    step_latency_s: FloatArray
    step_energy_j: FloatArray
    dynamic_energy_j: FloatArray
    static_power_w: MappingType[str, FloatArray]
    area_by_component_m2: MappingType[str, FloatArray]
    area_m2: FloatArray
    live_samples: FloatArray
    saved_bits: FloatArray
    spilled_share: FloatArray
    staleness_samples: FloatArray
    pulses_per_step: FloatArray

    @property
    def array_utilisation(self) -> FloatArray:
        """Busy time of arrays over all arrays of the chip and the step, [C]."""
        busy_s = self.timeline.resource_s[:, : len(self.program.matrices.names)]
        arrays = self.mapping.arrays_per_copy * self.mapping.copies * self.mapping.on_array
        available = self.arrays_available * self.step_latency_s
        return np.asarray((busy_s * arrays).sum(axis=1) / available)


def estimate(
    program: Program, architectures: Sequence[Architecture], batches: Sequence[int]
) -> Estimate:
    """Price one training step on architectures that differ in numbers only.

    `batches[c]` samples form the minibatch of `architectures[c]`.  Raises
    `archsim.fields.NotStackable` if the architectures differ in more than numbers: group them by
    `archsim.fields.signature` first.
    """
    architecture = stack(architectures)
    batch = np.asarray(batches, dtype=np.float64).reshape(-1, 1)
    policy = architecture.schedule
    barriers = policy.batchnorm == "batch" and bool(program.barrier.any())
    pipelined = policy.mode == "pipelined"
    serial = barriers or not pipelined
    mapping = map_matrices(architecture, program.matrices, batch, serial=serial)
    segments = segment_tasks(program, batch_barriers=barriers, deferred=policy.update == "deferred")
    costs = task_costs(program, architecture, mapping)
    draft = schedule(program, costs, segments, batch, pipelined=pipelined)
    live = _live_samples(architecture, draft, batch, barriers=barriers)
    tensors, errors = saved_bits(program, architecture)
    saved = tensors.sum(axis=1, keepdims=True) + errors.sum(axis=1, keepdims=True)
    saved = np.broadcast_to(saved, batch.shape)
    excess = np.maximum(saved * live - architecture.activation_buffer.capacity_bit, 0.0)
    spilled = excess / np.maximum(saved * live, 1.0)
    costs = add_spills(costs, program, architecture, spilled)
    timeline = schedule(program, costs, segments, batch, pipelined=pipelined)
    return _totals(program, architecture, mapping, costs, timeline, batch, (live, saved, spilled))


def _live_samples(
    architecture: Architecture, draft: Timeline, batch: FloatArray, *, barriers: bool
) -> FloatArray:
    """Samples whose saved activations exist at once, [C, 1]."""
    policy = architecture.schedule
    if barriers or policy.update == "deferred":
        return batch
    if policy.mode == "sequential":
        return np.ones_like(batch)
    latency = draft.latency_s[:, :1]
    interval = np.maximum(draft.bottleneck_s[:, :1], np.finfo(np.float64).tiny)
    return np.minimum(np.ceil(latency / interval), batch)


def _staleness(
    architecture: Architecture, program: Program, timeline: Timeline, batch: FloatArray
) -> FloatArray:
    """Most samples that read an array between one sample's forward read and its update, [C]."""
    policy = architecture.schedule
    if policy.update == "deferred" or policy.mode == "sequential":
        return np.zeros(batch.shape[0])
    updates = program.select(TaskKind.WEIGHT_GRADIENT)
    reads = program.select(TaskKind.FORWARD)
    first = {int(program.matrix[r]): int(r) for r in reversed(reads) if program.matrix[r] >= 0}
    worst = np.zeros(batch.shape[0])
    segment = timeline.segments.segment
    for update in updates:
        read = first[int(program.matrix[update])]
        if segment[read] != segment[update]:
            # A barrier lies between: every later sample of the minibatch has read by then.
            worst = np.maximum(worst, batch[:, 0] - 1.0)
            continue
        interval = timeline.bottleneck_s[:, segment[read]]
        gap = timeline.finish_s[:, update] - timeline.finish_s[:, read]
        worst = np.maximum(worst, np.minimum(np.ceil(gap / interval), batch[:, 0] - 1.0))
    return worst


def _pulses(
    architecture: Architecture, program: Program, mapping: Mapping, batch: FloatArray
) -> FloatArray:
    """Pulses that one device takes per step, [C, M].

    Each sample gives vectors * BL * p_x * p_error coincidences; averaging the copies writes each
    device once per interval.
    """
    table = program.matrices
    average = architecture.mapping.sync == "average"
    share = mapping.copies if average else np.ones_like(mapping.copies)
    pulses = effective_pulses(architecture, table.updates, table.input_signs, mapping.copies)
    length = architecture.update.train_length
    both = pulses.probability_x * pulses.probability_error
    trained = table.updates / share * length * both * batch
    written = (mapping.copies > 1) * average * (table.updates > 0)
    rewrite = length * WRITE_BACK_DENSITY / architecture.mapping.sync_interval
    return np.asarray((trained + written * rewrite) * mapping.on_array)


def _totals(
    program: Program,
    architecture: Architecture,
    mapping: Mapping,
    costs: TaskCosts,
    timeline: Timeline,
    batch: FloatArray,
    memory: tuple[FloatArray, FloatArray, FloatArray],
) -> Estimate:
    repeats = np.where(program.per_step[None, :], 1.0, batch)
    dynamic = sum((e * repeats).sum(axis=1) for e in costs.energy_j.values())
    areas = _areas(architecture, batch.shape[0])
    power = static_power(architecture, areas)
    static = sum(power.values()) * timeline.makespan_s
    available = np.broadcast_to(
        np.asarray(architecture.arrays_available, dtype=np.float64), batch.shape
    )[:, 0]
    needed = (mapping.arrays_per_copy * mapping.on_array).sum(axis=1)
    live, saved, spilled = memory
    return Estimate(
        program=program,
        mapping=mapping,
        costs=costs,
        timeline=timeline,
        batch=batch[:, 0],
        arrays_available=available,
        fits=needed <= available,
        step_latency_s=timeline.makespan_s,
        step_energy_j=dynamic + static,
        dynamic_energy_j=np.asarray(dynamic),
        static_power_w=power,
        area_by_component_m2=areas,
        area_m2=np.asarray(sum(areas.values())),
        live_samples=live[:, 0],
        saved_bits=saved[:, 0],
        spilled_share=spilled[:, 0],
        staleness_samples=_staleness(architecture, program, timeline, batch),
        pulses_per_step=_pulses(architecture, program, mapping, batch),
    )


def _areas(architecture: Architecture, configurations: int) -> dict[str, FloatArray]:
    """Chip area by component, each [C]."""
    arrays = architecture.arrays_available
    tiles = architecture.mesh.tiles
    parts = {
        name: arrays * area for name, area in architecture.crossbar.area_by_component_m2().items()
    }
    parts["tile_buffers"] = tiles * architecture.tile.buffer.area_m2
    parts["activation_buffer"] = architecture.activation_buffer.area_m2
    parts["vector_unit"] = architecture.vector_unit.area_m2
    parts["matrix_unit"] = architecture.matrix_unit.area_m2
    parts["mesh"] = tiles * architecture.mesh.router_area_m2
    shape = (configurations, 1)
    return {
        name: np.broadcast_to(np.asarray(v, dtype=np.float64), shape)[:, 0].copy()
        for name, v in parts.items()
    }


# Passive cells do not leak when idle; memories have their own leakage per bit.
_NOT_LOGIC = frozenset({"array_devices", "tile_buffers", "activation_buffer"})


def static_power(
    architecture: Architecture, areas: MappingType[str, FloatArray]
) -> dict[str, FloatArray]:
    """Power that flows whether or not anything happens, by component, each [C]."""
    logic = sum(area for name, area in areas.items() if name not in _NOT_LOGIC)
    buffers = (
        architecture.mesh.tiles * architecture.tile.buffer.leakage_w
        + architecture.activation_buffer.leakage_w
    )
    zero = np.zeros_like(areas["mesh"])
    density = np.asarray(architecture.chip.static_power_density_w_per_m2).reshape(-1)
    return {
        "static_logic": np.asarray(density * logic),
        "static_buffers": zero + np.asarray(buffers, dtype=np.float64).reshape(-1),
        "static_dram": zero + np.asarray(architecture.dram.static_power_w).reshape(-1),
    }
