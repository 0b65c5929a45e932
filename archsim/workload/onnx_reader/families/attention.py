"""Attention as one operator: scores, softmax and values, all of activations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from archsim.errors import InputError
from archsim.workload.graph import DigitalWork, DynamicMatmul, OpKind, Saved, TensorInfo
from archsim.workload.onnx_reader.families.softmax import softmax_work
from archsim.workload.onnx_reader.nodes import Node
from archsim.workload.onnx_reader.operators import (
    Operator,
    Piece,
    Scope,
    per_element,
    rule,
)


@dataclass(frozen=True, slots=True)
class Heads:
    """Sizes of an attention: `heads` query heads of `length` queries over `span` keys.

    Keys and values may have fewer heads; each then serves several query heads, and the products are
    as many.
    """

    batch: int
    heads: int
    length: int
    span: int
    key_size: int
    value_size: int

    @property
    def count(self) -> int:
        """Independent attentions."""
        return self.batch * self.heads

    @property
    def scores(self) -> int:
        """Elements of the scores of all attentions."""
        return self.count * self.length * self.span


def split_heads(
    node: Node, shape: tuple[int, ...], heads: int, index: int
) -> tuple[int, int, int, int]:
    """(batch, heads, length, size per head) of a 4-D operand, or a 3-D one with packed heads."""
    if len(shape) == 4:
        batch, heads, length, size = shape
        return batch, heads, length, size
    batch, length, width = shape
    if heads < 1 or width % heads:
        raise InputError(
            f"its input {index} of width {width} cannot be split into {heads} heads.",
            place=node.place,
        )
    return batch, heads, length, width // heads


def attention_piece(
    node: Node,
    scope: Scope,
    heads: Heads,
    *,
    inputs: tuple[str, ...],
    saved: Sequence[Saved],
    masked: bool,
    suffix: str = "",
    capped: bool = False,
) -> Piece:
    """softmax(scale * Q K^T + mask) V.

    Digital work per score: scaling (mul), the mask (add, if there is one), a cap by tanh (2 mul,
    special) and the softmax; backward the same in reverse.  Scores after the softmax are saved, as
    without fusion.
    """
    n = heads.scores
    forward, backward = softmax_work(n, heads.count * heads.length)
    scale = per_element(n, mul=1)
    if capped:
        forward += per_element(n, mul=2, special=1)
        backward += per_element(n, mul=3, add=1)
    probabilities = TensorInfo(
        f"{node.name}/probabilities",
        (heads.batch, heads.heads, heads.length, heads.span),
        scope.info(node.outputs[0]).bytes_per_element,
        nonnegative=True,
    )
    return Piece(
        kind=OpKind.DYNAMIC_MATMUL,
        inputs=inputs,
        outputs=scope.results_of(node),
        reason="both operands of both products are activations",
        suffix=suffix,
        dynamic=(
            DynamicMatmul(heads.count, heads.length, heads.key_size, heads.span),
            DynamicMatmul(heads.count, heads.length, heads.span, heads.value_size),
        ),
        forward=forward
        + scale
        + per_element(n, add=1 if masked else 0)
        + DigitalWork(read=n, written=n),
        backward=backward + scale + DigitalWork(read=2 * n, written=n),
        saved=(*dict.fromkeys(saved), Saved(probabilities.name, n)),
        internal=(probabilities,),
    )


def _attention(node: Node, scope: Scope) -> Sequence[Piece]:
    batch, heads, length, size = split_heads(
        node, scope.shape(node.input(0)), node.integer("q_num_heads", 0), 0
    )
    kv_heads = node.integer("kv_num_heads", 0)
    keys = split_heads(node, scope.shape(node.input(1)), kv_heads, 1)
    values = split_heads(node, scope.shape(node.input(2)), kv_heads, 2)
    past = node.input(4)
    span = keys[2] + (scope.shape(past)[2] if past else 0)
    return [
        attention_piece(
            node,
            scope,
            Heads(batch, heads, length, span, size, values[3]),
            inputs=scope.activations(node),
            saved=[Saved(name, scope.elements(name)) for name in node.inputs[:3]],
            masked=bool(node.input(3)) or bool(node.integer("is_causal", 0)),
            capped=node.real("softcap", 0.0) > 0,
        )
    ]


def _linear(node: Node, scope: Scope) -> Sequence[Piece]:
    """Linear attention: a state [d_k, d_v] per key head, updated and read at every token.

    Each token adds the outer product of key and value (and, by the delta rules, first reads the
    state with the key), and each query head reads the state with its query.  A decay multiplies the
    state at each token.  The states of all tokens are not kept: chunked backward passes recompute
    them.
    """
    batch, tokens, _ = scope.shape(node.input(0))
    query_heads, heads = node.integer("q_num_heads", 1), node.integer("kv_num_heads", 1)
    key = scope.shape(node.input(1))[2] // heads
    value = scope.shape(node.input(2))[2] // heads
    update = node.text("update_rule", "gated_delta")
    reads = DynamicMatmul(batch * query_heads * tokens, 1, key, value)
    outer = DynamicMatmul(batch * heads * tokens, key, 1, value)
    erase = (DynamicMatmul(batch * heads * tokens, 1, key, value),) if "delta" in update else ()
    state = batch * heads * tokens * key * value
    forward = DigitalWork(add=state, read=state, written=state)
    if "gated" in update:
        decays = scope.elements(node.input(4)) if node.input(4) else 0
        forward += DigitalWork(mul=state, exp=decays)
    if erase:
        forward += per_element(batch * heads * tokens * value, add=1, mul=1)
    names = scope.activations(node)
    return [
        Piece(
            kind=OpKind.DYNAMIC_MATMUL,
            inputs=names,
            outputs=scope.results_of(node),
            reason="every token updates and reads a state",
            dynamic=(outer, *erase, reads),
            forward=forward,
            backward=forward + forward,
            saved=tuple(Saved(name, scope.elements(name)) for name in names),
        )
    ]


ATTENTION_RULE = rule(
    OpKind.DYNAMIC_MATMUL,
    "2 products per query head, softmax of the scores",
    "4 products, softmax gradient; scores kept",
)
OPERATORS = (
    Operator("Attention", _attention, rule=ATTENTION_RULE),
    Operator(
        "LinearAttention",
        _linear,
        rule=rule(
            OpKind.DYNAMIC_MATMUL,
            "outer product and read of a state per token",
            "two products for each, states recomputed",
        ),
    ),
)
