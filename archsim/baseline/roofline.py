"""Time and energy of each task of a training step on a GPU.

A kernel takes the longer of arithmetic (with tile and wave quantisation) and memory traffic, and the
time to ramp up and drain, since the next one waits for its result.  Kernels are queued
asynchronously, so issuing one overlaps with running the one before: launching does not add to a
kernel's time but bounds it from below.

Memory traffic is the kernel's tensors at true size, plus weights and optimizer state; of a tensor
just written, as much as the second-level cache holds is read from there.  Power is the idle power
plus the share of the span up to the limit that what is busy draws, never above the limit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from archsim.baseline.gemm import gemm_time
from archsim.baseline.gpu_spec import GpuSpec
from archsim.baseline.gpu_table import GpuTable
from archsim.baseline.numerics import (
    Optimizer,
    Precision,
    optimizer_cost,
    optimizer_traffic_bytes,
)
from archsim.fields import FloatArray, Scalar


@dataclass(frozen=True, slots=True, eq=False)
class StepCost:
    """Per task, shape [T] or [C, T]: three times, the elapsed time and the energy.

    `launch_s` is what a kernel takes that neither computes nor moves anything.
    """

    compute_s: FloatArray
    memory_s: FloatArray
    launch_s: FloatArray
    time_s: FloatArray
    energy_j: FloatArray


def step_cost(
    table: GpuTable, gpu: GpuSpec, batch: Scalar, precision: Precision, optimizer: Optimizer
) -> StepCost:
    """Costs of one step at `batch` samples.

    `batch` and the numbers of `gpu` are scalars, or arrays [C, 1] over configurations
    (`archsim.fields.stack`); `InputError` if the GPU lacks `precision`.
    """
    gemm = gemm_time(table.gemm, gpu, batch, gpu.peak_flop_per_s(precision))
    vector_s = _vector_time(table, gpu, batch, optimizer)
    compute_s = np.maximum(_per_task(table, gemm.elapsed_s), vector_s)
    memory_s = _memory_time(table, gpu, batch, precision, optimizer)
    launch_s = table.launches * gpu.stack.launch_s
    ramp_s = table.launches * gpu.stack.ramp_s
    time_s = np.maximum(np.maximum(compute_s, memory_s) + ramp_s, launch_s)
    busy_s = np.maximum(_per_task(table, gemm.busy_s), vector_s)
    return StepCost(
        compute_s=compute_s,
        memory_s=memory_s,
        launch_s=np.maximum(launch_s, ramp_s),
        time_s=time_s,
        energy_j=_energy(gpu, time_s, busy_s, memory_s),
    )


def step_time_s(
    table: GpuTable, gpu: GpuSpec, batch: Scalar, precision: Precision, optimizer: Optimizer
) -> FloatArray:
    """Time of one step: a 0-d array, or [C] for a batch or GPU numbers of shape [C, 1]."""
    return np.asarray(step_cost(table, gpu, batch, precision, optimizer).time_s.sum(axis=-1))


def _per_task(table: GpuTable, rows: FloatArray) -> FloatArray:
    """Sum of product rows [..., G] by task: [..., T]."""
    totals = np.zeros((*rows.shape[:-1], len(table.names)))
    if table.gemm_task.size:
        tasks, starts = np.unique(table.gemm_task, return_index=True)
        totals[..., tasks] = np.add.reduceat(rows, starts, axis=-1)
    return totals


def _vector_time(table: GpuTable, gpu: GpuSpec, batch: Scalar, optimizer: Optimizer) -> FloatArray:
    """Time of digital work on the vector units: one operation per lane and cycle."""
    cost = optimizer_cost(optimizer)
    per_special = gpu.stack.special_function_ops
    per_sample = table.vector_operations + table.special_operations * per_special
    per_parameter = cost.operations + cost.special_operations * per_special
    operations = per_sample * batch + table.trained_elements * per_parameter
    # The peak counts a fused multiply-add as two.
    return np.asarray(operations / (0.5 * gpu.peak.fp32_flop_per_s))


def _memory_time(
    table: GpuTable, gpu: GpuSpec, batch: Scalar, precision: Precision, optimizer: Optimizer
) -> FloatArray:
    """Time of the traffic to memory and second-level cache."""
    bits = 8.0 * precision.activation_bytes
    efficiency = np.where(
        table.grouped, gpu.stack.grouped_bandwidth_efficiency, gpu.stack.bandwidth_efficiency
    )
    bandwidth = gpu.memory_bandwidth_bit_per_s * efficiency
    read_bits = table.read_elements * batch * bits
    written_bits = table.written_elements * batch * bits
    fixed_bits = (
        table.weight_elements * bits
        + table.trained_elements * 8.0 * optimizer_traffic_bytes(optimizer, precision)
    )
    footprint = np.maximum(read_bits + written_bits, 1.0)
    hit = np.minimum(1.0, gpu.stack.l2_share * gpu.l2_bit / footprint)
    from_cache = read_bits * hit / gpu.stack.l2_bandwidth_ratio
    from_memory = read_bits * (1.0 - hit)
    return np.asarray((from_cache + from_memory + written_bits + fixed_bits) / bandwidth)


def _energy(
    gpu: GpuSpec, time_s: FloatArray, busy_s: FloatArray, memory_s: FloatArray
) -> FloatArray:
    """Power by what is busy, times elapsed time; between idle and limit."""
    elapsed = np.where(time_s > 0, time_s, 1.0)
    power = gpu.power
    share = (
        power.active_share
        + power.compute_share * np.minimum(1.0, busy_s / elapsed)
        + power.memory_share * np.minimum(1.0, memory_s / elapsed)
    )
    drawn_w = power.idle_w + (power.limit_w - power.idle_w) * np.minimum(1.0, share)
    return np.asarray(drawn_w * time_s)
