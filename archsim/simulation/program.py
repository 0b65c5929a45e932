"""Lowering: a training graph becomes flat arrays over tasks; networkx is not touched after it.

A `Program` depends on the network alone.  All counts are per sample (floats, since a graph bound at
several samples need not divide evenly), except those of per-step tasks, which happen once in a
minibatch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from archsim.fields import FloatArray
from archsim.hardware.digital import OPERATIONS
from archsim.mapping import MatrixTable
from archsim.workload.graph import OpKind, SavedForm, Workload
from archsim.workload.training import TaskKind, TrainingGraph, TrainingTask

IntArray = NDArray[np.intp]
BoolArray = NDArray[np.bool_]

_BITS_OF_MASK = 1.0
_BITS_OF_INDEX = 8.0


@dataclass(frozen=True, slots=True)
class Products:
    """Dense products of activations as flat arrays [P]: task index, count, m, k, n per sample."""

    task: IntArray
    count: FloatArray
    m: FloatArray
    k: FloatArray
    n: FloatArray


@dataclass(frozen=True, slots=True)
class SavedTable:
    """Saved tensors as flat arrays [S]: who writes and who reads them, and their size per sample.

    `values` counts elements at activation width, `fixed_bits` bits of masks and indices.
    """

    writer: IntArray
    reader: IntArray
    values: FloatArray
    fixed_bits: FloatArray


@dataclass(frozen=True)
class Program:
    """A training step as flat arrays over T tasks (topological order) and M matrices.

    `kind` and `op_kind` are names per task; `matrix` is -1 for tasks without a weight matrix.
    `work` is [T, 8] in the order of `OPERATIONS`.  `edge_from` / `edge_to` are the dependences of
    one sample.  `barrier` tasks need the whole minibatch; `per_step` tasks happen once per
    minibatch.  The last M tasks keep the copies of each matrix equal (and step the weights of
    matrices that are held digitally).
    """

    names: tuple[str, ...]
    ops: tuple[str, ...]
    kind: tuple[TaskKind | None, ...]
    op_kind: tuple[OpKind, ...]
    matrix: IntArray
    transposed: BoolArray
    vectors: FloatArray
    serial_steps: FloatArray
    input_signs: FloatArray
    work: FloatArray
    moved_elements: FloatArray
    parameter_elements: FloatArray
    input_elements: FloatArray
    output_elements: FloatArray
    host_elements: FloatArray
    barrier: BoolArray
    per_step: BoolArray
    edge_from: IntArray
    edge_to: IntArray
    products: Products
    saved: SavedTable
    matrices: MatrixTable
    errors_stored: FloatArray

    @property
    def size(self) -> int:
        """Number of tasks."""
        return len(self.names)

    @property
    def minibatch_norms(self) -> int:
        """Normalisations by minibatch statistics, forward and backward counted apart."""
        norms = [kind is OpKind.NORMALISATION for kind in self.op_kind]
        return int((np.array(norms) & self.barrier).sum())

    def select(self, *kinds: TaskKind) -> IntArray:
        """Indices of the tasks of these kinds."""
        return np.flatnonzero([kind in kinds for kind in self.kind])


def lower(training: TrainingGraph) -> Program:
    """Flatten a training graph into arrays; pure, and independent of any hardware."""
    workload = training.workload
    order = list(nx.lexicographical_topological_sort(training.graph, key=_rank(training.graph)))
    tasks: list[TrainingTask] = [training.graph.nodes[name]["task"] for name in order]
    index = {name: i for i, name in enumerate(order)}
    matrix_names = tuple(workload.matrices)
    matrix_index = {name: i for i, name in enumerate(matrix_names)}
    samples = float(workload.samples)
    extra = len(matrix_names)
    scale = np.array(
        [1.0 if task.kind is TaskKind.OPTIMIZER else samples for task in tasks] + [1.0] * extra
    )

    def column(values: list[float]) -> FloatArray:
        return np.asarray(np.array(values + [0.0] * extra) / scale)

    edges = [(index[a], index[b]) for a, b in training.graph.edges]
    work = np.zeros((len(tasks) + extra, len(OPERATIONS)))
    for i, task in enumerate(tasks):
        work[i] = [getattr(task.work, name) for name in OPERATIONS]
    table = _matrix_table(workload, tasks, matrix_index, samples)
    steps = [float(t.weight.sequential_steps) if t.weight else 1.0 for t in tasks]
    return Program(
        names=tuple(order) + tuple(f"{name} (copies)" for name in matrix_names),
        ops=tuple(task.op for task in tasks) + _matrix_owners(tasks, matrix_names),
        kind=tuple(task.kind for task in tasks) + (None,) * extra,
        op_kind=tuple(task.op_kind for task in tasks) + (OpKind.WEIGHT_MATMUL,) * extra,
        matrix=np.array(
            [matrix_index[t.weight.matrix] if t.weight else -1 for t in tasks] + list(range(extra)),
            dtype=np.intp,
        ),
        transposed=np.array(
            [bool(t.weight and t.weight.transposed) for t in tasks] + [False] * extra
        ),
        vectors=column([float(t.weight.vectors) if t.weight else 0.0 for t in tasks]),
        serial_steps=np.array(steps + [1.0] * extra),
        input_signs=np.array([2.0 if t.input_signed else 1.0 for t in tasks] + [2.0] * extra),
        work=work / scale[:, None],
        moved_elements=column([float(t.work.read + t.work.written) for t in tasks]),
        parameter_elements=column([float(t.work.read_parameters) for t in tasks]),
        input_elements=column([float(t.input_elements) for t in tasks]),
        output_elements=column([float(t.output_elements) for t in tasks]),
        host_elements=column(_host_elements(workload, tasks)),
        barrier=np.array([t.batch_barrier for t in tasks] + [False] * extra),
        per_step=np.array([t.kind is TaskKind.OPTIMIZER for t in tasks] + [True] * extra),
        edge_from=np.array([a for a, _ in edges], dtype=np.intp),
        edge_to=np.array([b for _, b in edges], dtype=np.intp),
        products=_products(tasks, samples),
        saved=_saved_table(training, tasks, samples),
        matrices=table,
        errors_stored=column(_errors_stored(workload, tasks)),
    )


def _rank(graph: nx.DiGraph[str]) -> Callable[[str], int]:
    """Ties in the topological order are broken by the order in which tasks were made."""
    return {name: rank for rank, name in enumerate(graph.nodes)}.__getitem__


def _matrix_owners(tasks: list[TrainingTask], names: tuple[str, ...]) -> tuple[str, ...]:
    """The operator that each matrix's per-step task is reported under: its first user."""
    owner: dict[str, str] = {}
    for task in tasks:
        if task.weight is not None:
            owner.setdefault(task.weight.matrix, task.op)
    return tuple(owner.get(name, name) for name in names)


