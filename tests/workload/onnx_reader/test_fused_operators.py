"""Operators of `com.microsoft`: what they count is what their parts in the standard count."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import onnx
import pytest
from onnx import helper

from archsim.cli.counts import forward_macs, weight_matrices
from archsim.workload.graph import NO_WORK, DigitalWork, OpKind, Workload
from archsim.workload.onnx_reader import workload_from_model
from archsim.workload.training import training_graph

make = helper.make_node
MS = "com.microsoft"
SCALE = {"s": np.asarray(0.1, np.float32), "z": np.asarray(3, np.uint8)}


def read(network, nodes: Sequence[onnx.NodeProto], inputs, weights, outputs=("y",), **options):
    model = network(nodes, inputs, list(outputs), weights, opset=20)
    model.opset_import.add(domain=MS, version=1)
    model.opset_import.add(domain="com.microsoft.nchwc", version=1)
    return workload_from_model(model, name="test", **options)


def work(workload: Workload) -> DigitalWork:
    total = NO_WORK
    for op in workload.ops:
        total += replace(op.forward, read=0, written=0, read_parameters=0)
    return total


@dataclass(frozen=True)
class Case:
    """A fused node, its parts, inputs, weights; `rounds` elements are rounded on the way."""

    fused: onnx.NodeProto
    parts: tuple[onnx.NodeProto, ...]
    inputs: dict[str, tuple[int, ...]]
    weights: dict[str, object] = field(default_factory=dict)
    part_weights: dict[str, object] = field(default_factory=dict)


IMAGE, TOKENS = {"x": (2, 8, 6, 6)}, {"x": (2, 5, 16)}
CASES = {
    "FusedConv": Case(
        make("FusedConv", ["x", "w", "b"], ["y"], domain=MS, activation="Relu", pads=[1] * 4),
        (make("Conv", ["x", "w", "b"], ["h"], pads=[1] * 4), make("Relu", ["h"], ["y"])),
        IMAGE,
        {"w": (4, 8, 3, 3), "b": (4,)},
    ),
    "FusedConv with a sum": Case(
        make("FusedConv", ["x", "w", "b", "r"], ["y"], domain=MS, activation="Tanh"),
        (
            make("Conv", ["x", "w", "b"], ["h"]),
            make("Add", ["h", "r"], ["a"]),
            make("Tanh", ["a"], ["y"]),
        ),
        {**IMAGE, "r": (2, 4, 4, 4)},
        {"w": (4, 8, 3, 3), "b": (4,)},
    ),
    "nchwc.Conv": Case(
        make("Conv", ["x", "w"], ["y"], domain="com.microsoft.nchwc", strides=[2, 2], group=2),
        (make("Conv", ["x", "w"], ["y"], strides=[2, 2], group=2),),
        IMAGE,
        {"w": (4, 4, 3, 3)},
    ),
    "nchwc.MaxPool": Case(
        make("MaxPool", ["x"], ["y"], domain="com.microsoft.nchwc", kernel_shape=[2, 2]),
        (make("MaxPool", ["x"], ["y"], kernel_shape=[2, 2]),),
        IMAGE,
    ),
    "nchwc.GlobalAveragePool": Case(
        make("GlobalAveragePool", ["x"], ["y"], domain="com.microsoft.nchwc"),
        (make("GlobalAveragePool", ["x"], ["y"]),),
        IMAGE,
    ),
    "FusedMatMul": Case(
        make("FusedMatMul", ["x", "w"], ["y"], domain=MS, transB=1, alpha=0.5),
        (make("MatMul", ["x", "v"], ["y"]),),
        TOKENS,
        {"w": (24, 16)},
        {"v": (16, 24)},
    ),
    "FusedMatMul of activations": Case(
        make("FusedMatMul", ["x", "k"], ["y"], domain=MS, transB=1),
        (make("Transpose", ["k"], ["t"], perm=[0, 2, 1]), make("MatMul", ["x", "t"], ["y"])),
        {**TOKENS, "k": (2, 7, 16)},
    ),
    "FusedMatMul with moved batch axes": Case(
        make("FusedMatMul", ["x", "k"], ["y"], domain=MS, transBatchA=1, transBatchB=1, transB=1),
        (
            make("Transpose", ["x"], ["a"], perm=[1, 0, 2]),
            make("Transpose", ["k"], ["t"], perm=[1, 2, 0]),
            make("MatMul", ["a", "t"], ["y"]),
        ),
        {"x": (5, 2, 16), "k": (7, 2, 16)},
    ),
    "TransposeMatMul": Case(
        make("TransposeMatMul", ["x", "w"], ["y"], domain=MS),
        (make("MatMul", ["x", "w"], ["y"]),),
        TOKENS,
        {"w": (16, 24)},
    ),
    "FusedGemm": Case(
        make("FusedGemm", ["x", "w", "b"], ["y"], domain=MS, transB=1, activation="Relu"),
        (make("Gemm", ["x", "w", "b"], ["h"], transB=1), make("Relu", ["h"], ["y"])),
        {"x": (4, 16)},
        {"w": (8, 16), "b": (8,)},
    ),
    "GemmFastGelu": Case(
        make("GemmFastGelu", ["x", "w", "b"], ["y"], domain=MS),
        (
            make("MatMul", ["x", "w"], ["h"]),
            make("Add", ["h", "b"], ["a"]),
            make("Gelu", ["a"], ["y"], approximate="tanh"),
        ),
        TOKENS,
        {"w": (16, 8), "b": (8,)},
    ),
    "MatMulNBits": Case(
        make("MatMulNBits", ["x", "w", "s"], ["y"], domain=MS, K=16, N=8, bits=4, block_size=16),
        (make("MatMul", ["x", "v"], ["y"]),),
        TOKENS,
        {"w": np.zeros((8, 1, 8), np.uint8), "s": (8,)},
        {"v": (16, 8)},
    ),
    "MatMulBnb4": Case(
        make("MatMulBnb4", ["x", "w", "s"], ["y"], domain=MS, K=16, N=8, block_size=16),
        (make("MatMul", ["x", "v"], ["y"]),),
        TOKENS,
        {"w": np.zeros((64,), np.uint8), "s": (8,)},
        {"v": (16, 8)},
    ),
    "NhwcConv": Case(
        make("NhwcConv", ["x", "w"], ["y"], domain=MS, pads=[1] * 4, strides=[2, 2]),
        (
            make("Transpose", ["x"], ["a"], perm=[0, 3, 1, 2]),
            make("Conv", ["a", "w"], ["h"], pads=[1] * 4, strides=[2, 2]),
            make("Transpose", ["h"], ["y"], perm=[0, 2, 3, 1]),
        ),
        {"x": (2, 6, 6, 8)},
        {"w": (4, 8, 3, 3)},
    ),
    "BiasGelu": Case(
        make("BiasGelu", ["x", "b"], ["y"], domain=MS),
        (make("Add", ["x", "b"], ["a"]), make("Gelu", ["a"], ["y"])),
        TOKENS,
        {"b": (16,)},
    ),
    "FastGelu": Case(
        make("FastGelu", ["x"], ["y"], domain=MS),
        (make("Gelu", ["x"], ["y"], approximate="tanh"),),
        TOKENS,
    ),
    "Gelu": Case(make("Gelu", ["x"], ["y"], domain=MS), (make("Gelu", ["x"], ["y"]),), TOKENS),
    "BiasSoftmax": Case(
        make("BiasSoftmax", ["x", "m"], ["y"], domain=MS, axis=2),
        (make("Add", ["x", "m"], ["a"]), make("Softmax", ["a"], ["y"], axis=-1)),
        {**TOKENS, "m": (2, 5, 16)},
    ),
    "SkipLayerNormalization": Case(
        make("SkipLayerNormalization", ["x", "r", "g", "h", "b"], ["y"], domain=MS),
        (
            make("Add", ["x", "r"], ["a"]),
            make("Add", ["a", "b"], ["c"]),
            make("LayerNormalization", ["c", "g", "h"], ["y"], axis=-1),
        ),
        {**TOKENS, "r": (2, 5, 16)},
        {"g": (16,), "h": (16,), "b": (16,)},
    ),
    "SkipSimplifiedLayerNormalization": Case(
        make("SkipSimplifiedLayerNormalization", ["x", "r", "g"], ["y"], domain=MS),
        (
            make("Add", ["x", "r"], ["a"]),
            make("SimplifiedLayerNormalization", ["a", "g"], ["y"], axis=-1),
        ),
        {**TOKENS, "r": (2, 5, 16)},
        {"g": (16,)},
    ),
}


@pytest.mark.parametrize("name", sorted(CASES))
def test_a_fused_operator_counts_what_its_parts_count(network, name: str) -> None:
    """Output shape, products by kind, parameters, matrices and scalar operations."""
    case = CASES[name]
    fused = read(network, [case.fused], case.inputs, case.weights)
    kept = {k: v for k, v in case.weights.items() if any(k in n.input for n in case.parts)}
    parts = read(network, case.parts, case.inputs, {**kept, **case.part_weights})
    assert fused.tensors["y"].shape == parts.tensors["y"].shape
    assert forward_macs(fused) == forward_macs(parts)
    assert fused.parameter_count == parts.parameter_count
    assert weight_matrices(fused) == weight_matrices(parts)
    assert work(fused) == work(parts)
    assert training_graph(fused).macs == training_graph(parts).macs


def quantised(name: str, inputs: Sequence[str], domain: str = MS, **attributes) -> onnx.NodeProto:
    return make(name, list(inputs), ["q"], domain=domain, **attributes)


# Node on quantised tensors x (and r), the standard node, and how many operands are read per element.
QUANTISED = {
    "QLinearAdd": (
        quantised("QLinearAdd", ["x", "s", "z", "r", "s", "z", "s", "z"]),
        make("Add", ["x", "r"], ["y"]),
    ),
    "QLinearMul": (
        quantised("QLinearMul", ["x", "s", "z", "r", "s", "z", "s", "z"]),
        make("Mul", ["x", "r"], ["y"]),
    ),
    "QLinearSigmoid": (
        quantised("QLinearSigmoid", ["x", "s", "z", "s", "z"]),
        make("Sigmoid", ["x"], ["y"]),
    ),
    "QLinearLeakyRelu": (
        quantised("QLinearLeakyRelu", ["x", "s", "z", "s", "z"]),
        make("LeakyRelu", ["x"], ["y"]),
    ),
    "QLinearAveragePool": (
        quantised("QLinearAveragePool", ["x", "s", "z", "s", "z"], kernel_shape=[2, 2]),
        make("AveragePool", ["x"], ["y"], kernel_shape=[2, 2]),
    ),
    "QLinearGlobalAveragePool": (
        quantised("QLinearGlobalAveragePool", ["x", "s", "z", "s", "z"]),
        make("GlobalAveragePool", ["x"], ["y"]),
    ),
    "QLinearSoftmax": (
        quantised("QLinearSoftmax", ["x", "s", "z", "s", "z"], axis=-1, opset=13),
        make("Softmax", ["x"], ["y"], axis=-1),
    ),
    "QLinearConcat": (
        quantised("QLinearConcat", ["s", "z", "x", "s", "z", "r", "s", "z"], axis=1),
        make("Concat", ["x", "r"], ["y"], axis=1),
    ),
    "QLinearConv": (
        quantised("QLinearConv", ["x", "s", "z", "w", "s", "z", "s", "z"], ""),
        make("Conv", ["x", "v"], ["y"]),
    ),
    "QLinearMatMul": (
        quantised("QLinearMatMul", ["x", "s", "z", "m", "s", "z", "s", "z"], ""),
        make("MatMul", ["x", "n"], ["y"]),
    ),
    "MatMulInteger": (
        quantised("MatMulInteger", ["x", "m", "z", "z"], ""),
        make("MatMul", ["x", "n"], ["y"]),
    ),
    "ConvInteger": (
        quantised("ConvInteger", ["x", "w", "z", "z"], ""),
        make("Conv", ["x", "v"], ["y"]),
    ),
}


@pytest.mark.parametrize("name", sorted(QUANTISED))
def test_a_quantised_operator_counts_at_least_what_the_plain_one_does(network, name: str) -> None:
    """The same products and shape; more scalar work, since operands and results are scaled."""
    node, plain = QUANTISED[name]
    inputs = {"a": (2, 8, 6, 6), "b": (2, 8, 6, 6)}
    weights = {
        **SCALE,
        "w": np.zeros((4, 8, 3, 3), np.uint8),
        "m": np.zeros((6, 10), np.uint8),
    }
    entering = [
        make("QuantizeLinear", ["a", "s", "z"], ["x"]),
        make("QuantizeLinear", ["b", "s", "z"], ["r"]),
    ]
    leaving = make("DequantizeLinear", ["q", "s"], ["y"])
    if name in ("MatMulInteger", "ConvInteger"):
        leaving = make("Cast", ["q"], ["y"], to=1)
    found = read(network, [*entering, node, leaving], inputs, weights)
    same = {"x": (2, 8, 6, 6), "r": (2, 8, 6, 6)}
    expected = read(network, [plain], same, {"v": (4, 8, 3, 3), "n": (6, 10)})
    assert found.tensors["q"].shape == expected.tensors["y"].shape
    assert forward_macs(found) == forward_macs(expected)
    assert found.parameter_count == expected.parameter_count
    (op,) = (op for op in found.ops if op.outputs == ("q",))
    extra = sum(o.forward.operations for o in found.ops if o.name.startswith(op.name.split("/")[0]))
    assert extra >= expected.ops[0].forward.operations
    # Gradients pass straight through what is rounded.
    assert found.tensors["q"].floating
    if found.matrices:
        macs = training_graph(found).macs
        assert macs.weight_gradient == macs.forward


def attention_macs(batch: int, heads: int, length: int, span: int, size: int) -> int:
    return 2 * batch * heads * length * span * size


def test_multi_head_attention_has_two_products_over_past_and_present(network) -> None:
    node = make(
        "MultiHeadAttention",
        ["q", "k", "v", "", "", "", "pk", "pv"],
        ["y", "nk", "nv"],
        domain=MS,
        num_heads=4,
    )
    cache = (2, 4, 3, 8)
    inputs = {"q": (2, 5, 32), "k": (2, 5, 32), "v": (2, 5, 32), "pk": cache, "pv": cache}
    workload = read(network, [node], inputs, {}, outputs=("y", "nk"))
    assert forward_macs(workload)["dynamic"] == attention_macs(2, 4, 5, 5 + 3, 8)
    assert workload.tensors["y"].shape == (2, 5, 32)
    assert workload.tensors["nk"].shape == (2, 4, 8, 8)


def test_grouped_query_attention_has_one_product_per_query_head(network) -> None:
    node = make(
        "GroupQueryAttention",
        ["q", "k", "v", "pk", "pv", "n", "t"],
        ["y", "nk", "nv"],
        domain=MS,
        num_heads=8,
        kv_num_heads=2,
    )
    cache = (1, 2, 6, 16)
    inputs = {"q": (1, 1, 128), "k": (1, 1, 32), "v": (1, 1, 32), "pk": cache, "pv": cache}
    lengths = {"n": np.asarray([6], np.int32), "t": np.asarray(7, np.int32)}
    workload = read(network, [node], inputs, lengths, outputs=("y", "nk"))
    assert forward_macs(workload)["dynamic"] == attention_macs(1, 8, 1, 7, 16)
    assert workload.tensors["nk"].shape == (1, 2, 7, 16)


def test_packed_attention_holds_its_projection_on_arrays(network) -> None:
    """12 rows of a packed projection, sequences at their full length of 2 x 6."""
    node = make("PackedAttention", ["x", "w", "b", "o", "c"], ["y"], domain=MS, num_heads=2)
    inputs = {"x": (12, 16), "o": (2, 6), "c": (3,)}
    workload = read(network, [node], inputs, {"w": (16, 48), "b": (48,)})
    assert forward_macs(workload)["linear"] == 12 * 16 * 48
    assert forward_macs(workload)["dynamic"] == attention_macs(2, 2, 6, 6, 8)
    assert any(note.code == "packed_tokens" for note in workload.notes)


def test_embedding_and_normalisation_as_one_operator_hold_three_tables(network) -> None:
    node = make(
        "EmbedLayerNormalization", ["i", "t", "w", "p", "s", "g", "b"], ["y", "m"], domain=MS
    )
    weights = {"w": (100, 16), "p": (32, 16), "s": (2, 16), "g": (16,), "b": (16,)}
    model = network([node], {"i": (2, 5), "t": (2, 5)}, ["y"], weights, integers=["i", "t"])
    model.opset_import.add(domain=MS, version=1)
    workload = workload_from_model(model, name="test")
    assert workload.parameter_count == (100 + 32 + 2) * 16 + 32
    kinds = [op.kind for op in workload.ops]
    assert kinds == [OpKind.EMBEDDING, OpKind.NORMALISATION]
    assert workload.tensors["y"].shape == (2, 5, 16)


@pytest.mark.parametrize("gated", [False, True])
def test_a_mixture_of_experts_holds_all_experts_and_computes_the_chosen(
    network, gated: bool
) -> None:
    """10 tokens of 16 pass 2 of 6 experts of 16 x 24 and 24 x 16 (and a gate of 16 x 24)."""
    inputs = ["x", "r", "a", "", "b", ""] + (["c", ""] if gated else [])
    node = make("MoE", inputs, ["y"], domain=MS, k=2, activation_type="silu")
    weights = {"a": (6, 16, 24), "b": (6, 24, 16), **({"c": (6, 16, 24)} if gated else {})}
    workload = read(network, [node], {"x": (10, 16), "r": (10, 6)}, weights)
    layers = 3 if gated else 2
    assert forward_macs(workload)["linear"] == 10 * 2 * layers * 16 * 24
    assert weight_matrices(workload) == 6 * layers
    assert workload.parameter_count == 6 * layers * 16 * 24
    macs = training_graph(workload).macs
    assert macs.weight_gradient == macs.forward


def test_experts_in_four_bits_count_the_numbers_that_they_stand_for(network) -> None:
    inputs = ["x", "r", "a", "s", "", "b", "s", ""]
    node = make("QMoE", inputs, ["y"], domain=MS, k=1, activation_type="relu")
    packed = {"a": np.zeros((4, 24, 8), np.uint8), "b": np.zeros((4, 16, 12), np.uint8)}
    workload = read(network, [node], {"x": (10, 16), "r": (10, 4)}, {**packed, "s": (4, 24)})
    assert workload.parameter_count == 2 * 4 * 16 * 24
    assert forward_macs(workload)["linear"] == 10 * 2 * 16 * 24


def test_reordering_pads_and_drops_channels_of_whole_blocks(network) -> None:
    blocked = "com.microsoft.nchwc"
    nodes = [
        make("ReorderInput", ["x"], ["h"], domain=blocked),
        make("Conv", ["h", "w"], ["c"], domain=blocked),
        make("ReorderOutput", ["c"], ["y"], domain=blocked, channels=5),
    ]
    workload = read(network, nodes, {"x": (1, 6, 4, 4)}, {"w": (8, 8, 1, 1)})
    assert workload.tensors["h"].shape == (1, 8, 4, 4)
    assert workload.tensors["y"].shape == (1, 5, 4, 4)
    assert forward_macs(workload)["convolution"] == 16 * 8 * 8
    assert any(note.code == "padded_channels" for note in workload.notes)
