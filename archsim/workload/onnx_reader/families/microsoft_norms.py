"""Normalisations that optimisers fuse with the sums before them, or with embeddings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from onnx import TensorProto

from archsim.workload.graph import DigitalWork, OpKind, ParameterRole, Saved
from archsim.workload.onnx_reader.families.following import ADDITION
from archsim.workload.onnx_reader.families.normalisation import (
    NORM_RULE,
    RMS_RULE,
    layer_norm,
    normalised,
    rms_norm,
)
from archsim.workload.onnx_reader.nodes import Node
from archsim.workload.onnx_reader.operators import (
    Operator,
    Piece,
    Read,
    Rule,
    Scope,
    rule,
)
from archsim.workload.onnx_reader.recasting import recast, shaped_like

_DOMAIN = "com.microsoft"
Typed = tuple[int, tuple[int, ...]]


def _skip(node: Node, scope: Scope, *, centred: bool) -> Sequence[Piece]:
    """The sum of input, skip and perhaps a bias; then a normalisation of it."""
    gamma, beta, bias = (2, 3, 4) if centred else (2, -1, 3)
    result = scope.info(node.outputs[0])
    n = result.elements
    # The sum is an output where the network goes on with it.
    name = node.outputs[3] if len(node.outputs) > 3 and node.outputs[3] else f"{node.name}/sum"
    total = replace(result, name=name, nonnegative=False)
    terms = [name for name in (node.input(0), node.input(1)) if name]
    added = [scope.constant(node.input(bias))] if node.input(bias) else []
    learned = [c for c in added if c is not None and c.learned_roots and not c.blank]
    activations = tuple(dict.fromkeys(t for t in terms if scope.constant(t) is None))
    summing = Piece(
        kind=OpKind.ELEMENTWISE,
        inputs=activations,
        outputs=(name,),
        reason=ADDITION.reason,
        suffix="/sum",
        forward=DigitalWork(
            add=n * (len(terms) - 1 + len(added)),
            read=n * len(activations),
            written=n,
            read_parameters=sum(c.elements for c in learned),
        ),
        backward=DigitalWork(
            add=sum(n - scope.elements(t) for t in terms) + sum(n - c.elements for c in learned)
        ),
        reads=tuple(Read(constant, ParameterRole.BIAS) for constant in learned),
        internal=(total,),
    )
    inner = scope.knowing(total)
    norm = "LayerNormalization" if centred else "SimplifiedLayerNormalization"
    operands = (name, node.input(gamma), node.input(beta) if beta > 0 else "")
    handler = layer_norm if centred else rms_norm
    (piece,) = handler(_normalising(node, norm, operands), inner)
    statistics = tuple(n for n in node.outputs[1:3] if n in scope.tensors)
    return [summing, replace(piece, outputs=(node.outputs[0], *statistics), suffix="/norm")]


def _normalising(node: Node, op_type: str, operands: tuple[str, ...]) -> Node:
    return replace(
        recast(node, "LayerNormalization", operands, attributes={"axis": -1}), op_type=op_type
    )


def _skip_layer(node: Node, scope: Scope) -> Sequence[Piece]:
    return _skip(node, scope, centred=True)


def _skip_rms(node: Node, scope: Scope) -> Sequence[Piece]:
    return _skip(node, scope, centred=False)


def _skip_shape(node: Node, scope: Scope) -> Sequence[Typed]:
    return [
        *normalised(node, scope),
        (scope.element_type(node.input(0)), scope.shape(node.input(0))),
    ]


def _embedded(node: Node, scope: Scope) -> Sequence[Piece]:
    """Rows of the word, position and segment tables, their sum, a normalisation."""
    result = scope.info(node.outputs[0])
    n = result.elements
    summed = len(node.outputs) > 2 and node.outputs[2] in scope.tensors
    total = replace(result, name=node.outputs[2] if summed else f"{node.name}/sum")
    tables = [scope.constant(node.input(index)) for index in (2, 3, 4)]
    present = [
        table
        for index, table in zip((2, 3, 4), tables, strict=True)
        if table is not None and (index != 4 or node.input(1))
    ]
    tokens = scope.elements(node.input(0))
    rows = DigitalWork(
        add=n * (len(present) - 1),
        read=tokens * len(present),
        written=n,
        read_parameters=n * len(present),
    )
    indices = tuple(name for name in (node.input(0), node.input(1), node.input(8)) if name)
    lookups = Piece(
        kind=OpKind.EMBEDDING,
        inputs=tuple(name for name in indices if scope.constant(name) is None),
        outputs=(total.name,),
        reason="rows of learned tables",
        suffix="/embeddings",
        forward=rows,
        backward=DigitalWork(
            add=n * len(present),
            read=n + tokens * len(present),
            written=n * len(present),
            read_parameters=n * len(present),
        ),
        saved=tuple(Saved(name, scope.elements(name)) for name in indices),
        reads=tuple(Read(table, ParameterRole.EMBEDDING) for table in present),
        internal=(total,),
    )
    inner = scope.knowing(total)
    operands = (total.name, node.input(5), node.input(6))
    (piece,) = layer_norm(_normalising(node, "LayerNormalization", operands), inner)
    outputs = tuple(name for name in node.outputs[:2] if name in scope.tensors)
    return [lookups, replace(piece, outputs=outputs, suffix="/norm")]


def _embedded_shape(node: Node, scope: Scope) -> Sequence[Typed]:
    batch, length = scope.shape(node.input(0))
    table = scope.shape(node.input(2))
    kind = scope.element_type(node.input(2))
    kind = TensorProto.FLOAT if kind == TensorProto.UINT8 else kind
    shape = (batch, length, table[-1])
    return [(kind, shape), (TensorProto.INT32, (batch,)), (kind, shape)]


def _group(node: Node, scope: Scope) -> Sequence[Piece]:
    """GroupNorm with channels last, and perhaps a Swish after it."""
    shape = scope.shape(node.input(0))
    groups = math.prod((shape[0], node.integer("groups", 1)))
    flat = replace(
        _normalising(node, "LayerNormalization", (node.input(0), node.input(1), node.input(2)))
    )
    (piece,) = layer_norm(flat, scope)
    # Statistics are those of groups; they are far fewer than the elements.
    rows = math.prod(shape[:-1])
    spared = DigitalWork(mul=2, add=1, sqrt=1)
    forward = replace(
        piece.forward,
        mul=piece.forward.mul - spared.mul * (rows - groups),
        add=piece.forward.add - spared.add * (rows - groups),
        sqrt=piece.forward.sqrt - spared.sqrt * (rows - groups),
    )
    n = scope.elements(node.outputs[0])
    backward = piece.backward
    if node.integer("activation", 0):
        forward += DigitalWork(special=n, mul=n)
        backward += DigitalWork(special=n, add=2 * n, mul=3 * n)
    return [replace(piece, forward=forward, backward=backward, reason="normalises each group")]


def _summing(base: Rule) -> Rule:
    return rule((OpKind.NORMALISATION, OpKind.ELEMENTWISE), f"sum; {base.forward}", base.backward)


OPERATORS = (
    Operator(
        "SkipLayerNormalization",
        _skip_layer,
        domain=_DOMAIN,
        shapes=_skip_shape,
        rule=_summing(NORM_RULE),
    ),
    *(
        Operator(op_type, _skip_rms, domain=_DOMAIN, shapes=_skip_shape, rule=_summing(RMS_RULE))
        for op_type in ("SkipSimplifiedLayerNormalization", "SkipRMSNormalization")
    ),
    *(
        Operator(op_type, handler, domain=_DOMAIN, shapes=normalised, rule=text)
        for op_type, handler, text in (
            ("LayerNormalization", layer_norm, NORM_RULE),
            ("SimplifiedLayerNormalization", rms_norm, RMS_RULE),
            ("RMSNormalization", rms_norm, RMS_RULE),
        )
    ),
    Operator(
        "EmbedLayerNormalization",
        _embedded,
        domain=_DOMAIN,
        shapes=_embedded_shape,
        rule=rule(
            (OpKind.EMBEDDING, OpKind.NORMALISATION),
            f"rows of tables; {NORM_RULE.forward}",
            "errors to rows; normalisation's gradient",
        ),
    ),
    Operator("GroupNorm", _group, domain=_DOMAIN, shapes=shaped_like(0), rule=NORM_RULE),
)