def _matrix_table(
    workload: Workload,
    tasks: list[TrainingTask],
    index: Mapping[str, int],
    samples: float,
) -> MatrixTable:
    size = len(index)
    reads = {False: np.zeros(size), True: np.zeros(size)}
    updates, signs, bound = np.zeros(size), np.ones(size), np.ones(size)
    for task in tasks:
        if task.weight is None:
            continue
        m, use = index[task.weight.matrix], task.weight
        vectors = use.vectors / samples
        if task.kind is TaskKind.WEIGHT_GRADIENT:
            updates[m] += vectors
            signs[m] = max(signs[m], 2.0 if task.input_signed else 1.0)
        else:
            reads[use.transposed][m] += vectors
        bound[m] = max(bound[m], np.ceil(vectors / use.sequential_steps))
    matrices = list(workload.matrices.values())
    return MatrixTable(
        names=tuple(index),
        inputs=np.array([float(m.inputs) for m in matrices]),
        outputs=np.array([float(m.outputs) for m in matrices]),
        blocks=np.array([float(m.blocks) for m in matrices]),
        bias=np.array([0.0 if m.bias is None else 1.0 for m in matrices]),
        forward_reads=reads[False],
        transposed_reads=reads[True],
        updates=updates,
        input_signs=signs,
        vectors_bound=bound,
    )


def _products(tasks: list[TrainingTask], samples: float) -> Products:
    rows = [
        (i, product.count / samples, product.m, product.k, product.n)
        for i, task in enumerate(tasks)
        for product in task.dynamic
    ]
    columns = list(zip(*rows, strict=True)) if rows else [()] * 5
    return Products(
        task=np.array(columns[0], dtype=np.intp),
        count=np.array(columns[1], dtype=np.float64),
        m=np.array(columns[2], dtype=np.float64),
        k=np.array(columns[3], dtype=np.float64),
        n=np.array(columns[4], dtype=np.float64),
    )


def _host_elements(workload: Workload, tasks: list[TrainingTask]) -> list[float]:
    """Network input elements that come from off-chip, charged to their first consumer."""
    left = {name: float(workload.tensors[name].elements) for name in workload.inputs}
    found = []
    for task in tasks:
        amount = 0.0
        if task.kind is TaskKind.FORWARD:
            for name in workload.op(task.op).inputs:
                amount += left.pop(name, 0.0)
        found.append(amount)
    return found


def _errors_stored(workload: Workload, tasks: list[TrainingTask]) -> list[float]:
    """Error elements that a deferred update must keep: the outputs of each updated operator."""
    return [
        float(sum(workload.tensors[t].elements for t in workload.op(task.op).outputs))
        if task.kind is TaskKind.WEIGHT_GRADIENT
        else 0.0
        for task in tasks
    ]


def _saved_table(training: TrainingGraph, tasks: list[TrainingTask], samples: float) -> SavedTable:
    forward: dict[str, int] = {}
    backward: dict[str, int] = {}
    for i, task in enumerate(tasks):
        if task.kind is TaskKind.FORWARD:
            forward[task.op] = i
        elif task.kind in (TaskKind.WEIGHT_GRADIENT, TaskKind.DIGITAL_BACKWARD):
            backward.setdefault(task.op, i)
    producer: dict[str, int] = {}
    reader: dict[str, int] = {}
    for op in training.workload.ops:
        for tensor in op.outputs:
            producer[tensor] = forward[op.name]
        for item in op.saved:
            if op.name in backward:
                producer.setdefault(item.tensor, forward[op.name])
                reader.setdefault(item.tensor, backward[op.name])
    rows = [
        (
            producer.get(item.tensor, 0),
            reader.get(item.tensor, producer.get(item.tensor, 0)),
            item.elements / samples if item.form is SavedForm.VALUE else 0.0,
            _fixed_bits(item.form) * item.elements / samples,
        )
        for item in training.saved
    ]
    columns = list(zip(*rows, strict=True)) if rows else [()] * 4
    return SavedTable(
        writer=np.array(columns[0], dtype=np.intp),
        reader=np.array(columns[1], dtype=np.intp),
        values=np.array(columns[2], dtype=np.float64),
        fixed_bits=np.array(columns[3], dtype=np.float64),
    )


def _fixed_bits(form: SavedForm) -> float:
    return {SavedForm.MASK: _BITS_OF_MASK, SavedForm.INDEX: _BITS_OF_INDEX}.get(form, 0.0)
