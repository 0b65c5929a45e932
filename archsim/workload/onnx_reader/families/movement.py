"""Operators that move elements or only rename them.

What changes no element's place in memory is free; the rest reads and writes elements, and its
backward is the inverse movement.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from archsim.workload.graph import NO_WORK, DigitalWork, Note, OpKind, ParameterRole
from archsim.workload.onnx_reader.constants import Constant
from archsim.workload.onnx_reader.nodes import Node
from archsim.workload.onnx_reader.operators import (
    Operator,
    Piece,
    Read,
    Scope,
    data_keeps_sign,
    keeps_sign,
)


def movement(
    node: Node,
    scope: Scope,
    reason: str,
    forward: DigitalWork = NO_WORK,
    backward: DigitalWork = NO_WORK,
    *,
    reads: tuple[Read, ...] = (),
    notes: tuple[Note, ...] = (),
) -> Piece:
    """A movement; its backward is dropped where no gradient can flow."""
    trains = any(scope.differentiable(name) for name in scope.activations(node)) and any(
        scope.info(name).floating for name in scope.results_of(node)
    )
    return Piece(
        kind=OpKind.MOVEMENT,
        inputs=scope.activations(node),
        outputs=scope.results_of(node),
        reason=reason,
        forward=forward,
        backward=backward if trains or reads else NO_WORK,
        reads=reads,
        notes=notes,
    )


def _copy(count: int) -> DigitalWork:
    return DigitalWork(read=count, written=count)


def _renamed(node: Node, scope: Scope) -> Sequence[Piece]:
    return [movement(node, scope, "free: only the shape changes")]


def _identity(node: Node, scope: Scope) -> Sequence[Piece]:
    return [movement(node, scope, "free: the same tensor")]


def _dropout(node: Node, scope: Scope) -> Sequence[Piece]:
    note = Note(
        "dropout_inference",
        "Dropout passes its input on: the file is an inference export, and its mask is not counted.",
        node.name,
    )
    return [movement(node, scope, "free: identity in this export", notes=(note,))]


def _cast(node: Node, scope: Scope) -> Sequence[Piece]:
    source, result = scope.info(node.input(0)), scope.info(node.outputs[0])
    same = (source.bytes_per_element, source.floating) == (
        result.bytes_per_element,
        result.floating,
    )
    if same:
        return [movement(node, scope, "free: the same type")]
    work = _copy(result.elements)
    return [movement(node, scope, "converts every element", work, work)]


def _transpose(node: Node, scope: Scope) -> Sequence[Piece]:
    shape = scope.shape(node.input(0))
    order = node.integers("perm", tuple(range(len(shape)))[::-1])
    moved = [axis for axis in order if shape[axis] != 1]
    if moved == sorted(moved):
        return [movement(node, scope, "free: only axes of size 1 change place")]
    work = _copy(scope.elements(node.outputs[0]))
    return [movement(node, scope, "reorders elements", work, work)]


def _rearranged(node: Node, scope: Scope) -> Sequence[Piece]:
    work = _copy(scope.elements(node.outputs[0]))
    return [movement(node, scope, "reorders elements", work, work)]


def _is_token(constant: Constant, axis: int) -> bool:
    """Whether a constant part of a Concat along `axis` is learned, such as a class token.

    A block of zeros is padding or an initial state, and nothing learns it; but a vector that stands
    beside others, across its own axis, is a token, which many networks start at zero.
    """
    if not constant.floating or not constant.view or constant.elements == 1:
        return False
    across = constant.distinct[axis] == 1 and max(constant.distinct) == math.prod(constant.distinct)
    return across or not constant.blank


def _concat(node: Node, scope: Scope) -> Sequence[Piece]:
    """A stored floating-point part (such as a class token) is a learned embedding."""
    result = scope.elements(node.outputs[0])
    reads = []
    for name in node.inputs:
        constant = scope.constant(name)
        if constant is not None and _is_token(constant, node.integer("axis", 0)):
            reads.append(Read(constant, ParameterRole.EMBEDDING))
    stored = sum(read.constant.elements for read in reads)
    moved = sum(scope.elements(name) for name in node.inputs if scope.constant(name) is None)
    forward = DigitalWork(read=moved, written=result, read_parameters=stored)
    backward = DigitalWork(read=result, written=moved)
    if len(node.inputs) == 1:
        return [movement(node, scope, "free: a single part")]
    return [
        movement(node, scope, "copies its parts together", forward, backward, reads=tuple(reads))
    ]


def _part(node: Node, scope: Scope) -> Sequence[Piece]:
    """Slice, Gather of activations: the gradient is zero outside the part."""
    source, part = scope.elements(node.input(0)), scope.elements(node.outputs[0])
    if part == source and node.op_type == "Slice" and not _reversed(node, scope):
        return [movement(node, scope, "free: the whole tensor")]
    backward = DigitalWork(read=part, written=source)
    if node.op_type != "Slice":
        # An element that was gathered twice gets the sum of the errors.
        backward += DigitalWork(add=max(part - source, 0))
    return [movement(node, scope, "copies a part", _copy(part), backward)]


def _reversed(node: Node, scope: Scope) -> bool:
    steps = scope.value(node.input(4)) if node.input(4) else None
    return steps is not None and bool((steps < 0).any())


def _split(node: Node, scope: Scope) -> Sequence[Piece]:
    if len(scope.results_of(node)) == 1:
        return [movement(node, scope, "free: a single part")]
    work = _copy(sum(scope.elements(name) for name in scope.results_of(node)))
    return [movement(node, scope, "copies the parts", work, work)]


def _pad(node: Node, scope: Scope) -> Sequence[Piece]:
    source, result = scope.elements(node.input(0)), scope.elements(node.outputs[0])
    if source == result:
        return [movement(node, scope, "free: nothing is padded")]
    forward = DigitalWork(read=source, written=result)
    return [movement(node, scope, "copies into a larger tensor", forward, _copy(source))]


def _repeated(node: Node, scope: Scope) -> Sequence[Piece]:
    """Expand, Tile: each element is written several times, and gets the sum of the errors."""
    source, result = scope.elements(node.input(0)), scope.elements(node.outputs[0])
    if source == result:
        return [movement(node, scope, "free: nothing is repeated")]
    forward = DigitalWork(read=source, written=result)
    backward = DigitalWork(add=result - source, read=result, written=source)
    return [movement(node, scope, "repeats elements", forward, backward)]


def _scatter(node: Node, scope: Scope) -> Sequence[Piece]:
    """Copies the data and overwrites the elements that the indices name."""
    data, updates = scope.elements(node.input(0)), scope.elements(node.input(2))
    indices = scope.elements(node.input(1))
    forward = DigitalWork(read=data + updates + indices, written=data + updates)
    backward = DigitalWork(read=data + updates + indices, written=data + updates)
    return [movement(node, scope, "copies, and overwrites a part", forward, backward)]


def _masked_triangle(node: Node, scope: Scope) -> Sequence[Piece]:
    work = _copy(scope.elements(node.outputs[0]))
    return [movement(node, scope, "clears one triangle", work, work)]


def _parts_nonnegative(node: Node, scope: Scope) -> bool:
    constants = [scope.constant(name) for name in node.inputs]
    known = all(constant.nonnegative for constant in constants if constant is not None)
    return known and keeps_sign(node, scope)


OPERATORS = (
    *(
        Operator(op_type, _renamed, data_keeps_sign)
        for op_type in ("Reshape", "Flatten", "Squeeze", "Unsqueeze")
    ),
    Operator("Identity", _identity, data_keeps_sign),
    Operator("Dropout", _dropout, data_keeps_sign),
    Operator("Cast", _cast, data_keeps_sign),
    Operator("CastLike", _cast, data_keeps_sign),
    Operator("Transpose", _transpose, data_keeps_sign),
    Operator("DepthToSpace", _rearranged, data_keeps_sign),
    Operator("SpaceToDepth", _rearranged, data_keeps_sign),
    Operator("Concat", _concat, _parts_nonnegative),
    Operator("Slice", _part, data_keeps_sign),
    Operator("GatherElements", _part, data_keeps_sign),
    Operator("GatherND", _part, data_keeps_sign),
    Operator("Split", _split, data_keeps_sign),
    Operator("Pad", _pad),
    Operator("Expand", _repeated, data_keeps_sign),
    Operator("Tile", _repeated, data_keeps_sign),
    Operator("ScatterElements", _scatter),
    Operator("ScatterND", _scatter),
    Operator("Trilu", _masked_triangle, data_keeps_sign),
)
