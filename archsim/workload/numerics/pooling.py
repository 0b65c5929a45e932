"""Pooling over windows, and over whole feature maps."""

from __future__ import annotations

import math

import numpy as np

from archsim.workload.numerics.kernel import Array, Call, Kernel, limits
from archsim.workload.numerics.windows import Geometry, geometry, windows
from archsim.workload.onnx_reader.nodes import Node


def _lowest(data: Array) -> float:
    return float(limits(data.dtype)[0]) if data.dtype.kind in "iu" else -np.inf


def _max(call: Call) -> list[Array]:
    data = call[0]
    shape = geometry(call.node, data.shape[2:], call.node.integers("kernel_shape"))
    view = windows(data, shape, _lowest(data))
    flat = view.reshape(*view.shape[: 2 + len(shape.kernel)], -1)
    found = [flat.max(-1)]
    if call.wants(1):
        found.append(_positions(data, flat.argmax(-1), shape))
    return found


def _positions(data: Array, tap: Array, shape: Geometry) -> Array:
    """Index of each maximum in the flattened tensor, from its tap inside the window."""
    rank = len(shape.kernel)
    index = np.zeros(tap.shape, np.int64)
    for axis, place in enumerate(np.unravel_index(tap, shape.kernel)):
        start = np.arange(shape.out[axis]) * shape.strides[axis] - shape.before[axis]
        start = start.reshape([-1 if other == axis else 1 for other in range(rank)])
        index = index * data.shape[2 + axis] + start + place * shape.dilations[axis]
    maps = np.arange(data.shape[0] * data.shape[1]).reshape(*data.shape[:2], *(1,) * rank)
    return np.asarray(index + maps * math.prod(data.shape[2:]))


def averaged(node: Node, data: Array) -> Array:
    """The mean of each window of `data`, as the attributes of `node` have it."""
    shape = geometry(node, data.shape[2:], node.integers("kernel_shape"))
    taps = tuple(range(2 + len(shape.kernel), data.ndim + len(shape.kernel)))
    total = windows(data, shape).sum(taps)
    # Padding that the file asks for may count; what only completes the last window never does.
    inside = np.ones((1, 1, *data.shape[2:]), data.dtype)
    if node.integer("count_include_pad", 0):
        pads = [(0, 0), (0, 0), *zip(shape.before, shape.after, strict=True)]
        bare = Geometry(
            shape.kernel,
            shape.strides,
            shape.dilations,
            (0,) * len(shape.kernel),
            (0,) * len(shape.kernel),
            shape.out,
        )
        return np.asarray(total / windows(np.pad(inside, pads, constant_values=1), bare).sum(taps))
    return np.asarray(total / windows(inside, shape).sum(taps))


def _lp(call: Call) -> Array:
    data, node = call[0], call.node
    order = node.integer("p", 2)
    shape = geometry(node, data.shape[2:], node.integers("kernel_shape"))
    taps = tuple(range(2 + len(shape.kernel), data.ndim + len(shape.kernel)))
    powers = np.abs(windows(data, shape)) ** order
    return np.asarray(powers.sum(taps) ** (1 / order)).astype(data.dtype)


def _spatial(data: Array) -> tuple[int, ...]:
    return tuple(range(2, data.ndim))


def _global_max(call: Call) -> Array:
    return np.asarray(call[0].max(_spatial(call[0]), keepdims=True))


def _global_average(call: Call) -> Array:
    return np.asarray(call[0].mean(_spatial(call[0]), keepdims=True))


def _global_lp(call: Call) -> Array:
    data, order = call[0], call.node.integer("p", 2)
    powers = (np.abs(data) ** order).sum(_spatial(data), keepdims=True)
    return np.asarray(powers ** (1 / order)).astype(data.dtype)


KERNELS = (
    Kernel("MaxPool", _max),
    Kernel("AveragePool", lambda call: averaged(call.node, call[0])),
    Kernel("LpPool", _lp),
    Kernel("GlobalMaxPool", _global_max),
    Kernel("GlobalAveragePool", _global_average),
    Kernel("GlobalLpPool", _global_lp),
)
