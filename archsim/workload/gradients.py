"""Which tensors, parameters and matrices get a gradient, and which do not.

A tensor gets one if and only if it is floating, something that is trained (or an input whose
gradient is asked for) lies upstream of it, and the loss lies downstream.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from archsim.errors import InputError, did_you_mean, nearest
from archsim.workload.digital_training import Ending
from archsim.workload.graph import Op, OpKind, ParameterRole, Workload
from archsim.workload.training_types import TrainingOptions

_MATRIX_ROLES = frozenset({ParameterRole.WEIGHT, ParameterRole.EMBEDDING})
_SHOWN = 6
_ENDINGS = {"Softmax": Ending.PROBABILITIES, "LogSoftmax": Ending.LOG_PROBABILITIES}


@dataclass(frozen=True, slots=True)
class LossHead:
    """Where a gradient enters: the network output and the tensor whose gradient the loss gives.

    Where `ending` says that the network ends in a softmax, the loss gives the gradient of the
    softmax's input at once.  `computed` is True where the network itself computes the loss.
    """

    output: str
    tensor: str
    ending: Ending = Ending.SCORES
    computed: bool = False


@dataclass(frozen=True, slots=True)
class Scope:
    """What is differentiated.

    `active` are the tensors that get a gradient; `digital` and `matrices` the trained digital
    parameters and weight matrices, whether or not the loss reaches them; `in_arrays` are the
    parameters, trained or not, that are the content of weight matrices.
    """

    active: frozenset[str]
    digital: frozenset[str]
    matrices: frozenset[str]
    in_arrays: frozenset[str]
    heads: tuple[LossHead, ...]

    def differentiates(self, op: Op) -> bool:
        """Whether the backward of `op` runs."""
        return any(tensor in self.active for tensor in op.outputs)

    def active_inputs(self, op: Op) -> tuple[str, ...]:
        """The inputs of `op` that get a gradient, each once."""
        return tuple(dict.fromkeys(t for t in op.inputs if t in self.active))

    def trained(self, op: Op) -> tuple[str, ...]:
        """The digital parameters of `op` that are trained."""
        return tuple(name for name in op.parameters if name in self.digital)


def gradient_scope(workload: Workload, ops: Sequence[Op], options: TrainingOptions) -> Scope:
    """What `options` make of the network; `ops` are its operators, producers first.

    Raises `InputError` for a frozen glob that matches no parameter and for an input gradient that
    the network cannot give.
    """
    trainable = _trainable(workload, options.frozen)
    backing = matrix_parameters(ops, workload)
    in_arrays = frozenset(name for names in backing.values() for name in names)
    stored = frozenset(
        name
        for name, matrix in workload.matrices.items()
        if matrix.trainable
        and not matrix.computed
        and _any_in(backing.get(name, ()), trainable, otherwise=True)
    )
    requested = frozenset(_requested(workload, options.input_gradients))
    heads = _loss_heads(workload, ops, options)
    needs = _downstream(workload, ops, requested, trainable, stored)
    # A computed matrix is trained if something that it is computed from is.
    computed = (op.weight for op in ops if op.weight is not None and op.weight.content in needs)
    matrices = stored.union(use.matrix for use in computed)
    reach = _upstream(workload, ops, heads)
    active = _with_recurrence(ops, needs & reach)
    return Scope(active, trainable - in_arrays, matrices, in_arrays, heads)


def matrix_parameters(ops: Iterable[Op], workload: Workload) -> dict[str, tuple[str, ...]]:
    """The parameters that are the content of each weight matrix, by the matrix's name."""
    found: dict[str, dict[str, None]] = {}
    for op in ops:
        if op.weight is not None:
            names = found.setdefault(op.weight.matrix, {})
            for name in op.parameters:
                if workload.parameters[name].role in _MATRIX_ROLES:
                    names[name] = None
    return {matrix: tuple(names) for matrix, names in found.items()}


def parameters_on_arrays(matrices: Iterable[str], ops: Iterable[Op], workload: Workload) -> int:
    """Parameters that stored matrices of `workload` hold, each once.

    Matrices gathered from one table hold elements of it several times: they are no more parameters
    than the table has.
    """
    backing = matrix_parameters(ops, workload)
    held: dict[tuple[str, ...], int] = {}
    for name in matrices:
        matrix = workload.matrices[name]
        if not matrix.computed:
            sources = tuple(sorted(backing.get(name, ()))) or (name,)
            held[sources] = held.get(sources, 0) + matrix.elements
    known = workload.parameters
    return sum(
        min(count, sum(known[name].elements for name in sources))
        if all(name in known for name in sources)
        else count
        for sources, count in held.items()
    )


def is_recurrent(op: Op) -> bool:
    """Whether `op` multiplies its own layer's earlier states, which are no input of it.

    The vectors that a product multiplies are what it saves, so this shows also where the sequence
    has one step only.  The inputs of a recurrent product are what each step waits for, then the
    initial state if the network computes it.
    """
    if op.weight is None:
        return False
    outside = bool(op.saved) and all(item.tensor not in op.inputs for item in op.saved)
    return op.weight.sequential_steps > 1 or outside


def multiplied(op: Op) -> tuple[str, ...]:
    """The inputs of a weight matmul that are multiplied by the matrix; others are added to it."""
    content = op.weight.content if op.weight is not None else ""
    given = tuple(tensor for tensor in op.inputs if tensor != content)
    return given[1:] if is_recurrent(op) else given[:1]


