"""Operators that make tensors of attributes and shapes: constants, ranges, indices."""

from __future__ import annotations

import numpy as np
from onnx import helper, numpy_helper

from archsim.errors import InputError
from archsim.workload.numerics.kernel import Array, Call, Kernel, integers


def _constant(call: Call) -> Array:
    node = call.node
    if node.has("value"):
        return numpy_helper.to_array(node.attributes["value"].t)
    if node.has("value_float"):
        return np.asarray(node.real("value_float", 0.0), np.float32)
    if node.has("value_floats"):
        return np.asarray(list(node.attributes["value_floats"].floats), np.float32)
    if node.has("value_int"):
        return np.asarray(node.integer("value_int", 0), np.int64)
    if node.has("value_ints"):
        return np.asarray(node.integers("value_ints"), np.int64)
    raise InputError(
        "only constants that are dense tensors of numbers are evaluated.", place=node.place
    )


def _constant_of_shape(call: Call) -> Array:
    shape = integers(call[0])
    if not call.node.has("value"):
        return np.zeros(shape, np.float32)
    fill = numpy_helper.to_array(call.node.attributes["value"].t)
    return np.full(shape, fill.reshape(-1)[0], fill.dtype)


def _range(call: Call) -> Array:
    start, limit, delta = (call[index].reshape(()) for index in range(3))
    count = max(int(np.ceil((limit - start) / delta)), 0)
    return np.asarray(start + np.arange(count) * delta).astype(start.dtype)


def _eye_like(call: Call) -> Array:
    data = call[0]
    rows, columns = data.shape
    kind = data.dtype
    if call.node.has("dtype"):
        kind = helper.tensor_dtype_to_np_dtype(call.node.integer("dtype", 1))
    return np.eye(rows, columns, call.node.integer("k", 0)).astype(kind)


def _nonzero(call: Call) -> Array:
    return np.asarray(np.nonzero(call[0]), np.int64)


KERNELS = (
    Kernel("Constant", _constant),
    Kernel("ConstantOfShape", _constant_of_shape),
    Kernel("Range", _range),
    Kernel("EyeLike", _eye_like),
    Kernel("NonZero", _nonzero),
)
