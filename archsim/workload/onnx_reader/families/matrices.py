"""Determinants and inverses of small matrices, by elimination.

Eliminating an n x n matrix takes n(n-1)(2n-1)/6 mul and add and n(n-1)/2 div; an inverse n^3 mul and
add.  Backward: det * inverse(transpose) * g, and -inverse^T g inverse^T (two products of n^3).
"""

from __future__ import annotations

from collections.abc import Sequence

from archsim.workload.graph import DigitalWork, OpKind, Saved
from archsim.workload.onnx_reader.nodes import Node
from archsim.workload.onnx_reader.operators import Operator, Piece, Scope, rule
from archsim.workload.onnx_reader.recasting import shaped_like


def _sizes(node: Node, scope: Scope) -> tuple[int, int, int]:
    elements, size = scope.elements(node.input(0)), scope.shape(node.input(0))[-1]
    return elements, size, elements // (size * size)


def _determinant(node: Node, scope: Scope) -> Sequence[Piece]:
    elements, n, count = _sizes(node, scope)
    steps = n * (n - 1) * (2 * n - 1) // 6
    forward = DigitalWork(mul=steps + n, add=steps, div=n * (n - 1) // 2).scaled(count)
    backward = DigitalWork(mul=n**3 + n * n, add=n**3, div=n).scaled(count)
    return [_piece(node, scope, forward, backward, "determinant by elimination", elements)]


def _inverse(node: Node, scope: Scope) -> Sequence[Piece]:
    elements, n, count = _sizes(node, scope)
    forward = DigitalWork(mul=n**3, add=n**3, div=n).scaled(count)
    backward = DigitalWork(mul=2 * n**3, add=2 * n**3).scaled(count)
    return [_piece(node, scope, forward, backward, "inverse by elimination", elements)]


def _piece(
    node: Node, scope: Scope, forward: DigitalWork, backward: DigitalWork, reason: str, size: int
) -> Piece:
    out = scope.elements(node.outputs[0])
    return Piece(
        kind=OpKind.REDUCTION,
        inputs=scope.activations(node),
        outputs=(node.outputs[0],),
        reason=reason,
        forward=forward + DigitalWork(read=size, written=out),
        backward=backward + DigitalWork(read=size + out, written=size),
        saved=(Saved(node.input(0), size),),
    )


OPERATORS = (
    Operator(
        "Det",
        _determinant,
        rule=rule(OpKind.REDUCTION, "n^3/3 (mul, add) per matrix", "n^3 (mul, add) per matrix"),
    ),
    Operator(
        "Inverse",
        _inverse,
        domain="com.microsoft",
        shapes=shaped_like(0),
        rule=rule(OpKind.REDUCTION, "n^3 (mul, add) per matrix", "2 n^3 (mul, add)"),
    ),
)
