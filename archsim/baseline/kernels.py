"""Which tasks of a training graph a GPU runs as one kernel, and what each kernel moves.

Two rules, both of which compilers and libraries apply today and eager frameworks do not:

* an element-wise task that follows a matrix product, a normalisation or another element-wise task,
  whose result nothing else reads in the same pass, joins that kernel: the tensor between them is
  not read again, and not written unless the backward pass needs it;
* softmax(Q K^T) V runs as one kernel that keeps the scores on chip, and recomputes them in the
  backward pass (Dao et al., FlashAttention, NeurIPS 2022).

Counts are elements over one evaluation of the graph.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import networkx as nx

from archsim.workload.graph import NO_WORK, DynamicMatmul, OpKind, SavedForm
from archsim.workload.training import TaskKind, TrainingGraph, TrainingTask

_FORWARD = frozenset({TaskKind.FORWARD, TaskKind.LOSS})
_BACKWARD = frozenset(
    {
        TaskKind.INPUT_GRADIENT,
        TaskKind.WEIGHT_GRADIENT,
        TaskKind.DIGITAL_BACKWARD,
        TaskKind.GRADIENT_SUM,
    }
)
_HOSTS = frozenset(
    {
        OpKind.WEIGHT_MATMUL,
        OpKind.DYNAMIC_MATMUL,
        OpKind.NORMALISATION,
        OpKind.ELEMENTWISE,
    }
)


@dataclass(frozen=True, slots=True)
class Kernel:
    """Tasks that run as one kernel: the root first, then what was fused into it.

    `read_elements` and `written_elements` are activations or gradients; `recomputed` are products
    that the kernel does again because their results were not kept.
    """

    tasks: tuple[TrainingTask, ...]
    read_elements: int
    written_elements: int
    recomputed: tuple[DynamicMatmul, ...] = ()

    @property
    def root(self) -> TrainingTask:
        """The task that the kernel is named after."""
        return self.tasks[0]


@dataclass(frozen=True, slots=True)
class KernelPlan:
    """All kernels of a step in order, what costs nothing, and tensors that are not kept.

    `free` are tasks that only change metadata; `not_saved` are saved tensors that fused attention
    recomputes instead.
    """

    kernels: tuple[Kernel, ...]
    free: tuple[TrainingTask, ...]
    not_saved: frozenset[str]


@dataclass(slots=True)
class _Group:
    """A kernel while it is being put together."""

    tasks: list[TrainingTask]
    read: int
    written: int
    recomputed: tuple[DynamicMatmul, ...] = ()


def plan_kernels(graph: TrainingGraph, *, fusion: bool, attention: bool) -> KernelPlan:
    """Group the tasks of `graph` (its digital optimizer aside) into kernels, in dataflow order."""
    view = _View(graph)
    free = [task for task in view.order if _is_free(task)]
    groups: dict[str, _Group] = {}
    heads: dict[str, _Group] = {}  # last task of a group -> the group
    regions = _attention_regions(view) if attention else ()
    for group in _attention_kernels(view, regions):
        for task in group.tasks:
            groups[task.name] = group
        heads[group.tasks[-1].name] = group
    for task in view.order:
        if _is_free(task) or task.name in groups or task.kind is TaskKind.OPTIMIZER:
            continue
        host = view.host(task) if fusion else None
        joined = heads.pop(host.name, None) if host is not None else None
        if joined is not None and host is not None:
            _join(view, joined, host, task)
        group = joined or _Group([task], _reads(task), _writes(task))
        groups[task.name] = heads[task.name] = group
    unique = {id(group): group for group in groups.values()}
    rank = {task.name: i for i, task in enumerate(view.order)}
    ordered = sorted(unique.values(), key=lambda g: rank[g.tasks[0].name])
    kernels = tuple(Kernel(tuple(g.tasks), g.read, g.written, g.recomputed) for g in ordered)
    internal = frozenset(tensor for region in regions for tensor in region.internal_tensors)
    return KernelPlan(kernels, tuple(free), internal)


def _join(view: _View, group: _Group, host: TrainingTask, task: TrainingTask) -> None:
    """Fuse `task` behind `host`, the last task of `group`."""
    group.tasks.append(task)
    group.read += max(0, _reads(task) - host.output_elements)
    if not view.must_be_written(host, task):
        group.written -= min(group.written, host.output_elements)
    group.written += _writes(task)


def _is_free(task: TrainingTask) -> bool:
    """Nothing is computed or moved: a change of metadata, a gradient handed on as it is."""
    return task.weight is None and not task.dynamic and task.work == NO_WORK


def _reads(task: TrainingTask) -> int:
    """Elements read, with what is taken of saved tensors.

    Normalisation by minibatch statistics passes over its tensors twice, since the statistics come
    before their use; that of a row, and softmax, hold the row on chip.  Backward they have two
    tensors, the error and what was saved.
    """
    if task.dynamic:
        return sum(p.count * (p.m * p.k + p.k * p.n) for p in task.dynamic)
    if task.weight is not None and task.kind is not TaskKind.DIGITAL_BACKWARD:
        return task.input_elements
    if task.op_kind in {OpKind.NORMALISATION, OpKind.SOFTMAX}:
        tensors = 1 if task.kind in _FORWARD else 2
        passes = 2 if task.batch_barrier else 1
        return passes * tensors * task.input_elements
    # Norm scales and biases are too few to count, the rows of a table are not.
    rows = task.work.read_parameters if task.op_kind is OpKind.EMBEDDING else 0
    return max(task.work.read, task.input_elements) + rows


def _writes(task: TrainingTask) -> int:
    """Elements written that grow with the batch (a weight gradient does not)."""
    if task.dynamic:
        return sum(p.count * p.m * p.n for p in task.dynamic)
    if task.kind is TaskKind.WEIGHT_GRADIENT:
        return 0
    if task.weight is not None and task.kind is not TaskKind.DIGITAL_BACKWARD:
        return task.output_elements
    return max(task.work.written, task.output_elements)


class _View:
    """Look-ups on a training graph: order, neighbours inside one pass, tensors kept."""

    def __init__(self, graph: TrainingGraph) -> None:
        self.graph = graph.graph
        self.workload = graph.workload
        rank = {name: i for i, name in enumerate(self.graph.nodes)}
        names = nx.lexicographical_topological_sort(self.graph, key=rank.__getitem__)
        self.order: list[TrainingTask] = [self.graph.nodes[name]["task"] for name in names]
        self._rank = {task.name: i for i, task in enumerate(self.order)}
        kept = {s.tensor for s in graph.saved if s.form is SavedForm.VALUE}
        self._kept = kept | set(graph.workload.outputs)

    def _neighbours(self, names: Iterable[str], phase: frozenset[TaskKind]) -> list[TrainingTask]:
        tasks: list[TrainingTask] = [self.graph.nodes[name]["task"] for name in names]
        return [task for task in tasks if task.kind in phase]

    def consumers(self, task: TrainingTask) -> list[TrainingTask]:
        """Tasks of the same pass that read what `task` makes.

        The update of a matrix waits for transposed reads of it without reading what they make.
        """
        after = self._neighbours(self.graph.successors(task.name), _phase(task))
        matrix = task.weight.matrix if task.weight is not None else None
        return [
            t
            for t in after
            if t.kind is not TaskKind.WEIGHT_GRADIENT
            or t.weight is None
            or t.weight.matrix != matrix
        ]

    def producers(self, task: TrainingTask) -> list[TrainingTask]:
        """Tasks of the same pass that make what `task` reads, free movements looked through.

        Only those of whose result `task` is the only reader.
        """
        found = []
        for producer in self._neighbours(self.graph.predecessors(task.name), _phase(task)):
            if len(self.consumers(producer)) != 1:
                continue
            found += self.producers(producer) if _is_free(producer) else [producer]
        return found

    def host(self, task: TrainingTask) -> TrainingTask | None:
        """The task whose kernel an element-wise `task` can join: the latest eligible producer."""
        elementwise = task.op_kind is OpKind.ELEMENTWISE or task.kind is TaskKind.GRADIENT_SUM
        if not elementwise or task.kind is TaskKind.OPTIMIZER:
            return None
        eligible = [
            producer
            for producer in self.producers(task)
            if producer.kind is TaskKind.GRADIENT_SUM
            or (producer.op_kind in _HOSTS and producer.kind is not TaskKind.WEIGHT_GRADIENT)
        ]
        return max(eligible, key=lambda t: self._rank[t.name], default=None)

    def must_be_written(self, host: TrainingTask, task: TrainingTask) -> bool:
        """Whether what goes from `host` to `task` is kept, under any name it has on the way."""
        if host.kind not in _FORWARD:
            return False
        step = host
        while step.name != task.name:
            if self._kept.intersection(self.workload.op(step.op).outputs):
                return True
            step = self.consumers(step)[0]
        return False


def _phase(task: TrainingTask) -> frozenset[TaskKind]:
    return _FORWARD if task.kind in _FORWARD else _BACKWARD


@dataclass(frozen=True, slots=True)
class _Region:
    """One attention: forward tasks from the scores' product to the values' product."""

    tasks: tuple[TrainingTask, ...]
    internal_tensors: frozenset[str]


def _attention_regions(view: _View) -> tuple[_Region, ...]:
    """Every chain product -> (element-wise, softmax, movement)* -> product through a softmax."""
    regions = []
    for task in view.order:
        if task.op_kind is OpKind.DYNAMIC_MATMUL and task.kind is TaskKind.FORWARD:
            region = _region_from(view, task)
            if region is not None:
                regions.append(region)
    return tuple(regions)


def _region_from(view: _View, start: TrainingTask) -> _Region | None:
    between = (OpKind.ELEMENTWISE, OpKind.SOFTMAX, OpKind.MOVEMENT)
    if len(start.dynamic) > 1:  # one operator that is a whole attention
        return _Region((start,), frozenset())
    chain = [start]
    while True:
        following = view.consumers(chain[-1])
        if len(following) != 1:
            return None
        chain.append(following[0])
        if following[0].op_kind is OpKind.DYNAMIC_MATMUL:
            break
        if following[0].op_kind not in between:
            return None
    if not any(task.op_kind is OpKind.SOFTMAX for task in chain):
        return None
    tensors = [t for task in chain[:-1] for t in view.workload.op(task.op).outputs]
    return _Region(tuple(t for t in chain if not _is_free(t)), frozenset(tensors))


def _attention_kernels(view: _View, regions: tuple[_Region, ...]) -> list[_Group]:
    """The forward kernel of each region, and its backward kernel if there is one."""
    groups = []
    backward_of: dict[str, list[TrainingTask]] = {}
    for task in view.order:
        if task.kind is TaskKind.DIGITAL_BACKWARD and not _is_free(task):
            backward_of.setdefault(task.op, []).append(task)
    for region in regions:
        first, last = region.tasks[0], region.tasks[-1]
        inner = sum(task.output_elements for task in region.tasks[:-1])
        operands = max(0, sum(task.input_elements for task in region.tasks) - inner)
        groups.append(_Group(list(region.tasks), operands, last.output_elements))
        backward = [t for task in reversed(region.tasks) for t in backward_of.get(task.op, [])]
        if backward:
            # In: the operands again, the output and its gradient; out: the operands' gradients.
            read = operands + 2 * last.output_elements
            groups.append(_Group(backward, read, operands, first.dynamic))
    return groups
