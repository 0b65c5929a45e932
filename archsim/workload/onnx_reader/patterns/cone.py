"""Subgraphs that compute one tensor from one other: found by going back from the result.

Starting from a result, the tensor that is made last is replaced by what it is made from, until a
single tensor is left: everything in between depends on that tensor, on numbers and on stored
vectors (scales and shifts), and on nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from archsim.workload.onnx_reader.constants import Constant
from archsim.workload.onnx_reader.nodes import Node
from archsim.workload.onnx_reader.operators import Scope
from archsim.workload.onnx_reader.patterns.formulas import (
    BROADCASTING,
    COLUMNS,
    EVALUABLE,
    PROBE,
    REDUCING,
    RESHAPING,
    ROWS,
    Numbers,
    Reduction,
    evaluate,
)
from archsim.workload.onnx_reader.patterns.structure import Structure

_MOST_READERS = 18  # of a value inside a function
_OF_ALL_INPUTS = BROADCASTING | {"Clip"}


@dataclass(frozen=True, slots=True)
class Cone:
    """The pieces `members` compute `result` from `source`; `vectors` are the stored operands.

    `values` holds, by tensor, what they compute for the probe; `factors` the numbers that stand for
    the stored vectors.
    """

    source: str
    result: str
    members: tuple[int, ...]
    vectors: tuple[Constant, ...]
    reduction: Reduction | None
    values: Mapping[str, Numbers]
    factors: tuple[Numbers, ...]

    @property
    def found(self) -> Numbers:
        """What the result is for the probe, one number per probe."""
        return np.broadcast_to(self.values[self.result], (ROWS, COLUMNS))


def results_above(
    structure: Structure, anchor: int, finals: frozenset[str], largest: int
) -> list[int]:
    """Pieces of the operators `finals` that depend on `anchor` through a few evaluable ones.

    None where all that follows the anchor has one operand: a function of interest uses its input
    twice, so something joins.
    """
    seen, edge = {anchor}, [anchor]
    for _ in range(largest - 1):
        ahead = []
        for index in edge:
            for tensor in structure.piece(index).outputs:
                readers = structure.readers(tensor)
                if len(readers) > _MOST_READERS:
                    continue  # of so many readers none is inside a function
                for reader in sorted(readers):
                    if reader not in seen and structure.op_type(reader) in EVALUABLE:
                        seen.add(reader)
                        ahead.append(reader)
        if not ahead or len(seen) > 4 * largest:
            break
        edge = ahead
    if not any(len(structure.piece(index).inputs) > 1 for index in seen):
        return []
    found = (index for index in seen if structure.op_type(index) in finals)
    return sorted(found, reverse=True)


def cones(structure: Structure, last: int, largest: int) -> Iterator[tuple[str, frozenset[int]]]:
    """The sources that the result of the piece `last` may be computed from, the nearest first.

    With each comes the set of pieces in between, at most `largest`.
    """
    members = {last}
    frontier = _from(structure, last)
    joined = len(frontier) > 1
    while frontier:
        if joined and len(frontier) == 1:
            yield next(iter(frontier)), frozenset(members)
        made = [(structure.producer(tensor), tensor) for tensor in frontier]
        index, tensor = max(((-1 if i is None else i), tensor) for i, tensor in made)
        if index < 0 or structure.op_type(index) not in EVALUABLE or len(members) >= largest:
            return
        members.add(index)
        frontier = (frontier - {tensor}) | _from(structure, index)
        joined = joined or len(frontier) > 1


def _from(structure: Structure, index: int) -> set[str]:
    return set(structure.piece(index).inputs)


def understood(
    structure: Structure, source: str, last: int, members: frozenset[int]
) -> Cone | None:
    """The cone evaluated on the probe, or None if it is open or holds what cannot be evaluated."""
    result = structure.piece(last).outputs[0]
    if not structure.closed(members, result):
        return None
    scope = structure.scope
    full = scope.shape(source)
    if scope.shape(result) != full or not scope.differentiable(source):
        return None
    nodes = [structure.node(index) for index in sorted(members)]
    reduction = _reduction(nodes, scope, full)
    if reduction is _NO_REDUCTION or not _shapes_fit(nodes, scope, full, reduction):
        return None
    table = _Table(scope, full, reduction, {source: PROBE}, {})
    with np.errstate(all="ignore"):
        if not all(table.add(node) for node in nodes):
            return None
    return Cone(
        source,
        result,
        tuple(sorted(members)),
        tuple(constant for constant, _ in table.vectors.values()),
        reduction,
        table.values,
        tuple(numbers for _, numbers in table.vectors.values()),
    )


@dataclass(frozen=True, slots=True)
class _Table:
    """The numbers of each tensor of a cone, and those that stand for its stored vectors."""

    scope: Scope
    full: tuple[int, ...]
    reduction: Reduction | None
    values: dict[str, Numbers]
    vectors: dict[str, tuple[Constant, Numbers]]

    def add(self, node: Node) -> bool:
        """Evaluate `node`; False if that is not possible."""
        names = node.inputs if node.op_type in _OF_ALL_INPUTS else node.inputs[:1]
        operands = [self._operand(name, node) if name else None for name in names]
        if any(n and operand is None for n, operand in zip(names, operands, strict=True)):
            return False
        if not operands or operands[0] is None:
            return False
        if node.op_type in BROADCASTING and (len(operands) != 2 or operands[1] is None):
            return False
        self.values[node.outputs[0]] = evaluate(node, operands, self.reduction)
        return True

    def _operand(self, name: str, node: Node) -> Numbers | None:
        """An operand's numbers: computed, stored as a number, or invented for a stored vector."""
        constant = self.scope.constant(name)
        if constant is None:
            return self.values.get(name)
        number = constant.number
        if number is not None:
            return np.asarray(number)
        if self.reduction is None or node.op_type not in BROADCASTING or not constant.floating:
            return None
        if len(constant.shape) > len(self.full):
            return None
        if name not in self.vectors:
            numbers = _stand_in(constant, len(self.vectors), self.full, self.reduction)
            self.vectors[name] = constant, numbers
        return self.vectors[name][1]


