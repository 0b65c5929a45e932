"""Operators that move elements or only rename them.

What changes no element's place in memory is free; the rest reads and writes elements, and its
backward is the inverse movement.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from archsim.workload.graph import (
    NO_WORK,
    DigitalWork,
    Note,
    OpKind,
    ParameterRole,
    Saved,
    SavedForm,
)
from archsim.workload.onnx_reader.constants import Constant
from archsim.workload.onnx_reader.families.exported_names import called_zeros
from archsim.workload.onnx_reader.nodes import Node
from archsim.workload.onnx_reader.operators import (
    Operator,
    Piece,
    Read,
    Rule,
    Scope,
    data_keeps_sign,
    keeps_sign,
    rule,
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


def dropout(node: Node, scope: Scope) -> Sequence[Piece]:
    """The input itself in inference; in training a random mask, which is kept, and a scale.

    A random number is a product and a sum (a linear congruence); one comparison decides.
    """
    trains = scope.value(node.input(2)) if node.input(2) else None
    ratio = scope.value(node.input(1)) if node.input(1) else None
    drops = ratio is None or bool(ratio.any())
    if trains is not None and bool(trains.any()) and drops:
        return [_dropped(node, scope)]
    note = Note(
        "dropout_inference",
        "Dropout passes its input on: the file is an inference export, and its mask is not counted.",
        node.name,
    )
    return [movement(node, scope, "free: identity in this export", notes=(note,))]


def _dropped(node: Node, scope: Scope) -> Piece:
    result = node.outputs[0]
    n = scope.elements(result)
    return Piece(
        kind=OpKind.ELEMENTWISE,
        inputs=scope.activations(node),
        outputs=scope.results_of(node),
        reason="drops elements at random, as in training",
        forward=DigitalWork(mul=2 * n, add=n, compare=n, read=n, written=n),
        backward=DigitalWork(mul=n, read=2 * n, written=n),
        saved=(Saved(result, n, SavedForm.MASK),),
    )


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
    if called_zeros(constant):
        return False
    across = constant.distinct[axis] == 1 and max(constant.distinct) == math.prod(constant.distinct)
    return across or not constant.blank


def concat(node: Node, scope: Scope) -> Sequence[Piece]:
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


def part_of_tensor(node: Node, scope: Scope) -> Sequence[Piece]:
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


def parts_nonnegative(node: Node, scope: Scope) -> bool:
    """All that is joined is nonnegative."""
    constants = [scope.constant(name) for name in node.inputs]
    known = all(constant.nonnegative for constant in constants if constant is not None)
    return known and keeps_sign(node, scope)


def _one_hot(node: Node, scope: Scope) -> Sequence[Piece]:
    """Writes a row for each index: a comparison per element; an index has no gradient."""
    n = scope.elements(node.outputs[0])
    forward = DigitalWork(compare=n, read=scope.elements(node.input(0)), written=n)
    return [movement(node, scope, "writes a row for each index", forward)]


def _one_hot_shape(node: Node, scope: Scope) -> Sequence[tuple[int, tuple[int, ...]]]:
    shape = scope.shape(node.input(0))
    depth = int(scope.required(node, 1, "the number of classes").ravel()[0])
    axis = node.integer("axis", -1) % (len(shape) + 1)
    return [(scope.element_type(node.input(2)), (*shape[:axis], depth, *shape[axis:]))]


def _image(node: Node, scope: Scope) -> Sequence[Piece]:
    """Col2Im: adds overlapping blocks up; backward copies them out again."""
    blocks, image = scope.elements(node.input(0)), scope.elements(node.outputs[0])
    forward = DigitalWork(add=max(blocks - image, 0), read=blocks, written=image)
    backward = DigitalWork(read=image, written=blocks)
    return [movement(node, scope, "adds blocks up to an image", forward, backward)]


def _cropped(node: Node, scope: Scope) -> Sequence[Piece]:
    source, result = scope.elements(node.input(0)), scope.elements(node.outputs[0])
    forward = DigitalWork(read=min(source, result), written=result)
    backward = DigitalWork(read=min(source, result), written=source)
    return [movement(node, scope, "crops and pads around the centre", forward, backward)]


def _cache(node: Node, scope: Scope) -> Sequence[Piece]:
    """TensorScatter: writes new entries into a cache that is kept; only these move."""
    return [
        movement(node, scope, "writes into a cache", *(_copy(scope.elements(node.input(1))),) * 2)
    ]


def _move_rule(forward: str, backward: str) -> Rule:
    return rule(OpKind.MOVEMENT, forward, backward)


_FREE = _move_rule("free", "free")
_COPY = _move_rule("copies n elements", "copies n elements")
_PART = _move_rule("copies n elements", "writes the part, zero elsewhere")
_REPEAT = _move_rule("writes n elements", "sums the errors of each input")
_SCATTER_RULE = _move_rule("copies the data and the updates", "the same")
OPERATORS = (
    *(
        Operator(op_type, _renamed, data_keeps_sign, rule=_FREE)
        for op_type in ("Reshape", "Flatten", "Squeeze", "Unsqueeze", "BitCast")
    ),
    Operator("Identity", _identity, data_keeps_sign, rule=_FREE),
    Operator(
        "Dropout",
        dropout,
        data_keeps_sign,
        rule=rule(
            (OpKind.MOVEMENT, OpKind.ELEMENTWISE),
            "free; in training n (2 mul, add, compare)",
            "free; in training n mul",
        ),
    ),
    Operator("Cast", _cast, data_keeps_sign, rule=_COPY),
    Operator("CastLike", _cast, data_keeps_sign, rule=_COPY),
    Operator("Transpose", _transpose, data_keeps_sign, rule=_COPY),
    Operator("DepthToSpace", _rearranged, data_keeps_sign, rule=_COPY),
    Operator("SpaceToDepth", _rearranged, data_keeps_sign, rule=_COPY),
    Operator("ReverseSequence", _rearranged, data_keeps_sign, rule=_COPY),
    Operator("Concat", concat, parts_nonnegative, rule=_COPY),
    Operator("Slice", part_of_tensor, data_keeps_sign, rule=_PART),
    Operator("Split", _split, data_keeps_sign, rule=_COPY),
    Operator("Pad", _pad, rule=_move_rule("copies into n elements", "copies the part")),
    Operator("CenterCropPad", _cropped, rule=_move_rule("copies the centre", "the same")),
    Operator("Expand", _repeated, data_keeps_sign, rule=_REPEAT),
    Operator("Tile", _repeated, data_keeps_sign, rule=_REPEAT),
    Operator("ScatterElements", _scatter, rule=_SCATTER_RULE),
    Operator("ScatterND", _scatter, rule=_SCATTER_RULE),
    Operator("Scatter", _scatter, rule=_SCATTER_RULE),
    Operator("TensorScatter", _cache, rule=_move_rule("writes the update", "reads its errors")),
    Operator("Trilu", _masked_triangle, data_keeps_sign, rule=_COPY),
    Operator(
        "OneHot", _one_hot, shapes=_one_hot_shape, rule=_move_rule("n compare, writes n", "none")
    ),
    Operator("Col2Im", _image, rule=_move_rule("adds where blocks meet", "copies the blocks")),
)
