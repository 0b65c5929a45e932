"""Pooling: windows over spatial axes, counted with their real extent at the borders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from archsim.workload.graph import DigitalWork, OpKind, Saved, SavedForm
from archsim.workload.onnx_reader.nodes import Node
from archsim.workload.onnx_reader.operators import (
    Operator,
    Piece,
    Scope,
    data_keeps_sign,
    per_element,
)


@dataclass(frozen=True, slots=True)
class Windows:
    """`taps`: input elements summed over all windows; `covered`: inputs inside some window."""

    taps: int
    covered: int


@lru_cache(maxsize=4096)
def _axis(size: int, out: int, kernel: int, stride: int, dilation: int, before: int) -> Windows:
    """The windows along one axis; elements of the padding do not count."""
    taps = 0
    covered: set[int] = set()
    for index in range(out):
        start = index * stride - before
        # Taps that lie inside the input, by arithmetic rather than one by one.
        first = max(0, -(start // dilation)) if start < 0 else 0
        last = min(kernel - 1, (size - 1 - start) // dilation)
        inside = range(start + first * dilation, start + last * dilation + 1, dilation)
        taps += len(inside)
        covered.update(inside)
    return Windows(taps, len(covered))


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


def _max(node: Node, scope: Scope) -> Sequence[Piece]:
    """A window of k elements is k - 1 comparisons; backward adds each error at its maximum."""
    source, result = node.input(0), node.outputs[0]
    n, out = scope.elements(source), scope.elements(result)
    taps = windows(node, scope).taps if node.op_type == "MaxPool" else n
    return [
        Piece(
            kind=OpKind.POOLING,
            inputs=(source,),
            outputs=scope.results_of(node),
            reason="maximum of windows",
            forward=DigitalWork(compare=max(taps - out, 0), read=n, written=out),
            backward=DigitalWork(add=out, read=2 * out, written=n),
            saved=(Saved(result, out, SavedForm.INDEX),),
        )
    ]


def _average(node: Node, scope: Scope) -> Sequence[Piece]:
    """A window of k elements is k - 1 additions and a multiplication by 1/k.

    Backward scales each error once and spreads it; an input in several windows adds them up.
    """
    source, result = node.input(0), node.outputs[0]
    n, out = scope.elements(source), scope.elements(result)
    found = windows(node, scope) if node.op_type == "AveragePool" else Windows(n, n)
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
        )
    ]


OPERATORS = (
    Operator("MaxPool", _max, data_keeps_sign),
    Operator("GlobalMaxPool", _max, data_keeps_sign),
    Operator("AveragePool", _average, data_keeps_sign),
    Operator("GlobalAveragePool", _average, data_keeps_sign),
)
