"""Elementwise functions of one operand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

import numpy as np

from archsim.workload.numerics.functions import erf, gelu_erf, gelu_tanh, sigmoid, softplus
from archsim.workload.numerics.kernel import Array, Call, Kernel, unary
from archsim.workload.onnx_reader.nodes import Node

# The defaults of Selu: fixed point of mean 0 and variance 1, Klambauer et al. 2017.
_SELU_ALPHA = 1.67326319217681884765625
_SELU_GAMMA = 1.05070102214813232421875

_PLAIN: Mapping[str, Callable[[Array], Array]] = {
    "Relu": lambda x: np.maximum(x, x.dtype.type(0)),
    "Sigmoid": sigmoid,
    "Tanh": np.tanh,
    "Erf": erf,
    "Exp": np.exp,
    "Log": np.log,
    "Sqrt": np.sqrt,
    "Reciprocal": np.reciprocal,
    "Neg": np.negative,
    "Abs": np.abs,
    "Sin": np.sin,
    "Cos": np.cos,
    "Tan": np.tan,
    "Asin": np.arcsin,
    "Acos": np.arccos,
    "Atan": np.arctan,
    "Sinh": np.sinh,
    "Cosh": np.cosh,
    "Asinh": np.arcsinh,
    "Acosh": np.arccosh,
    "Atanh": np.arctanh,
    "Floor": np.floor,
    "Ceil": np.ceil,
    "Round": np.rint,
    "Sign": np.sign,
    "Not": np.logical_not,
    "BitwiseNot": np.invert,
    "Softplus": softplus,
    "Softsign": lambda x: x / (1 + np.abs(x)),
    "HardSwish": lambda x: x * np.clip(x / 6 + 0.5, 0, 1),
    "Mish": lambda x: x * np.tanh(softplus(x)),
}


def _elu(x: Array, alpha: float) -> Array:
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


def _celu(x: Array, alpha: float) -> Array:
    return np.maximum(x, 0) + np.minimum(alpha * np.expm1(np.minimum(x, 0) / alpha), 0)


def _hard_sigmoid(node: Node, x: Array) -> Array:
    return np.clip(node.real("alpha", 0.2) * x + node.real("beta", 0.5), 0, 1)


def _selu(node: Node, x: Array) -> Array:
    return node.real("gamma", _SELU_GAMMA) * _elu(x, node.real("alpha", _SELU_ALPHA))


def _shrink(node: Node, x: Array) -> Array:
    bias, limit = node.real("bias", 0.0), node.real("lambd", 0.5)
    return np.where(x > limit, x - bias, np.where(x < -limit, x + bias, 0))


_Parametric: TypeAlias = Callable[[Node, Array], Array]
_PARAMETRIC: Mapping[str, _Parametric] = {
    "LeakyRelu": lambda node, x: np.where(x >= 0, x, node.real("alpha", 0.01) * x),
    "ThresholdedRelu": lambda node, x: np.where(x > node.real("alpha", 1.0), x, 0),
    "Elu": lambda node, x: _elu(x, node.real("alpha", 1.0)),
    "Celu": lambda node, x: _celu(x, node.real("alpha", 1.0)),
    "Selu": _selu,
    "HardSigmoid": _hard_sigmoid,
    "Shrink": _shrink,
    "Swish": lambda node, x: x * sigmoid(node.real("alpha", 1.0) * x),
    "Gelu": lambda node, x: (gelu_tanh if node.text("approximate") == "tanh" else gelu_erf)(x),
}


def _parametric(call: Call) -> Array:
    data = call[0]
    return np.asarray(_PARAMETRIC[call.node.op_type](call.node, data)).astype(data.dtype)


def _clip(call: Call) -> Array:
    data, node = call[0], call.node
    low, high = call.optional(1), call.optional(2)
    if node.has("min") or node.has("max"):
        return np.clip(data, node.real("min", -np.inf), node.real("max", np.inf))
    return np.asarray(np.clip(data, low, high))


def _is_inf(call: Call) -> Array:
    data = call[0]
    up = np.isposinf(data) & bool(call.node.integer("detect_positive", 1))
    return up | (np.isneginf(data) & bool(call.node.integer("detect_negative", 1)))


def _slope(call: Call) -> Array:
    data, slope = call[0], call[1]
    return np.where(data >= 0, data, slope * data).astype(data.dtype)


KERNELS = (
    *(Kernel(op_type, unary(function)) for op_type, function in _PLAIN.items()),
    *(Kernel(op_type, _parametric) for op_type in _PARAMETRIC),
    Kernel("Clip", _clip),
    Kernel("IsNaN", lambda call: np.isnan(call[0])),
    Kernel("IsInf", _is_inf),
    Kernel("PRelu", _slope),
)
