"""What one training step takes on a GPU: the baseline that an accelerator is compared with.

The model is an analytic roofline with tile and wave quantisation (Williams et al., Roofline, CACM
2009), priced with the same training graph as the accelerator.  Its efficiency parameters are typical
values, not fitted ones, until `GpuSpec.calibrated` says otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from archsim.baseline.capacity import largest_batch, memory_need, usable_bytes
from archsim.baseline.gpu_spec import GpuSpec
from archsim.baseline.gpu_table import GpuTable, Role, gpu_table
from archsim.baseline.numerics import Optimizer, Precision, parse_choice
from archsim.baseline.roofline import StepCost, step_cost, step_time_s
from archsim.errors import InputError
from archsim.fields import FloatArray
from archsim.units import format_quantity
from archsim.workload.training import TrainingGraph

UNCALIBRATED = (
    "The efficiencies of the GPU model are typical values, not fitted to published training "
    "throughputs; expect step times within about a factor of two of tuned training code. Eager "
    "frameworks on recent GPUs are slower still: the GPU is not starved here."
)


class BoundBy(StrEnum):
    """What sets a task's time; fused tasks are timed with the kernel they join."""

    COMPUTE = "compute"
    MEMORY = "memory"
    LAUNCH = "launch"
    FUSED = "fused"
    FREE = "free"


@dataclass(frozen=True, slots=True, eq=False)
class GpuEstimate:
    """One training step of `batch` samples on one GPU.

    `memory_bytes` is what tensors need; if it exceeds what the GPU can give, `fits` is False,
    `largest_batch` says what would fit, and the times are those of a GPU with memory enough.
    `mfu` is the training graph's floating-point operations over what the peak could do in the
    time.  The task arrays have one entry per task of the training graph and one, the last, for
    the optimizer; they sum to the step's time and energy.
    """

    gpu: str
    precision: Precision
    batch: int
    optimizer: Optimizer
    step_latency_s: float
    samples_per_s: float
    step_energy_j: float
    average_power_w: float
    memory_bytes: float
    usable_memory_bytes: float
    fits: bool
    largest_batch: int
    mfu: float
    kernels: int
    task_names: tuple[str, ...]
    task_ops: tuple[str, ...]
    task_time_s: FloatArray
    task_energy_j: FloatArray
    task_bound_by: tuple[BoundBy, ...]
    notes: tuple[str, ...]
    calibrated: bool


def estimate(
    graph: TrainingGraph,
    gpu: GpuSpec,
    batch: int,
    precision: str | None = None,
    optimizer: str = "sgd",
) -> GpuEstimate:
    """Price one step of `batch` samples (at least 1); `precision` None is the GPU's default.

    Raises `InputError` for a batch below 1, an unknown precision or optimizer, or a precision that
    the GPU lacks.
    """
    return price(table_for(graph, gpu), gpu, batch, precision, optimizer)


def best_batch(
    graph: TrainingGraph,
    gpu: GpuSpec,
    precision: str | None = None,
    optimizer: str = "sgd",
) -> GpuEstimate:
    """The estimate at the power-of-two batch of highest throughput that fits.

    Of equal throughputs the smallest batch wins.  If not even one sample fits, the estimate is that
    of batch 1, with `fits` False.
    """
    table = table_for(graph, gpu)
    chosen, rule = _choices(gpu, precision, optimizer)
    largest = largest_batch(memory_need(table, chosen, rule), gpu)
    powers = [float(2**i) for i in range(max(1, largest.bit_length()))]
    batches: FloatArray = np.array(powers, dtype=np.float64).reshape(-1, 1)
    rates = batches[:, 0] / step_time_s(table, gpu, batches, chosen, rule)
    return price(table, gpu, int(batches[int(np.argmax(rates)), 0]), chosen, rule)


def usual_optimizer(graph: TrainingGraph) -> Optimizer:
    """What such a network is usually trained with: AdamW if it has attention, else momentum."""
    attends = any(op.dynamic for op in graph.workload.ops)
    return Optimizer.ADAMW if attends else Optimizer.MOMENTUM


def table_for(graph: TrainingGraph, gpu: GpuSpec) -> GpuTable:
    """The step as arrays, with the kernels that the GPU's stack fuses."""
    return gpu_table(graph, fusion=gpu.stack.fusion, attention=gpu.stack.attention)


def price(
    table: GpuTable,
    gpu: GpuSpec,
    batch: int,
    precision: str | None = None,
    optimizer: str = "sgd",
) -> GpuEstimate:
    """`estimate` for a table that is at hand already (see `table_for`)."""
    if batch < 1:
        raise InputError(
            f"The GPU's batch is {batch}.", remedy="It must be a whole number of at least 1."
        )
    chosen, rule = _choices(gpu, precision, optimizer)
    cost = step_cost(table, gpu, float(batch), chosen, rule)
    time_s = float(cost.time_s.sum())
    energy_j = float(cost.energy_j.sum())
    need = memory_need(table, chosen, rule)
    need_bytes, usable = need.at_batch(batch), usable_bytes(gpu)
    largest = largest_batch(need, gpu)
    peak = float(gpu.peak_flop_per_s(chosen))
    return GpuEstimate(
        gpu=gpu.name,
        precision=chosen,
        batch=batch,
        optimizer=rule,
        step_latency_s=time_s,
        samples_per_s=batch / time_s if time_s else 0.0,
        step_energy_j=energy_j,
        average_power_w=energy_j / time_s if time_s else float(gpu.power.idle_w),
        memory_bytes=need_bytes,
        usable_memory_bytes=usable,
        fits=need_bytes <= usable,
        largest_batch=largest,
        mfu=2.0 * table.macs * batch / (time_s * peak) if time_s else 0.0,
        kernels=int(table.launches.sum()),
        task_names=table.names,
        task_ops=table.ops,
        task_time_s=cost.time_s,
        task_energy_j=cost.energy_j,
        task_bound_by=_bounds(table, cost),
        notes=_notes(gpu, batch, need_bytes, usable, largest),
        calibrated=gpu.calibrated,
    )


def _choices(gpu: GpuSpec, precision: str | None, optimizer: str) -> tuple[Precision, Optimizer]:
    chosen = (
        gpu.default_precision
        if precision is None
        else parse_choice(Precision, precision, "precision of a GPU")
    )
    gpu.peak_flop_per_s(chosen)
    return chosen, parse_choice(Optimizer, optimizer, "optimizer of the GPU baseline")


def _bounds(table: GpuTable, cost: StepCost) -> tuple[BoundBy, ...]:
    kinds = (BoundBy.COMPUTE, BoundBy.MEMORY, BoundBy.LAUNCH)
    times = np.stack(
        [
            np.broadcast_to(t, cost.time_s.shape)
            for t in (cost.compute_s, cost.memory_s, cost.launch_s)
        ]
    )
    longest = np.argmax(times, axis=0)
    other = {Role.FUSED: BoundBy.FUSED, Role.FREE: BoundBy.FREE}
    return tuple(
        other.get(role, kinds[int(index)]) for role, index in zip(table.roles, longest, strict=True)
    )


def _notes(
    gpu: GpuSpec, batch: int, need_bytes: float, usable: float, largest: int
) -> tuple[str, ...]:
    notes = [] if gpu.calibrated else [UNCALIBRATED]
    if need_bytes > usable:
        fitting = f"the largest that fits is {largest}" if largest else "no batch fits"
        notes.append(
            f"Batch {batch} needs {format_quantity(need_bytes, 'B')} and {gpu.name} has "
            f"{format_quantity(usable, 'B')} for it; {fitting}."
        )
    return tuple(notes)
