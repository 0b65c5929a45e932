"""Softmax and its logarithm.  n is the number of elements, m that of rows.

Forward: maximum (n - m comparisons), difference (n add), n exp, sum (n - m add), one division per
row and n multiplications.  Backward from the output: sum of g*y (n mul, n - m add), difference
(n add), product (n mul).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from archsim.workload.graph import DigitalWork, OpKind, Saved
from archsim.workload.onnx_reader.nodes import Node
from archsim.workload.onnx_reader.operators import (
    Operator,
    Piece,
    Scope,
    nonnegative,
    per_element,
    rule,
)

# From this opset on, softmax normalises one axis; before, all axes from `axis` on together.
_ONE_AXIS_OPSET = 13


def softmax_work(n: int, rows: int) -> tuple[DigitalWork, DigitalWork]:
    """Forward and backward work of a softmax of `n` elements in `rows` rows, without traffic."""
    forward = per_element(n, add=1, exp=1, mul=1) + DigitalWork(
        compare=n - rows, add=n - rows, div=rows
    )
    return forward, per_element(n, mul=2, add=1) + DigitalWork(add=n - rows)


def _rows(node: Node, scope: Scope) -> int:
    shape = scope.shape(node.input(0))
    one_axis = node.version >= _ONE_AXIS_OPSET
    axis = node.integer("axis", -1 if one_axis else 1) % max(len(shape), 1)
    if one_axis:
        return math.prod(shape) // shape[axis]
    return math.prod(shape[:axis])


def softmax(node: Node, scope: Scope) -> Sequence[Piece]:
    """Softmax over one axis, or before opset 13 over all axes from one on."""
    n, rows = scope.elements(node.input(0)), _rows(node, scope)
    forward, backward = softmax_work(n, rows)
    return [_piece(node, scope, forward, backward)]


def _log_softmax(node: Node, scope: Scope) -> Sequence[Piece]:
    """x - max - log(sum(exp)); backward g - exp(y)*sum(g)."""
    n, rows = scope.elements(node.input(0)), _rows(node, scope)
    forward = per_element(n, add=2, exp=1) + DigitalWork(compare=n - rows, add=n - rows, log=rows)
    backward = per_element(n, exp=1, mul=1, add=1) + DigitalWork(add=n - rows)
    return [_piece(node, scope, forward, backward)]


def _piece(node: Node, scope: Scope, forward: DigitalWork, backward: DigitalWork) -> Piece:
    result = node.outputs[0]
    n = scope.elements(result)
    return Piece(
        kind=OpKind.SOFTMAX,
        inputs=scope.activations(node),
        outputs=(result,),
        reason="normalises rows by exponentials",
        forward=forward + DigitalWork(read=n, written=n),
        backward=backward + DigitalWork(read=2 * n, written=n),
        saved=(Saved(result, n),),
    )


def _hardmax(node: Node, scope: Scope) -> Sequence[Piece]:
    """One at the first maximum of each row: a comparison per element; it has no gradient."""
    n = scope.elements(node.outputs[0])
    return [
        Piece(
            kind=OpKind.SOFTMAX,
            inputs=scope.activations(node),
            outputs=(node.outputs[0],),
            reason="marks the maximum of each row: no gradient",
            forward=per_element(n, compare=2) + DigitalWork(read=n, written=n),
        )
    ]


SOFTMAX_RULE = rule(
    OpKind.SOFTMAX, "n (exp, 2 add, mul, compare), 1 div per row", "n (2 mul, 2 add)"
)
OPERATORS = (
    Operator("Softmax", softmax, nonnegative, rule=SOFTMAX_RULE),
    Operator(
        "LogSoftmax",
        _log_softmax,
        rule=rule(OpKind.SOFTMAX, "n (exp, 3 add, compare), 1 log per row", "n (exp, mul, 2 add)"),
    ),
    Operator("Hardmax", _hardmax, nonnegative, rule=rule(OpKind.SOFTMAX, "n 2 compare", "none")),
)
