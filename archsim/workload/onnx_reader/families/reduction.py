"""Reductions: from n elements to m results; the backward spreads m errors over n elements."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from archsim.workload.graph import NO_WORK, DigitalWork, OpKind, Saved, SavedForm
from archsim.workload.onnx_reader.nodes import Node
from archsim.workload.onnx_reader.operators import (
    NodeRule,
    Operator,
    Piece,
    Scope,
    data_keeps_sign,
    nonnegative,
    per_element,
    rule,
    signed,
)

_Work: TypeAlias = Callable[[int, int], tuple[DigitalWork, DigitalWork]]


def _sum(n: int, m: int) -> tuple[DigitalWork, DigitalWork]:
    return DigitalWork(add=n - m), NO_WORK


def _mean(n: int, m: int) -> tuple[DigitalWork, DigitalWork]:
    return DigitalWork(add=n - m, mul=m), DigitalWork(mul=m)


def _extreme(n: int, m: int) -> tuple[DigitalWork, DigitalWork]:
    return DigitalWork(compare=n - m), DigitalWork(add=m)


def _square_sum(n: int, m: int) -> tuple[DigitalWork, DigitalWork]:
    return DigitalWork(mul=n, add=n - m), DigitalWork(mul=2 * n)


def _length(n: int, m: int) -> tuple[DigitalWork, DigitalWork]:
    """y = sqrt(sum x^2); dx = x*g/y."""
    return DigitalWork(mul=n, add=n - m, sqrt=m), DigitalWork(mul=n, div=m)


def _absolute(n: int, m: int) -> tuple[DigitalWork, DigitalWork]:
    return DigitalWork(compare=n, add=n - m), DigitalWork(compare=n)


def _product(n: int, m: int) -> tuple[DigitalWork, DigitalWork]:
    """y = product of x; dx = g*y/x."""
    return DigitalWork(mul=n - m), DigitalWork(mul=n, div=n)


def _log_sum(n: int, m: int) -> tuple[DigitalWork, DigitalWork]:
    """y = log(sum x); dx = g/sum."""
    return DigitalWork(add=n - m, log=m), DigitalWork(div=m)


def _log_sum_exp(n: int, m: int) -> tuple[DigitalWork, DigitalWork]:
    """y = log(sum exp x); dx = g*exp(x - y)."""
    forward = DigitalWork(add=2 * n, exp=n, log=m, compare=n - m)
    return forward, DigitalWork(add=n, exp=n, mul=n)


_REDUCTIONS: Mapping[str, tuple[_Work, SavedForm | None, NodeRule]] = {
    "ReduceSum": (_sum, None, data_keeps_sign),
    "ReduceMean": (_mean, None, data_keeps_sign),
    "ReduceMax": (_extreme, SavedForm.INDEX, data_keeps_sign),
    "ReduceMin": (_extreme, SavedForm.INDEX, data_keeps_sign),
    "ReduceSumSquare": (_square_sum, SavedForm.VALUE, nonnegative),
    "ReduceL2": (_length, SavedForm.VALUE, nonnegative),
    "ReduceL1": (_absolute, SavedForm.MASK, nonnegative),
    "ReduceProd": (_product, SavedForm.VALUE, data_keeps_sign),
    "ReduceLogSum": (_log_sum, SavedForm.VALUE, signed),
    "ReduceLogSumExp": (_log_sum_exp, SavedForm.VALUE, signed),
}


def _reduce(node: Node, scope: Scope) -> Sequence[Piece]:
    work, form, _ = _REDUCTIONS[node.op_type]
    source, result = node.input(0), node.outputs[0]
    n, m = scope.elements(source), scope.elements(result)
    forward, backward = work(n, m)
    if not scope.differentiable(source):
        return [_piece(node, scope, forward, NO_WORK, ())]
    saved: tuple[Saved, ...] = ()
    if form is SavedForm.INDEX:
        saved = (Saved(result, m, form),)
    elif form is not None:
        saved = (Saved(source, n, form),)
    kept = sum(entry.elements for entry in saved)
    return [_piece(node, scope, forward, backward + DigitalWork(read=m + kept, written=n), saved)]


def _piece(
    node: Node,
    scope: Scope,
    forward: DigitalWork,
    backward: DigitalWork,
    saved: tuple[Saved, ...],
) -> Piece:
    n = scope.elements(node.input(0))
    m = sum(scope.elements(name) for name in scope.results_of(node))
    return Piece(
        kind=OpKind.REDUCTION,
        inputs=scope.activations(node),
        outputs=scope.results_of(node),
        reason="reduces axes",
        forward=forward + DigitalWork(read=n, written=m),
        backward=backward,
        saved=saved,
    )


def _argument(node: Node, scope: Scope) -> Sequence[Piece]:
    """ArgMax, ArgMin: an index has no gradient."""
    n, m = scope.elements(node.input(0)), scope.elements(node.outputs[0])
    return [_piece(node, scope, DigitalWork(compare=n - m), NO_WORK, ())]


def _cumulative(node: Node, scope: Scope) -> Sequence[Piece]:
    """A running sum; backward is the running sum from the other end."""
    n = scope.elements(node.input(0))
    moved = DigitalWork(read=n, written=n)
    backward = NO_WORK
    if scope.differentiable(node.input(0)):
        backward = per_element(n, add=1) + moved
    return [_piece(node, scope, per_element(n, add=1), backward, ())]


def _running_product(node: Node, scope: Scope) -> Sequence[Piece]:
    """A running product; backward sums g*y from the other end and divides by x."""
    source, n = node.input(0), scope.elements(node.input(0))
    moved = DigitalWork(read=n, written=n)
    backward, saved = NO_WORK, _NOTHING
    if scope.differentiable(source):
        backward = per_element(n, mul=1, add=1, div=1) + moved + moved
        saved = (Saved(source, n), Saved(node.outputs[0], n))
    return [_piece(node, scope, per_element(n, mul=1), backward, saved)]


def _top_k(node: Node, scope: Scope) -> Sequence[Piece]:
    """The k largest of each row, found by a heap of k: log2(k) comparisons per element, up."""
    n, m = scope.elements(node.input(0)), scope.elements(node.outputs[0])
    axis = node.integer("axis", -1)
    chosen = scope.shape(node.outputs[0])[axis]
    depth = 1 + (max(chosen, 1) - 1).bit_length()
    backward, saved = NO_WORK, _NOTHING
    if scope.differentiable(node.input(0)):
        backward = DigitalWork(add=m, read=2 * m, written=n)
        saved = (Saved(node.outputs[0], m, SavedForm.INDEX),)
    return [_piece(node, scope, per_element(n, compare=depth), backward, saved)]


_NOTHING: tuple[Saved, ...] = ()

_TEXTS: Mapping[str, tuple[str, str]] = {
    "ReduceSum": ("add per input", "spreads the errors"),
    "ReduceMean": ("add per input, mul per output", "mul per output"),
    "ReduceMax": ("compare per input", "adds each error at its maximum"),
    "ReduceMin": ("compare per input", "adds each error at its minimum"),
    "ReduceSumSquare": ("mul, add per input", "2 mul per input"),
    "ReduceL1": ("compare, add per input", "compare per input"),
    "ReduceL2": ("mul, add per input, sqrt per output", "mul per input, div per output"),
    "ReduceProd": ("mul per input", "mul, div per input"),
    "ReduceLogSum": ("add per input, log per output", "div per output"),
    "ReduceLogSumExp": ("2 add, exp, compare per input", "add, exp, mul per input"),
}
_INDEX = rule(OpKind.REDUCTION, "compare per input", "none")
OPERATORS = (
    *(
        Operator(op_type, _reduce, sign, rule=rule(OpKind.REDUCTION, *_TEXTS[op_type]))
        for op_type, (_, _, sign) in _REDUCTIONS.items()
    ),
    Operator("ArgMax", _argument, nonnegative, rule=_INDEX),
    Operator("ArgMin", _argument, nonnegative, rule=_INDEX),
    Operator("CumSum", _cumulative, data_keeps_sign, rule=rule(OpKind.REDUCTION, "n add", "n add")),
    Operator(
        "CumProd",
        _running_product,
        data_keeps_sign,
        rule=rule(OpKind.REDUCTION, "n mul", "n (mul, add, div)"),
    ),
    Operator(
        "TopK",
        _top_k,
        data_keeps_sign,
        rule=rule(
            OpKind.REDUCTION, "1 + log2(k) compare per input", "adds each error at its place"
        ),
    ),
)
