"""Tensors made of shapes and attributes, changes of the element type, and dropout."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from archsim.cotraining.numerics.contract import (
    Array,
    Call,
    Operator,
    Result,
    fixed,
    integers,
    single,
)
from archsim.workload.executable_types import ExecutableNode

# Element types of the ONNX standard by their numbers; floating ones all become the network's own.
_FLOATING = frozenset({1, 10, 11, 16})
_KINDS: Mapping[int, type[np.generic]] = {
    2: np.uint8,
    3: np.int8,
    4: np.uint16,
    5: np.int16,
    6: np.int32,
    7: np.int64,
    9: np.bool_,
    12: np.uint32,
    13: np.uint64,
}


def element_type(call: Call, number: int) -> np.dtype[Any]:
    """The element type that the standard gives a number, as it is held in a run."""
    return call.setting.dtype if number in _FLOATING else np.dtype(_KINDS[number])


def _unknown_type(node: ExecutableNode) -> str:
    number = node.integer("to", 1)
    return "" if number in _FLOATING or number in _KINDS else f"to the element type {number}"


def _converted(call: Call, kind: np.dtype[Any]) -> Result:
    x = call[0]
    out = x.astype(kind, copy=False)
    if not (np.issubdtype(kind, np.floating) and np.issubdtype(x.dtype, np.floating)):
        return Result((out,))
    return single(call, out, lambda g: g)


def _cast(call: Call) -> Result:
    return _converted(call, element_type(call, call.node.integer("to", 1)))


def _cast_like(call: Call) -> Result:
    return _converted(call, call[1].dtype)


def _shape(call: Call) -> Array:
    shape = call[0].shape
    node = call.node
    return np.asarray(
        shape[slice(node.integer("start", 0), node.integer("end", len(shape)))], np.int64
    )


def _constant_of_shape(call: Call) -> Array:
    fill = call.node.array("value")
    if fill is None:
        return np.zeros(integers(call[0]), call.setting.dtype)
    kind = call.setting.dtype if np.issubdtype(fill.dtype, np.floating) else fill.dtype
    return np.full(integers(call[0]), fill.reshape(-1)[0], kind)


def _range(call: Call) -> Array:
    start, limit, delta = (call[index].reshape(()) for index in range(3))
    count = max(math.ceil((limit - start) / delta), 0)
    return np.asarray(start + np.arange(count) * delta).astype(start.dtype)


def _eye_like(call: Call) -> Array:
    rows, columns = call[0].shape
    kind = call[0].dtype
    if call.node.has("dtype"):
        kind = element_type(call, call.node.integer("dtype", 1))
    return np.eye(rows, columns, call.node.integer("k", 0)).astype(kind)


def _one_hot(call: Call) -> Array:
    indices, depth = call[0], integers(call[1])[0]
    off, on = call[2].reshape(-1)
    axis = call.node.integer("axis", -1)
    places = np.expand_dims(indices.astype(np.int64), axis)
    shape = [1] * places.ndim
    shape[axis] = depth
    # Negative indices count from the end; those outside select nothing.
    inside = (places >= -depth) & (places < depth)
    hits = inside & (places % depth == np.arange(depth).reshape(shape))
    return np.where(hits, np.asarray(on), np.asarray(off))


def _dropout(call: Call) -> Result:
    """In training each element is kept with 1 - ratio and scaled to keep the mean."""
    x, node = call[0], call.node
    given = call.optional(1)
    ratio = node.real("ratio", 0.5) if given is None else float(given.reshape(()))
    if not call.setting.training or ratio <= 0.0:
        result = single(call, x, lambda g: g)
        return Result((x, np.ones(x.shape, bool))[: len(node.outputs)], result.pullback)
    keep = call.setting.generator(node).random(x.shape, np.float32) >= ratio
    scale = keep * x.dtype.type(1.0 / (1.0 - ratio) if ratio < 1.0 else 0.0)
    result = single(call, x * scale, lambda g: g * scale)
    return Result((*result.outputs, keep)[: len(node.outputs)], result.pullback)


OPERATORS = (
    Operator("Cast", _cast, missing=_unknown_type),
    Operator("CastLike", _cast_like),
    Operator("Dropout", _dropout),
    Operator("Shape", fixed(_shape), differentiable=False),
    Operator("Size", fixed(lambda call: np.asarray(call[0].size)), differentiable=False),
    Operator("ConstantOfShape", fixed(_constant_of_shape), differentiable=False),
    Operator("Range", fixed(_range), differentiable=False),
    Operator("EyeLike", fixed(_eye_like), differentiable=False),
    Operator("OneHot", fixed(_one_hot), differentiable=False),
)
