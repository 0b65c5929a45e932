"""The training graph: forward, input gradient, weight gradient, digital backward, optimizer.

`training_graph` derives it from a `Workload` by reverse-mode differentiation of the graph's
structure: a tensor needs a gradient if and only if a trainable parameter, or an input whose
gradient is asked for, lies upstream of it and the loss lies downstream.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import replace

import networkx as nx

from archsim.workload.backward import (
    OpBackward,
    backward_of,
    elements,
    forward_task,
    task_name,
)
from archsim.workload.collecting import collection_paused
from archsim.workload.digital_training import gradient_sum_work, loss_work, optimizer_work
from archsim.workload.framework_saved import framework_bytes, framework_saved, merge_storages
from archsim.workload.gradients import (
    Scope,
    carries_back,
    gradient_scope,
    is_recurrent,
    matrix_parameters,
    parameters_on_arrays,
)
from archsim.workload.graph import NO_WORK, Note, Op, OpKind, Saved, Workload
from archsim.workload.recompute import Regions, kept_with, regions, rerun
from archsim.workload.saved import merge_saved, saved_by, saved_bytes
from archsim.workload.training_notes import remarks
from archsim.workload.training_types import (
    Loss,
    Optimizer,
    TaskKind,
    TrainingGraph,
    TrainingMacs,
    TrainingOptions,
    TrainingTask,
)

__all__ = [
    "Loss",
    "Optimizer",
    "TaskKind",
    "TrainingGraph",
    "TrainingMacs",
    "TrainingOptions",
    "TrainingTask",
    "accelerator_saved_bytes",
    "check_options",
    "saved_activation_bytes",
    "training_graph",
]

_LOSS = "loss"
_OPTIMIZER = "optimizer"
# Hundred parallel uses of a matrix: more edges than that say nothing more.
_MOST_ORDERED_PAIRS = 10_000


@collection_paused()
def training_graph(
    workload: Workload,
    options: TrainingOptions = TrainingOptions(),  # noqa: B008 (frozen)
) -> TrainingGraph:
    """The training step of `workload`: every task with its counts, and what it waits for.

    Edges: producer before consumer forward, the reverse backward; an operator's forward before its
    backward; every transposed read of a weight matrix before every update of it (tied uses too);
    parameter gradients before the optimizer.  An operator that runs again does so when the errors
    of its region have arrived, before the backward of the region.  Raises `InputError` for patterns,
    outputs and input gradients that the network does not have.
    """
    ops = workload.ops
    scope = gradient_scope(workload, ops, options)
    areas = regions(workload, ops, options.recompute)
    assembly = _Assembly(workload, ops, scope, areas)
    assembly.add_forward()
    assembly.add_loss(options.loss)
    assembly.add_backward()
    assembly.add_update_order()
    assembly.add_optimizer(options.optimizer)
    kept = kept_with(ops, areas, lambda op: saved_by(op, scope), workload)
    framework = kept_with(ops, areas, lambda op: framework_saved(op, scope, workload), workload)
    return assembly.finish(
        merge_saved(kept, ops, workload),
        merge_storages(framework, ops, workload),
        remarks(scope, options),
    )


def check_options(workload: Workload, options: TrainingOptions) -> None:
    """Raise `InputError` for patterns, outputs and inputs that the network does not have."""
    ops = workload.ops
    gradient_scope(workload, ops, options)
    regions(workload, ops, options.recompute)


def saved_activation_bytes(graph: TrainingGraph) -> int:
    """Bytes that PyTorch keeps between forward and backward, over one evaluation of the graph."""
    return framework_bytes(graph.framework_saved, graph.workload.tensors)


def accelerator_saved_bytes(graph: TrainingGraph) -> int:
    """Bytes that the accelerator keeps between forward and backward, over one evaluation."""
    return saved_bytes(graph.saved, graph.workload.tensors)


class _Assembly:
    """The graph while it is put together; used once, inside `training_graph`."""

    def __init__(self, workload: Workload, ops: Sequence[Op], scope: Scope, areas: Regions) -> None:
        self._workload = workload
        self._ops = ops
        self._scope = scope
        self._areas = areas
        # Regions whose backward has begun, and the tasks that ran their operators again.
        self._begun: set[str] = set()
        self._again: dict[str, str] = {}
        self._graph: nx.DiGraph[str] = nx.DiGraph()
        # Digital parameters that get a gradient, and the tasks that give it (ordered sets).
        self._learned: dict[str, None] = {}
        self._learners: dict[str, None] = {}
        # Gradients of each tensor: for every contribution, the tasks that must be done.
        self._contributions: dict[str, list[tuple[str, ...]]] = {}
        self._producer = {tensor: op for op in ops for tensor in op.outputs}
        self._position = {op.name: index for index, op in enumerate(ops)}

    def _add(self, task: TrainingTask, after: Iterable[str]) -> None:
        self._graph.add_node(task.name, task=task)
        self._graph.add_edges_from((name, task.name) for name in after)

    def add_forward(self) -> None:
        """One task per operator, after the producers of its inputs."""
        for op in self._ops:
            before = self._workload.graph.predecessors(op.name)
            self._add(
                forward_task(op, self._workload.tensors),
                (task_name(name, TaskKind.FORWARD) for name in before),
            )

    def add_loss(self, loss: Loss) -> None:
        """The loss on the network's outputs; it gives the first gradients."""
        scope, tensors = self._scope, self._workload.tensors
        work = NO_WORK
        gradients: list[str] = []
        for head in scope.heads:
            active = head.tensor in scope.active
            if not head.computed:
                work += loss_work(loss, tensors[head.output], ending=head.ending, gradient=active)
            if active:
                gradients.append(head.tensor)
                self._contributions.setdefault(head.tensor, []).append((_LOSS,))
        outputs = [head.output for head in scope.heads]
        task = TrainingTask(
            name=_LOSS,
            op=_LOSS,
            kind=TaskKind.LOSS,
            op_kind=OpKind.LOSS,
            work=work,
            input_elements=elements(outputs, tensors),
            output_elements=elements(gradients, tensors),
        )
        producers = (self._producer[name] for name in outputs if name in self._producer)
        self._add(task, (task_name(op.name, TaskKind.FORWARD) for op in producers))

    def add_backward(self) -> None:
        """The backward of every differentiated operator, from the loss to the inputs."""
        for op in reversed(self._ops):
            if not self._scope.differentiates(op):
                continue
            errors = {
                name
                for tensor in op.outputs
                if tensor in self._scope.active
                for name in self._gradient_of(tensor, op.name)
            }
            backward = backward_of(op, self._scope, self._workload.tensors)
            self._run_again(op, errors)
            forward = task_name(op.name, TaskKind.FORWARD)
            for task in backward.tasks:
                self._add(task, (forward, *sorted(errors), *self._made_again(op)))
            self._hand_on(op, backward)
        for name in self._workload.inputs:
            if name in self._scope.active:
                users = (op.name for op in self._ops if name in op.inputs)
                self._gradient_of(name, next(users, name))

    def _run_again(self, op: Op, errors: Iterable[str]) -> None:
        """Run the region of `op` again if its backward begins here: when these errors are there."""
        region = self._areas.of.get(op.name)
        if region is None or region in self._begun:
            return
        self._begun.add(region)
        members = tuple(o for o in self._ops if self._areas.of.get(o.name) == region)
        plan = rerun(members, lambda o: saved_by(o, self._scope), self._workload)
        for again in plan.ops:
            first = forward_task(again, self._workload.tensors)
            name = f"{again.name}:recompute"
            task = replace(first, name=name, batch_barrier=False, recomputes=True)
            makers = {m.name for t in again.inputs if (m := self._producer.get(t)) is not None}
            before = [self._again.get(m, task_name(m, TaskKind.FORWARD)) for m in sorted(makers)]
            self._add(task, (first.name, *sorted(errors), *before))
            self._again[again.name] = name

    def _made_again(self, op: Op) -> list[str]:
        """The tasks that made again what the backward of `op`, if it is in a region, needs."""
        if op.name not in self._areas.of:
            return []
        makers = {op.name}
        for item in saved_by(op, self._scope):
            maker = self._producer.get(item.tensor)
            if maker is not None:
                makers.add(maker.name)
        return [self._again[name] for name in sorted(makers) if name in self._again]

    def _hand_on(self, op: Op, backward: OpBackward) -> None:
        """Note which tasks give the gradients of the inputs and of the digital parameters."""
        products = self._recurrent_products(op)
        for tensor in op.inputs:  # a tensor that is used twice gets two gradients
            if tensor in backward.gives:
                waits = (backward.gives[tensor], *self._carried_back(products, tensor))
                self._contributions.setdefault(tensor, []).append(waits)
        if backward.learns is not None:
            self._learners[backward.learns] = None
            self._learned.update(dict.fromkeys(self._scope.trained(op)))

    def _recurrent_products(self, op: Op) -> tuple[str, ...]:
        """The recurrent products among the producers of its inputs that carry an error back."""
        producers = (self._producer.get(name) for name in op.inputs)
        products = (p for p in producers if p is not None and is_recurrent(p))
        return tuple(dict.fromkeys(p.name for p in products if carries_back(p, self._scope)))

    def _carried_back(self, products: Sequence[str], tensor: str) -> tuple[str, ...]:
        """Those of a cell's recurrent products whose errors the gradient of its input needs.

        The error of a recurrent cell at one step is complete only when the later steps have been
        carried back to it, so all that enters the cell waits for that: all but the products
        themselves, and what comes after them inside one step.
        """
        target = self._producer.get(tensor)
        return tuple(
            task_name(name, TaskKind.INPUT_GRADIENT)
            for name in products
            if target is None or not self._leads_to(name, target.name)
        )

    def _leads_to(self, first: str, second: str) -> bool:
        """Whether the operator `second` depends on `first`; what comes earlier does not."""
        if self._position[second] < self._position[first]:
            return False
        return bool(nx.has_path(self._workload.graph, first, second))

    def _gradient_of(self, tensor: str, owner: str) -> tuple[str, ...]:
        """The tasks after which the gradient of `tensor` is complete; adds its sum if it has one."""
        given = self._contributions.get(tensor, [])
        if len(given) < 2:
            return tuple(name for waits in given for name in waits)
        size = self._workload.tensors[tensor].elements
        task = TrainingTask(
            name=task_name(tensor, TaskKind.GRADIENT_SUM),
            op=owner,
            kind=TaskKind.GRADIENT_SUM,
            op_kind=OpKind.ELEMENTWISE,
            work=gradient_sum_work(len(given), size),
            input_elements=len(given) * size,
            output_elements=size,
            per_step=tensor in self._producer and self._producer[tensor].per_step,
        )
        self._add(task, dict.fromkeys(name for waits in given for name in waits))
        return (task.name,)

    def add_update_order(self) -> None:
        """Let every update of a matrix wait for all transposed reads of it, tied uses included."""
        reads: dict[str, list[str]] = {}
        updates: dict[str, list[str]] = {}
        for name in self._graph.nodes:
            task: TrainingTask = self._graph.nodes[name]["task"]
            if task.weight is not None and task.kind is TaskKind.INPUT_GRADIENT:
                reads.setdefault(task.weight.matrix, []).append(name)
            elif task.weight is not None and task.kind is TaskKind.WEIGHT_GRADIENT:
                updates.setdefault(task.weight.matrix, []).append(name)
        last = self._last_of(reads)
        for matrix, waiting in updates.items():
            done = last.get(matrix, [])
            first = waiting
            if len(waiting) * len(done) > _MOST_ORDERED_PAIRS:
                # Updates of one matrix follow each other on its arrays, so the others can wait for
                # the first instead of all for all.
                first = waiting[:1]
                self._graph.add_edges_from((waiting[0], update) for update in waiting[1:])
            self._graph.add_edges_from((read, update) for update in first for read in done)

    def _last_of(self, reads: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
        """For each matrix, those of its reads that no other of them waits for.

        Waiting for these is waiting for all; an unrolled recurrence of T steps then needs T edges
        instead of T squared.
        """
        last = {matrix: list(names) for matrix, names in reads.items() if len(names) == 1}
        bits = {m: 1 << i for i, m in enumerate(m for m, names in reads.items() if m not in last)}
        if not bits:
            return last
        own = {name: bit for matrix, bit in bits.items() for name in reads[matrix]}
        # The matrices that are read by something later, one bit each; tasks are derived in order.
        later: dict[str, int] = {}
        for name in reversed(list(self._graph.nodes)):
            seen = 0
            for follower in self._graph.successors(name):
                seen |= later[follower] | own.get(follower, 0)
            later[name] = seen
        for matrix, bit in bits.items():
            last[matrix] = [name for name in reversed(reads[matrix]) if not later[name] & bit]
        return last

    def add_optimizer(self, optimizer: Optimizer) -> None:
        """The update of the digital parameters, once per minibatch, if there are any."""
        count = self.digital_parameters
        if not count:
            return
        task = TrainingTask(
            name=_OPTIMIZER,
            op=_OPTIMIZER,
            kind=TaskKind.OPTIMIZER,
            op_kind=OpKind.ELEMENTWISE,
            work=optimizer_work(optimizer, count),
            batch_barrier=True,
            per_step=True,
        )
        self._add(task, self._learners)

    @property
    def digital_parameters(self) -> int:
        """Elements that the digital optimizer updates."""
        return sum(self._workload.parameters[name].elements for name in self._learned)

    def finish(
        self, saved: tuple[Saved, ...], framework: tuple[Saved, ...], notes: tuple[Note, ...]
    ) -> TrainingGraph:
        """The finished graph, frozen, with its totals."""
        tasks = [self._graph.nodes[name]["task"] for name in self._graph.nodes]
        updated = {t.weight.matrix for t in tasks if t.kind is TaskKind.WEIGHT_GRADIENT}
        return TrainingGraph(
            workload=self._workload,
            graph=nx.freeze(self._graph),
            saved=saved,
            framework_saved=framework,
            macs=_macs(self._workload, tasks),
            digital_parameters=self.digital_parameters,
            analog_parameters=parameters_on_arrays(updated, self._ops, self._workload),
            trained=self._trained(updated),
            notes=notes,
        )

    def _trained(self, updated: Container[str]) -> tuple[str, ...]:
        """The parameters that get a gradient, given the matrices that do."""
        backing = matrix_parameters(self._ops, self._workload)
        learned = {name for matrix in backing if matrix in updated for name in backing[matrix]}
        learned.update(self._learned)
        return tuple(name for name in self._workload.parameters if name in learned)


def _macs(workload: Workload, tasks: Iterable[TrainingTask]) -> TrainingMacs:
    """Multiply-accumulates by kind of task; those of two activations backward are kept apart."""
    static = dict.fromkeys(TaskKind, 0)
    dynamic = dict.fromkeys(TaskKind, 0)
    again = 0
    for task in tasks:
        of_weight = task.weight.macs(workload.matrices[task.weight.matrix]) if task.weight else 0
        of_activations = sum(product.macs for product in task.dynamic)
        if task.recomputes:
            again += of_weight + of_activations
        else:
            static[task.kind] += of_weight
            dynamic[task.kind] += of_activations
    return TrainingMacs(
        forward=static[TaskKind.FORWARD] + dynamic[TaskKind.FORWARD],
        input_gradient=static[TaskKind.INPUT_GRADIENT],
        weight_gradient=static[TaskKind.WEIGHT_GRADIENT],
        dynamic_backward=dynamic[TaskKind.DIGITAL_BACKWARD],
        recompute=again,
    )
