"""Random tensors: numbers by a linear congruence (mul, add), normal ones by Box and Muller (1958)."""

from __future__ import annotations

from collections.abc import Sequence

from archsim.workload.graph import DigitalWork, OpKind
from archsim.workload.onnx_reader.nodes import Node
from archsim.workload.onnx_reader.operators import (
    Handler,
    NodeRule,
    Operator,
    Piece,
    Scope,
    in_words,
    nonnegative,
    rule,
    signed,
)

_UNIFORM = DigitalWork(mul=2, add=2)
_NORMAL = DigitalWork(mul=4, add=2, log=1, sqrt=1, special=1)
_COIN = DigitalWork(mul=1, add=1, compare=1)


def _drawn(work: DigitalWork, reason: str) -> Handler:
    def handle(node: Node, scope: Scope) -> Sequence[Piece]:
        n = scope.elements(node.outputs[0])
        # Some draw by given probabilities; others only take over a shape.
        reads = n if node.op_type == "Bernoulli" else 0
        return [
            Piece(
                kind=OpKind.ELEMENTWISE,
                inputs=scope.activations(node),
                outputs=(node.outputs[0],),
                reason=reason,
                forward=work.scaled(n) + DigitalWork(read=reads, written=n),
            )
        ]

    return handle


def _multinomial(node: Node, scope: Scope) -> Sequence[Piece]:
    """Exponentials and their running sum once per row, a search by halves per sample."""
    classes, n = scope.elements(node.input(0)), scope.elements(node.outputs[0])
    depth = scope.shape(node.input(0))[-1].bit_length()
    return [
        Piece(
            kind=OpKind.ELEMENTWISE,
            inputs=scope.activations(node),
            outputs=(node.outputs[0],),
            reason="draws classes at random: no gradient",
            forward=DigitalWork(
                mul=n, add=n + classes, exp=classes, compare=n * depth, read=classes, written=n
            ),
        )
    ]


def _entry(op_type: str, work: DigitalWork, sign: NodeRule, reason: str) -> Operator:
    text = rule(OpKind.ELEMENTWISE, in_words(work), "none")
    return Operator(op_type, _drawn(work, reason), sign, rule=text)


OPERATORS = (
    _entry("RandomUniform", _UNIFORM, signed, "random numbers: no gradient"),
    _entry("RandomUniformLike", _UNIFORM, signed, "random numbers: no gradient"),
    _entry("RandomNormal", _NORMAL, signed, "random numbers: no gradient"),
    _entry("RandomNormalLike", _NORMAL, signed, "random numbers: no gradient"),
    _entry("Bernoulli", _COIN, nonnegative, "random choices: no gradient"),
    Operator(
        "Multinomial",
        _multinomial,
        nonnegative,
        rule=rule(OpKind.ELEMENTWISE, "exp, add per class; log2 compare per draw", "none"),
    ),
)
