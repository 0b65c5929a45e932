"""A training step as flat arrays over tasks: built once per network, priced many times.

This is the last use of the graph.  Arrays have shape [T]: one entry per task of the training graph
that a GPU executes and one, the last, for the optimizer.  What grows with the batch is per sample,
so that a cost is (per sample) * batch + (per step).  A fused task's counts are those of its
kernel's root, its own entries are zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from archsim.baseline.activations import ActivationElements, activation_elements
from archsim.baseline.gemm import GemmRows
from archsim.baseline.kernels import Kernel, KernelPlan, plan_kernels
from archsim.fields import FloatArray
from archsim.workload.graph import (
    DynamicMatmul,
    OpKind,
    ParameterRole,
    WeightMatrix,
    Workload,
)
from archsim.workload.training import TaskKind, TrainingGraph, TrainingTask

OPTIMIZER_TASK = "optimizer"


class Role(StrEnum):
    """How a task runs: as a kernel of its own, inside another's, or not at all."""

    KERNEL = "kernel"
    FUSED = "fused"
    FREE = "free"


@dataclass(frozen=True, slots=True, eq=False)
class GpuTable:
    """Counts of one training step; see the module for shapes.

    `read_elements`, `written_elements`, `vector_operations` and `special_operations` (division and
    transcendental functions) are per sample; `weight_elements` (weights read, weight gradients
    written) are per step; `trained_elements` is non-zero for the optimizer only.
    `gemm_task` is the task index of each product row [G], rising; `grouped` marks grouped
    convolutions.  `activations` and `macs` are per sample.
    """

    names: tuple[str, ...]
    ops: tuple[str, ...]
    roles: tuple[Role, ...]
    read_elements: FloatArray
    written_elements: FloatArray
    vector_operations: FloatArray
    special_operations: FloatArray
    weight_elements: FloatArray
    trained_elements: FloatArray
    launches: FloatArray
    grouped: NDArray[np.bool_]
    gemm: GemmRows
    gemm_task: NDArray[np.intp]
    macs: float
    parameters: int
    trained_parameters: int
    activations: ActivationElements


@dataclass(frozen=True, slots=True)
class _Product:
    """One row of `GemmRows`, per sample in the dimension called `scales`."""

    count: float
    m: float
    n: float
    k: float
    scales: Literal["count", "m", "k"]
    repeats: float = 1.0
    grouped: bool = False


def gpu_table(
    graph: TrainingGraph, *, fusion: bool, attention: Literal["fused", "unfused"]
) -> GpuTable:
    """The arrays of `graph`, with kernels fused as asked."""
    plan = plan_kernels(graph, fusion=fusion, attention=attention == "fused")
    tasks, roles, root_of = _task_order(plan)
    size = len(tasks) + 1
    samples = graph.workload.samples
    columns = {name: np.zeros(size) for name in _COLUMNS}
    grouped = np.zeros(size, dtype=np.bool_)
    products: list[tuple[int, _Product]] = []
    for kernel in plan.kernels:
        row = root_of[kernel.root.name]
        _fill(columns, row, kernel, graph.workload)
        rows = _kernel_products(kernel, graph.workload)
        grouped[row] = any(product.grouped for product in rows)
        products += [(row, product) for product in rows]
    trained = graph.analog_parameters + graph.digital_parameters
    trained_elements = np.zeros(size)
    trained_elements[-1] = trained
    columns["launches"][-1] = 1.0 if trained else 0.0
    products.sort(key=lambda pair: pair[0])
    return GpuTable(
        names=(*(task.name for task in tasks), OPTIMIZER_TASK),
        ops=(*(task.op for task in tasks), OPTIMIZER_TASK),
        roles=(*roles, Role.KERNEL if trained else Role.FREE),
        grouped=grouped,
        gemm=_rows([product for _, product in products]),
        gemm_task=np.array([row for row, _ in products], dtype=np.intp),
        macs=graph.macs.total / samples,
        parameters=graph.workload.parameter_count,
        trained_parameters=trained,
        activations=activation_elements(graph, plan.not_saved),
        read_elements=columns["read_elements"],
        written_elements=columns["written_elements"],
        vector_operations=columns["vector_operations"],
        special_operations=columns["special_operations"],
        weight_elements=columns["weight_elements"],
        trained_elements=trained_elements,
        launches=columns["launches"],
    )


_COLUMNS = (
    "read_elements",
    "written_elements",
    "vector_operations",
    "special_operations",
    "weight_elements",
    "launches",
)


