"""Pooling: windows over spatial axes, counted with their real extent at the borders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from archsim.workload.graph import DigitalWork, OpKind, RowWindow, Saved, SavedForm
from archsim.workload.onnx_reader.families.row_windows import row_window
from archsim.workload.onnx_reader.nodes import Node
from archsim.workload.onnx_reader.operators import (
    Operator,
    Piece,
    Scope,
    data_keeps_sign,
    nonnegative,
    per_element,
    rule,
)


@dataclass(frozen=True, slots=True)
class Windows:
    """`taps`: input elements summed over all windows; `covered`: inputs inside some window."""

    taps: int
    covered: int


# Neither windows nor their taps are that many along one axis of any network.
_LONGEST_AXIS = 10**6


@lru_cache(maxsize=4096)
def _axis(size: int, out: int, kernel: int, stride: int, dilation: int, before: int) -> Windows:
    """The windows along one axis; elements of the padding do not count.

    Tap k of window i is at i * stride + k * dilation - before.  Windows and taps play the same
    part in this, so the fewer of the two are gone through one by one, and the others, which are
    evenly spaced, by arithmetic.
    """
    if min(stride, dilation) < 1 or min(out, kernel) > _LONGEST_AXIS:
        raise ValueError("no sensible windows")
    each, every = (kernel, dilation), (out, stride)
    if kernel > out:
        each, every = every, each
    (count, apart), (length, step) = each, every
    taps = 0
    # Positions by their remainder: those with the same one are neighbours in steps of `step`.
    spans: dict[int, list[tuple[int, int]]] = {}
    for index in range(count):
        shift, remainder = divmod(index * apart - before, step)
        first = max(0, shift)
        last = min(shift + length - 1, (size - 1 - remainder) // step)
        if first <= last:
            taps += last - first + 1
            spans.setdefault(remainder, []).append((first, last))
    return Windows(taps, sum(_union(entry) for entry in spans.values()))


def _union(spans: list[tuple[int, int]]) -> int:
    """How many integers lie in at least one of the spans (both ends included)."""
    total, end = 0, -1
    for first, last in sorted(spans):
        total += max(0, last - max(first, end + 1) + 1)
        end = max(end, last)
    return total


def windows(node: Node, scope: Scope) -> Windows:
    """The windows of a pooling node, over all samples and channels."""
    shape, target = scope.shape(node.input(0)), scope.shape(node.outputs[0])
    rank = len(shape) - 2
    kernel = node.integers("kernel_shape")
    strides = node.integers("strides", (1,) * rank)
    dilations = node.integers("dilations", (1,) * rank)
    taps = covered = shape[0] * shape[1]
    for axis in range(rank):
        size, out = shape[2 + axis], target[2 + axis]
        before = _padding(node, axis, rank, size, out, kernel[axis], strides[axis], dilations[axis])
        found = _axis(size, out, kernel[axis], strides[axis], dilations[axis], before)
        taps *= found.taps
        covered *= found.covered
    return Windows(taps, covered)


def _padding(
    node: Node, axis: int, rank: int, size: int, out: int, kernel: int, stride: int, dilation: int
) -> int:
    """Padding before the first element of an axis; SAME paddings follow from the output size."""
    same = node.text("auto_pad", "NOTSET")
    if same in ("SAME_UPPER", "SAME_LOWER"):
        total = max((out - 1) * stride + (kernel - 1) * dilation + 1 - size, 0)
        return total // 2 if same == "SAME_UPPER" else -(-total // 2)
    return node.integers("pads", (0,) * (2 * rank))[axis]


def maximum(node: Node, scope: Scope) -> Sequence[Piece]:
    """A window of k elements is k - 1 comparisons; backward adds each error at its maximum."""
    source, result = node.input(0), node.outputs[0]
    n, out = scope.elements(source), scope.elements(result)
    taps = n if node.op_type.startswith("Global") else windows(node, scope).taps
    return [
        Piece(
            kind=OpKind.POOLING,
            inputs=(source,),
            outputs=scope.results_of(node),
            reason="maximum of windows",
            forward=DigitalWork(compare=max(taps - out, 0), read=n, written=out),
            backward=DigitalWork(add=out, read=2 * out, written=n),
            saved=(Saved(result, out, SavedForm.INDEX),),
            window=_row_window(node, scope),
        )
    ]


def _row_window(node: Node, scope: Scope) -> RowWindow | None:
    """None for global pooling, which needs all rows."""
    if node.op_type.startswith("Global"):
        return None
    return row_window(node, scope, node.integers("kernel_shape"))


def average(node: Node, scope: Scope) -> Sequence[Piece]:
    """A window of k elements is k - 1 additions and a multiplication by 1/k.

    Backward scales each error once and spreads it; an input in several windows adds them up.
    """
    source, result = node.input(0), node.outputs[0]
    n, out = scope.elements(source), scope.elements(result)
    found = Windows(n, n) if node.op_type.startswith("Global") else windows(node, scope)
    return [
        Piece(
            kind=OpKind.POOLING,
            inputs=(source,),
            outputs=(result,),
            reason="average of windows",
            forward=per_element(out, mul=1)
            + DigitalWork(add=max(found.taps - out, 0), read=n, written=out),
            backward=per_element(out, mul=1)
            + DigitalWork(add=found.taps - found.covered, read=out, written=n),
            window=_row_window(node, scope),
        )
    ]


def _power(node: Node, scope: Scope) -> Sequence[Piece]:
    """(sum |x|^p)^(1/p) of windows; p is 2 by default, others are exp(p*log(x)).

    Backward from the saved input and output: x^(p-1) * y^(1-p) * g.
    """
    source, result = node.input(0), node.outputs[0]
    n, out = scope.elements(source), scope.elements(result)
    taps = windows(node, scope).taps if node.op_type == "LpPool" else n
    order = node.integer("p", 2)
    each = {1: DigitalWork(compare=1), 2: DigitalWork(mul=1)}.get(
        order, DigitalWork(log=1, mul=1, exp=1)
    )
    root = {1: DigitalWork(), 2: DigitalWork(sqrt=1)}.get(order, DigitalWork(log=1, mul=1, exp=1))
    return [
        Piece(
            kind=OpKind.POOLING,
            inputs=(source,),
            outputs=(result,),
            reason=f"norm of order {order} of windows",
            forward=each.scaled(taps)
            + root.scaled(out)
            + DigitalWork(add=max(taps - out, 0), read=n, written=out),
            backward=per_element(taps, mul=2) + DigitalWork(div=out, read=n + 2 * out, written=n),
            saved=(Saved(source, n), Saved(result, out)),
        )
    ]


def _unpool(node: Node, scope: Scope) -> Sequence[Piece]:
    """Each element goes to the place that its maximum came from; the rest is zero."""
    source, result = node.input(0), node.outputs[0]
    n, out = scope.elements(source), scope.elements(result)
    return [
        Piece(
            kind=OpKind.POOLING,
            inputs=scope.activations(node),
            outputs=(result,),
            reason="moves maxima back to their places",
            forward=DigitalWork(read=2 * n, written=out),
            backward=DigitalWork(read=2 * n, written=n),
            saved=(Saved(node.input(1), n, SavedForm.INDEX),),
        )
    ]


def _unpooled_shape(node: Node, scope: Scope) -> Sequence[tuple[int, tuple[int, ...]]]:
    """The stated shape, or the smallest that pools to the input."""
    kind, shape = scope.element_type(node.input(0)), scope.shape(node.input(0))
    if node.input(2):
        value = scope.required(node, 2, "the shape of the result")
        return [(kind, tuple(int(size) for size in value.ravel()))]
    kernel = node.integers("kernel_shape")
    rank = len(kernel)
    strides, pads = node.integers("strides", (1,) * rank), node.integers("pads", (0,) * (2 * rank))
    spatial = (
        (shape[2 + axis] - 1) * strides[axis] + kernel[axis] - pads[axis] - pads[rank + axis]
        for axis in range(rank)
    )
    return [(kind, (*shape[:2], *spatial))]


MAXIMUM_RULE = rule(
    OpKind.POOLING, "window - 1 compare per output", "adds each error at its maximum"
)
AVERAGE_RULE = rule(
    OpKind.POOLING, "window - 1 add, 1 mul per output", "1 mul, spread over the window"
)
OPERATORS = (
    Operator("MaxPool", maximum, data_keeps_sign, rule=MAXIMUM_RULE),
    Operator("GlobalMaxPool", maximum, data_keeps_sign, rule=MAXIMUM_RULE),
    Operator("AveragePool", average, data_keeps_sign, rule=AVERAGE_RULE),
    Operator("GlobalAveragePool", average, data_keeps_sign, rule=AVERAGE_RULE),
    *(
        Operator(
            op_type,
            _power,
            nonnegative,
            rule=rule(
                OpKind.POOLING,
                "window (power, add), 1 root per output",
                "window 2 mul, 1 div per output",
            ),
        )
        for op_type in ("LpPool", "GlobalLpPool")
    ),
    Operator(
        "MaxUnpool",
        _unpool,
        data_keeps_sign,
        shapes=_unpooled_shape,
        rule=rule(OpKind.POOLING, "moves each input to its place", "gathers the errors"),
    ),
)
