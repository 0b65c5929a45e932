"""Operators that move elements, repeat them, or only rename axes."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from onnx import helper

from archsim.workload.numerics.kernel import Array, Call, Kernel, integers


def _same(call: Call) -> list[Array]:
    """The input passes; a mask of Dropout is all true, since nothing is dropped in inference."""
    data = call[0]
    return [data, np.ones(data.shape, bool)][: len(call.node.outputs)]


def _cast(call: Call) -> Array:
    return call[0].astype(helper.tensor_dtype_to_np_dtype(call.node.integer("to", 1)))


def _cast_like(call: Call) -> Array:
    return call[0].astype(call[1].dtype)


def _reshape(call: Call) -> Array:
    data, node = call[0], call.node
    target = list(node.integers("shape") if node.has("shape") else integers(call[1]))
    if not node.integer("allowzero", 0):
        target = [data.shape[i] if size == 0 else size for i, size in enumerate(target)]
    return data.reshape(target)


def _flatten(call: Call) -> Array:
    data, axis = call[0], call.node.integer("axis", 1)
    axis = axis + data.ndim if axis < 0 else axis
    return data.reshape(math.prod(data.shape[:axis]), -1)


def _squeeze(call: Call) -> Array:
    return np.squeeze(call[0], call.axes(1))


def _unsqueeze(call: Call) -> Array:
    return np.expand_dims(call[0], call.axes(1) or ())


def _transpose(call: Call) -> Array:
    return np.transpose(call[0], call.node.integers("perm") or None)


def _concat(call: Call) -> Array:
    return np.concatenate(call.present, call.node.integer("axis", 0))


def _slice(call: Call) -> Array:
    data = call[0]
    starts = call.axes(1, "starts") or ()
    ends = call.axes(2, "ends") or ()
    axes = call.axes(3) or tuple(range(len(starts)))
    steps = call.axes(4, "steps") or (1,) * len(starts)
    window = [slice(None)] * data.ndim
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        window[axis] = _window(start, end, step, data.shape[axis])
    return data[tuple(window)]


def _window(start: int, end: int, step: int, size: int) -> slice:
    """The slice of an axis of `size` elements, with bounds outside it clamped as ONNX says."""
    first, last = (bound + size if bound < 0 else bound for bound in (start, end))
    if step > 0:
        return slice(min(max(first, 0), size), min(max(last, 0), size), step)
    first, last = min(max(first, 0), size - 1), min(max(last, -1), size - 1)
    # Walking backwards past the first element has no end index in Python.
    return slice(first, None if last < 0 else last, step)


def _split(call: Call) -> list[Array]:
    data, node = call[0], call.node
    axis = node.integer("axis", 0)
    sizes: Sequence[int] = call.axes(1, "split") or ()
    if not sizes:
        count = node.integer("num_outputs", len(node.outputs))
        step = -(-data.shape[axis] // count)
        sizes = [min(step, data.shape[axis] - i * step) for i in range(count)]
    return np.split(data, np.cumsum(sizes)[:-1], axis)


def _pad(call: Call) -> Array:
    data, node = call[0], call.node
    amounts = call.axes(1, "pads") or ()
    given = call.optional(3)
    axes = tuple(range(data.ndim)) if given is None else integers(given)
    begins, ends = amounts[: len(axes)], amounts[len(axes) :]
    widths = [(0, 0)] * data.ndim
    for axis, before, after in zip(axes, begins, ends, strict=True):
        widths[axis] = (before, after)
    # Negative amounts cut elements off.
    kept = tuple(
        slice(max(-before, 0), size - max(-after, 0))
        for (before, after), size in zip(widths, data.shape, strict=True)
    )
    data = data[kept]
    grown = [(max(before, 0), max(after, 0)) for before, after in widths]
    mode = node.text("mode", "constant")
    if mode == "constant":
        fill = call.optional(2)
        value = node.real("value", 0.0) if fill is None else fill.reshape(())
        return np.pad(data, grown, constant_values=np.asarray(value).astype(data.dtype))
    if mode == "reflect":
        return np.pad(data, grown, "reflect")
    return np.pad(data, grown, "wrap" if mode == "wrap" else "edge")


def _expand(call: Call) -> Array:
    data = call[0]
    return np.broadcast_to(data, np.broadcast_shapes(data.shape, integers(call[1])))


def _tile(call: Call) -> Array:
    return np.tile(call[0], integers(call[1]))


def _depth_to_space(call: Call) -> Array:
    data, size = call[0], call.node.integer("blocksize", 1)
    batch, channels, height, width = data.shape
    depth = channels // size**2
    if call.node.text("mode", "DCR") == "CRD":
        parts = data.reshape(batch, depth, size, size, height, width).transpose(0, 1, 4, 2, 5, 3)
    else:
        parts = data.reshape(batch, size, size, depth, height, width).transpose(0, 3, 4, 1, 5, 2)
    return parts.reshape(batch, depth, height * size, width * size)


def _space_to_depth(call: Call) -> Array:
    data, size = call[0], call.node.integer("blocksize", 1)
    batch, channels, height, width = data.shape
    parts = data.reshape(batch, channels, height // size, size, width // size, size)
    parts = parts.transpose(0, 3, 5, 1, 2, 4)
    return parts.reshape(batch, channels * size**2, height // size, width // size)


def _triangle(call: Call) -> Array:
    given = call.optional(1)
    offset = 0 if given is None else integers(given)[0]
    return (np.triu if call.node.integer("upper", 1) else np.tril)(call[0], offset)


KERNELS = (
    Kernel("Identity", _same),
    Kernel("Dropout", _same),
    Kernel("Cast", _cast),
    Kernel("CastLike", _cast_like),
    Kernel("Reshape", _reshape),
    Kernel("Flatten", _flatten),
    Kernel("Squeeze", _squeeze),
    Kernel("Unsqueeze", _unsqueeze),
    Kernel("Transpose", _transpose),
    Kernel("Concat", _concat),
    Kernel("Slice", _slice),
    Kernel("Split", _split),
    Kernel("Pad", _pad),
    Kernel("Expand", _expand),
    Kernel("Tile", _tile),
    Kernel("DepthToSpace", _depth_to_space),
    Kernel("SpaceToDepth", _space_to_depth),
    Kernel("Trilu", _triangle),
)
