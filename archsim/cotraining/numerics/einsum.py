"""Einsum: of any number of arrays, or of one by a stationary matrix."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from archsim.cotraining.numerics.contract import (
    Array,
    Call,
    Grads,
    Operator,
    Result,
    single,
)
from archsim.workload.executable_types import ExecutableNode

# numpy takes letters only: the axes under an ellipsis get capitals that no equation is likely to use.
_HIDDEN = "ZYXWVUTSRQPONMLKJIHGFEDCBA"


def labels_of(equation: str, ranks: Sequence[int]) -> tuple[list[str], str]:
    """Labels of each operand and of the result, one letter per axis."""
    before, arrow, after = equation.replace(" ", "").partition("->")
    free = [letter for letter in _HIDDEN if letter not in equation]
    terms = []
    for term, rank in zip(before.split(","), ranks, strict=True):
        hidden = rank - len(term.replace("...", ""))
        terms.append(term.replace("...", "".join(free[:hidden][::-1])))
    named = "".join(terms)
    widest = "".join(letter for letter in free[::-1] if letter in named)
    if arrow:
        return terms, after.replace("...", widest)
    once = sorted(x for x in set(named) if named.count(x) == 1 and x not in widest)
    return terms, widest + "".join(once)


def _einsum(call: Call) -> Result:
    if call.weights:
        return _by_weight(call)
    operands = [call[index] for index in range(len(call.inputs))]
    terms, result = labels_of(call.node.text("equation"), [x.ndim for x in operands])
    out = np.einsum(f"{','.join(terms)}->{result}", *operands, optimize=True)

    def pull(index: int) -> Callable[[Array], Array]:
        others = [
            entry for at, entry in enumerate(zip(terms, operands, strict=True)) if at != index
        ]
        shape = operands[index].shape
        return lambda grad: _gradient((result, grad), others, (terms[index], shape))

    return single(call, np.asarray(out), *(pull(index) for index in range(len(operands))))


def _gradient(
    grad: tuple[str, Array],
    others: Sequence[tuple[str, Array]],
    target: tuple[str, tuple[int, ...]],
) -> Array:
    """The product of the gradient and the other operands, summed to the labels of the target.

    Labels that only the target has were summed forward: their gradient is the same everywhere.
    """
    terms = [grad[0], *(term for term, _ in others)]
    arrays = [grad[1], *(array for _, array in others)]
    labels, shape = target
    known = set("".join(terms))
    kept = "".join(x for x in labels if x in known)
    found = np.einsum(f"{','.join(terms)}->{kept}", *arrays, optimize=True)
    # An axis of size one that met a longer one was broadcast.
    sizes = [size for x, size in zip(labels, shape, strict=True) if x in known]
    wide = tuple(i for i, size in enumerate(sizes) if size == 1 and found.shape[i] != 1)
    found = found.sum(wide, keepdims=True) if wide else found
    found = found.reshape([n if x in known else 1 for x, n in zip(labels, shape, strict=True)])
    return np.broadcast_to(found, shape)


def _by_weight(call: Call) -> Result:
    """The operand as vectors [shared labels, others, summed], the weight as in `MatrixUse`."""
    use, weight = call.node.uses[0], call.weights[0]
    operand = call[1 - use.slot]
    ranks = [len(use.shape), operand.ndim][:: 1 if use.slot == 0 else -1]
    terms, result = labels_of(call.node.text("equation"), ranks)
    own, other = terms[use.slot], terms[1 - use.slot]
    shared = [x for x in own if x in other and x in result]
    summed = [x for x in own if x in other and x not in result]
    kept = [x for x in own if x not in other]
    rest = [x for x in other if x not in own]
    sizes = dict(zip(other, operand.shape, strict=True)) | dict(zip(own, use.shape, strict=True))

    def size(group: Sequence[str]) -> int:
        return math.prod(sizes[x] for x in group)

    into_order = [other.index(x) for x in (*shared, *rest, *summed)]
    vectors = operand.transpose(into_order).reshape(size(shared), size(rest), size(summed))
    product = weight.times(vectors)
    made = [*shared, *rest, *kept]
    out_order = [made.index(x) for x in result]
    out = product.reshape([sizes[x] for x in made]).transpose(out_order)
    held = vectors if weight.trains else None
    wanted, moved = call.wanted(1 - use.slot), [sizes[x] for x in (*shared, *rest, *summed)]

    def pullback(grads: Grads) -> list[Array | None]:
        grad = grads[0]
        if grad is None:
            return [None, None]
        d = grad.transpose(np.argsort(out_order)).reshape(size(shared), size(rest), size(kept))
        into = None
        if wanted:
            into = weight.back(d).reshape(moved).transpose(np.argsort(into_order))
        if held is not None:
            weight.record(held, d)
        return [into, None] if use.slot == 1 else [None, into]

    return Result((out,), pullback)


def _diagonal(node: ExecutableNode) -> str:
    terms = node.text("equation").replace(" ", "").replace("...", "").partition("->")[0]
    twice = any(len(set(term)) < len(term) for term in terms.split(","))
    return "a diagonal" if twice else ""


OPERATORS = (Operator("Einsum", _einsum, missing=_diagonal),)
