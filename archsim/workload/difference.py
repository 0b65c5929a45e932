"""What differs between two networks: operators matched by name, then by what they compute.

Two exporters, or two versions of one, write the same network under other names and with other
auxiliary operators.  So operators that have no partner of the same name are matched by structure
(kind, type, sizes), in topological order, and whether the weight matrices and the products are the
same is stated in any case.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from archsim.workload.graph import Op, OpKind, Workload
from archsim.workload.modules import made_up

Value: TypeAlias = str | int


class Verdict(StrEnum):
    """How alike two networks are, from the most to the least."""

    IDENTICAL = "identical"  # the same operators under the same names, connected alike
    SAME_STRUCTURE = "same_structure"  # the same under other names
    SAME_PRODUCTS = "same_products"  # products with matrices of the same sizes, and the same MACs
    DIFFERENT = "different"


@dataclass(frozen=True, slots=True)
class Pair:
    """An operator of each network that stand for each other; `by_name` if they are called alike.

    `differences` maps what differs between them to the two values.
    """

    before: Op
    after: Op
    by_name: bool
    differences: Mapping[str, tuple[Value, Value]]


@dataclass(frozen=True, slots=True)
class Difference:
    """The comparison of two networks; operators are in topological order.

    `rewired` counts connections between matched operators that only one of the networks has.
    `same_uses` tells whether both multiply by matrices of the same sizes equally often,
    `same_matrices` whether also the same uses share a matrix (exporters merge equal weights, and
    lose ties), and `same_macs` whether weight and dynamic matmuls need the same
    multiply-accumulates.
    """

    pairs: tuple[Pair, ...]
    removed: tuple[Op, ...]
    added: tuple[Op, ...]
    rewired: int
    same_uses: bool
    same_matrices: bool
    same_macs: bool

    @property
    def changed(self) -> tuple[Pair, ...]:
        """The matched operators that differ in more than their name."""
        return tuple(pair for pair in self.pairs if pair.differences)

    @property
    def verdict(self) -> Verdict:
        """How alike the networks are."""
        apart = self.changed or self.removed or self.added or self.rewired
        if self.same_matrices and not apart:
            by_name = all(pair.by_name for pair in self.pairs)
            return Verdict.IDENTICAL if by_name else Verdict.SAME_STRUCTURE
        if self.same_uses and self.same_macs:
            return Verdict.SAME_PRODUCTS
        return Verdict.DIFFERENT


def difference(before: Workload, after: Workload) -> Difference:
    """Compare two bound networks.

    A shared name counts if the operators under it are of one kind.  Numbers that an exporter gave
    (`node_3`) count only where most of them stand for equal operators, or as the last resort.
    """
    matching = _Matching(before, after)
    matching.by_name(lambda op: not made_up(op))
    matching.by_number()
    matching.in_order(lambda op, workload: _key(traits(op, workload)))
    matching.in_order(_size)
    matching.by_name(made_up)
    return Difference(
        pairs=tuple(matching.pairs()),
        removed=tuple(matching.left.values()),
        added=tuple(matching.right.values()),
        rewired=_rewired(before, after, matching.partner),
        same_uses=_sizes(before).total == _sizes(after).total,
        same_matrices=_sizes(before).by_matrix == _sizes(after).by_matrix,
        same_macs=_products(before) == _products(after),
    )


def traits(op: Op, workload: Workload) -> dict[str, Value]:
    """What an operator is and how large, without any names; equal traits compute alike."""
    found: dict[str, Value] = {
        "type": op.op_type,
        "kind": op.kind.value,
        "macs": workload.macs(op),
        "parameters": sum(workload.parameters[name].elements for name in op.parameters),
        "outputs": ", ".join(_shape(workload.tensors[name].shape) for name in op.outputs),
    }
    if op.weight is not None:
        matrix = workload.matrices[op.weight.matrix]
        blocks = f"{matrix.blocks} of " if matrix.blocks > 1 else ""
        found["matrix"] = f"{blocks}{matrix.inputs}x{matrix.outputs}"
        found["vectors"] = op.weight.vectors
        found["steps"] = op.weight.sequential_steps
    if op.dynamic:
        found["products"] = ", ".join(f"{p.count} of {p.m}x{p.k}x{p.n}" for p in op.dynamic)
    return found


_Classify: TypeAlias = Callable[[Op, Workload], Hashable | None]


class _Matching:
    """Operators that have no partner yet, and the partners found; used inside `difference`."""

    def __init__(self, before: Workload, after: Workload) -> None:
        self._before, self._after = before, after
        self._order = before.ops
        self.left = {op.name: op for op in self._order}
        self.right = {op.name: op for op in after.ops}
        self.partner: dict[str, str] = {}

    def by_name(self, chosen: Callable[[Op], bool]) -> None:
        """Pair what is called alike and of one kind, among the operators chosen."""
        for name in self._shared(chosen):
            self._pair(name, name)

    def by_number(self) -> None:
        """Pair made-up names that are alike, if most of them stand for equal operators."""
        shared = self._shared(made_up)
        equal = sum(
            traits(self.left[name], self._before) == traits(self.right[name], self._after)
            for name in shared
        )
        if 2 * equal > len(shared):
            for name in shared:
                self._pair(name, name)

    def _shared(self, chosen: Callable[[Op], bool]) -> list[str]:
        return [
            name
            for name, op in self.left.items()
            if chosen(op) and name in self.right and self.right[name].kind is op.kind
        ]

    def in_order(self, classify: _Classify) -> None:
        """Pair operators of one class, the first with the first; a class of None has no pairs."""
        waiting: dict[Hashable, deque[str]] = {}
        for name, op in self.right.items():
            found = classify(op, self._after)
            if found is not None:
                waiting.setdefault(found, deque()).append(name)
        for name, op in list(self.left.items()):
            queue = waiting.get(classify(op, self._before))
            if queue:
                self._pair(name, queue.popleft())

    def _pair(self, left: str, right: str) -> None:
        self.partner[left] = right
        del self.left[left], self.right[right]

    def pairs(self) -> Iterable[Pair]:
        """The pairs found, in the first network's order."""
        for op in self._order:
            if op.name in self.partner:
                other = self._after.op(self.partner[op.name])
                named = op.name == other.name
                yield Pair(op, other, named, self._compared(op, other))

    def _compared(self, op: Op, other: Op) -> dict[str, tuple[Value, Value]]:
        one, two = traits(op, self._before), traits(other, self._after)
        return {
            name: (one.get(name, ""), two.get(name, ""))
            for name in {**one, **two}
            if one.get(name) != two.get(name)
        }


