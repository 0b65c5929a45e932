"""Elementwise functions of one activation.

Each entry states the scalar operations per element, forward and backward, and what the backward
needs.  The backward count includes the multiplication by the incoming error.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import TypeAlias

from archsim.workload.graph import (
    NO_WORK,
    DigitalWork,
    OpKind,
    ParameterRole,
    Saved,
    SavedForm,
)
from archsim.workload.onnx_reader.nodes import Node
from archsim.workload.onnx_reader.operators import (
    NodeRule,
    Operator,
    Piece,
    Read,
    Rule,
    Scope,
    in_words,
    keeps_sign,
    nonnegative,
    per_element,
    rule,
    signed,
)


class Keeps(StrEnum):
    """What the backward of an elementwise function needs."""

    NOTHING = "nothing"
    INPUT = "input"
    OUTPUT = "output"
    MASK = "mask"


@dataclass(frozen=True, slots=True)
class Function:
    """Work per element of a function and of its derivative times the error."""

    forward: DigitalWork
    backward: DigitalWork
    keeps: Keeps
    reason: str = "elementwise function"


# Derivatives: relu' and clip' select; sigmoid' = y(1-y); tanh' = 1-y^2; erf' = 2/sqrt(pi)*exp(-x^2);
# sqrt' = 1/2y; (1/x)' = -y^2; softplus' = sigmoid; gelu' = Phi(x) + x*phi(x).
_CHOICE = Function(DigitalWork(compare=1), DigitalWork(compare=1), Keeps.MASK, "elementwise choice")
_STEP = Function(DigitalWork(compare=1), NO_WORK, Keeps.NOTHING, "piecewise constant: no gradient")
GELU = Function(
    DigitalWork(mul=3, add=1, special=1), DigitalWork(mul=6, add=2, special=1, exp=1), Keeps.INPUT
)
# y = 0.5x(1 + t), t = tanh(c(x + 0.044715x^3)); y' = 0.5(1+t) + 0.5x(1-t^2)c(1 + 0.134145x^2).
FAST_GELU = Function(
    DigitalWork(mul=6, add=2, special=1), DigitalWork(mul=12, add=5, special=1), Keeps.INPUT
)
# y = x * sigmoid(1.702x).
QUICK_GELU = Function(
    DigitalWork(special=1, mul=2), DigitalWork(special=1, add=2, mul=4), Keeps.INPUT
)
FUNCTIONS: Mapping[str, Function] = {
    "Relu": _CHOICE,
    "Clip": _CHOICE,
    "Abs": _CHOICE,
    "ThresholdedRelu": _CHOICE,
    "LeakyRelu": Function(DigitalWork(compare=1, mul=1), DigitalWork(compare=1, mul=1), Keeps.MASK),
    "Elu": Function(
        DigitalWork(compare=1, exp=1, add=1, mul=1),
        DigitalWork(compare=1, add=1, mul=1),
        Keeps.OUTPUT,
    ),
    "Selu": Function(
        DigitalWork(compare=1, exp=1, add=1, mul=2),
        DigitalWork(compare=1, add=1, mul=2),
        Keeps.OUTPUT,
    ),
    "Celu": Function(
        DigitalWork(compare=1, exp=1, add=1, mul=2),
        DigitalWork(compare=1, add=1, mul=2),
        Keeps.OUTPUT,
    ),
    "Sigmoid": Function(DigitalWork(special=1), DigitalWork(add=1, mul=2), Keeps.OUTPUT),
    "HardSigmoid": Function(
        DigitalWork(mul=1, add=1, compare=2), DigitalWork(compare=1, mul=1), Keeps.MASK
    ),
    "HardSwish": Function(
        DigitalWork(mul=2, add=1, compare=2), DigitalWork(mul=3, add=1, compare=2), Keeps.INPUT
    ),
    "Mish": Function(
        DigitalWork(exp=1, log=1, special=1, add=1, mul=1),
        DigitalWork(exp=1, log=1, special=2, add=3, mul=4),
        Keeps.INPUT,
    ),
    "Swish": Function(
        DigitalWork(special=1, mul=1), DigitalWork(special=1, add=2, mul=3), Keeps.INPUT
    ),
    "Tanh": Function(DigitalWork(special=1), DigitalWork(add=1, mul=2), Keeps.OUTPUT),
    "Erf": Function(DigitalWork(special=1), DigitalWork(exp=1, mul=3), Keeps.INPUT),
    "Softplus": Function(
        DigitalWork(exp=1, add=1, log=1), DigitalWork(special=1, mul=1), Keeps.INPUT
    ),
    "Softsign": Function(
        DigitalWork(compare=1, add=1, div=1),
        DigitalWork(compare=1, add=1, mul=1, div=1),
        Keeps.INPUT,
    ),
    "Sqrt": Function(DigitalWork(sqrt=1), DigitalWork(mul=1, div=1), Keeps.OUTPUT),
    "Exp": Function(DigitalWork(exp=1), DigitalWork(mul=1), Keeps.OUTPUT),
    "Log": Function(DigitalWork(log=1), DigitalWork(div=1), Keeps.INPUT),
    # y = x - bias beyond lambda, x + bias below -lambda, else 0.
    "Shrink": Function(DigitalWork(compare=2, add=1), DigitalWork(compare=1), Keeps.MASK),
    "Neg": Function(DigitalWork(add=1), DigitalWork(add=1), Keeps.NOTHING),
    "Reciprocal": Function(DigitalWork(div=1), DigitalWork(add=1, mul=2), Keeps.OUTPUT),
    **dict.fromkeys(
        ("Sin", "Cos"),
        Function(DigitalWork(special=1), DigitalWork(special=1, mul=1), Keeps.INPUT),
    ),
    **dict.fromkeys(
        ("Tan", "Atan", "Asin", "Acos", "Sinh", "Cosh", "Asinh", "Acosh", "Atanh"),
        Function(DigitalWork(special=1), DigitalWork(mul=2, add=1, div=1), Keeps.INPUT),
    ),
    **dict.fromkeys(
        ("Floor", "Ceil", "Round", "Sign", "Not", "IsNaN", "IsInf", "BitwiseNot"), _STEP
    ),
}
# Rules that look at the attributes: which form of the function the node asks for.
_Choose: TypeAlias = Callable[[Node], Function]
_CHOSEN: Mapping[str, _Choose] = {
    "Gelu": lambda node: FAST_GELU if node.text("approximate") == "tanh" else GELU,
}


def function_of(node: Node) -> Function:
    """The function that a unary elementwise node computes."""
    choose = _CHOSEN.get(node.op_type)
    return choose(node) if choose is not None else FUNCTIONS[node.op_type]


def _unary(node: Node, scope: Scope) -> Sequence[Piece]:
    return [unary_piece(node, scope, function_of(node))]


def unary_piece(node: Node, scope: Scope, function: Function) -> Piece:
    """The op of an elementwise `function` of the first input."""
    source, result = node.input(0), node.outputs[0]
    n = scope.elements(result)
    trains = scope.differentiable(source) and scope.info(result).floating
    saved: tuple[Saved, ...] = ()
    if trains:
        saved = {
            Keeps.NOTHING: (),
            Keeps.INPUT: (Saved(source, n),),
            Keeps.OUTPUT: (Saved(result, n),),
            Keeps.MASK: (Saved(result, n, SavedForm.MASK),),
        }[function.keeps]
    forward, backward = _work(function, n, trains=trains)
    return Piece(
        kind=OpKind.ELEMENTWISE,
        inputs=scope.activations(node),
        outputs=(result,),
        reason=function.reason,
        forward=forward,
        backward=backward,
        saved=saved,
    )


@lru_cache(maxsize=4096)
def _work(function: Function, n: int, *, trains: bool) -> tuple[DigitalWork, DigitalWork]:
    """Forward and backward work over `n` elements; networks repeat few of them many times."""
    forward = function.forward.scaled(n) + DigitalWork(read=n, written=n)
    if not trains or function.backward == NO_WORK:
        return forward, NO_WORK
    kept = 0 if function.keeps is Keeps.NOTHING else n
    return forward, function.backward.scaled(n) + DigitalWork(read=n + kept, written=n)


def _clip_sign(node: Node, scope: Scope) -> bool:
    if node.has("min"):
        return node.real("min", -1.0) >= 0
    lowest = scope.value(node.input(1)) if node.input(1) else None
    return (lowest is not None and float(lowest) >= 0) or keeps_sign(node, scope)


def _parametric(node: Node, scope: Scope) -> Sequence[Piece]:
    """PRelu: a learned slope for negative inputs; its gradient sums x*g where x < 0."""
    source, result = node.input(0), node.outputs[0]
    n = scope.elements(result)
    slope = scope.constant(node.input(1))
    reads: tuple[Read, ...] = ()
    if slope is not None and slope.learned_roots:
        reads = (Read(slope, ParameterRole.SCALE),)
    size = slope.elements if slope is not None else 0
    return [
        Piece(
            kind=OpKind.ELEMENTWISE,
            inputs=scope.activations(node),
            outputs=(result,),
            reason="elementwise choice with a learned slope",
            forward=per_element(n, compare=1, mul=1)
            + DigitalWork(read=n, written=n, read_parameters=size),
            backward=per_element(n, compare=1, mul=2, add=1)
            + DigitalWork(read=2 * n, written=n, read_parameters=size),
            saved=(Saved(source, n),),
            reads=reads,
        )
    ]


_SIGNS: Mapping[str, NodeRule] = {
    **dict.fromkeys(
        ("Relu", "Abs", "Sigmoid", "HardSigmoid", "Softplus", "Exp", "Sqrt", "ThresholdedRelu"),
        nonnegative,
    ),
    "Clip": _clip_sign,
    **dict.fromkeys(
        (
            "LeakyRelu",
            "Elu",
            "Selu",
            "Celu",
            "Swish",
            "HardSwish",
            "Mish",
            "Tanh",
            "Erf",
            "Softsign",
            "Reciprocal",
            "Floor",
            "Ceil",
            "Round",
        ),
        keeps_sign,
    ),
}


def _rule(function: Function) -> Rule:
    return rule(OpKind.ELEMENTWISE, in_words(function.forward), in_words(function.backward))


OPERATORS = (
    *(
        Operator(op_type, _unary, _SIGNS.get(op_type, signed), rule=_rule(function))
        for op_type, function in FUNCTIONS.items()
    ),
    Operator("Gelu", _unary, keeps_sign, rule=_rule(GELU)),
    Operator(
        "PRelu",
        _parametric,
        keeps_sign,
        rule=rule(OpKind.ELEMENTWISE, "n (compare, mul)", "n (compare, 2 mul, add)"),
    ),
)
