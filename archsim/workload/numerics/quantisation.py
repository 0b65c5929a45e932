"""Quantisation: rounding to levels and back, and products of integers.

Products of integers are computed in float64, which holds their sums exactly.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from onnx import TensorProto, helper

from archsim.errors import InputError
from archsim.workload.numerics.convolution import convolve
from archsim.workload.numerics.functions import softmax
from archsim.workload.numerics.kernel import Array, Call, Forward, Kernel, limits
from archsim.workload.numerics.matmul import multiply
from archsim.workload.numerics.pooling import averaged


def _spread(call: Call, values: Array, shape: tuple[int, ...]) -> Array:
    """Scales or zero points of one tensor, one axis or blocks, broadcast to `shape`."""
    if values.size == 1:
        return values.reshape(())
    axis = call.node.integer("axis", 1) % len(shape)
    if values.ndim == 1:
        return values.reshape([-1 if other == axis else 1 for other in range(len(shape))])
    block = call.node.integer("block_size", 0) or -(-shape[axis] // values.shape[axis])
    return np.repeat(values, block, axis).take(range(shape[axis]), axis)


def to_levels(data: Array, step: Array, zero: Array, dtype: np.dtype[Any]) -> Array:
    """`data` rounded to multiples of `step`, shifted by `zero`, and clipped to `dtype`."""
    levels = np.rint(data / step) + zero.astype(np.float32)
    return np.asarray(np.clip(levels, *limits(dtype))).astype(dtype)


def _quantise(call: Call) -> Array:
    data, given = call[0], call.optional(2)
    if given is None:
        kind = call.node.integer("output_dtype", TensorProto.UINT8)
        given = np.zeros((), helper.tensor_dtype_to_np_dtype(kind))
    step, zero = _spread(call, call[1], data.shape), _spread(call, given, data.shape)
    if given.dtype.kind == "f" or "float" in given.dtype.name:
        return np.asarray(data / step).astype(given.dtype)
    return to_levels(data, step, zero, given.dtype)


def _dequantise(call: Call) -> Array:
    levels, scale, given = call[0], call[1], call.optional(2)
    shifted = levels.astype(np.float32)
    if given is not None:
        shifted = shifted - _spread(call, given, levels.shape).astype(np.float32)
    return np.asarray(shifted * _spread(call, scale, levels.shape)).astype(scale.dtype)


def _dynamic(call: Call) -> list[Array]:
    """To 8 bits between the extremes, zero included."""
    data = call[0]
    low, high = min(float(data.min()), 0.0), max(float(data.max()), 0.0)
    step = np.asarray(np.float32(high) - np.float32(low), np.float32) / np.float32(255)
    point = np.zeros((), np.uint8)
    if step > 0:
        point = np.asarray(np.clip(np.rint(np.float32(-low) / step), 0, 255), np.uint8)
    else:
        step = np.ones((), np.float32)
    return [to_levels(data, step, point, np.dtype(np.uint8)), np.asarray(step, np.float32), point]


def _centred(levels: Array, zero: Array | None, axis: int) -> Array:
    """Levels less their zero point, which is one number or one per element of `axis`."""
    exact = levels.astype(np.float64)
    if zero is None:
        return exact
    if zero.ndim == 1 and zero.size > 1:
        zero = zero.reshape([-1 if i == axis % levels.ndim else 1 for i in range(levels.ndim)])
    return exact - zero.reshape(zero.shape if zero.size > 1 else ()).astype(np.float64)


def _matmul_integer(call: Call) -> Array:
    left, right = _centred(call[0], call.optional(2), -2), _centred(call[1], call.optional(3), -1)
    product = multiply(call, left, right, (call.is_constant(0), call.is_constant(1)))
    return product.astype(np.int32)


def _conv_integer(call: Call) -> Array:
    data, kernels = _centred(call[0], call.optional(2), 1), _centred(call[1], call.optional(3), 0)
    return convolve(call, data, kernels).astype(np.int32)


def _qlinear_conv(call: Call) -> Array:
    """Operands x, x_scale, x_zero, w, w_scale, w_zero, y_scale, y_zero, bias (int32)."""
    data, kernels = _centred(call[0], call[2], 1), _centred(call[3], call[5], 0)
    found = convolve(call, data, kernels)
    bias = call.optional(8)
    across = (-1, *(1,) * (found.ndim - 2))
    if bias is not None:
        found = found + bias.reshape(across)
    ratio = call[1].astype(np.float64) * call[4].reshape(-1) / call[6].reshape(())
    return to_levels(found * ratio.reshape(across), np.ones(()), call[7], call[7].dtype)


def _qlinear_matmul(call: Call) -> Array:
    """Operands a, a_scale, a_zero, b, b_scale, b_zero, y_scale, y_zero."""
    left, right = _centred(call[0], call[2], -2), _centred(call[3], call[5], -1)
    found = multiply(call, left, right, (call.is_constant(0), call.is_constant(3)))
    scale = call[1].astype(np.float64) * call[4] / call[6]
    return to_levels(found * scale, np.ones(()), call[7], call[7].dtype)


def _qgemm(call: Call) -> Array:
    """Operands a, a_scale, a_zero, b, b_scale, b_zero, bias (int32), y_scale, y_zero.

    Without an output scale the result is float32.
    """
    node = call.node
    turned = bool(node.integer("transB", 0))
    left, right = _centred(call[0], call[2], 0), _centred(call[3], call[5], 0 if turned else 1)
    left, right = left.T if node.integer("transA", 0) else left, right.T if turned else right
    found = multiply(call, left, right, (call.is_constant(0), call.is_constant(3)))
    bias = call.optional(6)
    found = found if bias is None else found + bias
    found = found * (node.real("alpha", 1.0) * call[1].astype(np.float64) * call[4])
    if call.optional(7) is None:
        return found.astype(np.float32)
    return to_levels(found / call[7], np.ones(()), call[8], call[8].dtype)


def _real(call: Call, index: int) -> Array:
    """The numbers that levels at `index` stand for, with the step and zero point after them."""
    return _centred(call[index], call.optional(index + 2), 0) * call[index + 1].astype(np.float64)


def _rounded(call: Call, data: Array, index: int) -> Array:
    """`data` as levels of the step at `index` and the zero point after it."""
    given = call.optional(index + 1)
    zero = np.zeros((), call[0].dtype) if given is None else given
    return to_levels(data, call[index].astype(np.float64), zero, zero.dtype)


def _binary(function: Callable[[Array, Array], Array]) -> Forward:
    return lambda call: _rounded(call, function(_real(call, 0), _real(call, 3)), 6)


def _qlinear_average(call: Call) -> Array:
    if call.node.integer("channels_last", 0):
        raise InputError("channels that come last are not evaluated.", place=call.node.place)
    return _rounded(call, averaged(call.node, _real(call, 0)), 3)


def _qlinear_softmax(call: Call) -> Array:
    if call.node.integer("opset", 13) < 13:
        raise InputError("a softmax over several axes is not evaluated.", place=call.node.place)
    return _rounded(call, softmax(_real(call, 0), call.node.integer("axis", -1)), 3)


_MICROSOFT = "com.microsoft"
KERNELS = (
    Kernel("QuantizeLinear", _quantise),
    Kernel("DequantizeLinear", _dequantise),
    Kernel("DynamicQuantizeLinear", _dynamic),
    Kernel("MatMulInteger", _matmul_integer),
    Kernel("ConvInteger", _conv_integer),
    Kernel("QLinearConv", _qlinear_conv),
    Kernel("QLinearMatMul", _qlinear_matmul),
    Kernel("QGemm", _qgemm, _MICROSOFT),
    Kernel("QLinearAdd", _binary(np.add), _MICROSOFT),
    Kernel("QLinearMul", _binary(np.multiply), _MICROSOFT),
    Kernel("QLinearAveragePool", _qlinear_average, _MICROSOFT),
    Kernel("QLinearSoftmax", _qlinear_softmax, _MICROSOFT),
)
