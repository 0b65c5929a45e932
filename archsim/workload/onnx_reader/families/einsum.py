"""Einsum: products by a constant or of two activations, pair by pair."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from archsim.errors import InputError
from archsim.workload.graph import NO_WORK, DigitalWork, DynamicMatmul, OpKind, Saved
from archsim.workload.onnx_reader.constants import Constant
from archsim.workload.onnx_reader.families.constant_rows import weight_and_rows
from archsim.workload.onnx_reader.families.matmul import MATMUL_RULE, routed_piece
from archsim.workload.onnx_reader.families.stored_operands import Finding, learned_factor
from archsim.workload.onnx_reader.nodes import Node
from archsim.workload.onnx_reader.operators import Operator, Piece, Product, Read, Scope, rule


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


@dataclass(frozen=True, slots=True)
class _Operand:
    """A tensor of the equation: its name, and a label for each of its axes."""

    name: str
    labels: tuple[str, ...]


def _einsum(node: Node, scope: Scope) -> Sequence[Piece]:
    """One operand is reduced or reordered; several are multiplied pair by pair, from the left."""
    equation = node.text("equation")
    shapes = [scope.shape(name) for name in node.inputs]
    labels, result = parse(equation, [len(shape) for shape in shapes])
    operands = [_Operand(name, tuple(own)) for name, own in zip(node.inputs, labels, strict=True)]
    sizes: dict[str, int] = {}
    for operand, shape in zip(operands, shapes, strict=True):
        for label, size in zip(operand.labels, shape, strict=True):
            sizes[label] = max(sizes.get(label, 1), size)
    if len(operands) == 1:
        return [_alone(node, scope, operands[0], result)]
    pieces: list[Piece] = []
    left = operands[0]
    for index, right in enumerate(operands[1:], start=2):
        later = {label for operand in operands[index:] for label in operand.labels} | set(result)
        last = index == len(operands)
        kept = tuple(dict.fromkeys(x for x in (*left.labels, *right.labels) if x in later))
        target = _Operand(node.outputs[0] if last else f"{node.name}/{index - 1}", kept)
        piece = _pair(node, scope, (left, right, target), sizes)
        if not last:
            info = replace(
                scope.info(node.outputs[0]),
                name=target.name,
                shape=tuple(sizes[label] for label in kept),
            )
            scope = scope.knowing(info)
            piece = replace(piece, suffix=f"/{index - 1}", internal=(info,))
        pieces.append(replace(piece, outputs=(target.name,)))
        left = target
    return pieces


def _alone(node: Node, scope: Scope, operand: _Operand, result: Sequence[str]) -> Piece:
    """The sum over the axes that the result does not have, else a copy in another order."""
    n, m = scope.elements(operand.name), scope.elements(node.outputs[0])
    summed = set(operand.labels) - set(result)
    moved, back = DigitalWork(read=n, written=m), DigitalWork(read=m, written=n)
    return Piece(
        kind=OpKind.REDUCTION if summed else OpKind.MOVEMENT,
        inputs=scope.activations(node),
        outputs=(node.outputs[0],),
        reason="reduces axes" if summed else "reorders elements",
        forward=moved + DigitalWork(add=n - m) if summed else moved,
        backward=back,
    )


def _pair(
    node: Node,
    scope: Scope,
    operands: tuple[_Operand, _Operand, _Operand],
    sizes: Mapping[str, int],
) -> Piece:
    """The product of two operands: by a constant, or of two activations."""
    left, right, result = operands

    def count(labels: Iterable[str]) -> int:
        return math.prod(sizes[label] for label in labels)

    terms = _terms(node, left.labels, right.labels, result.labels)
    if not terms.summed:
        return _elementwise(node, scope, operands, sizes)
    equation = node.text("equation")
    sides = [(right, left, terms.right, terms.left), (left, right, terms.left, terms.right)]
    first, second = (scope.constant(operand.name) for operand in (left, right))
    if first is not None and second is not None and weight_and_rows(first, second)[0] is first:
        sides.reverse()
    for weighted, source, own, others in sides:
        weights = scope.constant(weighted.name)
        if weights is None or not weights.learned_roots:
            continue
        first_output = min((weighted.labels.index(label) for label in own), default=0)
        first_input = min((weighted.labels.index(label) for label in terms.summed), default=0)
        product = Product(
            constant=weights,
            inputs=count(terms.summed),
            outputs=count(own),
            blocks=count(terms.batch),
            vectors=count(others),
            outputs_first=first_output < first_input,
        )
        reason = f"constant operand in '{equation}'"
        return routed_piece(node, scope, product, reason, source.name)
    names = tuple(operand.name for operand in (left, right) if scope.constant(operand.name) is None)
    return Piece(
        kind=OpKind.DYNAMIC_MATMUL,
        inputs=tuple(dict.fromkeys(names)),
        outputs=scope.results_of(node),
        reason=f"both operands of '{equation}' are activations",
        dynamic=(
            DynamicMatmul(
                count(terms.batch), count(terms.left), count(terms.summed), count(terms.right)
            ),
        ),
        saved=tuple(Saved(name, scope.elements(name)) for name in dict.fromkeys(names)),
    )


@dataclass(frozen=True, slots=True)
class _Factor:
    """An operand of an elementwise product: its elements, and those once its own axes are summed."""

    name: str
    elements: int
    kept: int
    constant: Constant | None
    finding: Finding | None

    def trains(self, scope: Scope) -> bool:
        """Whether it gets a gradient."""
        learned = self.finding is not None and self.finding.role is not None
        return learned or scope.differentiable(self.name)


def _elementwise(
    node: Node,
    scope: Scope,
    operands: tuple[_Operand, _Operand, _Operand],
    sizes: Mapping[str, int],
) -> Piece:
    """A product that sums over no common axis: each pair of elements is multiplied once.

    An axis of one operand that the result does not have is summed first.  Backward: for each operand
    that gets a gradient a product with the other, and the sum over the axes that it does not have.
    """
    result = operands[2].labels
    n = math.prod(sizes[label] for label in result)
    factors = [_factor(node, scope, operand, result, sizes) for operand in operands[:2]]
    activations = [factor for factor in factors if factor.constant is None]
    names = tuple(dict.fromkeys(factor.name for factor in activations))
    read = sum(scope.elements(name) for name in names)
    stored = sum(factor.elements for factor in factors if factor.constant is not None)
    forward = DigitalWork(
        mul=n,
        add=sum(factor.elements - factor.kept for factor in factors),
        read=read,
        written=n,
        read_parameters=stored,
    )
    trained = [factor for factor in factors if factor.trains(scope)]
    partners = [factors[1 - factors.index(f)] for f in trained]
    saved = {f.name: Saved(f.name, f.elements) for f in partners if f.constant is None}
    backward = NO_WORK
    if trained:
        written = sum(f.elements for f in trained if f.constant is None)
        backward = DigitalWork(
            mul=n * len(trained),
            add=sum(n - factor.kept for factor in trained),
            read=n + sum(item.elements for item in saved.values()),
            written=written,
        )
    findings = [(f.constant, f.finding) for f in factors]
    return Piece(
        kind=OpKind.ELEMENTWISE,
        inputs=names,
        outputs=scope.results_of(node),
        reason=f"'{node.text('equation')}' sums nothing: elementwise multiplication",
        forward=forward,
        backward=backward,
        saved=tuple(saved.values()),
        reads=tuple(Read(c, f.role) for c, f in findings if c and f and f.role),
        notes=tuple(f.note for _, f in findings if f and f.note),
    )


def _factor(
    node: Node, scope: Scope, operand: _Operand, result: Sequence[str], sizes: Mapping[str, int]
) -> _Factor:
    constant = scope.constant(operand.name)
    return _Factor(
        name=operand.name,
        elements=math.prod(sizes[label] for label in operand.labels),
        kept=math.prod(sizes[label] for label in operand.labels if label in result),
        constant=constant,
        finding=None if constant is None else learned_factor(node, scope, constant),
    )


OPERATORS = (
    Operator(
        "Einsum",
        _einsum,
        rule=rule(
            (*MATMUL_RULE.kinds, OpKind.ELEMENTWISE, OpKind.REDUCTION, OpKind.MOVEMENT),
            MATMUL_RULE.forward,
            MATMUL_RULE.backward,
        ),
    ),
)
