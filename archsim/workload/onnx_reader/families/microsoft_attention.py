"""The attentions of `com.microsoft`, some of which hold the projections of query, key and value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from archsim.errors import InputError
from archsim.workload.graph import DigitalWork, Note, OpKind, ParameterRole, Saved, TensorInfo
from archsim.workload.onnx_reader.families.attention import (
    ATTENTION_RULE,
    Heads,
    attention_piece,
    split_heads,
)
from archsim.workload.onnx_reader.families.convolution import learned_bias, product_piece
from archsim.workload.onnx_reader.nodes import Node
from archsim.workload.onnx_reader.operators import (
    Handler,
    Operator,
    Piece,
    Product,
    Read,
    Rule,
    Scope,
    ShapeRule,
    per_element,
    rule,
)

_DOMAIN = "com.microsoft"
Typed = tuple[int, tuple[int, ...]]


def _sizes(node: Node, scope: Scope) -> tuple[int, int, int]:
    """The widths of query, key and value that a packed projection gives."""
    stated = node.integers("qkv_hidden_sizes")
    if len(stated) == 3:
        return stated[0], stated[1], stated[2]
    width = scope.shape(node.input(1))[-1]
    return width // 3, width // 3, width // 3


def _head_count(node: Node, name: str = "num_heads") -> int:
    heads = node.integer(name, 0)
    if heads < 1:
        raise InputError(f"its attribute '{name}' is {heads}.", place=node.place)
    return heads


def _projected(node: Node, scope: Scope, *, past: int, tokens: tuple[int, int]) -> list[Piece]:
    """A projection by one stored matrix, then attention of `tokens` = (batch, length)."""
    source = node.input(0)
    weights = scope.constant(node.input(1))
    if weights is None:
        raise InputError("its projection is no constant.", place=node.place)
    width, _, values = _sizes(node, scope)
    heads = _head_count(node)
    rows = scope.elements(source) // scope.shape(source)[-1]
    shape = (*scope.shape(source)[:-1], weights.shape[-1])
    packed = TensorInfo(f"{node.name}/qkv", shape, scope.info(node.outputs[0]).bytes_per_element)
    product = Product(
        constant=weights,
        inputs=weights.shape[0],
        outputs=weights.shape[-1],
        vectors=rows,
        bias=learned_bias(scope, node.input(2)),
    )
    projection = product_piece(node, scope, product, "query, key and value at once")
    bias = DigitalWork()
    if product.bias is not None:
        bias = DigitalWork(add=packed.elements, read_parameters=product.bias.elements)
    projection = replace(
        projection,
        outputs=(packed.name,),
        suffix="/projection",
        forward=bias,
        backward=DigitalWork(add=packed.elements - bias.read_parameters) if bias.add else bias,
        internal=(packed,),
    )
    batch, length = tokens
    held = node.input(past) if past else ""
    span = length + (scope.shape(held)[-2] if held else 0)
    attends = attention_piece(
        node,
        scope,
        Heads(batch, heads, length, span, width // heads, values // heads),
        inputs=(packed.name, *(name for name in (held,) if name and scope.constant(name) is None)),
        saved=[Saved(packed.name, packed.elements)],
        masked=bool(node.input(3)) or bool(node.integer("unidirectional", 0)),
        suffix="/attention",
    )
    return [projection, attends]


def _attention(past: int) -> Handler:
    def handle(node: Node, scope: Scope) -> Sequence[Piece]:
        batch, length = scope.shape(node.input(0))[:2]
        return _projected(node, scope, past=past, tokens=(batch, length))

    return handle


def _attention_shape(past: int, like: int = 0) -> ShapeRule:
    def shapes(node: Node, scope: Scope) -> Sequence[Typed]:
        batch, length = scope.shape(node.input(0))[:2]
        width, _, values = _sizes(node, scope)
        heads = _head_count(node)
        held = node.input(past)
        span = length + (scope.shape(held)[-2] if held else 0)
        kind = scope.element_type(node.input(like))
        return [(kind, (batch, length, values)), (kind, (2, batch, heads, span, width // heads))]

    return shapes


def _packed(node: Node, scope: Scope) -> Sequence[Piece]:
    """PackedAttention: tokens without padding; sequences are taken at their full length."""
    batch, length = scope.shape(node.input(3))
    pieces = _projected(node, scope, past=0, tokens=(batch, length))
    return [replace(pieces[0], notes=(_full_length(node),)), pieces[1]]


def _full_length(node: Node) -> Note:
    return Note(
        "packed_tokens",
        f"How long the sequences packed into '{node.name}' are depends on the data; all are taken "
        "at the full length.",
        node.name,
    )


def _packed_shape(node: Node, scope: Scope) -> Sequence[Typed]:
    kind, shape = scope.element_type(node.input(0)), scope.shape(node.input(0))
    return [(kind, (shape[0], _sizes(node, scope)[2]))]


def _operands(node: Node, scope: Scope) -> tuple[Heads, tuple[int, ...]]:
    """The sizes of a MultiHeadAttention, and the shape of its result.

    Its query is [B, S, D], or packed with key and value as [B, S, N, 3, H]; its key [B, L, D],
    [B, N, L, H], or packed with the value as [B, L, N, 2, H].
    """
    heads = _head_count(node)
    query = scope.shape(node.input(0))
    batch, length = query[:2]
    if len(query) == 5:
        size = values = query[-1]
        span = length
    else:
        size = query[-1] // heads
        span, values = _key_sizes(node, scope, heads, size, length)
    past = node.input(6)
    if past:
        span += scope.shape(past)[2]
    sizes = Heads(batch, heads, length, span, size, values)
    return sizes, (batch, length, heads * values)


def _key_sizes(node: Node, scope: Scope, heads: int, size: int, length: int) -> tuple[int, int]:
    key = scope.shape(node.input(1)) if node.input(1) else ()
    if len(key) == 5:
        return key[1], key[-1]
    if not key:
        return length, size
    span = key[2] if len(key) == 4 else key[1]
    if not node.input(2):
        return span, size
    value = split_heads(node, scope.shape(node.input(2)), heads, 2)
    return span, value[3]


def _multi_head(node: Node, scope: Scope) -> Sequence[Piece]:
    sizes, _ = _operands(node, scope)
    names = tuple(name for name in node.inputs[:3] if name)
    piece = _of_operands(node, scope, sizes, names, masked=any(map(node.input, (4, 5))))
    return [_with_bias(piece, node, scope, node.input(3), names)]


def _of_operands(
    node: Node, scope: Scope, sizes: Heads, names: tuple[str, ...], *, masked: bool
) -> Piece:
    return attention_piece(
        node,
        scope,
        sizes,
        inputs=scope.activations(node),
        saved=[Saved(name, scope.elements(name)) for name in names],
        masked=masked or bool(node.integer("unidirectional", 0)),
        capped=node.real("softcap", 0.0) > 0,
    )


def _with_bias(piece: Piece, node: Node, scope: Scope, name: str, names: tuple[str, ...]) -> Piece:
    """The biases of the projections, added inside the attention."""
    bias = learned_bias(scope, name)
    if bias is None:
        return piece
    added = sum(scope.elements(operand) for operand in names)
    return replace(
        piece,
        forward=piece.forward + DigitalWork(add=added, read_parameters=bias.elements),
        backward=piece.backward + DigitalWork(add=max(added - bias.elements, 0)),
        reads=(Read(bias, ParameterRole.BIAS),),
    )


def _multi_head_shape(node: Node, scope: Scope) -> Sequence[Typed]:
    kind = scope.element_type(node.input(0))
    sizes, shape = _operands(node, scope)
    held = (sizes.batch, sizes.heads, sizes.span)
    return [
        (kind, shape),
        (kind, (*held, sizes.key_size)),
        (kind, (*held, sizes.value_size)),
    ]


def _packed_multi_head(node: Node, scope: Scope) -> Sequence[Piece]:
    """PackedMultiHeadAttention: as MultiHeadAttention, of tokens without padding."""
    batch, length = scope.shape(node.input(4))
    query, heads = scope.shape(node.input(0)), _head_count(node)
    size = query[-1] if len(query) == 4 else query[-1] // heads
    values = scope.shape(node.input(2))[-1] // heads if node.input(2) else size
    sizes = Heads(batch, heads, length, length, size, values)
    names = tuple(name for name in node.inputs[:3] if name)
    piece = _of_operands(node, scope, sizes, names, masked=bool(node.input(6)))
    biased = _with_bias(piece, node, scope, node.input(3), names)
    return [replace(biased, notes=(_full_length(node),))]


def _packed_multi_head_shape(node: Node, scope: Scope) -> Sequence[Typed]:
    query, heads = scope.shape(node.input(0)), _head_count(node)
    width = heads * query[-1] if len(query) == 4 else query[-1]
    if node.input(2):
        width = scope.shape(node.input(2))[-1]
    return [(scope.element_type(node.input(0)), (query[0], width))]


def _grouped(node: Node, scope: Scope) -> tuple[Heads, int, int]:
    """The sizes of a GroupQueryAttention, its key heads, and how long its caches are afterwards.

    Without a stated length, the keys are those of the cache and of the input.
    """
    heads, kv_heads = _head_count(node), _head_count(node, "kv_num_heads")
    batch, length, width = scope.shape(node.input(0))
    packed = not node.input(1)
    size = width // (heads + 2 * kv_heads) if packed else width // heads
    held = scope.shape(node.input(3))[2] if node.input(3) else 0
    stated = scope.value(node.input(6)) if node.input(6) else None
    span = held + length if stated is None else int(stated.ravel()[0])
    return Heads(batch, heads, length, span, size, size), kv_heads, max(span, held)


def _group_query(node: Node, scope: Scope) -> Sequence[Piece]:
    """Fewer key heads than query heads, a cache, and perhaps rotary positions (3 per element)."""
    sizes, kv_heads, _ = _grouped(node, scope)
    names = tuple(name for name in node.inputs[:3] if name)
    piece = _of_operands(node, scope, sizes, names, masked=True)
    if not node.integer("do_rotary", 0):
        return [piece]
    turned = sizes.batch * sizes.length * sizes.key_size * (sizes.heads + kv_heads)
    rotary = per_element(turned, mul=2, add=1) + DigitalWork(read=turned, written=turned)
    return [replace(piece, forward=piece.forward + rotary, backward=piece.backward + rotary)]


def _group_query_shape(node: Node, scope: Scope) -> Sequence[Typed]:
    kind = scope.element_type(node.input(0))
    sizes, kv_heads, held = _grouped(node, scope)
    cache = (kind, (sizes.batch, kv_heads, held, sizes.key_size))
    result = (sizes.batch, sizes.length, sizes.heads * sizes.value_size)
    return [(kind, result), cache, cache]


def _decoder(node: Node) -> Node:
    """DecoderMaskedMultiHeadAttention with its inputs where MultiHeadAttention has them."""
    query, key, value, mask, bias, past_key, past_value = (node.input(i) for i in range(7))
    inputs = (query, key, value, "", mask, bias, past_key, past_value)
    return replace(node, inputs=inputs)


def _decoder_masked(node: Node, scope: Scope) -> Sequence[Piece]:
    return _multi_head(_decoder(node), scope)


def _decoder_masked_shape(node: Node, scope: Scope) -> Sequence[Typed]:
    return _multi_head_shape(_decoder(node), scope)


_PROJECTING = Rule(
    (OpKind.WEIGHT_MATMUL, OpKind.DYNAMIC_MATMUL),
    f"packed projection; {ATTENTION_RULE.forward}",
    f"{ATTENTION_RULE.backward}; projection's gradients",
)
_ROTATING = rule(
    OpKind.DYNAMIC_MATMUL, f"{ATTENTION_RULE.forward}; rotary", ATTENTION_RULE.backward
)


def _entry(op_type: str, handler: Handler, shapes: ShapeRule, text: Rule) -> Operator:
    return Operator(op_type, handler, domain=_DOMAIN, shapes=shapes, rule=text)


OPERATORS = (
    _entry("Attention", _attention(4), _attention_shape(4), _PROJECTING),
    _entry("QAttention", _attention(8), _attention_shape(8, like=3), _PROJECTING),
    _entry("PackedAttention", _packed, _packed_shape, _PROJECTING),
    _entry("MultiHeadAttention", _multi_head, _multi_head_shape, ATTENTION_RULE),
    _entry(
        "DecoderMaskedMultiHeadAttention", _decoder_masked, _decoder_masked_shape, ATTENTION_RULE
    ),
    _entry(
        "PackedMultiHeadAttention", _packed_multi_head, _packed_multi_head_shape, ATTENTION_RULE
    ),
    _entry("GroupQueryAttention", _group_query, _group_query_shape, _ROTATING),
)
