"""Operators of the `com.microsoft` domain, as ONNX Runtime's documentation defines them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TypeAlias

import numpy as np

from archsim.errors import InputError
from archsim.workload.numerics.attention import joined_heads, scores_and_values, split_heads
from archsim.workload.numerics.convolution import convolve, with_bias
from archsim.workload.numerics.functions import gelu_erf, gelu_tanh, sigmoid
from archsim.workload.numerics.kernel import Array, Call, Forward, Kernel
from archsim.workload.numerics.matmul import gemm, multiply, scaled
from archsim.workload.numerics.normalisation import root_mean_square, standardise

_DOMAIN = "com.microsoft"
_Function: TypeAlias = Callable[[Array, float, float], Array]

_ACTIVATIONS: Mapping[str, _Function] = {
    "Relu": lambda x, a, b: np.maximum(x, 0),
    "Tanh": lambda x, a, b: np.tanh(x),
    "Sigmoid": lambda x, a, b: sigmoid(x),
    "LeakyRelu": lambda x, a, b: np.where(x >= 0, x, a * x),
    "Clip": np.clip,
    "HardSigmoid": lambda x, a, b: np.clip(a * x + b, 0, 1),
}


def _activated(call: Call, data: Array, parameters: tuple[float, float]) -> Array:
    name = call.node.text("activation")
    if not name:
        return data
    function = _ACTIVATIONS.get(name)
    if function is None:
        raise InputError(f"the fused activation '{name}' is not known.", place=call.node.place)
    return np.asarray(function(data, *parameters)).astype(data.dtype, copy=False)


def _fused_conv(call: Call) -> Array:
    """Conv, plus an optional fourth operand of the result's shape, then an activation."""
    found = with_bias(convolve(call, call[0], call[1]), call.optional(2))
    added = call.optional(3)
    found = found if added is None else found + added
    given = call.node.attributes.get("activation_params")
    first, second = (*(() if given is None else given.floats), 0.0, 0.0)[:2]
    return _activated(call, found, (first, second))


def _fused_gemm(call: Call) -> Array:
    node = call.node
    parameters = (node.real("activation_alpha", 0.01), node.real("activation_beta", 0.0))
    return _activated(call, gemm(call), parameters)


def _fused_matmul(call: Call) -> Array:
    """alpha * A B with the last two axes of either exchanged, or batch axes moved inwards."""
    node = call.node
    sides = []
    for index, letter in ((0, "A"), (1, "B")):
        data = call[index]
        if node.integer(f"transBatch{letter}", 0):
            # Batch axes come before the last one, and the matrix's first axis leads.
            data = np.moveaxis(data, 0, -2)
        sides.append(data.swapaxes(-1, -2) if node.integer(f"trans{letter}", 0) else data)
    product = multiply(call, sides[0], sides[1], (call.is_constant(0), call.is_constant(1)))
    return scaled(product, node.real("alpha", 1.0))


def _unpacked(levels: Array, bits: int, count: int) -> Array:
    """Numbers of `bits` bits from bytes, the lowest first, along the last axis."""
    per_byte = 8 // bits
    shifts = np.arange(per_byte, dtype=np.uint8) * np.uint8(bits)
    parts = (levels[..., None] >> shifts) & np.uint8(2**bits - 1)
    return np.asarray(parts.reshape(*levels.shape[:-1], -1)[..., :count])