def _key(found: Mapping[str, Value]) -> Hashable:
    return tuple(found.items())


def _size(op: Op, workload: Workload) -> Hashable | None:
    """The product that an operator computes, whatever type it has; None if it computes none."""
    if op.weight is not None:
        matrix = workload.matrices[op.weight.matrix]
        return op.kind, matrix.inputs, matrix.outputs, matrix.blocks, workload.macs(op)
    return (op.kind, workload.macs(op)) if op.kind is OpKind.DYNAMIC_MATMUL else None


def _rewired(before: Workload, after: Workload, partner: Mapping[str, str]) -> int:
    """Connections between matched operators that only one of the networks has."""
    known = set(partner.values())
    ours = {(partner[a], partner[b]) for a, b in before.graph.edges if {a, b} <= partner.keys()}
    theirs = {(a, b) for a, b in after.graph.edges if a in known and b in known}
    return len(ours ^ theirs)


_Use: TypeAlias = tuple[int, int, int, int, int]


@dataclass(frozen=True, slots=True)
class _Sizes:
    """How often each size of product with a matrix occurs, over all and by shared matrix."""

    total: Counter[_Use]
    by_matrix: Counter[tuple[_Use, ...]]


def _sizes(workload: Workload) -> _Sizes:
    uses: dict[str, list[_Use]] = {}
    for op in workload.ops:
        if op.weight is not None:
            matrix, use = workload.matrices[op.weight.matrix], op.weight
            sides = (matrix.inputs, matrix.outputs)
            inputs, outputs = sides[::-1] if use.transposed else sides
            uses.setdefault(use.matrix, []).append(
                (inputs, outputs, matrix.blocks, use.vectors, use.sequential_steps)
            )
    return _Sizes(
        Counter(use for found in uses.values() for use in found),
        Counter(tuple(sorted(found)) for found in uses.values()),
    )


def _products(workload: Workload) -> tuple[int, int]:
    """Multiply-accumulates of weight matmuls and of dynamic matmuls."""
    weight = sum(workload.macs(op) for op in workload.ops if op.weight is not None)
    return weight, sum(workload.macs(op) for op in workload.ops if op.weight is None)


def _shape(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape)) or "scalar"