def carries_back(op: Op, scope: Scope) -> bool:
    """Whether the error of a weight matmul is carried back through its matrix.

    It is if the vector that enters gets a gradient; in a recurrence of several steps the states
    between them do.
    """
    if op.weight is None:
        return False
    steps = is_recurrent(op) and op.weight.sequential_steps > 1
    return steps or any(tensor in scope.active for tensor in multiplied(op))


def _any_in(names: Sequence[str], chosen: frozenset[str], *, otherwise: bool) -> bool:
    return any(name in chosen for name in names) if names else otherwise


def _trainable(workload: Workload, frozen: Sequence[str]) -> frozenset[str]:
    names = tuple(workload.parameters)
    held: set[str] = set()
    for glob in frozen:
        matched = [name for name in names if fnmatchcase(name, glob)]
        if not matched:
            raise InputError(
                f"the frozen pattern '{glob}' matches no parameter of '{workload.name}'.",
                remedy=_parameter_hint(glob, names),
            )
        held.update(matched)
    return frozenset(
        name for name, p in workload.parameters.items() if p.trainable and name not in held
    )


def _parameter_hint(glob: str, names: Sequence[str]) -> str:
    close = nearest(glob, names)
    if close is not None:
        return f"Did you mean '{close}'?"
    if not names:
        return "This network has no parameters."
    shown = ", ".join(f"'{name}'" for name in names[:_SHOWN])
    return f"Its {len(names)} parameters begin with {shown}."


def _requested(workload: Workload, names: Sequence[str]) -> Sequence[str]:
    for name in names:
        if name not in workload.inputs:
            raise InputError(
                f"the gradient of '{name}' is asked for, but '{workload.name}' has no such input.",
                remedy=did_you_mean(name, workload.inputs),
            )
        if not workload.tensors[name].floating:
            raise InputError(
                f"the gradient of the input '{name}' of '{workload.name}' is asked for, but its "
                "values are integers, which have none.",
                remedy="Ask for the gradient of a floating-point input.",
            )
    return names


def _loss_heads(
    workload: Workload, ops: Sequence[Op], options: TrainingOptions
) -> tuple[LossHead, ...]:
    """A loss that the network computes itself stands for all; else every floating output counts."""
    producer = {tensor: op for op in ops for tensor in op.outputs}
    consumed = {tensor for op in ops for tensor in op.inputs}
    outputs = _outputs_with_loss(workload, options.loss_outputs)
    own = [name for name in outputs if name in producer and producer[name].kind is OpKind.LOSS]
    if own:
        return tuple(LossHead(name, name, computed=True) for name in own)
    heads = []
    for name in outputs:
        op = producer.get(name)
        ending = _ENDINGS.get(op.op_type) if op is not None and name not in consumed else None
        if op is not None and ending is not None and options.loss == "cross_entropy":
            heads.append(LossHead(name, op.inputs[0], ending))
        else:
            heads.append(LossHead(name, name))
    return tuple(heads)


def _outputs_with_loss(workload: Workload, globs: Sequence[str]) -> list[str]:
    """The floating outputs, or those of them that `globs` name."""
    names = list(dict.fromkeys(workload.outputs))
    floating = [name for name in names if workload.tensors[name].floating]
    for glob in globs:
        if not any(fnmatchcase(name, glob) for name in floating):
            integers = any(fnmatchcase(name, glob) for name in names)
            finding = "has integers only" if integers else "matches no output"
            raise InputError(
                f"the loss is asked for on '{glob}', which {finding} of '{workload.name}'.",
                remedy=did_you_mean(glob, floating),
            )
    if not globs:
        return floating
    return [name for name in floating if any(fnmatchcase(name, glob) for glob in globs)]


def _downstream(
    workload: Workload,
    ops: Sequence[Op],
    requested: frozenset[str],
    parameters: frozenset[str],
    matrices: frozenset[str],
) -> frozenset[str]:
    """Floating tensors with something trained, or a requested input, upstream."""
    found = set(requested)
    for op in ops:
        learns = any(name in parameters for name in op.parameters) or (
            op.weight is not None and op.weight.matrix in matrices
        )
        if learns or any(tensor in found for tensor in op.inputs):
            found.update(t for t in op.outputs if workload.tensors[t].floating)
    return frozenset(found)


def _upstream(workload: Workload, ops: Sequence[Op], heads: Sequence[LossHead]) -> frozenset[str]:
    """Floating tensors from which a loss is reached through floating tensors."""
    found = {head.tensor for head in heads}
    for op in reversed(ops):
        if any(tensor in found for tensor in op.outputs):
            found.update(t for t in op.inputs if workload.tensors[t].floating)
    return frozenset(found)


def _with_recurrence(ops: Sequence[Op], active: frozenset[str]) -> frozenset[str]:
    """`active`, and the results of recurrent products whose cell is differentiated.

    A cell's state depends on everything that enters the cell at an earlier step, so its recurrent
    product passes gradients back in time even where its own matrix is frozen.
    """
    consumers: dict[str, list[Op]] = {}
    for op in ops:
        for tensor in op.inputs:
            consumers.setdefault(tensor, []).append(op)
    found = set(active)
    for op in filter(is_recurrent, ops):
        users = [user for tensor in op.outputs for user in consumers.get(tensor, ())]
        if any(tensor in active for user in users for tensor in user.outputs):
            found.update(op.outputs)
    return frozenset(found)
