"""Lowering: a training graph becomes flat arrays over tasks; networkx is not touched after it.

A `Program` depends on the network alone.  All counts are per sample (floats, since a graph bound at
several samples need not divide evenly), except those of per-step tasks, which happen once in a
minibatch.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal, TypeAlias

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from archsim.fields import FloatArray
from archsim.hardware.digital import OPERATIONS
from archsim.mapping import MatrixTable
from archsim.simulation.image_rows import ImageRows, image_rows
from archsim.workload.collecting import collection_paused
from archsim.workload.graph import (
    NO_WORK,
    OpKind,
    ParameterRole,
    SavedForm,
    WeightUse,
    Workload,
)
from archsim.workload.training import TaskKind, TrainingGraph, TrainingTask

IntArray = NDArray[np.intp]
BoolArray = NDArray[np.bool_]
# When weights are updated: after each sample, or at the end of the minibatch.
UpdatePolicy: TypeAlias = Literal["immediate", "deferred"]

_WAITING: Mapping[UpdatePolicy, tuple[TaskKind, ...]] = {
    "immediate": (),
    "deferred": (TaskKind.WEIGHT_GRADIENT,),
}

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

    `reader` is the first task that reads a tensor; `use_of` and `use_by` list every pair of tensor
    and reading task.  `values` counts elements at activation width, `fixed_bits` bits of masks and
    indices.
    """

    writer: IntArray
    reader: IntArray
    use_of: IntArray
    use_by: IntArray
    values: FloatArray
    fixed_bits: FloatArray


