"""Sums, means, extremes and norms over axes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from archsim.cotraining.numerics.contract import (
    Array,
    Call,
    Forward,
    Operator,
    Result,
    fixed,
    single,
)

_Axes: TypeAlias = tuple[int, ...]
# From the input and the axes: the reduced value with its axes kept, and the derivative of it by the
# input, broadcast against the gradient.
_Reduction: TypeAlias = Callable[[Array, _Axes], tuple[Array, Callable[[], Array]]]


def _reduction(function: _Reduction) -> Forward:
    def forward(call: Call) -> Result:
        x = call[0]
        given = call.axes(1)
        if not given and call.node.integer("noop_with_empty_axes", 0):
            return single(call, x, lambda g: g)
        axes = tuple(axis % x.ndim for axis in given) if given else tuple(range(x.ndim))
        value, slope = function(x, axes)
        shape = value.shape
        out = value
        if not call.node.integer("keepdims", 1):
            out = value.reshape([n for axis, n in enumerate(shape) if axis not in axes])
        full = x.shape
        return single(call, out, lambda g: np.broadcast_to(g.reshape(shape) * slope(), full))

    return forward


def _sum(x: Array, axes: _Axes) -> tuple[Array, Callable[[], Array]]:
    return x.sum(axes, keepdims=True, dtype=x.dtype), lambda: np.ones((), x.dtype)


def _mean(x: Array, axes: _Axes) -> tuple[Array, Callable[[], Array]]:
    share = x.dtype.type(1 / math.prod(x.shape[axis] for axis in axes))
    return x.mean(axes, keepdims=True, dtype=x.dtype), lambda: share


def _extreme(function: Callable[..., Array]) -> _Reduction:
    """Equal extremes share the gradient."""

    def reduce(x: Array, axes: _Axes) -> tuple[Array, Callable[[], Array]]:
        value = function(x, axis=axes, keepdims=True)

        def slope() -> Array:
            hits = (x == value).astype(x.dtype)
            return np.asarray(hits / hits.sum(axes, keepdims=True))

        return value, slope

    return reduce


def _product(x: Array, axes: _Axes) -> tuple[Array, Callable[[], Array]]:
    """The derivative is the product of the others, which a zero must not spoil."""
    value = x.prod(axes, keepdims=True, dtype=x.dtype)

    def slope() -> Array:
        zeros = (x == 0).sum(axes, keepdims=True)
        rest = np.where(x == 0, 1, x).prod(axes, keepdims=True)
        ordinary = value / np.where(x == 0, 1, x)
        return np.where(zeros == 0, ordinary, np.where((zeros == 1) & (x == 0), rest, 0))

    return value, slope


def _norm_1(x: Array, axes: _Axes) -> tuple[Array, Callable[[], Array]]:
    return np.abs(x).sum(axes, keepdims=True), lambda: np.sign(x)


def _norm_2(x: Array, axes: _Axes) -> tuple[Array, Callable[[], Array]]:
    value = np.sqrt((x * x).sum(axes, keepdims=True))
    return value, lambda: np.divide(x, value, out=np.zeros_like(x), where=value > 0)


def _sum_square(x: Array, axes: _Axes) -> tuple[Array, Callable[[], Array]]:
    return (x * x).sum(axes, keepdims=True), lambda: 2 * x


def _log_sum(x: Array, axes: _Axes) -> tuple[Array, Callable[[], Array]]:
    total = x.sum(axes, keepdims=True)
    return np.log(total), lambda: 1 / total


def _log_sum_exp(x: Array, axes: _Axes) -> tuple[Array, Callable[[], Array]]:
    top = x.max(axes, keepdims=True)
    value = top + np.log(np.exp(x - top).sum(axes, keepdims=True))
    return value, lambda: np.exp(x - value)


def _position(function: Callable[..., Array]) -> Forward:
    def forward(call: Call) -> Array:
        x, node = call[0], call.node
        axis, keep = node.integer("axis", 0) % x.ndim, bool(node.integer("keepdims", 1))
        if not node.integer("select_last_index", 0):
            return np.asarray(function(x, axis=axis, keepdims=keep), np.int64)
        back = function(np.flip(x, axis), axis=axis, keepdims=keep)
        return np.asarray(x.shape[axis] - 1 - back, np.int64)

    return fixed(forward)


_REDUCTIONS: dict[str, _Reduction] = {
    "ReduceSum": _sum,
    "ReduceMean": _mean,
    "ReduceMax": _extreme(np.max),
    "ReduceMin": _extreme(np.min),
    "ReduceProd": _product,
    "ReduceL1": _norm_1,
    "ReduceL2": _norm_2,
    "ReduceSumSquare": _sum_square,
    "ReduceLogSum": _log_sum,
    "ReduceLogSumExp": _log_sum_exp,
}
OPERATORS = (
    *(Operator(name, _reduction(function)) for name, function in _REDUCTIONS.items()),
    Operator("ArgMax", _position(np.argmax), differentiable=False),
    Operator("ArgMin", _position(np.argmin), differentiable=False),
)
