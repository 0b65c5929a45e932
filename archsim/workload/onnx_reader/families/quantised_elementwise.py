"""Elementwise operators, poolings and movements of quantised tensors: the operation, then a rounding.

Every operand comes with a scale and a zero point: reading it is a product and a sum per element, and
the result is rounded by a product, a sum and two comparisons.  Gradients pass straight through the
roundings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from archsim.workload.graph import DigitalWork, OpKind
from archsim.workload.onnx_reader.families.elementwise_binary import OPERATORS as BINARY
from archsim.workload.onnx_reader.families.elementwise_unary import OPERATORS as UNARY
from archsim.workload.onnx_reader.families.following import REQUANTISE
from archsim.workload.onnx_reader.families.movement import concat
from archsim.workload.onnx_reader.families.pooling import average
from archsim.workload.onnx_reader.families.reduction import OPERATORS as REDUCTIONS
from archsim.workload.onnx_reader.families.softmax import softmax
from archsim.workload.onnx_reader.nodes import Node
from archsim.workload.onnx_reader.operators import (
    Handler,
    Operator,
    Piece,
    Rule,
    Scope,
    ShapeRule,
    always,
    per_element,
    rule,
)
from archsim.workload.onnx_reader.recasting import recast, shaped_as, shaped_like

_DOMAIN = "com.microsoft"
_STANDARD = {entry.op_type: entry for entry in (*BINARY, *UNARY, *REDUCTIONS)}


def _rounded(piece: Piece, scope: Scope, *operands: int) -> Piece:
    """`piece` with the work of scaling its operands and rounding its result."""
    n = scope.elements(piece.outputs[0])
    read = sum(operands)
    work = REQUANTISE.forward.scaled(n) + per_element(read, mul=1, add=1)
    return replace(
        piece, forward=piece.forward + work, reason=f"{piece.reason}, of quantised numbers"
    )


def _as(op_type: str, inputs: Sequence[int]) -> Handler:
    """The standard elementwise `op_type` of the operands at `inputs`, in quantised numbers."""
    handler = _STANDARD[op_type].handler

    def handle(node: Node, scope: Scope) -> Sequence[Piece]:
        (piece,) = handler(recast(node, op_type, inputs), scope)
        sizes = [scope.elements(node.input(index)) for index in inputs]
        return [_rounded(replace(piece, added_bias=None), scope, *sizes)]

    return handle


def _broadcast(node: Node, scope: Scope) -> Sequence[tuple[int, tuple[int, ...]]]:
    shapes = (scope.shape(node.input(index)) for index in (0, 3))
    return [(scope.element_type(node.input(0)), np.broadcast_shapes(*shapes))]


def _average_pool(node: Node, scope: Scope) -> Sequence[Piece]:
    standard = replace(recast(node, "AveragePool", (0,)))
    (piece,) = average(standard, scope)
    return [_rounded(piece, scope, scope.elements(node.input(0)))]


def _global_pool(node: Node, scope: Scope) -> Sequence[Piece]:
    (piece,) = average(recast(node, "GlobalAveragePool", (0,)), scope)
    return [_rounded(piece, scope, scope.elements(node.input(0)))]


def _global_shape(node: Node, scope: Scope) -> Sequence[tuple[int, tuple[int, ...]]]:
    shape = scope.shape(node.input(0))
    ones = (1,) * (len(shape) - 2)
    last = bool(node.integer("channels_last", 0))
    target = (shape[0], *ones, shape[-1]) if last else (*shape[:2], *ones)
    return [(scope.element_type(node.input(0)), target)]


def _soft(node: Node, scope: Scope) -> Sequence[Piece]:
    (piece,) = softmax(recast(node, "Softmax", (0,)), scope)
    return [_rounded(piece, scope, scope.elements(node.input(0)))]


def _parts(node: Node) -> list[int]:
    """QLinearConcat: scale and zero point of the result, then three inputs for each part."""
    return list(range(2, len(node.inputs), 3))


def _joined(node: Node, scope: Scope) -> Sequence[Piece]:
    (piece,) = concat(recast(node, "Concat", _parts(node)), scope)
    n = scope.elements(node.outputs[0])
    # What has another scale than the result is scaled and rounded on the way.
    work = per_element(n, mul=1, add=1, compare=2)
    return [replace(piece, kind=OpKind.ELEMENTWISE, forward=piece.forward + work)]


def _joined_shape(node: Node, scope: Scope) -> Sequence[tuple[int, tuple[int, ...]]]:
    return shaped_as("Concat", _parts(node))(node, scope)


def _chosen(node: Node, scope: Scope) -> Sequence[Piece]:
    """QLinearWhere: a choice between two operands that are scaled alike."""
    n = scope.elements(node.outputs[0])
    return [
        Piece(
            kind=OpKind.ELEMENTWISE,
            inputs=scope.activations(node),
            outputs=(node.outputs[0],),
            reason="elementwise choice of quantised numbers",
            forward=per_element(n, mul=1, add=1, compare=3) + DigitalWork(read=2 * n, written=n),
            backward=per_element(n, compare=2) + DigitalWork(read=n, written=2 * n),
        )
    ]


def _chosen_shape(node: Node, scope: Scope) -> Sequence[tuple[int, tuple[int, ...]]]:
    shapes = (scope.shape(node.input(index)) for index in (0, 1, 4))
    return [(scope.element_type(node.input(1)), np.broadcast_shapes(*shapes))]


def _text(kind: OpKind, forward: str, backward: str) -> Rule:
    return rule(kind, f"{forward}; rounding", backward)


def _entry(op_type: str, handler: Handler, shapes: ShapeRule, text: Rule) -> Operator:
    return Operator(
        op_type, handler, domain=_DOMAIN, shapes=shapes, straight_through=always, rule=text
    )


def _of_standard(op_type: str, standard: str, inputs: Sequence[int], shapes: ShapeRule) -> Operator:
    base = _STANDARD[standard].rule
    text = _text(base.kinds[0], base.forward, base.backward)
    return _entry(op_type, _as(standard, inputs), shapes, text)


OPERATORS = (
    _of_standard("QLinearAdd", "Add", (0, 3), _broadcast),
    _of_standard("QLinearMul", "Mul", (0, 3), _broadcast),
    _of_standard("QLinearSigmoid", "Sigmoid", (0,), shaped_like(0)),
    _of_standard("QLinearLeakyRelu", "LeakyRelu", (0,), shaped_like(0)),
    _of_standard("QLinearReduceMean", "ReduceMean", (0,), shaped_as("ReduceMean", (0,))),
    _entry(
        "QLinearWhere",
        _chosen,
        _chosen_shape,
        _text(OpKind.ELEMENTWISE, "n compare", "n compare per operand"),
    ),
    _entry(
        "QLinearAveragePool",
        _average_pool,
        shaped_as("AveragePool", (0,)),
        _text(OpKind.POOLING, "window - 1 add, 1 mul per output", "1 mul, spread"),
    ),
    _entry(
        "QLinearGlobalAveragePool",
        _global_pool,
        _global_shape,
        _text(OpKind.POOLING, "add per input, 1 mul per output", "1 mul, spread"),
    ),
    _entry(
        "QLinearSoftmax",
        _soft,
        shaped_like(0),
        _text(OpKind.SOFTMAX, "n (exp, 2 add, mul, compare)", "n (2 mul, 2 add)"),
    ),
    _entry(
        "QLinearConcat",
        _joined,
        _joined_shape,
        _text(OpKind.ELEMENTWISE, "copies n elements", "copies n elements"),
    ),
)
