"""Rotary positions: pairs of elements turned by an angle, 2 products and a sum per element."""

from __future__ import annotations

from collections.abc import Sequence

from archsim.workload.graph import DigitalWork, OpKind
from archsim.workload.onnx_reader.nodes import Node
from archsim.workload.onnx_reader.operators import Operator, Piece, Scope, per_element, rule
from archsim.workload.onnx_reader.recasting import shaped_like


def _rotated(node: Node, scope: Scope) -> Sequence[Piece]:
    """Elements outside the turned part of each head are copied; cosines and sines are tables."""
    source, result = node.input(0), node.outputs[0]
    n = scope.elements(result)
    part = node.integer("rotary_embedding_dim", 0)
    shape = scope.shape(source)
    heads = node.integer("num_heads", 0)
    size = shape[-1] // heads if len(shape) == 3 and heads else shape[-1]
    turned = n // size * part if 0 < part < size else n
    # The inverse turns by the opposite angle.
    work = per_element(turned, mul=2, add=1) + DigitalWork(read=n + turned, written=n)
    return [
        Piece(
            kind=OpKind.ELEMENTWISE,
            inputs=scope.activations(node),
            outputs=(result,),
            reason="turns pairs of elements by their position",
            forward=work,
            backward=work,
        )
    ]


_RULE = rule(OpKind.ELEMENTWISE, "n (2 mul, add)", "n (2 mul, add)")
OPERATORS = (
    Operator("RotaryEmbedding", _rotated, rule=_RULE),
    Operator(
        "RotaryEmbedding", _rotated, domain="com.microsoft", shapes=shaped_like(0), rule=_RULE
    ),
)
