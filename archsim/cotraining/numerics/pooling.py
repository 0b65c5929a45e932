"""Pooling by the largest or the mean element of a window, or of the whole image."""

from __future__ import annotations

from typing import Any

import numpy as np

from archsim.cotraining.numerics.contract import (
    Array,
    Call,
    Operator,
    Result,
    single,
)
from archsim.cotraining.numerics.windows import Windows, ones_counted, pad, windows_of
from archsim.workload.executable_types import ExecutableNode


def _max_pool(call: Call) -> Result:
    """The first of equal elements takes the gradient, as in other frameworks."""
    x = call[0]
    windows = windows_of(call, call.node.integers("kernel_shape"), x.shape[2:])
    image = pad(x, windows, -np.inf)
    best: Array | None = None
    for seen in windows.offsets():
        part = image[seen]
        best = part.copy(order="K") if best is None else np.maximum(best, part, out=best)
    assert best is not None
    return single(call, best, lambda grad: _to_first(grad, image, best, windows))


def _indices(node: ExecutableNode) -> str:
    return "its indices" if len(node.outputs) > 1 and node.outputs[1] else ""


def _to_first(grad: Array, image: Array, best: Array, windows: Windows) -> Array:
    """`grad` [B, C, *out] given to the first element of each window that is `best`."""
    batch, channels = grad.shape[:2]
    into = np.zeros((channels, batch, *windows.padded), grad.dtype).swapaxes(0, 1)
    free = np.ones_like(best, bool)
    for seen in windows.offsets():
        hit = image[seen] == best
        hit &= free
        free ^= hit
        into[seen] += grad * hit
    return into[windows.interior]


def _spread(grad: Array, windows: Windows) -> Array:
    """`grad` [B, C, *out] added to all elements of each window."""
    batch, channels = grad.shape[:2]
    into = np.zeros((channels, batch, *windows.padded), grad.dtype).swapaxes(0, 1)
    for seen in windows.offsets():
        into[seen] += grad
    return into[windows.interior]


def _average_pool(call: Call) -> Result:
    x = call[0]
    windows = windows_of(call, call.node.integers("kernel_shape"), x.shape[2:])
    image = pad(x, windows)
    total: Array | None = None
    for seen in windows.offsets():
        part = image[seen]
        total = part.copy(order="K") if total is None else np.add(total, part, out=total)
    assert total is not None
    share = 1 / _counted(call, windows, x.dtype)
    return single(call, total * share, lambda grad: _spread(grad * share, windows))


def _counted(call: Call, windows: Windows, dtype: np.dtype[Any]) -> Array:
    """The number that each window's sum is divided by: pads count if the node says so."""
    if not call.node.integer("count_include_pad", 0):
        return ones_counted(windows, windows.interior, dtype)
    # What lies beyond the pads, where windows of `ceil_mode` reach, never counts.
    sizes = zip(windows.before, windows.space, windows.after, strict=True)
    return ones_counted(windows, (..., *(slice(0, b + n + a) for b, n, a in sizes)), dtype)


def _global_average(call: Call) -> Result:
    x = call[0]
    axes = tuple(range(2, x.ndim))
    shape, share = x.shape, x.dtype.type(x.shape[0] * x.shape[1] / x.size)
    return single(
        call,
        x.mean(axes, keepdims=True),
        lambda grad: np.broadcast_to(grad * share, shape),
    )


def _global_max(call: Call) -> Result:
    x = call[0]
    flat = x.reshape(*x.shape[:2], -1)
    places = flat.argmax(-1)[..., None]
    out = np.take_along_axis(flat, places, -1).reshape(*x.shape[:2], *(1,) * (x.ndim - 2))
    shape = x.shape

    def pull(grad: Array) -> Array:
        found = np.zeros((*shape[:2], flat_size), grad.dtype)
        np.put_along_axis(found, places, grad.reshape(*shape[:2], 1), -1)
        return found.reshape(shape)

    flat_size = flat.shape[-1]
    return single(call, out, pull)


OPERATORS = (
    Operator("MaxPool", _max_pool, missing=_indices),
    Operator("AveragePool", _average_pool),
    Operator("GlobalAveragePool", _global_average),
    Operator("GlobalMaxPool", _global_max),
)
