"""Elementwise functions of several operands, with broadcasting."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import reduce

import numpy as np

from archsim.workload.numerics.kernel import Array, Call, Forward, Kernel

_TRUTHS: Mapping[str, Callable[[Array, Array], Array]] = {
    "Equal": np.equal,
    "Greater": np.greater,
    "GreaterOrEqual": np.greater_equal,
    "Less": np.less,
    "LessOrEqual": np.less_equal,
    "And": np.logical_and,
    "Or": np.logical_or,
    "Xor": np.logical_xor,
    "BitwiseAnd": np.bitwise_and,
    "BitwiseOr": np.bitwise_or,
    "BitwiseXor": np.bitwise_xor,
}


def _divide(left: Array, right: Array) -> Array:
    if not np.issubdtype(left.dtype, np.integer):
        return np.asarray(left / right)
    # Integers are divided towards zero, exactly.
    quotient = np.abs(left) // np.abs(right)
    return np.asarray(np.where((left < 0) != (right < 0), -quotient, quotient)).astype(left.dtype)


_ARITHMETIC: Mapping[str, Callable[[Array, Array], Array]] = {
    "Add": np.add,
    "Sub": np.subtract,
    "Mul": np.multiply,
    "Div": _divide,
    "Pow": lambda x, y: np.asarray(np.power(x, y)).astype(x.dtype),
}


def _pair(function: Callable[[Array, Array], Array]) -> Forward:
    return lambda call: np.asarray(function(call[0], call[1]))


def _all(function: Callable[[Array, Array], Array]) -> Forward:
    return lambda call: np.asarray(reduce(function, call.present))


def _mean(call: Call) -> Array:
    parts = call.present
    return np.asarray(reduce(np.add, parts) / parts[0].dtype.type(len(parts)))


def _modulo(call: Call) -> Array:
    function = np.fmod if call.node.integer("fmod", 0) else np.mod
    return np.asarray(function(call[0], call[1]))


def _where(call: Call) -> Array:
    return np.where(call[0], call[1], call[2])


def _bit_shift(call: Call) -> Array:
    left = call.node.text("direction") == "LEFT"
    return np.asarray((np.left_shift if left else np.right_shift)(call[0], call[1]))


KERNELS = (
    *(Kernel(op_type, _pair(function)) for op_type, function in _TRUTHS.items()),
    *(Kernel(op_type, _pair(function)) for op_type, function in _ARITHMETIC.items()),
    Kernel("Sum", _all(np.add)),
    Kernel("Max", _all(np.maximum)),
    Kernel("Min", _all(np.minimum)),
    Kernel("Mean", _mean),
    Kernel("Mod", _modulo),
    Kernel("Where", _where),
    Kernel("BitShift", _bit_shift),
)
