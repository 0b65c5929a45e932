"""What fused operators do after their product: an activation, a sum, a rounding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from archsim.errors import InputError, did_you_mean
from archsim.workload.graph import (
    NO_WORK,
    DigitalWork,
    OpKind,
    ParameterRole,
    Saved,
    SavedForm,
    TensorInfo,
)
from archsim.workload.onnx_reader.families.elementwise_unary import (
    FAST_GELU,
    FUNCTIONS,
    QUICK_GELU,
    Function,
    Keeps,
)
from archsim.workload.onnx_reader.nodes import Node
from archsim.workload.onnx_reader.operators import Piece, Read, Scope

# Multiply by 1/step, add the zero point, clip twice; gradients pass straight through.
REQUANTISE = Function(
    DigitalWork(mul=1, add=1, compare=2), NO_WORK, Keeps.NOTHING, "rounds to few levels"
)
RESCALE = Function(DigitalWork(mul=1), NO_WORK, Keeps.NOTHING, "back from levels to numbers")
_NAMED: Mapping[str, Function] = {
    name: FUNCTIONS[op_type]
    for name, op_type in (
        ("Relu", "Relu"),
        ("Tanh", "Tanh"),
        ("Sigmoid", "Sigmoid"),
        ("LeakyRelu", "LeakyRelu"),
        ("Clip", "Clip"),
        ("HardSigmoid", "HardSigmoid"),
        ("HardSwish", "HardSwish"),
        ("Elu", "Elu"),
        ("Swish", "Swish"),
        ("Silu", "Swish"),
        ("silu", "Swish"),
        ("swish", "Swish"),
        ("relu", "Relu"),
    )
} | {
    "Gelu": FAST_GELU,
    "FastGelu": FAST_GELU,
    "gelu": FAST_GELU,
    "QuickGelu": QUICK_GELU,
    "identity": Function(NO_WORK, NO_WORK, Keeps.NOTHING),
}


def named_function(node: Node, name: str) -> Function:
    """The function that a fused operator names in an attribute."""
    found = _NAMED.get(name)
    if found is None:
        raise InputError(
            f"its activation '{name}' is not known.",
            place=node.place,
            remedy=did_you_mean(name, _NAMED),
        )
    return found


def activation_of(node: Node) -> tuple[Step, ...]:
    """The step of a node's `activation` attribute, if it has one."""
    name = node.text("activation")
    return (Step(name.lower(), named_function(node, name)),) if name else ()


@dataclass(frozen=True, slots=True)
class Step:
    """One elementwise step: a function, perhaps of a further tensor (`extra`) of the same size.

    A `constant` extra that is learned is a bias.
    """

    label: str
    function: Function
    extra: str = ""


ADDITION = Function(DigitalWork(add=1), NO_WORK, Keeps.NOTHING, "elementwise addition")


def followed(piece: Piece, node: Node, scope: Scope, steps: Sequence[Step]) -> list[Piece]:
    """`piece`, then `steps` on its result, each an op of its own."""
    if not steps:
        return [piece]
    result = scope.info(node.outputs[0])
    inner = TensorInfo(f"{node.name}/product", result.shape, result.bytes_per_element)
    pieces = [
        replace(
            piece,
            outputs=(inner.name, *piece.outputs[1:]),
            suffix=f"{piece.suffix}/product",
            internal=(*piece.internal, inner),
        )
    ]
    source = inner
    for index, step in enumerate(steps):
        last = index == len(steps) - 1
        target = result
        if not last:
            target = replace(inner, name=f"{node.name}/{step.label}")
        pieces.append(_step(node, scope, step, source.name, target, internal=not last))
        source = target
    return pieces


def _step(
    node: Node, scope: Scope, step: Step, source: str, target: TensorInfo, *, internal: bool
) -> Piece:
    n, function = target.elements, step.function
    forward = function.forward.scaled(n) + DigitalWork(read=n, written=n)
    backward = NO_WORK
    saved: tuple[Saved, ...] = {
        Keeps.NOTHING: (),
        Keeps.INPUT: (Saved(source, n),),
        Keeps.OUTPUT: (Saved(target.name, n),),
        Keeps.MASK: (Saved(target.name, n, SavedForm.MASK),),
    }[function.keeps]
    if function.backward != NO_WORK:
        kept = n if saved else 0
        backward = function.backward.scaled(n) + DigitalWork(read=n + kept, written=n)
    inputs, reads = [source], []
    if step.extra:
        constant, size = scope.constant(step.extra), scope.elements(step.extra)
        if constant is None:
            inputs.append(step.extra)
            forward += DigitalWork(read=size)
        else:
            forward += DigitalWork(read_parameters=size)
            if constant.learned_roots and not constant.blank:
                reads.append(Read(constant, ParameterRole.BIAS))
        backward += DigitalWork(add=n - size, written=size if n > size else 0)
    return Piece(
        kind=OpKind.ELEMENTWISE,
        inputs=tuple(dict.fromkeys(inputs)),
        outputs=(target.name,),
        reason=function.reason,
        suffix=f"/{step.label}",
        forward=forward,
        backward=backward,
        saved=saved,
        reads=tuple(reads),
        internal=(target,) if internal else (),
    )