def _matmul_few_bits(call: Call) -> Array:
    """A times a matrix [N, K] that is stored in blocks of few bits, with a scale per block."""
    node = call.node
    inputs, outputs = node.integer("K", 1), node.integer("N", 1)
    bits, block = node.integer("bits", 4), node.integer("block_size", 32)
    if call.optional(4) is not None:
        raise InputError("reordered groups are not evaluated.", place=node.place)
    blocks = -(-inputs // block)
    levels = _unpacked(call[1].reshape(outputs, blocks, -1), bits, block).astype(np.float32)
    given = call.optional(3)
    zero: Array = np.full((outputs, blocks), 2 ** (bits - 1), np.float32)
    if given is not None and given.dtype == np.uint8:
        zero = _unpacked(given.reshape(outputs, -1), bits, blocks).astype(np.float32)
    elif given is not None:
        zero = given.reshape(outputs, blocks).astype(np.float32)
    scales = call[2].reshape(outputs, blocks).astype(np.float32)
    weights = ((levels - zero[..., None]) * scales[..., None]).reshape(outputs, -1)[:, :inputs]
    weights = weights.T.astype(call[0].dtype)
    product = multiply(call, call[0], weights, (call.is_constant(0), call.is_constant(1)))
    bias = call.optional(5)
    return product if bias is None else product + bias


def _with_bias(function: Callable[[Array], Array]) -> Forward:
    def forward(call: Call) -> Array:
        bias = call.optional(1)
        return function(call[0] if bias is None else call[0] + bias)

    return forward


def _quick_gelu(call: Call) -> Array:
    data = call[0]
    return np.asarray(data * sigmoid(call.node.real("alpha", 1.702) * data)).astype(data.dtype)


def _skip(call: Call, norm: Callable[[Array], list[Array]], bias: int) -> list[Array]:
    """A normalisation of the sum of two operands and a bias; the sum is the fourth output."""
    total = call[0] + call[1]
    added = call.optional(bias)
    total = total if added is None else total + added
    found, *statistics = norm(total)
    results = [found, *statistics, *[np.empty(0)] * (2 - len(statistics)), total]
    return results[: len(call.node.outputs)]


def _skip_layer(call: Call) -> list[Array]:
    """Operands: input, skip, scale, shift, bias."""

    def norm(total: Array) -> list[Array]:
        found, mean, inverse = standardise(total, (-1,), call.node.real("epsilon", 1e-12))
        found = found * call[2]
        shift = call.optional(3)
        return [found if shift is None else found + shift, mean, inverse]

    return _skip(call, norm, 4)


def _skip_root_mean_square(call: Call) -> list[Array]:
    """Operands: input, skip, scale, bias."""

    def norm(total: Array) -> list[Array]:
        return [root_mean_square(total, (-1,), call.node.real("epsilon", 1e-12)) * call[2]]

    return _skip(call, norm, 3)


def _root_mean_square(call: Call) -> Array:
    data, node = call[0], call.node
    axes = tuple(range(node.integer("axis", -1) % data.ndim, data.ndim))
    return root_mean_square(data, axes, node.real("epsilon", 1e-5)) * call[1]


def _attention(call: Call) -> Array:
    """Projections to queries, keys and values by one matrix, then attention.

    Operands: input [B, L, I], weights [I, 3H], bias [3H], and a mask of keys [B, L] if there is one.
    """
    node = call.node
    if any(call.optional(index) is not None for index in (4, 5, 6)) or node.has("qkv_hidden_sizes"):
        raise InputError(
            "a cache, a bias of scores, and heads of unequal size are not evaluated.",
            place=node.place,
        )
    heads = node.integer("num_heads", 1)
    projected = multiply(call, call[0], call[1], (call.is_constant(0), call.is_constant(1)))
    bias = call.optional(2)
    projected = projected if bias is None else projected + bias
    queries, keys, values = (split_heads(part, heads) for part in np.split(projected, 3, -1))
    mask = None
    given = call.optional(3)
    if given is not None:
        if given.ndim != 2:
            raise InputError("only a mask of samples and keys is evaluated.", place=node.place)
        mask = np.where(given[:, None, None, :] == 0, np.float32(-10000), np.float32(0))
    if node.integer("unidirectional", 0):
        length = queries.shape[2]
        causal = np.where(np.tri(length, dtype=bool), np.float32(0), np.float32(-10000))
        mask = causal if mask is None else mask + causal
    scale = node.real("scale", 0.0) or 1 / math.sqrt(queries.shape[-1])
    return joined_heads(scores_and_values(call, queries, keys, values, mask, scale))


KERNELS = (
    Kernel("FusedConv", _fused_conv, _DOMAIN),
    Kernel("FusedGemm", _fused_gemm, _DOMAIN),
    Kernel("FusedMatMul", _fused_matmul, _DOMAIN),
    Kernel("MatMulNBits", _matmul_few_bits, _DOMAIN),
    Kernel("Gelu", _with_bias(gelu_erf), _DOMAIN),
    Kernel("BiasGelu", _with_bias(gelu_erf), _DOMAIN),
    Kernel("FastGelu", _with_bias(gelu_tanh), _DOMAIN),
    Kernel("QuickGelu", _quick_gelu, _DOMAIN),
    Kernel("SkipLayerNormalization", _skip_layer, _DOMAIN),
    Kernel("SkipSimplifiedLayerNormalization", _skip_root_mean_square, _DOMAIN),
    Kernel("SimplifiedLayerNormalization", _root_mean_square, ""),
    Kernel("Attention", _attention, _DOMAIN),
)
