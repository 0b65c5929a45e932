"""Reductions over axes, running sums, and the largest elements."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

import numpy as np

from archsim.workload.numerics.kernel import Array, Call, Forward, Kernel, integers

_Axes: TypeAlias = tuple[int, ...] | None
_Reduce: TypeAlias = Callable[[Array, _Axes], Array]


def _log_sum_exp(x: Array, axes: _Axes) -> Array:
    largest = x.max(axes, keepdims=True)
    return np.asarray(np.log(np.exp(x - largest).sum(axes, keepdims=True)) + largest)


_REDUCTIONS: Mapping[str, _Reduce] = {
    "ReduceSum": lambda x, axes: x.sum(axes, keepdims=True),
    "ReduceMean": lambda x, axes: x.mean(axes, keepdims=True),
    "ReduceMax": lambda x, axes: x.max(axes, keepdims=True),
    "ReduceMin": lambda x, axes: x.min(axes, keepdims=True),
    "ReduceProd": lambda x, axes: x.prod(axes, keepdims=True),
    "ReduceSumSquare": lambda x, axes: (x * x).sum(axes, keepdims=True),
    "ReduceL1": lambda x, axes: np.abs(x).sum(axes, keepdims=True),
    "ReduceL2": lambda x, axes: np.sqrt((x * x).sum(axes, keepdims=True)),
    "ReduceLogSum": lambda x, axes: np.log(x.sum(axes, keepdims=True)),
    "ReduceLogSumExp": _log_sum_exp,
}


def _reduction(function: _Reduce) -> Forward:
    def forward(call: Call) -> Array:
        data, axes = call[0], call.axes(1)
        if not axes:
            if call.node.integer("noop_with_empty_axes", 0):
                return data
            axes = tuple(range(data.ndim))
        found = np.asarray(function(data, axes)).astype(data.dtype, copy=False)
        return found if call.node.integer("keepdims", 1) else np.squeeze(found, axes)

    return forward


def _argument(pick: Callable[..., Array]) -> Forward:
    def forward(call: Call) -> Array:
        data, node = call[0], call.node
        axis = node.integer("axis", 0) % data.ndim
        if node.integer("select_last_index", 0):
            found = data.shape[axis] - 1 - pick(np.flip(data, axis), axis)
        else:
            found = pick(data, axis)
        found = np.asarray(found, np.int64)
        return np.expand_dims(found, axis) if node.integer("keepdims", 1) else found

    return forward


def _cumulative(call: Call) -> Array:
    data, axis = call[0], integers(call[1])[0]
    backwards = bool(call.node.integer("reverse", 0))
    ordered = np.flip(data, axis) if backwards else data
    found = np.cumsum(ordered, axis, dtype=data.dtype)
    if call.node.integer("exclusive", 0):
        found = found - ordered
    return np.flip(found, axis) if backwards else found


def _top_k(call: Call) -> list[Array]:
    data, node = call[0], call.node
    axis = node.integer("axis", -1)
    count = integers(call[1])[0] if len(call.operands) > 1 else node.integer("k", 1)
    # A stable sort, so that of equal elements the first ones are taken.
    keys = -data.astype(np.float64) if node.integer("largest", 1) else data
    order = np.argsort(keys, axis, kind="stable").take(range(count), axis)
    return [np.take_along_axis(data, order, axis), order.astype(np.int64)]


KERNELS = (
    *(Kernel(op_type, _reduction(function)) for op_type, function in _REDUCTIONS.items()),
    Kernel("ArgMax", _argument(np.argmax)),
    Kernel("ArgMin", _argument(np.argmin)),
    Kernel("CumSum", _cumulative),
    Kernel("TopK", _top_k),
)
