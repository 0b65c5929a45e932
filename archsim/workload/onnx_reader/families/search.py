"""Searches whose results only a run would count; their work is comparisons.

Sorting n elements takes n * ceil(log2 n) comparisons.  Non-maximum suppression sorts the N boxes of
each class and compares each with at most m that were chosen before; an overlap is 5 comparisons,
5 additions, 4 products and a division.  None of it has a gradient.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from onnx import TensorProto

from archsim.workload.graph import DigitalWork, OpKind
from archsim.workload.onnx_reader.families.found import found_elements, size_notes
from archsim.workload.onnx_reader.nodes import Node
from archsim.workload.onnx_reader.operators import Operator, Piece, Scope, per_element, rule

Typed = tuple[int, tuple[int, ...]]
_OVERLAP = DigitalWork(compare=5, add=5, mul=4, div=1)


def _sorting(count: int, length: int) -> DigitalWork:
    return DigitalWork(compare=count * length * max(length - 1, 0).bit_length())


def _most_boxes(node: Node, scope: Scope) -> tuple[int, int, int]:
    """Classes over all samples, boxes of each, and the most that are kept of them."""
    batch, classes, boxes = scope.shape(node.input(1))
    limit = scope.value(node.input(2)) if node.input(2) else None
    most = boxes if limit is None and node.input(2) else 0
    if limit is not None:
        most = min(int(limit.ravel()[0]), boxes)
    return batch * classes, boxes, most


def _suppression(node: Node, scope: Scope) -> Sequence[Piece]:
    classes, boxes, most = _most_boxes(node, scope)
    found = scope.elements(node.outputs[0])
    read = scope.elements(node.input(0)) + scope.elements(node.input(1))
    return [
        Piece(
            kind=OpKind.REDUCTION,
            inputs=scope.activations(node),
            outputs=(node.outputs[0],),
            reason="sorts boxes and drops those that overlap: no gradient",
            forward=_sorting(classes, boxes)
            + _OVERLAP.scaled(classes * boxes * most)
            + DigitalWork(read=read, written=found),
            notes=size_notes(node, scope),
        )
    ]


def _suppression_shape(node: Node, scope: Scope) -> Sequence[Typed]:
    classes, _, most = _most_boxes(node, scope)
    return [(TensorProto.INT64, (found_elements(node, scope, classes * most), 3))]


def _unique(node: Node, scope: Scope) -> Sequence[Piece]:
    n, out = scope.elements(node.input(0)), scope.elements(node.outputs[0])
    return [
        Piece(
            kind=OpKind.REDUCTION,
            inputs=scope.activations(node),
            outputs=scope.results_of(node),
            reason="sorts and drops repetitions: no gradient",
            forward=_sorting(1, n) + per_element(n, compare=1) + DigitalWork(read=n, written=out),
            notes=size_notes(node, scope),
        )
    ]


def _unique_shape(node: Node, scope: Scope) -> Sequence[Typed]:
    kind, shape = scope.element_type(node.input(0)), scope.shape(node.input(0))
    if not node.has("axis"):
        every = math.prod(shape)
        found = found_elements(node, scope, every)
        sizes: tuple[int, ...] = (found,)
    else:
        axis = node.integer("axis", 0) % len(shape)
        every = shape[axis]
        found = found_elements(node, scope, every)
        sizes = (*shape[:axis], found, *shape[axis + 1 :])
    number = TensorProto.INT64
    return [(kind, sizes), (number, (found,)), (number, (every,)), (number, (found,))]


OPERATORS = (
    Operator(
        "NonMaxSuppression",
        _suppression,
        shapes=_suppression_shape,
        rule=rule(OpKind.REDUCTION, "sorts, overlaps with the m kept per class", "none"),
    ),
    Operator(
        "Unique",
        _unique,
        shapes=_unique_shape,
        rule=rule(OpKind.REDUCTION, "n (1 + log2 n) compare", "none"),
    ),
)