@dataclass(frozen=True)
class Program:
    """A training step as flat arrays over T tasks (topological order) and M matrices.

    `kind` and `op_kind` are names per task; `matrix` is -1 for tasks without a weight matrix.
    `work` is [T, 8] in the order of `OPERATIONS`.  `edge_from` / `edge_to` are the dependences of
    one sample, of which `edge_data` carry data (the others only order).  `per_step` tasks happen once per
    minibatch.  `barrier` tasks happen for every sample, and need the whole minibatch: what happens once
    comes after all samples anyway, and stops none on its way.  `image` says which tasks make an image row by row.  `table_share` is the share of embedding tables among the parameters that a digital
    optimizer updates.  The last M tasks keep the copies of each matrix equal (and step the weights of
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
    edge_data: BoolArray
    products: Products
    saved: SavedTable
    matrices: MatrixTable
    errors_stored: FloatArray
    table_share: float
    image: ImageRows

    @property
    def size(self) -> int:
        """Number of tasks."""
        return len(self.names)

    @cached_property
    def derived(self) -> dict[Hashable, Any]:
        """What follows from the program alone, kept by name for those who ask for it again and again."""
        return {}

    @cached_property
    def predecessors(self) -> tuple[tuple[int, ...], ...]:
        """Tasks that each task waits for, by ascending edge, [T]."""
        found: list[list[int]] = [[] for _ in range(self.size)]
        for source, target in zip(self.edge_from.tolist(), self.edge_to.tolist(), strict=True):
            found[target].append(source)
        return tuple(map(tuple, found))

    @cached_property
    def _by_kind(self) -> dict[TaskKind | None, IntArray]:
        kinds = {kind: i for i, kind in enumerate(dict.fromkeys(self.kind))}
        numbers = np.array([kinds[kind] for kind in self.kind], dtype=np.intp)
        return {kind: np.flatnonzero(numbers == i) for kind, i in kinds.items()}

    @property
    def minibatch_norms(self) -> int:
        """Normalisations by minibatch statistics, forward and backward counted apart."""
        norms = [kind is OpKind.NORMALISATION for kind in self.op_kind]
        return int((np.array(norms) & self.barrier).sum())

    def select(self, *kinds: TaskKind) -> IntArray:
        """Indices of the tasks of these kinds."""
        nothing = np.zeros(0, dtype=np.intp)
        return np.sort(np.concatenate([nothing, *(self._by_kind.get(k, nothing) for k in kinds)]))

    def of_kind(self, *kinds: TaskKind) -> BoolArray:
        """Whether each task is of one of these kinds, [T]."""
        found = np.zeros(self.size, dtype=bool)
        found[self.select(*kinds)] = True
        return found

    def waiting(self, update: UpdatePolicy) -> BoolArray:
        """Tasks of a sample that wait for all samples under a rule of updates, [T]: those deferred."""
        return self.of_kind(*_WAITING[update])

    @property
    def closing(self) -> IntArray:
        """The task of each matrix that happens once per step, [M]."""
        return np.arange(self.size - len(self.matrices.names), self.size)

    def first_reads(self) -> dict[int, int]:
        """The first forward task of each matrix."""
        reads = reversed(self.select(TaskKind.FORWARD).tolist())
        return {int(self.matrix[r]): r for r in reads if self.matrix[r] >= 0}


@collection_paused()
def lower(training: TrainingGraph) -> Program:
    """Flatten a training graph into arrays; pure, and independent of any hardware."""
    workload = training.workload
    order = list(nx.lexicographical_topological_sort(training.graph, key=_rank(training.graph)))
    tasks = _with_tied_tables(workload, [training.graph.nodes[name]["task"] for name in order])
    index = {name: i for i, name in enumerate(order)}
    matrix_names = tuple(workload.matrices)
    matrix_index = {name: i for i, name in enumerate(matrix_names)}
    samples = float(workload.samples)
    extra = len(matrix_names)
    scale = np.array([1.0 if task.per_step else samples for task in tasks] + [1.0] * extra)

    def column(values: list[float]) -> FloatArray:
        return np.asarray(np.array(values + [0.0] * extra) / scale)

    edges = [(index[a], index[b]) for a, b in training.graph.edges]
    work = np.zeros((len(tasks) + extra, len(OPERATIONS)))
    for i, task in enumerate(tasks):
        work[i] = [getattr(task.work, name) for name in OPERATIONS]
    table = _matrix_table(workload, tasks, matrix_index, samples)
    steps = _serial_steps(workload, tasks)
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
        vectors=column([_vectors(workload, t) for t in tasks]),
        serial_steps=np.array(steps + [1.0] * extra),
        input_signs=np.array([2.0 if t.input_signed else 1.0 for t in tasks] + [2.0] * extra),
        work=work / scale[:, None],
        moved_elements=column([float(t.work.read + t.work.written) for t in tasks]),
        parameter_elements=column([float(t.work.read_parameters) for t in tasks]),
        input_elements=column([float(t.input_elements) for t in tasks]),
        output_elements=column([float(t.output_elements) for t in tasks]),
        host_elements=column(_host_elements(workload, tasks)),
        barrier=np.array([t.batch_barrier and not t.per_step for t in tasks] + [False] * extra),
        per_step=np.array([t.per_step for t in tasks] + [True] * extra),
        edge_from=np.array([a for a, _ in edges], dtype=np.intp),
        edge_to=np.array([b for _, b in edges], dtype=np.intp),
        edge_data=np.array([not _orders_only(tasks[a], tasks[b]) for a, b in edges], dtype=bool),
        products=_products(tasks, samples),
        saved=_saved_table(training, tasks, samples),
        matrices=table,
        errors_stored=column(_errors_stored(workload, tasks)),
        table_share=_table_share(training),
        image=image_rows(workload, tasks, edges, extra),
    )


def _with_tied_tables(workload: Workload, tasks: list[TrainingTask]) -> list[TrainingTask]:
    """Let embeddings whose table is a weight matrix on arrays use those arrays.

    Looking a row up is a one-hot read in the direction that gives rows of the table; its gradient
    is an outer product of the one-hot vector and the error, in the same arrays.
    """
    stored = {m.part_of or name: m for name, m in workload.matrices.items() if not m.computed}
    found = []
    for task in tasks:
        op = workload.op(task.op) if task.op in workload.graph else None
        matrix = next((stored[p] for p in op.parameters if p in stored), None) if op else None
        if op is None or matrix is None or op.kind is not OpKind.EMBEDDING or matrix.blocks > 1:
            found.append(task)
            continue
        width = matrix.inputs if op.forward.written % matrix.inputs == 0 else matrix.outputs
        use = WeightUse(matrix.name, op.forward.written // width, transposed=width == matrix.inputs)
        kind = TaskKind.FORWARD if task.kind is TaskKind.FORWARD else TaskKind.WEIGHT_GRADIENT
        found.append(replace(task, kind=kind, weight=use, work=NO_WORK, input_signed=False))
    return found


def _serial_steps(workload: Workload, tasks: list[TrainingTask]) -> list[float]:
    """Dependent steps of each task: time steps of a recurrent product, and of what follows it."""
    of_tensor = {
        tensor: op.weight.sequential_steps
        for op in workload.ops
        if op.weight is not None
        for tensor in op.outputs
    }
    found = []
    for task in tasks:
        steps = 1
        if task.weight is not None:
            steps = task.weight.sequential_steps
        elif task.op_kind is OpKind.ELEMENTWISE and task.op in workload.graph:
            steps = max((of_tensor.get(t, 1) for t in workload.op(task.op).inputs), default=1)
        found.append(float(steps))
    return found


def _orders_only(source: TrainingTask, target: TrainingTask) -> bool:
    """An update waits for the transposed reads of its matrix, but takes no data from them."""
    return (
        source.kind is TaskKind.INPUT_GRADIENT
        and target.kind is TaskKind.WEIGHT_GRADIENT
        and source.weight is not None
        and target.weight is not None
        and source.weight.matrix == target.weight.matrix
    )


def _table_share(training: TrainingGraph) -> float:
    """Share of embedding tables among the elements that the digital optimizer updates."""
    on_arrays = set(training.workload.matrices)
    tables = sum(
        p.elements
        for p in training.workload.parameters.values()
        if p.role is ParameterRole.EMBEDDING and p.trainable and p.name not in on_arrays
    )
    return min(1.0, tables / training.digital_parameters) if training.digital_parameters else 0.0


def _vectors(workload: Workload, task: TrainingTask) -> float:
    """Vectors through each block of the task's matrix in one evaluation, 0 without a matrix."""
    use = task.weight
    return 0.0 if use is None else use.vectors_per_block(workload.matrices[use.matrix])


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
    uses = np.zeros(size)
    for task in tasks:
        if task.weight is None:
            continue
        m, use = index[task.weight.matrix], task.weight
        vectors = _vectors(workload, task) / samples
        if task.kind is TaskKind.WEIGHT_GRADIENT:
            updates[m] += vectors
            signs[m] = max(signs[m], 2.0 if task.input_signed else 1.0)
        else:
            reads[use.transposed][m] += vectors
        uses[m] += task.kind is TaskKind.FORWARD
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
        computed=np.array([m.computed for m in matrices], dtype=np.bool_),
        uses=uses,
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
    backward: dict[str, list[int]] = {}
    for i, task in enumerate(tasks):
        if task.kind is TaskKind.FORWARD:
            forward.setdefault(task.op, i)  # one that runs again comes later
        elif task.kind in (TaskKind.WEIGHT_GRADIENT, TaskKind.DIGITAL_BACKWARD):
            backward.setdefault(task.op, []).append(i)
    writer: dict[str, int] = {}
    readers: dict[str, list[int]] = {}
    for op in training.workload.ops:
        for tensor in op.outputs:
            writer[tensor] = forward[op.name]
        for item in op.saved:
            # A network input is kept by the operator that saves it.
            writer.setdefault(item.tensor, forward[op.name])
            readers.setdefault(item.tensor, []).extend(backward.get(op.name, ()))
    first = [writer.get(item.tensor, 0) for item in training.saved]
    uses = [(s, t) for s, item in enumerate(training.saved) for t in readers.get(item.tensor, ())]
    value = [item.form is SavedForm.VALUE for item in training.saved]
    elements = [item.elements / samples for item in training.saved]
    return SavedTable(
        writer=np.array(first, dtype=np.intp),
        reader=np.array(
            [
                min(readers.get(item.tensor, ()), default=own)
                for item, own in zip(training.saved, first, strict=True)
            ],
            dtype=np.intp,
        ),
        use_of=np.array([s for s, _ in uses], dtype=np.intp),
        use_by=np.array([t for _, t in uses], dtype=np.intp),
        values=np.array(elements) * np.array(value, dtype=np.float64),
        fixed_bits=np.array(
            [
                _fixed_bits(item.form) * size
                for item, size in zip(training.saved, elements, strict=True)
            ]
        ),
    )


def _fixed_bits(form: SavedForm) -> float:
    return {SavedForm.MASK: _BITS_OF_MASK, SavedForm.INDEX: _BITS_OF_INDEX}.get(form, 0.0)
