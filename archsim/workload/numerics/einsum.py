"""Einsum of one or two operands: axes are put in order, summed, or handed to a product."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from archsim.errors import InputError
from archsim.workload.numerics.kernel import Array, Call, Kernel
from archsim.workload.numerics.products import Expected, MiscountError


def _labels(equation: str, ranks: Sequence[int]) -> tuple[list[str], str]:
    """Labels of the operands and of the result; axes under an ellipsis get digits from the right."""
    before, arrow, after = equation.replace(" ", "").partition("->")
    terms = []
    for term, rank in zip(before.split(","), ranks, strict=True):
        hidden = rank - len(term.replace("...", ""))
        terms.append(term.replace("...", "".join(map(str, range(hidden - 1, -1, -1)))))
    named = "".join(terms)
    widest = "".join(sorted({label for label in named if label.isdigit()}, reverse=True))
    if arrow:
        return terms, after.replace("...", widest)
    once = sorted(label for label in set(named) if named.count(label) == 1 and label.isalpha())
    return terms, widest + "".join(once)


def _arranged(data: Array, labels: str, order: str, sizes: dict[str, int]) -> Array:
    """`data` with its axes in `order`; labels that it lacks are broadcast, others are summed."""
    surplus = tuple(axis for axis, label in enumerate(labels) if label not in order)
    kept = [label for label in labels if label in order]
    data = data.sum(surplus) if surplus else data
    data = data.transpose([kept.index(label) for label in order if label in kept])
    data = data.reshape(
        [data.shape[_rank(label, order, kept)] if label in kept else 1 for label in order]
    )
    return np.broadcast_to(data, [sizes[label] for label in order])


def _rank(label: str, order: str, kept: Sequence[str]) -> int:
    return [known for known in order if known in kept].index(label)


def _einsum(call: Call) -> Array:
    operands = call.present
    terms, result = _labels(call.node.text("equation"), [operand.ndim for operand in operands])
    if any(len(set(term)) < len(term) for term in terms):
        raise InputError(
            "a label that occurs twice in one operand is not evaluated.", place=call.node.place
        )
    sizes: dict[str, int] = {}
    for term, operand in zip(terms, operands, strict=True):
        for label, size in zip(term, operand.shape, strict=True):
            sizes[label] = max(size, sizes.get(label, 1))
    if len(operands) == 1:
        return _arranged(operands[0], terms[0], result, sizes)
    if len(operands) != 2:
        raise InputError(
            f"an equation of {len(operands)} operands is not evaluated.", place=call.node.place
        )
    return _pair(call, terms, result, sizes)


def _pair(call: Call, terms: Sequence[str], result: str, sizes: dict[str, int]) -> Array:
    left, right = call[0], call[1]
    expected = call.products.following
    first, second = terms
    weights = expected is not None and expected.use is not None
    if weights and call.is_constant(0) and not _fits(call, terms, sizes, expected):
        left, right, first, second = right, left, second, first
    both = [label for label in first if label in second]
    batch = "".join(label for label in both if label in result)
    summed = "".join(label for label in both if label not in result)
    rows = "".join(label for label in first if label not in second and label in result)
    columns = "".join(label for label in second if label not in first and label in result)

    def count(labels: str) -> int:
        return math.prod(sizes[label] for label in labels)

    a = _arranged(left, first, batch + rows + summed, sizes)
    b = _arranged(right, second, batch + summed + columns, sizes)
    a = a.reshape(count(batch), count(rows), count(summed))
    b = b.reshape(count(batch), count(summed), count(columns))
    if expected is None and call.products.counted and summed:
        raise MiscountError(f"{call.node.place}: it multiplies matrices, and none is counted.")
    product = call.products.weight(a, b) if weights else call.products.dynamic(a, b)
    shaped = product.reshape([sizes[label] for label in batch + rows + columns])
    return shaped.transpose([(batch + rows + columns).index(label) for label in result])


def _fits(
    call: Call, terms: Sequence[str], sizes: dict[str, int], expected: Expected | None
) -> bool:
    """Whether the second operand can be the stationary matrix, the first being constant too."""
    if not call.is_constant(1) or expected is None:
        return False
    return call[1].size == math.prod(expected.size) and bool(call[1].any())


KERNELS = (Kernel("Einsum", _einsum),)
