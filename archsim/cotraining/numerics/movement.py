"""Operators that rename, reorder, join, cut or repeat elements."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import numpy as np

from archsim.cotraining.numerics.contract import (
    Array,
    Call,
    Grads,
    Operator,
    Result,
    fitted,
    integers,
    single,
)
from archsim.cotraining.numerics.indexing import taken

# Modes of Pad that repeat elements of the tensor, as numpy calls them.
_REPEATING: Mapping[str, Literal["edge", "reflect", "wrap"]] = {
    "edge": "edge",
    "reflect": "reflect",
    "wrap": "wrap",
}


def _identity(call: Call) -> Result:
    return single(call, call[0], lambda g: g)


def _renamed(call: Call, out: Array) -> Result:
    shape = call[0].shape
    return single(call, out, lambda g: g.reshape(shape))


def _reshape(call: Call) -> Result:
    x, node = call[0], call.node
    target = list(node.integers("shape") if node.has("shape") else integers(call[1]))
    if not node.integer("allowzero", 0):
        target = [x.shape[i] if size == 0 else size for i, size in enumerate(target)]
    return _renamed(call, x.reshape(target))


def _flatten(call: Call) -> Result:
    x, axis = call[0], call.node.integer("axis", 1)
    axis = axis + x.ndim if axis < 0 else axis
    return _renamed(call, x.reshape(math.prod(x.shape[:axis]), -1))


def _squeeze(call: Call) -> Result:
    return _renamed(call, np.squeeze(call[0], call.axes(1)))


def _unsqueeze(call: Call) -> Result:
    return _renamed(call, np.expand_dims(call[0], call.axes(1) or ()))


def _transpose(call: Call) -> Result:
    x = call[0]
    order = call.node.integers("perm") or tuple(range(x.ndim))[::-1]
    back = np.argsort(order)
    return single(call, x.transpose(order), lambda g: g.transpose(back))


def _concat(call: Call) -> Result:
    parts = [x for x in call.inputs if x is not None]
    axis = call.node.integer("axis", 1 if call.node.version < 4 else 0)
    bounds = np.cumsum([part.shape[axis] for part in parts])[:-1]
    out = np.concatenate(parts, axis)

    def pullback(grads: Grads) -> Sequence[Array | None]:
        return [None] * len(parts) if grads[0] is None else np.split(grads[0], bounds, axis)

    return Result((out,), pullback)


def _split(call: Call) -> Result:
    x, node = call[0], call.node
    axis = node.integer("axis", 0)
    sizes: Sequence[int] = call.axes(1, "split") or ()
    if not sizes:
        count = node.integer("num_outputs", len(node.outputs))
        step = -(-x.shape[axis] // count)
        sizes = [min(step, x.shape[axis] - i * step) for i in range(count)]
    parts = np.split(x, np.cumsum(sizes)[:-1], axis)
    shapes, extra = [part.shape for part in parts], [None] * (len(call.inputs) - 1)

    def pullback(grads: Grads) -> Sequence[Array | None]:
        known = next((g for g in grads if g is not None), None)
        if known is None:
            return [None, *extra]
        filled = [
            np.zeros(shape, known.dtype) if g is None else g
            for g, shape in zip(grads, shapes, strict=True)
        ]
        return [np.concatenate(filled, axis), *extra]

    return Result(tuple(parts), pullback)


def _slice(call: Call) -> Result:
    x = call[0]
    starts = call.axes(1, "starts") or ()
    ends = call.axes(2, "ends") or ()
    axes = call.axes(3) or tuple(range(len(starts)))
    steps = call.axes(4, "steps") or (1,) * len(starts)
    window = [slice(None)] * x.ndim
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        window[axis] = _bounded(start, end, step, x.shape[axis])
    return _cut(call, tuple(window))


def _cut(call: Call, window: tuple[slice, ...]) -> Result:
    """The part of the first input in `window`, each element once."""
    x = call[0]
    shape = x.shape

    def pull(grad: Array) -> Array:
        found = np.zeros(shape, grad.dtype)
        found[window] = grad
        return found

    return single(call, x[window], pull)


def _bounded(start: int, end: int, step: int, size: int) -> slice:
    """The slice of an axis of `size` elements, with bounds outside it clamped as ONNX says."""
    first, last = (bound + size if bound < 0 else bound for bound in (start, end))
    if step > 0:
        return slice(min(max(first, 0), size), min(max(last, 0), size), step)
    first, last = min(max(first, 0), size - 1), min(max(last, -1), size - 1)
    # Walking backwards past the first element has no end index in Python.
    return slice(first, None if last < 0 else last, step)


def _pad(call: Call) -> Result:
    x, node = call[0], call.node
    amounts = call.axes(1, "pads") or ()
    given = call.optional(3)
    axes = tuple(range(x.ndim)) if given is None else integers(given)
    widths = [(0, 0)] * x.ndim
    for axis, before, after in zip(axes, amounts, amounts[len(axes) :], strict=False):
        widths[axis] = (before, after)
    fill = call.optional(2)
    value = node.real("value", 0.0) if fill is None else fill.reshape(())
    # Negative amounts cut elements off.
    kept = tuple(
        slice(max(-before, 0), size - max(-after, 0))
        for (before, after), size in zip(widths, x.shape, strict=True)
    )
    grown = [(max(before, 0), max(after, 0)) for before, after in widths]
    mode = node.text("mode", "constant")
    if mode != "constant":
        places = np.arange(x.size).reshape(x.shape)[kept]
        return taken(call, np.pad(places, grown, _REPEATING[mode]))
    inside = tuple(
        slice(before, before + len(range(*cut.indices(size))))
        for (before, _), cut, size in zip(grown, kept, x.shape, strict=True)
    )
    out = np.pad(x[kept], grown, constant_values=np.asarray(value).astype(x.dtype))
    shape = x.shape

    def pull(grad: Array) -> Array:
        found = np.zeros(shape, grad.dtype)
        found[kept] = grad[inside]
        return found

    return single(call, out, pull)


def _expand(call: Call) -> Result:
    x = call[0]
    shape = x.shape
    out = np.broadcast_to(x, np.broadcast_shapes(shape, integers(call[1])))
    return single(call, out, lambda g: fitted(g, shape))


def _tile(call: Call) -> Result:
    x, repeats = call[0], integers(call[1])
    split = [part for pair in zip(repeats, x.shape, strict=True) for part in pair]
    axes = tuple(range(0, 2 * x.ndim, 2))
    return single(call, np.tile(x, repeats), lambda g: g.reshape(split).sum(axes))


def _depth_to_space(call: Call) -> Result:
    x, size = call[0], call.node.integer("blocksize", 1)
    batch, channels, height, width = x.shape
    depth = channels // size**2
    if call.node.text("mode", "DCR") == "CRD":
        parts, order = (batch, depth, size, size, height, width), (0, 1, 4, 2, 5, 3)
    else:
        parts, order = (batch, size, size, depth, height, width), (0, 3, 4, 1, 5, 2)
    return _turned(call, parts, order, (batch, depth, height * size, width * size))


def _space_to_depth(call: Call) -> Result:
    x, size = call[0], call.node.integer("blocksize", 1)
    batch, channels, height, width = x.shape
    parts = (batch, channels, height // size, size, width // size, size)
    target = (batch, channels * size**2, height // size, width // size)
    return _turned(call, parts, (0, 3, 5, 1, 2, 4), target)


def _turned(
    call: Call, parts: tuple[int, ...], order: tuple[int, ...], target: tuple[int, ...]
) -> Result:
    """The first input with its axes taken apart, turned, and joined again."""
    x = call[0]
    shape, back = x.shape, np.argsort(order)
    turned = tuple(parts[axis] for axis in order)
    out = x.reshape(parts).transpose(order).reshape(target)
    return single(call, out, lambda g: g.reshape(turned).transpose(back).reshape(shape))


def _triangle(call: Call) -> Result:
    given = call.optional(1)
    offset = 0 if given is None else integers(given)[0]
    keep: Callable[[Array, int], Array] = np.triu if call.node.integer("upper", 1) else np.tril
    return single(call, keep(call[0], offset), lambda g: keep(g, offset))


OPERATORS = (
    Operator("Identity", _identity),
    Operator("Reshape", _reshape),
    Operator("Flatten", _flatten),
    Operator("Squeeze", _squeeze),
    Operator("Unsqueeze", _unsqueeze),
    Operator("Transpose", _transpose),
    Operator("Concat", _concat),
    Operator("Split", _split),
    Operator("Slice", _slice),
    Operator("Pad", _pad),
    Operator("Expand", _expand),
    Operator("Tile", _tile),
    Operator("DepthToSpace", _depth_to_space),
    Operator("SpaceToDepth", _space_to_depth),
    Operator("Trilu", _triangle),
)