def _task_order(
    plan: KernelPlan,
) -> tuple[list[TrainingTask], list[Role], dict[str, int]]:
    """All tasks, kernel by kernel and then the free ones, with roles and the roots' indices."""
    tasks: list[TrainingTask] = []
    roles: list[Role] = []
    root_of: dict[str, int] = {}
    for kernel in plan.kernels:
        root_of[kernel.root.name] = len(tasks)
        tasks += kernel.tasks
        roles += [Role.KERNEL] + [Role.FUSED] * (len(kernel.tasks) - 1)
    tasks += plan.free
    roles += [Role.FREE] * len(plan.free)
    return tasks, roles, root_of


def _fill(columns: dict[str, FloatArray], row: int, kernel: Kernel, workload: Workload) -> None:
    """Add the counts of `kernel` at its root's `row`."""
    samples = workload.samples
    columns["launches"][row] = _launches(kernel)
    if kernel.root.per_step:
        # Work on parameters alone is traffic of parameters: once per step, whatever the batch.
        moved = (task.work.read + task.work.written for task in kernel.tasks)
        columns["weight_elements"][row] += sum(moved)
        return
    columns["read_elements"][row] = kernel.read_elements / samples
    columns["written_elements"][row] = kernel.written_elements / samples
    for task in kernel.tasks:
        work = task.work
        special = work.div + work.exp + work.log + work.sqrt + work.special
        columns["vector_operations"][row] += (work.add + work.mul + work.compare) / samples
        columns["special_operations"][row] += special / samples
        columns["weight_elements"][row] += _weight_elements(task, workload)


def _launches(kernel: Kernel) -> int:
    """Launches of a kernel: one per time step, or per product of a task that has several."""
    root = kernel.root
    if root.weight is not None and root.kind is not TaskKind.WEIGHT_GRADIENT:
        return root.weight.sequential_steps
    return max(1, len(root.dynamic)) if len(kernel.tasks) == 1 else 1


def _weight_elements(task: TrainingTask, workload: Workload) -> int:
    """Weights read or weight gradients written, once per step whatever the batch."""
    if task.weight is not None:
        return workload.matrices[task.weight.matrix].elements
    if task.op_kind is OpKind.EMBEDDING and task.kind is TaskKind.DIGITAL_BACKWARD:
        # A dense gradient of the table is cleared before the rows are added to it.
        tables = [workload.parameters[name] for name in workload.op(task.op).parameters]
        return sum(p.elements for p in tables if p.role is ParameterRole.EMBEDDING and p.trainable)
    return 0


def _kernel_products(kernel: Kernel, workload: Workload) -> list[_Product]:
    samples = workload.samples
    rows = [_dynamic(product, samples) for product in kernel.recomputed]
    for task in kernel.tasks:
        rows += [_dynamic(product, samples) for product in task.dynamic]
        if task.weight is not None and task.kind is not TaskKind.DIGITAL_BACKWARD:
            rows.append(_weighted(task, workload.matrices[task.weight.matrix], samples))
    return rows


def _dynamic(product: DynamicMatmul, samples: int) -> _Product:
    return _Product(product.count / samples, product.m, product.n, product.k, "count")


def _weighted(task: TrainingTask, matrix: WeightMatrix, samples: int) -> _Product:
    """The product of a weight use: [vectors, K] x [K, N], or [K, vectors] x [vectors, N].

    The use of an input gradient is already marked as transposed, so that its K is the forward's N.
    """
    use = task.weight
    if use is None:
        raise ValueError("a weighted product needs a weight use")
    inputs, outputs = matrix.inputs, matrix.outputs
    if use.transposed:
        inputs, outputs = outputs, inputs
    blocks = float(matrix.blocks)
    grouped = matrix.blocks > 1
    vectors = use.vectors_per_block(matrix) / samples
    if task.kind is TaskKind.WEIGHT_GRADIENT:
        return _Product(blocks, inputs, outputs, vectors, "k", grouped=grouped)
    steps = float(use.sequential_steps)
    return _Product(blocks, vectors / steps, outputs, inputs, "m", steps, grouped)


def _rows(products: list[_Product]) -> GemmRows:
    scales = np.array([p.scales for p in products], dtype="<U5")
    return GemmRows(
        count=np.array([p.count for p in products], dtype=np.float64),
        m=np.array([p.m for p in products], dtype=np.float64),
        n=np.array([p.n for p in products], dtype=np.float64),
        k=np.array([p.k for p in products], dtype=np.float64),
        repeats=np.array([p.repeats for p in products], dtype=np.float64),
        scales_count=scales == "count",
        scales_m=scales == "m",
        scales_k=scales == "k",
        grouped=np.array([p.grouped for p in products], dtype=np.bool_),
    )
