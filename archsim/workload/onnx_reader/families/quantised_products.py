"""Products of quantised operands: the products themselves, then a rounding of the result.

Weights stored in few bits are trained weights all the same: training with them keeps a straight-
through gradient.  Scales and zero points are no parameters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from onnx import TensorProto

from archsim.workload.graph import OpKind
from archsim.workload.onnx_reader.families.convolution import CONVOLUTION_RULE, convolution
from archsim.workload.onnx_reader.families.following import (
    ADDITION,
    REQUANTISE,
    RESCALE,
    Step,
    followed,
)
from archsim.workload.onnx_reader.families.matmul import MATMUL_RULE, gemm, matmul
from archsim.workload.onnx_reader.nodes import Node
from archsim.workload.onnx_reader.operators import (
    Handler,
    Operator,
    Piece,
    Rule,
    Scope,
    ShapeRule,
    always,
    rule,
)
from archsim.workload.onnx_reader.recasting import recast, shaped_as

_MICROSOFT = "com.microsoft"
_ROUND = (Step("round", REQUANTISE),)


def _as_convolution(inputs: Sequence[int], steps: Sequence[Step]) -> Handler:
    def handle(node: Node, scope: Scope) -> Sequence[Piece]:
        (piece,) = convolution(recast(node, "Conv", inputs), scope)
        return followed(piece, node, scope, steps)

    return handle


def _as_matmul(inputs: Sequence[int], steps: Sequence[Step], bias: int = -1) -> Handler:
    def handle(node: Node, scope: Scope) -> Sequence[Piece]:
        (piece,) = matmul(recast(node, "MatMul", inputs), scope)
        added = node.input(bias) if bias >= 0 else ""
        extra = (Step("bias", ADDITION, added),) if added else ()
        return followed(piece, node, scope, (*steps, *extra))

    return handle


def _gemm(node: Node, scope: Scope) -> Sequence[Piece]:
    """QGemm: the result is rounded where an output scale is given, else it is a float."""
    (piece,) = gemm(recast(node, "Gemm", (0, 3, 6)), scope)
    steps = _ROUND if node.input(7) else (Step("scale", RESCALE),)
    return followed(piece, node, scope, steps)


def _gemm_shape(node: Node, scope: Scope) -> Sequence[tuple[int, tuple[int, ...]]]:
    ((_, shape),) = shaped_as("Gemm", (0, 3, 6))(node, scope)
    kind = scope.element_type(node.input(0)) if node.input(7) else TensorProto.FLOAT
    return [(kind, shape)]


def _dynamic(node: Node, scope: Scope) -> Sequence[Piece]:
    """DynamicQuantizeMatMul: rounds its input by its own extremes, multiplies, scales back."""
    (piece,) = matmul(recast(node, "MatMul", (0, 1)), scope)
    extra = (Step("bias", ADDITION, node.input(4)),) if node.input(4) else ()
    piece = replace(piece, reason=f"{piece.reason}, input rounded on the way")
    return followed(piece, node, scope, (*_ROUND, Step("scale", RESCALE), *extra))


def _rounded(base: Rule) -> Rule:
    return rule((*base.kinds, OpKind.ELEMENTWISE), f"{base.forward}; rounding", f"{base.backward}")


def _entry(
    op_type: str, handler: Handler, base: Rule, shapes: ShapeRule | None = None, domain: str = ""
) -> Operator:
    return Operator(
        op_type,
        handler,
        domain=domain,
        shapes=shapes,
        straight_through=always,
        rule=_rounded(base),
    )


OPERATORS = (
    _entry("QLinearConv", _as_convolution((0, 3, 8), _ROUND), CONVOLUTION_RULE),
    _entry("ConvInteger", _as_convolution((0, 1), ()), CONVOLUTION_RULE),
    _entry("QLinearMatMul", _as_matmul((0, 3), _ROUND), MATMUL_RULE),
    _entry("MatMulInteger", _as_matmul((0, 1), ()), MATMUL_RULE),
    _entry("QGemm", _gemm, MATMUL_RULE, _gemm_shape, _MICROSOFT),
    _entry(
        "DynamicQuantizeMatMul",
        _dynamic,
        MATMUL_RULE,
        shaped_as("MatMul", (0, 1), like=0),
        _MICROSOFT,
    ),
    _entry(
        "MatMulIntegerToFloat",
        _as_matmul((0, 1), (Step("scale", RESCALE),), bias=6),
        MATMUL_RULE,
        shaped_as("MatMul", (0, 1), like=2),
        _MICROSOFT,
    ),
    _entry(
        "MatMulInteger16",
        _as_matmul((0, 1), ()),
        MATMUL_RULE,
        shaped_as("MatMul", (0, 1)),
        _MICROSOFT,
    ),
)
