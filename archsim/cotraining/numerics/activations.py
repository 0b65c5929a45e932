"""Functions of one tensor, element by element: activations and elementary functions."""

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
    fitted,
    fixed,
    single,
)

# A value, and the derivative as a function that is called in the backward pass only.
_Slope: TypeAlias = Callable[[], Array]
_Function: TypeAlias = Callable[[Call, Array], tuple[Array, _Slope]]

# Klambauer et al. 2017 (arXiv:1706.02515), as the ONNX standard rounds them.
_SELU_ALPHA = 1.67326319217681884765625
_SELU_GAMMA = 1.05070102214813232421875
# The tanh form of GELU, Hendrycks and Gimpel 2016 (arXiv:1606.08415).
_GELU_CUBE = 0.044715


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)), by tanh, which cannot overflow."""
    half = x.dtype.type(0.5)
    return np.asarray(half * np.tanh(half * x) + half)


def softplus(x: Array) -> Array:
    """log(1 + exp(x)), without overflow."""
    return np.asarray(np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x))))


def error_function(x: Array) -> Array:
    """The error function, in the element type of `x`."""
    from scipy.special import erf  # type: ignore[import-untyped]

    return np.asarray(erf(x), dtype=x.dtype)


def _operator(function: _Function) -> Forward:
    def forward(call: Call) -> Result:
        x = call[0]
        out, slope = function(call, x)
        return single(call, np.asarray(out, dtype=x.dtype), lambda g: g * slope().astype(g.dtype))

    return forward


def _relu(call: Call) -> Result:
    out = np.maximum(call[0], 0)
    return single(call, out, lambda g: g * (out > 0))


def _leaky_relu(call: Call, x: Array) -> tuple[Array, _Slope]:
    alpha = x.dtype.type(call.node.real("alpha", 0.01))
    return np.where(x > 0, x, alpha * x), lambda: np.where(x > 0, x.dtype.type(1), alpha)


def _thresholded_relu(call: Call, x: Array) -> tuple[Array, _Slope]:
    over = x > call.node.real("alpha", 1.0)
    return x * over, lambda: over


def _elu(call: Call, x: Array) -> tuple[Array, _Slope]:
    alpha = x.dtype.type(call.node.real("alpha", 1.0))
    low = alpha * np.expm1(np.minimum(x, 0))
    return np.where(x > 0, x, low), lambda: np.where(x > 0, x.dtype.type(1), low + alpha)


def _celu(call: Call, x: Array) -> tuple[Array, _Slope]:
    alpha = x.dtype.type(call.node.real("alpha", 1.0))
    low = np.expm1(np.minimum(x, 0) / alpha)
    return np.where(x > 0, x, alpha * low), lambda: np.where(x > 0, x.dtype.type(1), low + 1)


def _selu(call: Call, x: Array) -> tuple[Array, _Slope]:
    alpha = x.dtype.type(call.node.real("alpha", _SELU_ALPHA))
    gamma = x.dtype.type(call.node.real("gamma", _SELU_GAMMA))
    low = gamma * alpha * np.expm1(np.minimum(x, 0))
    return (
        np.where(x > 0, gamma * x, low),
        lambda: np.where(x > 0, gamma, low + gamma * alpha),
    )


def _gelu(call: Call, x: Array) -> tuple[Array, _Slope]:
    if call.node.text("approximate", "none") == "tanh":
        return _gelu_by_tanh(x)
    cdf = x.dtype.type(0.5) * (1 + error_function(x * x.dtype.type(math.sqrt(0.5))))
    factor = x.dtype.type(1.0 / math.sqrt(2.0 * math.pi))
    return x * cdf, lambda: cdf + x * factor * np.exp(x.dtype.type(-0.5) * x * x)


def _gelu_by_tanh(x: Array) -> tuple[Array, _Slope]:
    scale, cube, half = (x.dtype.type(v) for v in (math.sqrt(2.0 / math.pi), _GELU_CUBE, 0.5))
    bent = np.tanh(scale * (x + cube * x * x * x))

    def slope() -> Array:
        inner = scale * (1 + 3 * cube * x * x)
        return np.asarray(half * (1 + bent) + half * x * (1 - bent * bent) * inner)

    return half * x * (1 + bent), slope


def _sigmoid(call: Call, x: Array) -> tuple[Array, _Slope]:
    out = sigmoid(x)
    return out, lambda: out * (1 - out)


def _hard_sigmoid(call: Call, x: Array) -> tuple[Array, _Slope]:
    alpha = x.dtype.type(call.node.real("alpha", 0.2))
    line = alpha * x + x.dtype.type(call.node.real("beta", 0.5))
    return np.clip(line, 0, 1), lambda: alpha * ((line > 0) & (line < 1))


def _hard_swish(call: Call, x: Array) -> tuple[Array, _Slope]:
    line = x / x.dtype.type(6) + x.dtype.type(0.5)
    gate = np.clip(line, 0, 1)
    return x * gate, lambda: gate + x / x.dtype.type(6) * ((line > 0) & (line < 1))


def _tanh(call: Call, x: Array) -> tuple[Array, _Slope]:
    out = np.tanh(x)
    return out, lambda: 1 - out * out


def _softplus(call: Call, x: Array) -> tuple[Array, _Slope]:
    return softplus(x), lambda: sigmoid(x)


def _softsign(call: Call, x: Array) -> tuple[Array, _Slope]:
    scale = 1 / (1 + np.abs(x))
    return x * scale, lambda: scale * scale


def _mish(call: Call, x: Array) -> tuple[Array, _Slope]:
    bent = np.tanh(softplus(x))
    return x * bent, lambda: bent + x * (1 - bent * bent) * sigmoid(x)


def _swish(call: Call, x: Array) -> tuple[Array, _Slope]:
    alpha = x.dtype.type(call.node.real("alpha", 1.0))
    gate = sigmoid(alpha * x)
    return x * gate, lambda: gate + alpha * x * gate * (1 - gate)


def _erf(call: Call, x: Array) -> tuple[Array, _Slope]:
    factor = x.dtype.type(2.0 / math.sqrt(math.pi))
    return error_function(x), lambda: factor * np.exp(-x * x)


def _negative(call: Call) -> Result:
    return single(call, -call[0], lambda g: -g)


def _absolute(call: Call, x: Array) -> tuple[Array, _Slope]:
    return np.abs(x), lambda: np.sign(x)


def _exponential(call: Call, x: Array) -> tuple[Array, _Slope]:
    out = np.exp(x)
    return out, lambda: out


def _logarithm(call: Call, x: Array) -> tuple[Array, _Slope]:
    return np.log(x), lambda: 1 / x


def _square_root(call: Call, x: Array) -> tuple[Array, _Slope]:
    out = np.sqrt(x)
    return out, lambda: x.dtype.type(0.5) / out


def _reciprocal(call: Call, x: Array) -> tuple[Array, _Slope]:
    out = 1 / x
    return out, lambda: -out * out


def _sine(call: Call, x: Array) -> tuple[Array, _Slope]:
    return np.sin(x), lambda: np.cos(x)


def _cosine(call: Call, x: Array) -> tuple[Array, _Slope]:
    return np.cos(x), lambda: -np.sin(x)


def _step(function: Callable[[Array], Array]) -> Forward:
    """A function whose derivative is zero wherever it has one."""
    return fixed(lambda call: function(call[0]))


def _parametric_relu(call: Call) -> Result:
    x, slope = call[0], call[1]
    over = x > 0
    return single(
        call,
        np.where(over, x, slope * x),
        lambda g: g * np.where(over, x.dtype.type(1), slope),
        lambda g: fitted(g * np.where(over, 0, x), slope.shape),
    )


def _clip(call: Call) -> Result:
    x, node = call[0], call.node
    low, high = call.optional(1), call.optional(2)
    lowest = node.real("min", -math.inf) if low is None else low
    highest = node.real("max", math.inf) if high is None else high
    out = np.clip(x, lowest, highest).astype(x.dtype, copy=False)
    return single(call, out, lambda g: g * ((x >= lowest) & (x <= highest)))


_FUNCTIONS: dict[str, _Function] = {
    "LeakyRelu": _leaky_relu,
    "ThresholdedRelu": _thresholded_relu,
    "Elu": _elu,
    "Celu": _celu,
    "Selu": _selu,
    "Gelu": _gelu,
    "Sigmoid": _sigmoid,
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": _hard_swish,
    "Tanh": _tanh,
    "Softplus": _softplus,
    "Softsign": _softsign,
    "Mish": _mish,
    "Swish": _swish,
    "Erf": _erf,
    "Abs": _absolute,
    "Exp": _exponential,
    "Log": _logarithm,
    "Sqrt": _square_root,
    "Reciprocal": _reciprocal,
    "Sin": _sine,
    "Cos": _cosine,
}
_STEPS: dict[str, Callable[[Array], Array]] = {
    "Sign": np.sign,
    "Floor": np.floor,
    "Ceil": np.ceil,
    "Round": np.rint,
}

OPERATORS = (
    Operator("Relu", _relu),
    Operator("PRelu", _parametric_relu),
    Operator("Clip", _clip),
    Operator("Neg", _negative),
    *(Operator(name, _operator(function)) for name, function in _FUNCTIONS.items()),
    *(Operator(name, _step(function), differentiable=False) for name, function in _STEPS.items()),
)
