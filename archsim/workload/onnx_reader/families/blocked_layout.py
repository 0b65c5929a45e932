"""Convolutions and poolings on channels in blocks (`com.microsoft.nchwc`), and what reorders them.

An optimiser pads channels to whole blocks in the file itself.  What the file computes is counted,
padding included, with a note.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from archsim.workload.graph import DigitalWork, Note, OpKind
from archsim.workload.onnx_reader.families.convolution import CONVOLUTION_RULE
from archsim.workload.onnx_reader.families.fused_products import fused_convolution
from archsim.workload.onnx_reader.families.movement import movement
from archsim.workload.onnx_reader.families.pooling import (
    AVERAGE_RULE,
    MAXIMUM_RULE,
    average,
    maximum,
)
from archsim.workload.onnx_reader.families.sampling import RESIZE_RULE, upsampled
from archsim.workload.onnx_reader.nodes import Node
from archsim.workload.onnx_reader.operators import (
    Handler,
    Operator,
    Piece,
    Rule,
    Scope,
    ShapeRule,
    data_keeps_sign,
    rule,
)
from archsim.workload.onnx_reader.recasting import recast, shaped_as

_DOMAIN = "com.microsoft.nchwc"
# Channels of a block on the machines that optimise in this layout; the file does not say.
_BLOCK = 8
Typed = tuple[int, tuple[int, ...]]


def _as_pooling(op_type: str, handler: Handler) -> Handler:
    return lambda node, scope: handler(recast(node, op_type, (0,)), scope)


def _reordered(node: Node, scope: Scope) -> Sequence[Piece]:
    """A copy in another order; padded channels are added or dropped."""
    source, result = scope.elements(node.input(0)), scope.elements(node.outputs[0])
    forward = DigitalWork(read=min(source, result), written=result)
    backward = DigitalWork(read=min(source, result), written=source)
    return [movement(node, scope, "reorders channels", forward, backward)]


def _convolution(node: Node, scope: Scope) -> Sequence[Piece]:
    first, *others = fused_convolution(node, scope)
    note = Note(
        "padded_channels",
        "An optimiser laid the channels of this file out in blocks and padded them to whole "
        "blocks; counts are those of what the file computes, padding included.",
        node.name,
    )
    return [replace(first, notes=(*first.notes, note)), *others]


def _blocked_shape(node: Node, scope: Scope) -> Sequence[Typed]:
    shape = scope.shape(node.input(0))
    if node.integer("channels_last", 0):
        shape = (shape[0], shape[-1], *shape[1:-1])
    channels = -(-shape[1] // _BLOCK) * _BLOCK
    return [(scope.element_type(node.input(0)), (shape[0], channels, *shape[2:]))]


def _plain_shape(node: Node, scope: Scope) -> Sequence[Typed]:
    shape = scope.shape(node.input(0))
    channels = node.integer("channels", shape[1])
    target = (shape[0], channels, *shape[2:])
    if node.integer("channels_last", 0):
        target = (shape[0], *shape[2:], channels)
    return [(scope.element_type(node.input(0)), target)]


def _larger_shape(node: Node, scope: Scope) -> Sequence[Typed]:
    shape = scope.shape(node.input(0))
    scales = node.integers("scales", (1,) * len(shape))
    sizes = tuple(size * scale for size, scale in zip(shape, scales, strict=True))
    return [(scope.element_type(node.input(0)), sizes)]


def _entry(op_type: str, handler: Handler, shapes: ShapeRule, text: Rule) -> Operator:
    return Operator(op_type, handler, data_keeps_sign, _DOMAIN, shapes, rule=text)


_REORDER = rule(OpKind.MOVEMENT, "copies n elements", "copies n elements")
OPERATORS = (
    Operator(
        "Conv",
        _convolution,
        domain=_DOMAIN,
        shapes=shaped_as("Conv", (0, 1, 2)),
        rule=CONVOLUTION_RULE,
    ),
    _entry("ReorderInput", _reordered, _blocked_shape, _REORDER),
    _entry("ReorderOutput", _reordered, _plain_shape, _REORDER),
    _entry("MaxPool", _as_pooling("MaxPool", maximum), shaped_as("MaxPool"), MAXIMUM_RULE),
    _entry(
        "AveragePool", _as_pooling("AveragePool", average), shaped_as("AveragePool"), AVERAGE_RULE
    ),
    _entry(
        "GlobalMaxPool",
        _as_pooling("GlobalMaxPool", maximum),
        shaped_as("GlobalMaxPool"),
        MAXIMUM_RULE,
    ),
    _entry(
        "GlobalAveragePool",
        _as_pooling("GlobalAveragePool", average),
        shaped_as("GlobalAveragePool"),
        AVERAGE_RULE,
    ),
    _entry("Upsample", upsampled, _larger_shape, RESIZE_RULE),
)
