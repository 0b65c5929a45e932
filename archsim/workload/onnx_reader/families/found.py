"""Operators that take as many elements as they find: Compress and NonZero.

The count is known, given by the user (--trip-count), stated by the file, or the largest possible.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from onnx import TensorProto

from archsim.workload.graph import DigitalWork, Note, OpKind
from archsim.workload.onnx_reader.families.movement import movement
from archsim.workload.onnx_reader.nodes import Node
from archsim.workload.onnx_reader.operators import (
    Operator,
    Piece,
    Scope,
    data_keeps_sign,
    rule,
)


def found_elements(node: Node, scope: Scope, most: int) -> int:
    """How many elements a node finds, where only a run would tell: as given, else at most all."""
    return min(given_count(node, scope) or most, most)


def given_count(node: Node, scope: Scope) -> int | None:
    """The count that the user gave for a node, by its path in the file or its own name."""
    own = node.origin.rpartition("/")[2]
    return scope.counts.get(node.origin, scope.counts.get(own))


def size_notes(node: Node, scope: Scope) -> tuple[Note, ...]:
    """A note that the number of elements that a node finds is the largest possible."""
    if given_count(node, scope) is not None:
        return ()
    return (
        Note(
            "size_depends_on_data",
            f"How many elements '{node.name}' ({node.op_type}) finds depends on the data; the "
            f"largest number is taken. Give another with --trip-count {node.origin}=N.",
            node.name,
        ),
    )


def _compressed_size(node: Node, scope: Scope) -> Sequence[tuple[int, tuple[int, ...]]]:
    """As many slices as the condition holds for: known, given, or at most all of them."""
    kind, shape = scope.element_type(node.input(0)), scope.shape(node.input(0))
    axis = node.integer("axis", 0) % max(len(shape), 1) if node.has("axis") else None
    most = math.prod(shape) if axis is None else shape[axis]
    condition = scope.value(node.input(1))
    most = min(most, scope.elements(node.input(1)))
    known = None if condition is None else int(condition[:most].sum())
    count = found_elements(node, scope, most) if known is None else known
    if axis is None:
        return [(kind, (count,))]
    return [(kind, (*shape[:axis], count, *shape[axis + 1 :]))]


def _compress(node: Node, scope: Scope) -> Sequence[Piece]:
    """Copies the slices for which a condition holds."""
    source, part = scope.elements(node.input(0)), scope.elements(node.outputs[0])
    conditions = scope.elements(node.input(1))
    forward = DigitalWork(compare=conditions, read=part + conditions, written=part)
    backward = DigitalWork(read=part, written=source)
    notes = () if scope.constant(node.input(1)) is not None else size_notes(node, scope)
    return [movement(node, scope, "copies a part", forward, backward, notes=notes)]


def _nonzero(node: Node, scope: Scope) -> Sequence[Piece]:
    """The places of elements that are not zero: a comparison per element; no gradient."""
    n = scope.elements(node.input(0))
    forward = DigitalWork(compare=n, read=n, written=scope.elements(node.outputs[0]))
    stated = _stated_count(node, scope)
    notes = size_notes(node, scope) if stated is None else _stated_notes(node, scope, stated)
    return [movement(node, scope, "finds elements", forward, notes=notes)]


def _nonzero_size(node: Node, scope: Scope) -> Sequence[tuple[int, tuple[int, ...]]]:
    shape = scope.shape(node.input(0))
    most, stated = math.prod(shape), _stated_count(node, scope)
    if stated is not None and stated <= most and given_count(node, scope) is None:
        most = stated
    return [(TensorProto.INT64, (len(shape), found_elements(node, scope, most)))]


def _stated_count(node: Node, scope: Scope) -> int | None:
    """How many elements the file says that a NonZero finds: the sizes of the Split that follows.

    Tracing a loop over what was found (the experts that a router chose) writes down the number of
    the example.
    """
    stack = [(node.outputs[0], 1)]
    while stack:
        name, axis = stack.pop()
        for reader in scope.consumers.get(name, ()):
            if reader.op_type in {"Cast", "Identity"}:
                stack += [(output, axis) for output in reader.outputs]
            elif reader.op_type == "Transpose":
                stack += [(output, 1 - axis) for output in reader.outputs]
            elif reader.op_type == "Split" and reader.integer("axis", 0) % 2 == axis:
                sizes = scope.value(reader.input(1))
                if reader.has("split"):
                    return sum(reader.integers("split"))
                return None if sizes is None else int(sizes.sum())
    return None


def _stated_notes(node: Node, scope: Scope, stated: int) -> tuple[Note, ...]:
    if given_count(node, scope) is not None:
        return ()
    return (
        Note(
            "size_of_example",
            f"How many elements '{node.name}' ({node.op_type}) finds depends on the data, and the "
            f"file has the {stated} of the exporter's example written into the Split that follows; "
            f"that is taken.  Weights that the example did not use are not in the file.",
            node.name,
        ),
    )


OPERATORS = (
    Operator(
        "Compress",
        _compress,
        data_keeps_sign,
        shapes=_compressed_size,
        rule=rule(OpKind.MOVEMENT, "copies n elements", "writes the part, zero elsewhere"),
    ),
    Operator(
        "NonZero",
        _nonzero,
        shapes=_nonzero_size,
        rule=rule(OpKind.MOVEMENT, "compare per input", "none"),
    ),
)
