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
from archsim.workload.onnx_reader.operators import Operator, Piece, Scope, nonnegative, per_element

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


def _softmax(node: Node, scope: Scope) -> Sequence[Piece]:
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


OPERATORS = (
    Operator("Softmax", _softmax, nonnegative),
    Operator("LogSoftmax", _log_softmax),
)
