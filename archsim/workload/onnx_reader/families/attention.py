"""Attention as one operator: scores, softmax and values, all of activations."""

from __future__ import annotations

from collections.abc import Sequence

from archsim.errors import InputError
from archsim.workload.graph import DigitalWork, DynamicMatmul, OpKind, Saved, TensorInfo
from archsim.workload.onnx_reader.families.softmax import softmax_work
from archsim.workload.onnx_reader.nodes import Node
from archsim.workload.onnx_reader.operators import Operator, Piece, Scope, per_element


def _heads(
    node: Node, shape: tuple[int, ...], attribute: str, index: int
) -> tuple[int, int, int, int]:
    """(batch, heads, length, size per head) of a 4-D operand, or a 3-D one with packed heads."""
    if len(shape) == 4:
        batch, heads, length, size = shape
        return batch, heads, length, size
    batch, length, width = shape
    heads = node.integer(attribute, 0)
    if heads < 1 or width % heads:
        raise InputError(
            f"its input {index} of width {width} cannot be split into {heads} heads.",
            place=node.place,
        )
    return batch, heads, length, width // heads


def _attention(node: Node, scope: Scope) -> Sequence[Piece]:
    """softmax(scale * Q K^T + mask) V, over batch * query heads, also with fewer key heads.

    Digital work per score: scaling (mul), the mask (add, if there is one) and the softmax; backward
    the same in reverse.  Scores after the softmax are saved, as without fusion.
    """
    batch, heads, length, size = _heads(node, scope.shape(node.input(0)), "q_num_heads", 0)
    keys = _heads(node, scope.shape(node.input(1)), "kv_num_heads", 1)
    values = _heads(node, scope.shape(node.input(2)), "kv_num_heads", 2)
    past = node.input(4)
    span = keys[2] + (scope.shape(past)[2] if past else 0)
    count = batch * heads
    rows = count * length
    n = rows * span
    masked = bool(node.input(3)) or bool(node.integer("is_causal", 0))
    forward, backward = softmax_work(n, rows)
    scale = per_element(n, mul=1)
    probabilities = f"{node.name}/probabilities"
    saved = [Saved(name, scope.elements(name)) for name in node.inputs[:3]]
    floating = scope.info(node.outputs[0])
    return [
        Piece(
            kind=OpKind.DYNAMIC_MATMUL,
            inputs=scope.activations(node),
            outputs=scope.results_of(node),
            reason="both operands of both products are activations",
            dynamic=(
                DynamicMatmul(count, length, size, span),
                DynamicMatmul(count, length, span, values[3]),
            ),
            forward=forward
            + scale
            + per_element(n, add=1 if masked else 0)
            + DigitalWork(read=n, written=n),
            backward=backward + scale + DigitalWork(read=2 * n, written=n),
            saved=(*dict.fromkeys(saved), Saved(probabilities, n)),
            internal=(
                TensorInfo(
                    probabilities,
                    (batch, heads, length, span),
                    floating.bytes_per_element,
                    nonnegative=True,
                ),
            ),
        )
    ]


OPERATORS = (Operator("Attention", _attention),)
