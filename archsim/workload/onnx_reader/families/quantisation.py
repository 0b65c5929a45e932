"""Quantisation of activations: simulated in training, with a straight-through gradient."""

from __future__ import annotations

from collections.abc import Sequence

from onnx import TensorProto

from archsim.workload.graph import NO_WORK, DigitalWork, OpKind
from archsim.workload.onnx_reader.nodes import Node
from archsim.workload.onnx_reader.operators import (
    Operator,
    Piece,
    Scope,
    always,
    data_keeps_sign,
    per_element,
    rule,
)
from archsim.workload.onnx_reader.recasting import shaped_like


def _quantise(node: Node, scope: Scope) -> Sequence[Piece]:
    """Multiply by 1/step, round and clip (two comparisons), add the zero point."""
    n = scope.elements(node.outputs[0])
    return [_piece(node, scope, per_element(n, mul=1, add=1, compare=2), "rounds to few levels")]


def _dequantise(node: Node, scope: Scope) -> Sequence[Piece]:
    """Subtract the zero point, multiply by the step."""
    n = scope.elements(node.outputs[0])
    return [_piece(node, scope, per_element(n, mul=1, add=1), "back from levels to numbers")]


def _dynamic(node: Node, scope: Scope) -> Sequence[Piece]:
    """As QuantizeLinear, after finding the smallest and the largest element."""
    n = scope.elements(node.outputs[0])
    work = per_element(n, mul=1, add=1, compare=4)
    return [_piece(node, scope, work, "rounds to few levels between the extremes")]


def _piece(node: Node, scope: Scope, work: DigitalWork, reason: str) -> Piece:
    n = scope.elements(node.outputs[0])
    return Piece(
        kind=OpKind.ELEMENTWISE,
        inputs=scope.activations(node),
        outputs=scope.results_of(node),
        reason=reason,
        forward=work + DigitalWork(read=n, written=n),
        # The straight-through gradient passes unchanged.
        backward=NO_WORK,
    )


def _quantised_type(node: Node, scope: Scope) -> Sequence[tuple[int, tuple[int, ...]]]:
    zero = node.input(2)
    kind = scope.element_type(zero) if zero else TensorProto.UINT8
    return [(kind, scope.shape(node.input(0)))]


_QUANTISE = rule(OpKind.ELEMENTWISE, "n (mul, add, 2 compare)", "passes straight through")
_DEQUANTISE = rule(OpKind.ELEMENTWISE, "n (mul, add)", "passes straight through")
OPERATORS = (
    Operator("QuantizeLinear", _quantise, data_keeps_sign, straight_through=always, rule=_QUANTISE),
    Operator("DequantizeLinear", _dequantise, data_keeps_sign, rule=_DEQUANTISE),
    Operator(
        "DynamicQuantizeLinear",
        _dynamic,
        straight_through=always,
        rule=rule(OpKind.ELEMENTWISE, "n (mul, add, 4 compare)", "passes straight through"),
    ),
    Operator(
        "QuantizeLinear",
        _quantise,
        data_keeps_sign,
        "com.microsoft",
        _quantised_type,
        always,
        rule=_QUANTISE,
    ),
    Operator(
        "DequantizeLinear",
        _dequantise,
        data_keeps_sign,
        "com.microsoft",
        shaped_like(0, like=1),
        rule=_DEQUANTISE,
    ),
)