def _stand_in(
    constant: Constant, index: int, full: tuple[int, ...], reduction: Reduction
) -> Numbers:
    """Numbers for a stored operand, varying along rows and columns as its own elements do."""
    padded = (1,) * (len(full) - len(constant.shape)) + constant.shape
    along = {axis for axis, size in enumerate(padded[: len(full)]) if size > 1}
    rows = ROWS if along - set(reduction.axes) else 1
    columns = COLUMNS if along & set(reduction.axes) else 1
    grid = np.modf(np.arange(1, rows * columns + 1) * (0.7548776662466927 + 0.1 * index))[0]
    return np.asarray((0.5 + grid).reshape(rows, columns))


_NO_REDUCTION = Reduction((), 0)


def _reduction(nodes: Sequence[Node], scope: Scope, full: tuple[int, ...]) -> Reduction | None:
    """The one way in which all reductions reduce; `_NO_REDUCTION` if they differ, None if none."""
    found: Reduction | None = None
    for node in nodes:
        if node.op_type not in REDUCING:
            continue
        axes = reduced_axes(node, scope)
        if axes is None or scope.shape(node.input(0)) != full:
            return _NO_REDUCTION
        here = Reduction(axes, math.prod(full[axis] for axis in axes))
        if found is not None and found != here:
            return _NO_REDUCTION
        found = here
    return found


def reduced_axes(node: Node, scope: Scope) -> tuple[int, ...] | None:
    """The axes that a reduction reduces, from zero up; None if the file does not say."""
    rank = len(scope.shape(node.input(0)))
    axes: Sequence[int] = node.integers("axes")
    if node.input(1):
        value = scope.value(node.input(1))
        if value is None:
            return None
        axes = [int(axis) for axis in value.ravel()]
    if not axes:
        return tuple(range(rank)) if not node.integer("noop_with_empty_axes", 0) else None
    return tuple(sorted(axis % rank for axis in axes)) if rank else None


def _shapes_fit(
    nodes: Sequence[Node], scope: Scope, full: tuple[int, ...], reduction: Reduction | None
) -> bool:
    """Whether operands meet as rows and columns do: whole tensors, and what a reduction left."""
    axes = set() if reduction is None else set(reduction.axes)
    left = tuple(1 if axis in axes else size for axis, size in enumerate(full))
    few = math.prod(left)
    for node in nodes:
        shapes = [scope.shape(n) for n in node.inputs if n and scope.constant(n) is None]
        result = scope.shape(node.outputs[0])
        if node.op_type in RESHAPING:
            whole = shapes[0] == result
            reduced = math.prod(shapes[0]) == few and math.prod(result) in {few, math.prod(full)}
            if not (whole or (reduced and result in {left, full, _dropped(full, axes)})):
                return False
        elif node.op_type in BROADCASTING:
            if not all(shape in {full, left} for shape in shapes) and len(set(shapes)) != 1:
                return False
            if result not in {full, left, _dropped(full, axes)}:
                return False
    return True


def _dropped(full: tuple[int, ...], axes: set[int]) -> tuple[int, ...]:
    return tuple(size for axis, size in enumerate(full) if axis not in axes)
