"""The evaluated forward graph is what the file says: ONNX Runtime agrees (optional test)."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from archsim.workload.numerics import evaluate

pytestmark = pytest.mark.onnxruntime

R = np.random.default_rng(5)


def run(model: onnx.ModelProto, inputs: Any) -> dict[str, np.ndarray]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    # Optimised graphs fuse roundings of quantised networks, which then differ by a level.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    names = [value.name for value in session.get_outputs()]
    return dict(zip(names, session.run(names, dict(inputs)), strict=True))


def test_outputs_are_those_of_onnxruntime(case: Any, agree: Any) -> None:
    found = evaluate(case.model, case.workload, case.inputs).outputs
    agree(found, run(case.model, case.inputs))


def test_graphs_with_one_difficulty_are_those_of_onnxruntime(single: Any, agree: Any) -> None:
    found = evaluate(
        single.model, single.workload, single.inputs, trip_counts=single.trip_counts
    ).outputs
    wanted = run(single.model, single.inputs)
    agree(found, {name: wanted[name] for name in found})


def weights(*shape: int) -> np.ndarray:
    return R.normal(0, 0.4, shape).astype(np.float32)


def levels(dtype: type, *shape: int) -> np.ndarray:
    limits = np.iinfo(dtype)
    return R.integers(limits.min, limits.max, shape).astype(dtype)


def scalar(value: float, dtype: type = np.float32) -> np.ndarray:
    return np.asarray(value, dtype)


# Operator, inputs by shape (float32), constants, attributes, outputs; None is an absent operand.
FUSED: dict[str, tuple[str, list[Any], dict[str, Any], int]] = {
    "conv": ("FusedConv", [(1, 4, 6, 6), weights(6, 2, 3, 3), weights(6), (1, 6, 4, 4)],
             {"group": 2, "activation": "Relu"}, 1),
    "gemm": ("FusedGemm", [(3, 5), weights(4, 5), weights(4)],
             {"transB": 1, "activation": "Tanh"}, 1),
    "product": ("FusedMatMul", [(2, 3, 5), weights(2, 4, 5)], {"transB": 1, "alpha": 0.3}, 1),
    "scores": ("FusedMatMul", [(2, 5, 3), (2, 5, 4)], {"transA": 1, "alpha": 0.3}, 1),
    "moved": ("FusedMatMul", [(3, 2, 5), (2, 5, 4)], {"transBatchA": 1}, 1),
    "few_bits": ("MatMulNBits", [(2, 3, 48), levels(np.uint8, 5, 3, 8), weights(15),
                                 levels(np.uint8, 10)],
                 {"K": 48, "N": 5, "bits": 4, "block_size": 16}, 1),
    "fast_gelu": ("FastGelu", [(2, 6), weights(6)], {}, 1),
    "bias_gelu": ("BiasGelu", [(2, 6), weights(6)], {}, 1),
    "quick_gelu": ("QuickGelu", [(2, 6)], {"alpha": 1.3}, 1),
    "skip": ("SkipLayerNormalization", [(2, 3, 8), (2, 3, 8), weights(8), weights(8), weights(8)],
             {"epsilon": 1e-5}, 1),
    "skip_rms": ("SkipSimplifiedLayerNormalization", [(2, 3, 8), (2, 3, 8), weights(8)],
                 {"epsilon": 1e-5}, 1),
    "attention": ("Attention", [(2, 5, 8), weights(8, 24), weights(24)],
                  {"num_heads": 2, "unidirectional": 1}, 1),
}  # fmt: skip


def fused_model(op_type: str, operands: list[Any], attributes: dict[str, Any]) -> onnx.ModelProto:
    names = [f"x{i}" for i in range(len(operands))]
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in zip(names, operands, strict=True)
        if isinstance(shape, tuple)
    ]
    stored = [
        numpy_helper.from_array(value, name)
        for name, value in zip(names, operands, strict=True)
        if isinstance(value, np.ndarray)
    ]
    node = helper.make_node(op_type, names, ["y"], domain="com.microsoft", **attributes)
    result = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    graph = helper.make_graph([node], "fused", inputs, [result], stored)
    imports = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=imports, ir_version=8)


@pytest.mark.parametrize("name", sorted(FUSED))
def test_fused_operators_are_those_of_onnxruntime(name: str, case_from: Any, agree: Any) -> None:
    op_type, operands, attributes, _ = FUSED[name]
    case = case_from(fused_model(op_type, operands, attributes))
    found = evaluate(case.model, case.workload, case.inputs).outputs
    agree(found, run(case.model, case.inputs))
