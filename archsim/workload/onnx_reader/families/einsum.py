"""Einsum of two operands: a product by a constant, or of two activations."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from archsim.errors import InputError
from archsim.workload.graph import DynamicMatmul, OpKind, Saved
from archsim.workload.onnx_reader.families.matmul import MATMUL_RULE, routed_piece
from archsim.workload.onnx_reader.nodes import Node
from archsim.workload.onnx_reader.operators import Operator, Piece, Product, Scope


@dataclass(frozen=True, slots=True)
class Terms:
    """Labels of an equation by role: in both operands and kept, summed, of one operand only."""

    batch: tuple[str, ...]
    summed: tuple[str, ...]
    left: tuple[str, ...]
    right: tuple[str, ...]


def parse(equation: str, ranks: Sequence[int]) -> tuple[list[list[str]], list[str]]:
    """Labels of each operand and of the result; an ellipsis becomes labels `...0`, `...1`."""
    text = equation.replace(" ", "")
    before, arrow, after = text.partition("->")
    operands = before.split(",")
    spread = max(
        (
            rank - len(term.replace("...", ""))
            for term, rank in zip(operands, ranks, strict=True)
            if "..." in term
        ),
        default=0,
    )
    found = []
    for term, rank in zip(operands, ranks, strict=True):
        own = rank - len(term.replace("...", "")) if "..." in term else 0
        found.append(_expand(term, spread - own, spread))
    if arrow:
        return found, _expand(after, 0, spread)
    flat = [label for term in found for label in term]
    dots = [label for label in dict.fromkeys(flat) if label.startswith("...")]
    once = sorted(label for label in set(flat) if flat.count(label) == 1 and label not in dots)
    return found, dots + once


def _expand(term: str, first: int, last: int) -> list[str]:
    head, dots, tail = term.partition("...")
    middle = [f"...{index}" for index in range(first, last)] if dots else []
    return [*head, *middle, *tail]


def _terms(node: Node, left: Sequence[str], right: Sequence[str], result: Sequence[str]) -> Terms:
    if len(set(left)) < len(left) or len(set(right)) < len(right):
        raise InputError("a label occurs twice in one operand (a diagonal).", place=node.place)
    both = [label for label in left if label in right]
    return Terms(
        batch=tuple(label for label in both if label in result),
        summed=tuple(label for label in both if label not in result),
        left=tuple(label for label in left if label not in right),
        right=tuple(label for label in right if label not in left),
    )


def _einsum(node: Node, scope: Scope) -> Sequence[Piece]:
    equation = node.text("equation")
    if len(node.inputs) != 2:
        raise InputError(
            f"the equation '{equation}' has {len(node.inputs)} operands; two are understood.",
            place=node.place,
        )
    shapes = [scope.shape(name) for name in node.inputs]
    (left, right), result = parse(equation, [len(shape) for shape in shapes])
    sizes: dict[str, int] = {}
    for labels, shape in zip((left, right), shapes, strict=True):
        for label, size in zip(labels, shape, strict=True):
            sizes[label] = max(sizes.get(label, 1), size)

    def count(labels: Iterable[str]) -> int:
        return math.prod(sizes[label] for label in labels)

    terms = _terms(node, left, right, result)
    for index, (own, others) in enumerate(((terms.right, terms.left), (terms.left, terms.right))):
        weights = scope.constant(node.inputs[1 - index])
        if weights is None or not weights.learned_roots:
            continue
        labels = (left, right)[1 - index]
        first_output = min((labels.index(label) for label in own), default=0)
        first_input = min((labels.index(label) for label in terms.summed), default=0)
        product = Product(
            constant=weights,
            inputs=count(terms.summed),
            outputs=count(own),
            blocks=count(terms.batch),
            vectors=count(others),
            outputs_first=first_output < first_input,
        )
        reason = f"constant operand in '{equation}'"
        return [routed_piece(node, scope, product, reason, node.inputs[index])]
    return [
        Piece(
            kind=OpKind.DYNAMIC_MATMUL,
            inputs=scope.activations(node),
            outputs=scope.results_of(node),
            reason=f"both operands of '{equation}' are activations",
            dynamic=(
                DynamicMatmul(
                    count(terms.batch), count(terms.left), count(terms.summed), count(terms.right)
                ),
            ),
            saved=tuple(Saved(name, scope.elements(name)) for name in scope.activations(node)),
        )
    ]


OPERATORS = (Operator("Einsum", _einsum, rule=MATMUL_RULE),)
