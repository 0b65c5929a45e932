"""The backward tasks of one operator: which products and digital work its gradients take."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from archsim.workload.gradients import Scope, carries_back, is_recurrent, multiplied
from archsim.workload.graph import NO_WORK, DigitalWork, DynamicMatmul, Op, TensorInfo, WeightUse
from archsim.workload.training_types import TaskKind, TrainingTask


def task_name(owner: str, kind: TaskKind) -> str:
    """The name of the task of that kind of an operator (of a tensor, for a gradient sum)."""
    return f"{owner}:{kind}"


def elements(names: Iterable[str], tensors: Mapping[str, TensorInfo]) -> int:
    """Elements of the tensors `names`, each once."""
    return sum(tensors[name].elements for name in dict.fromkeys(names))


@dataclass(frozen=True, slots=True)
class OpBackward:
    """The backward of one operator.

    `tasks` run once the gradients of its outputs are there; `gives` names, for each input that gets
    a gradient, the task that gives it; `learns` is the task that yields gradients of digital
    parameters, or None.
    """

    tasks: tuple[TrainingTask, ...]
    gives: Mapping[str, str]
    learns: str | None


def forward_task(op: Op, tensors: Mapping[str, TensorInfo]) -> TrainingTask:
    """The forward task of `op`."""
    return TrainingTask(
        name=task_name(op.name, TaskKind.FORWARD),
        op=op.name,
        kind=TaskKind.FORWARD,
        op_kind=op.kind,
        weight=op.weight,
        dynamic=op.dynamic,
        work=op.forward,
        input_elements=_vector_elements(op, tensors)
        if is_recurrent(op)
        else elements(op.inputs, tensors),
        output_elements=elements(op.outputs, tensors),
        batch_barrier=op.batch_barrier,
        input_signed=_input_signed(op, tensors),
        per_step=op.per_step,
    )


def backward_of(op: Op, scope: Scope, tensors: Mapping[str, TensorInfo]) -> OpBackward:
    """The backward tasks of an operator that is differentiated."""
    if op.weight is not None:
        return _weight_backward(op, op.weight, scope, tensors)
    task = replace(
        _digital(op, scope, tensors),
        dynamic=_dynamic_backward(op, scope),
        batch_barrier=op.batch_barrier,
    )
    gives = dict.fromkeys(scope.active_inputs(op), task.name)
    return OpBackward((task,), gives, task.name if scope.trained(op) else None)


def _weight_backward(
    op: Op, use: WeightUse, scope: Scope, tensors: Mapping[str, TensorInfo]
) -> OpBackward:
    """Backward of a product with a matrix: its first input is multiplied, others are added to it."""
    tasks: list[TrainingTask] = []
    gives: dict[str, str] = {}
    source = tuple(t for t in multiplied(op) if t in scope.active)
    entering = () if is_recurrent(op) else scope.active_inputs(op)
    addends = tuple(t for t in entering if t not in source and t != use.content)
    error = TrainingTask(
        name=task_name(op.name, TaskKind.INPUT_GRADIENT),
        op=op.name,
        kind=TaskKind.INPUT_GRADIENT,
        op_kind=op.kind,
        input_elements=elements(op.outputs, tensors),
        input_signed=_input_signed(op, tensors),
    )
    vectors = _vector_elements(op, tensors)
    if carries_back(op, scope):
        gives |= dict.fromkeys(source, error.name)
        back = _transposed_use(use, given_state=bool(source))
        handed = vectors * back.vectors // use.vectors
        tasks.append(replace(error, weight=back, output_elements=handed))
    if use.matrix in scope.matrices:
        gradient = task_name(op.name, TaskKind.WEIGHT_GRADIENT)
        tasks.append(
            replace(
                error,
                name=gradient,
                kind=TaskKind.WEIGHT_GRADIENT,
                weight=use,
                input_elements=vectors + error.input_elements,
            )
        )
        if use.content:  # the gradient goes on, to the parameters that the matrix is made of
            gives[use.content] = gradient
    if addends or _has_digital_backward(op, scope):
        task = _digital(op, scope, tensors)
        gives |= dict.fromkeys(addends, task.name)
        tasks.append(replace(task, output_elements=elements(addends, tensors)))
    learned = scope.trained(op)
    learns = task_name(op.name, TaskKind.DIGITAL_BACKWARD) if learned else None
    return OpBackward(tuple(tasks), gives, learns)


def _has_digital_backward(op: Op, scope: Scope) -> bool:
    """Whether a weight matmul's backward has digital work; a bias gradient is nothing but sums."""
    if scope.trained(op):
        return True
    bias = any(name not in scope.in_arrays for name in op.parameters)
    only_sums = op.backward == DigitalWork(add=op.backward.add)
    return op.backward != NO_WORK and not (bias and only_sums)


def _transposed_use(use: WeightUse, *, given_state: bool) -> WeightUse:
    """The transposed products that carry the error back.

    A recurrence of T steps carries it over T - 1 steps, and over the T-th only into an initial
    state that gets a gradient itself (`given_state`).
    """
    steps = use.sequential_steps
    if steps == 1 or given_state:
        return replace(use, transposed=not use.transposed)
    return replace(
        use,
        vectors=use.vectors // steps * (steps - 1),
        sequential_steps=steps - 1,
        transposed=not use.transposed,
    )


def _digital(op: Op, scope: Scope, tensors: Mapping[str, TensorInfo]) -> TrainingTask:
    return TrainingTask(
        name=task_name(op.name, TaskKind.DIGITAL_BACKWARD),
        op=op.name,
        kind=TaskKind.DIGITAL_BACKWARD,
        op_kind=op.kind,
        work=op.backward,
        input_elements=elements((t for t in op.outputs if t in scope.active), tensors),
        output_elements=elements(scope.active_inputs(op), tensors),
        input_signed=_input_signed(op, tensors),
        per_step=op.per_step,
    )


def _dynamic_backward(op: Op, scope: Scope) -> tuple[DynamicMatmul, ...]:
    """The products dA = dC Bᵀ and dB = Aᵀ dC of every C = A B, each if it is needed.

    Where an operator is one product of two tensors, they are its operands.  With one tensor, it is
    both operands if it is saved, else the other operand is a constant.  Where an operator fuses
    several products (attention), the operands inside it are no tensors and all are needed.
    """
    left = right = True
    if len(op.dynamic) == 1 and len(op.inputs) == 2:
        left, right = (tensor in scope.active for tensor in op.inputs)
    elif len(op.dynamic) == 1 and len(op.inputs) == 1:
        right = bool(op.saved)
    products: list[DynamicMatmul] = []
    for p in op.dynamic:
        if left:
            products.append(DynamicMatmul(p.count, p.m, p.n, p.k))
        if right:
            products.append(DynamicMatmul(p.count, p.k, p.m, p.n))
    return tuple(products)


def _vector_elements(op: Op, tensors: Mapping[str, TensorInfo]) -> int:
    """Elements of all the vectors that a weight matmul multiplies."""
    if is_recurrent(op) and op.saved:
        return sum(item.elements for item in op.saved)
    return elements(op.inputs[:1], tensors)


def _input_signed(op: Op, tensors: Mapping[str, TensorInfo]) -> bool:
    """Whether the vectors that enter a product (or the first input of another op) have both signs."""
    return not (op.inputs and tensors[op.inputs[0]].nonnegative)
