"""Fused and quantised operators of other domains are what the operators that they fuse give."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import helper

from archsim.workload.numerics import KERNELS
from archsim.workload.numerics.kernel import Call
from archsim.workload.numerics.products import Uncounted
from archsim.workload.onnx_reader.nodes import decode_nodes

R = np.random.default_rng(9)


def weights(*shape: int) -> np.ndarray:
    return R.normal(0, 0.5, shape).astype(np.float32)


def run(op_type: str, operands: list[Any], domain: str = "com.microsoft", **attributes: Any) -> Any:
    names = ["" if operand is None else f"x{i}" for i, operand in enumerate(operands)]
    proto = helper.make_node(op_type, names, ["y"], domain=domain, **attributes)
    (node,) = decode_nodes(helper.make_graph([proto], "one", [], []), {domain: 1, "": 20})
    call = Call(node, tuple(operands), (False,) * len(operands), Uncounted())
    found = KERNELS[domain, op_type].forward(call)
    return found[0] if isinstance(found, list) else found


def standard(op_type: str, operands: list[Any], **attributes: Any) -> Any:
    return run(op_type, operands, "", **attributes)


def near(found: np.ndarray, wanted: np.ndarray) -> None:
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


X, ROWS = weights(2, 4, 6, 6), weights(3, 5)


def test_a_fused_convolution_adds_and_activates() -> None:
    kernel, bias, added = weights(6, 2, 3, 3), weights(6), weights(2, 6, 4, 4)
    found = run("FusedConv", [X, kernel, bias, added], group=2, activation="Relu")
    near(found, np.maximum(standard("Conv", [X, kernel, bias], group=2) + added, 0))


def test_a_fused_convolution_takes_the_limits_of_its_activation() -> None:
    kernel = weights(6, 4, 3, 3)
    found = run("FusedConv", [X, kernel], activation="Clip", activation_params=[-0.2, 0.3])
    near(found, np.clip(standard("Conv", [X, kernel]), -0.2, 0.3))


def test_a_fused_gemm_activates() -> None:
    operands = [ROWS, weights(4, 5), weights(4)]
    found = run("FusedGemm", operands, transB=1, alpha=0.7, activation="Tanh")
    near(found, np.tanh(standard("Gemm", operands, transB=1, alpha=0.7)))


@pytest.mark.parametrize(
    ("attributes", "left", "right", "equation"),
    [
        ({"transA": 1}, (2, 5, 3), (2, 5, 4), "bki,bkj->bij"),
        ({"transB": 1}, (2, 3, 5), (2, 4, 5), "bik,bjk->bij"),
        ({"transBatchA": 1}, (3, 2, 5), (2, 5, 4), "ibk,bkj->bij"),
        ({"transBatchB": 1, "transB": 1}, (2, 3, 5), (4, 2, 5), "bik,jbk->bij"),
    ],
)
def test_a_fused_product_exchanges_axes(
    attributes: dict[str, int], left: Any, right: Any, equation: str
) -> None:
    a, b = weights(*left), weights(*right)
    near(run("FusedMatMul", [a, b], alpha=0.3, **attributes), 0.3 * np.einsum(equation, a, b))


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_weights_of_few_bits_are_unpacked_lowest_first(bits: int) -> None:
    """K = 40 in blocks of 16 leaves 8 levels of the last block unused."""
    levels = R.integers(0, 2**bits, (5, 3, 16))
    zeros = R.integers(0, 2**bits, (5, 3))
    scales = weights(5, 3)

    def packed(values: np.ndarray) -> np.ndarray:
        per_byte = 8 // bits
        short = -values.shape[-1] % per_byte
        values = np.pad(values, [*[(0, 0)] * (values.ndim - 1), (0, short)])
        groups = values.reshape(*values.shape[:-1], -1, per_byte)
        return (groups << (np.arange(per_byte) * bits)).sum(-1).astype(np.uint8)

    x = weights(2, 40)
    operands = [x, packed(levels), scales.reshape(-1), packed(zeros).reshape(-1)]
    found = run("MatMulNBits", operands, K=40, N=5, bits=bits, block_size=16)
    matrix = ((levels - zeros[..., None]) * scales[..., None]).reshape(5, 48)[:, :40]
    np.testing.assert_allclose(found, x @ matrix.T, rtol=1e-4, atol=1e-4)


def test_activations_with_a_bias() -> None:
    x, bias = weights(2, 6), weights(6)
    exact = standard("Gelu", [x + bias])
    near(run("BiasGelu", [x, bias]), exact)
    near(run("Gelu", [x + bias]), exact)
    near(run("FastGelu", [x, bias]), standard("Gelu", [x + bias], approximate="tanh"))
    near(run("FastGelu", [x, None]), standard("Gelu", [x], approximate="tanh"))
    near(run("QuickGelu", [x], alpha=1.3), standard("Swish", [x], alpha=1.3))


def test_a_skip_normalisation_normalises_the_sum() -> None:
    x, skip, scale, shift, bias = weights(2, 3, 8), weights(2, 3, 8), *weights(3, 8)
    total = x + skip + bias
    found = run("SkipLayerNormalization", [x, skip, scale, shift, bias], epsilon=1e-3)
    near(found, standard("LayerNormalization", [total, scale, shift], epsilon=1e-3))
    found = run("SkipSimplifiedLayerNormalization", [x, skip, scale, bias], epsilon=1e-3)
    wanted = standard("RMSNormalization", [total, scale], epsilon=1e-3)
    near(found, wanted)
    near(standard("SimplifiedLayerNormalization", [total, scale], epsilon=1e-3), wanted)


def test_a_packed_projection_feeds_attention() -> None:
    """Against the standard operator; hidden keys differ by exp(-10000) only."""
    x, matrix, bias = weights(2, 5, 8), weights(8, 24), weights(24)
    keep = np.asarray([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]], np.int32)
    found = run("Attention", [x, matrix, bias, keep], num_heads=2, unidirectional=1)
    parts = np.split(x @ matrix + bias, 3, -1)
    mask = keep[:, None, None, :].astype(bool) & np.tri(5, dtype=bool)
    near(found, standard("Attention", [*parts, mask], q_num_heads=2, kv_num_heads=2))


def real(levels: np.ndarray, scale: float, zero: int) -> np.ndarray:
    return (levels.astype(float) - zero) * scale


U8 = np.dtype(np.uint8)


def byte(value: int) -> np.ndarray:
    return np.asarray(value, np.uint8)


def within_one_level(found: np.ndarray, wanted: np.ndarray, scale: float, zero: int) -> None:
    levels = np.clip(np.rint(wanted / scale) + zero, 0, 255)
    assert found.dtype == U8
    assert np.abs(found.astype(int) - levels).max() <= 1
    assert len(np.unique(levels)) > 3


def test_quantised_operators_round_what_the_real_ones_give() -> None:
    a, b = R.integers(0, 255, (2, 2, 6, 6)).astype(np.uint8)
    first = [a, np.float32(0.02), byte(9)]
    second = [b, np.float32(0.03), byte(128)]
    target = [np.float32(0.05), byte(100)]
    x, y = real(a, 0.02, 9), real(b, 0.03, 128)
    within_one_level(run("QLinearAdd", [*first, *second, *target]), x + y, 0.05, 100)
    within_one_level(run("QLinearMul", [*first, *second, *target]), x * y, 0.05, 100)
    shares = [np.float32(1 / 255), byte(0)]
    wanted = standard("Softmax", [x], axis=-1)
    within_one_level(run("QLinearSoftmax", [*first, *shares], axis=-1, opset=13), wanted,
                     1 / 255, 0)  # fmt: skip
    maps = [a[None], np.float32(0.02), byte(9)]
    pooled = run("QLinearAveragePool", [*maps, *target], kernel_shape=[2, 2])
    within_one_level(pooled, standard("AveragePool", [x[None]], kernel_shape=[2, 2]), 0.05, 100)


def test_a_quantised_gemm_is_the_rounded_gemm_of_the_real_numbers() -> None:
    a = R.integers(0, 255, (3, 6)).astype(np.uint8)
    b = R.integers(-99, 99, (4, 6)).astype(np.int8)
    scales, bias = np.asarray([0.01, 0.02, 0.03, 0.04], np.float32), np.arange(4, dtype=np.int32)
    left = [a, np.float32(0.02), byte(9)]
    right = [b, scales, np.zeros(4, np.int8)]
    wanted = real(a, 0.02, 9) @ (b * scales[:, None].astype(float)).T + bias * 0.02 * scales
    operands = [*left, *right, bias]
    within_one_level(run("QGemm", [*operands, np.float32(0.3), byte(120)], transB=1), wanted,
                     0.3, 120)  # fmt: skip
    near(run("QGemm", operands, transB=1), wanted)


def test_every_kernel_of_another_domain_is_tested_here() -> None:
    named = {
        "FusedConv", "FusedGemm", "FusedMatMul", "MatMulNBits", "Gelu", "BiasGelu", "FastGelu",
        "QuickGelu", "SkipLayerNormalization", "SkipSimplifiedLayerNormalization", "Attention",
        "QGemm", "QLinearAdd", "QLinearMul", "QLinearSoftmax", "QLinearAveragePool",
    }  # fmt: skip
    assert {name for domain, name in KERNELS if domain} == named
