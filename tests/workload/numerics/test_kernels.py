"""Every numeric kernel gives what the operator's definition says: the onnx package's evaluator agrees."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

from archsim.workload.numerics import KERNELS
from archsim.workload.numerics.functions import erf
from archsim.workload.numerics.kernel import Call
from archsim.workload.numerics.products import Uncounted
from archsim.workload.onnx_reader.nodes import Node, decode_nodes

R = np.random.default_rng(11)
X = R.normal(size=(3, 4, 5)).astype(np.float32)
Y = R.normal(size=(4, 5)).astype(np.float32)
IMAGE = R.normal(size=(2, 4, 7, 6)).astype(np.float32)
POSITIVE = R.uniform(0.1, 0.9, (3, 4, 5)).astype(np.float32)
WHOLE = R.integers(-9, 9, (3, 4))
TRUTH = R.integers(0, 2, (3, 4)).astype(bool)
SPECIAL = np.asarray([1.0, np.nan, np.inf, -np.inf, 0.0], np.float32)
PAIRS = R.normal(size=(4,)).astype(np.float32)


def ints(*values: int) -> np.ndarray:
    return np.asarray(values, np.int64)


def weights(*shape: int) -> np.ndarray:
    return R.normal(0, 0.5, shape).astype(np.float32)


Example = tuple[str, list[Any], dict[str, Any]]
UNARY = (
    "Relu Sigmoid Tanh Erf Exp Neg Abs Sin Cos Tan Atan Sinh Cosh Asinh Floor Ceil Round Sign "
    "Softplus Softsign HardSwish Mish Reciprocal Selu Elu Celu LeakyRelu HardSigmoid Identity "
    "ThresholdedRelu Shrink Gelu Softmax LogSoftmax Hardmax Dropout"
)
REDUCTIONS = (
    "ReduceSum ReduceMean ReduceMax ReduceMin ReduceProd ReduceSumSquare ReduceL1 ReduceL2 "
    "ReduceLogSumExp"
)
EXAMPLES: list[Example] = [
    *[(name, [X], {}) for name in UNARY.split()],
    *[(name, [POSITIVE], {}) for name in ("Log", "Sqrt", "Asin", "Acos", "Atanh")],
    ("Acosh", [POSITIVE + 1], {}),
    ("Gelu", [X], {"approximate": "tanh"}),
    ("Swish", [X], {"alpha": 0.7}),
    ("Clip", [X, np.float32(-0.5), np.float32(0.7)], {}),
    ("Clip", [X, None, np.float32(0.7)], {}),
    ("PRelu", [X, weights(4, 1)], {}),
    ("IsNaN", [SPECIAL], {}),
    ("IsInf", [SPECIAL], {"detect_negative": 0}),
    ("Not", [TRUTH], {}),
    ("BitwiseNot", [WHOLE], {}),
    *[(name, [X, Y], {}) for name in ("Add", "Sub", "Mul", "Div", "Greater", "LessOrEqual")],
    ("Div", [WHOLE, ints(4)], {}),
    ("Pow", [POSITIVE, np.float32(1.7)], {}),
    ("Mod", [WHOLE, ints(4)], {}),
    ("Mod", [X, np.float32(0.3)], {"fmod": 1}),
    *[(name, [X, Y, Y], {}) for name in ("Sum", "Max", "Min", "Mean")],
    *[(name, [WHOLE, WHOLE[:1]], {}) for name in ("Equal", "Less", "GreaterOrEqual")],
    *[(name, [TRUTH, TRUTH[:1]], {}) for name in ("And", "Or", "Xor")],
    *[(name, [WHOLE, ints(3)], {}) for name in ("BitwiseAnd", "BitwiseOr", "BitwiseXor")],
    ("BitShift", [np.asarray([7, 9], np.uint8), np.asarray([1, 2], np.uint8)],
     {"direction": "LEFT"}),
    ("Where", [TRUTH[..., None], X, Y], {}),
    ("Softmax", [X], {"axis": 1}),
    *[(name, [X, ints(0, 2)], {}) for name in REDUCTIONS.split()],
    ("ReduceLogSum", [POSITIVE, ints(1)], {"keepdims": 0}),
    ("ReduceSum", [X], {"keepdims": 0}),
    ("ReduceSum", [X], {"noop_with_empty_axes": 1}),
    ("ArgMax", [WHOLE], {"axis": 1, "select_last_index": 1, "keepdims": 0}),
    ("ArgMin", [X], {"axis": -1}),
    ("CumSum", [X, np.asarray(1)], {}),
    ("CumSum", [X, np.asarray(1)], {"reverse": 1, "exclusive": 1}),
    ("TopK", [X, ints(3)], {"axis": 2}),
    ("TopK", [X, ints(2)], {"axis": 1, "largest": 0}),
    ("BatchNormalization", [IMAGE, PAIRS, PAIRS, PAIRS, PAIRS**2 + 0.1], {}),
    ("LayerNormalization", [X, Y, Y], {"axis": 1}),
    ("LayerNormalization", [X, Y[0]], {"epsilon": 0.1}),
    ("RMSNormalization", [X, Y[0]], {}),
    ("InstanceNormalization", [IMAGE, PAIRS, PAIRS], {}),
    ("GroupNormalization", [IMAGE, PAIRS, PAIRS], {"num_groups": 2}),
    ("LpNormalization", [X], {"p": 2, "axis": 1}),
    ("MeanVarianceNormalization", [IMAGE], {"axes": [0, 2, 3]}),
    ("Conv", [IMAGE, weights(6, 2, 3, 2), weights(6)],
     {"group": 2, "strides": [2, 1], "pads": [1, 0, 2, 1], "dilations": [1, 2]}),
    ("Conv", [IMAGE[:, :, 0], weights(3, 4, 3)], {"auto_pad": "SAME_LOWER", "strides": [2]}),
    ("ConvTranspose", [IMAGE, weights(4, 3, 3, 3), weights(3)],
     {"strides": [2, 2], "pads": [1, 1, 1, 1], "output_padding": [1, 0]}),
    ("ConvTranspose", [IMAGE, weights(4, 3, 3, 3)], {"strides": [2, 2], "dilations": [2, 1]}),
    ("MaxPool", [IMAGE], {"kernel_shape": [3, 2], "strides": [2, 2], "pads": [1, 0, 1, 1]}),
    ("MaxPool", [IMAGE], {"kernel_shape": [2, 2], "dilations": [2, 1]}),
    ("AveragePool", [IMAGE], {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "strides": [2, 2]}),
    ("AveragePool", [IMAGE], {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1],
                              "count_include_pad": 1}),
    ("LpPool", [IMAGE], {"kernel_shape": [2, 2]}),
    *[(name, [IMAGE], {}) for name in ("GlobalAveragePool", "GlobalMaxPool")],
    ("MatMul", [X, Y.T], {}),
    ("Gemm", [Y, Y, weights(4)], {"transB": 1, "alpha": 0.3, "beta": 2.0}),
    ("Einsum", [X, weights(3, 5, 2)], {"equation": "bij, bjk -> kbi"}),
    ("Einsum", [X, weights(5, 2)], {"equation": "...j,jk"}),
    ("Einsum", [X], {"equation": "bij->jb"}),
    ("Attention", [weights(2, 4, 3, 8), weights(2, 2, 5, 8), weights(2, 2, 5, 6)],
     {"scale": 0.2}),
    ("Attention", [weights(2, 4, 16), weights(2, 4, 16), weights(2, 4, 16),
                   R.integers(0, 2, (4, 4)).astype(bool)],
     {"q_num_heads": 2, "kv_num_heads": 2, "softcap": 1.5}),
    ("Attention", [weights(1, 2, 4, 4), weights(1, 2, 4, 4), weights(1, 2, 4, 4)],
     {"is_causal": 1}),
    ("LSTM", [weights(4, 2, 3), weights(1, 12, 3), weights(1, 12, 3), weights(1, 24), None,
              weights(1, 2, 3), weights(1, 2, 3), weights(1, 9)], {"hidden_size": 3}),
    ("GRU", [weights(4, 2, 3), weights(1, 9, 3), weights(1, 9, 3), weights(1, 18)],
     {"hidden_size": 3}),
    ("RNN", [weights(4, 2, 3), weights(1, 3, 3), weights(1, 3, 3)],
     {"hidden_size": 3, "activations": ["Affine"], "activation_alpha": [0.5],
      "activation_beta": [0.1]}),
    ("Gather", [X, np.asarray([[0, 3], [-1, 1]])], {"axis": 1}),
    ("GatherElements", [WHOLE, np.asarray([[0, 2, 1, 0]])], {"axis": 0}),
    ("GatherND", [X, np.asarray([[[0], [2]], [[3], [1]], [[1], [1]]])], {"batch_dims": 1}),
    ("ScatterElements", [X[0], np.asarray([[1, 0, 2, 0, 1]]), Y[:1]], {"axis": 0}),
    ("ScatterElements", [X[0], np.asarray([[1, 0, 2, 0, 1]]), Y[:1]], {"reduction": "add"}),
    ("ScatterND", [X, np.asarray([[0, 1], [2, 3]]), Y[:2]], {}),
    ("OneHot", [np.asarray([[1, -1], [2, 0]]), np.asarray(4), np.asarray([0.5, 2.0], np.float32)],
     {"axis": 1}),
    ("Cast", [X * 10], {"to": TensorProto.INT32}),
    ("CastLike", [X, WHOLE], {}),
    ("Reshape", [X, ints(0, -1, 2)], {}),
    ("Flatten", [X], {"axis": -1}),
    ("Squeeze", [X[:1], ints(0)], {}),
    ("Unsqueeze", [X, ints(0, -1)], {}),
    ("Transpose", [X], {"perm": [2, 0, 1]}),
    ("Concat", [X, X[:, :2]], {"axis": 1}),
    ("Slice", [X, ints(-2, 9), ints(-99, 1), ints(1, 2), ints(-1, -2)], {}),
    ("Slice", [X, ints(1), ints(99)], {}),
    ("Split", [X, ints(1, 4)], {"axis": 2}),
    ("Split", [X], {"axis": 2, "num_outputs": 2}),
    ("Pad", [X, ints(1, 0, 2, 0, 3, 1), np.float32(7.0)], {}),
    ("Pad", [X, ints(1, 2), None, ints(1)], {"mode": "reflect"}),
    ("Pad", [X, ints(0, 0, 2, 0, 1, 0)], {"mode": "edge"}),
    ("Expand", [X[:, :1], ints(2, 1, 4, 1)], {}),
    ("Tile", [Y, ints(2, 3)], {}),
    ("DepthToSpace", [IMAGE], {"blocksize": 2}),
    ("DepthToSpace", [IMAGE], {"blocksize": 2, "mode": "CRD"}),
    ("SpaceToDepth", [IMAGE[:, :, :6]], {"blocksize": 2}),
    ("Trilu", [X, np.asarray(1)], {}),
    ("Trilu", [X, np.asarray(-1)], {"upper": 0}),
    ("Resize", [IMAGE, None, np.asarray([1, 1, 1.5, 2.0], np.float32)], {}),
    ("Resize", [IMAGE, None, np.asarray([1, 1, 0.6, 2.0], np.float32)],
     {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}),
    ("Resize", [IMAGE, None, None, ints(2, 4, 11, 3)], {"mode": "linear"}),
    ("Resize", [IMAGE, None, None, ints(11, 12)],
     {"mode": "linear", "coordinate_transformation_mode": "align_corners", "axes": [2, 3]}),
    ("Resize", [IMAGE, None, None, ints(2, 4, 11, 9)],
     {"mode": "cubic", "coordinate_transformation_mode": "pytorch_half_pixel"}),
    ("RotaryEmbedding", [weights(2, 3, 5, 8), weights(9, 4), weights(9, 4),
                         R.integers(0, 9, (2, 5))], {}),
    ("RotaryEmbedding", [weights(2, 5, 24), weights(2, 5, 2), weights(2, 5, 2)],
     {"num_heads": 3, "interleaved": 1, "rotary_embedding_dim": 4}),
    ("ConstantOfShape", [ints(2, 3)],
     {"value": helper.make_tensor("v", TensorProto.FLOAT, [1], [0.5])}),
    ("Constant", [], {"value_floats": [1.0, 2.5]}),
    ("Constant", [], {"value_int": 3}),
    ("Constant", [], {"value": helper.make_tensor("v", TensorProto.INT64, [2], [4, 5])}),
    ("Range", [np.asarray(1), np.asarray(9), np.asarray(3)], {}),
    ("EyeLike", [Y], {"k": 1}),
    ("NonZero", [WHOLE * TRUTH], {}),
    ("QuantizeLinear", [X, np.float32(0.1), np.asarray(3, np.int8)], {}),
    ("QuantizeLinear", [X, np.abs(PAIRS) + 0.01, np.asarray([0, 5, 9, 2], np.uint8)], {"axis": 1}),
    ("DequantizeLinear", [WHOLE.astype(np.int8), np.float32(0.1), np.asarray(3, np.int8)], {}),
    ("DequantizeLinear", [WHOLE.astype(np.int8), weights(3, 2)], {"axis": 1, "block_size": 2}),
    ("DynamicQuantizeLinear", [X], {}),
    ("MatMulInteger", [WHOLE.astype(np.int8), WHOLE.T.astype(np.int8), np.asarray(2, np.int8)], {}),
    ("ConvInteger", [R.integers(0, 255, (1, 2, 5, 5)).astype(np.uint8),
                     R.integers(0, 255, (3, 2, 3, 3)).astype(np.uint8), np.asarray(7, np.uint8)],
     {"pads": [1, 1, 1, 1]}),
    ("QLinearMatMul", [np.abs(WHOLE).astype(np.uint8), np.float32(0.1), np.asarray(2, np.uint8),
                       np.abs(WHOLE.T).astype(np.uint8), np.float32(0.2), np.asarray(1, np.uint8),
                       np.float32(0.05), np.asarray(90, np.uint8)], {}),
]  # fmt: skip
# Kernels that the onnx package does not evaluate; their tests are the ones below, or those with
# ONNX Runtime.
ELSEWHERE = {"Upsample", "GlobalLpPool", "LRN", "QLinearConv", "SimplifiedLayerNormalization"}
OUTPUTS = {"TopK": 2, "Split": 2, "DynamicQuantizeLinear": 3, "LSTM": 3, "GRU": 2, "RNN": 2}


def node_of(example: Example, opset: int) -> tuple[onnx.ModelProto, Node]:
    op_type, operands, attributes = example
    names = ["" if operand is None else f"x{i}" for i, operand in enumerate(operands)]
    outputs = [f"y{i}" for i in range(OUTPUTS.get(op_type, 1))]
    proto = helper.make_node(op_type, names, outputs, **attributes)
    inputs = [
        helper.make_tensor_value_info(
            name, helper.np_dtype_to_tensor_dtype(np.asarray(operand).dtype), np.shape(operand)
        )
        for name, operand in zip(names, operands, strict=True)
        if name
    ]
    results = [helper.make_tensor_value_info(name, TensorProto.UNDEFINED, None) for name in outputs]
    graph = helper.make_graph([proto], "one", inputs, results)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)
    return model, decode_nodes(graph, {"": opset})[0]


def run(example: Example, opset: int) -> list[np.ndarray]:
    _, node = node_of(example, opset)
    operands = tuple(None if part is None else np.asarray(part) for part in example[1])
    call = Call(node, operands, (False,) * len(operands), Uncounted())
    with np.errstate(all="ignore"):
        found = KERNELS[node.domain, node.op_type].forward(call)
    return list(found) if isinstance(found, (list, tuple)) else [found]


def close(found: np.ndarray, wanted: np.ndarray) -> None:
    assert found.shape == wanted.shape
    assert found.dtype == wanted.dtype
    if found.dtype.kind == "f":
        np.testing.assert_allclose(found, wanted, rtol=2e-5, atol=2e-6)
    else:
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda e: e[0])
def test_a_kernel_agrees_with_the_reference(example: Example) -> None:
    opset = (
        24 if example[0] in {"Attention", "RMSNormalization", "RotaryEmbedding", "Swish"} else 22
    )
    model, _ = node_of(example, opset)
    feeds = {f"x{i}": np.asarray(part) for i, part in enumerate(example[1]) if part is not None}
    with np.errstate(all="ignore"):
        wanted = ReferenceEvaluator(model).run(None, feeds)
    found = run(example, opset)
    for ours, theirs in zip(found, wanted, strict=False):
        close(np.asarray(ours), np.asarray(theirs))


def test_every_standard_kernel_has_an_example() -> None:
    shown = {example[0] for example in EXAMPLES}
    assert {name for domain, name in KERNELS if not domain} <= shown | ELSEWHERE


def naive_transposed(x: np.ndarray, w: np.ndarray, groups: int, stride: int) -> np.ndarray:
    """Each input element adds its kernel, scaled, to the output: four loops."""
    batch, channels, length = x.shape
    outputs, width = w.shape[1:]
    found = np.zeros((batch, groups * outputs, (length - 1) * stride + width))
    for b in range(batch):
        for c in range(channels):
            group = c // (channels // groups)
            for o in range(outputs):
                for i in range(length):
                    at = slice(i * stride, i * stride + width)
                    found[b, group * outputs + o, at] += x[b, c, i] * w[c, o]
    return found


def test_a_grouped_transposed_convolution_scatters_each_group_on_its_own() -> None:
    """The reference evaluator knows one group only."""
    x, w = weights(2, 4, 5), weights(4, 3, 3)
    (found,) = run(("ConvTranspose", [x, w], {"group": 2, "strides": [2]}), 22)
    np.testing.assert_allclose(found, naive_transposed(x, w, 2, 2), rtol=1e-5, atol=1e-6)


def test_a_quantised_convolution_is_the_rounded_convolution_of_the_real_numbers() -> None:
    levels = R.integers(0, 255, (1, 3, 5, 5)).astype(np.uint8)
    kernels = R.integers(-99, 99, (2, 3, 3, 3)).astype(np.int8)
    bias, scales = np.asarray([40, -300], np.int32), np.asarray([0.02, 0.03], np.float32)
    operands = [levels, np.float32(0.1), np.asarray(9, np.uint8), kernels, scales,
                np.zeros(2, np.int8), np.float32(1.5), np.asarray(100, np.uint8), bias]  # fmt: skip
    (found,) = run(("QLinearConv", operands, {}), 22)
    real = (levels.astype(float) - 9) * 0.1
    kernel = kernels * scales.astype(float)[:, None, None, None]
    for o in range(2):
        for i in range(3):
            for j in range(3):
                total = (real[0, :, i : i + 3, j : j + 3] * kernel[o]).sum()
                total += bias[o] * 0.1 * float(scales[o])
                wanted = np.clip(np.rint(total / 1.5) + 100, 0, 255)
                assert abs(int(found[0, o, i, j]) - wanted) <= 1


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
def test_a_reverse_layer_is_the_forward_layer_of_the_reversed_sequence(kind: str) -> None:
    gates = {"LSTM": 4, "GRU": 3, "RNN": 1}[kind]
    x, operands = weights(5, 2, 3), [weights(1, gates * 4, 3), weights(1, gates * 4, 4)]
    forward = run((kind, [x[::-1], *operands], {"hidden_size": 4}), 22)[0]
    backward = run((kind, [x, *operands], {"hidden_size": 4, "direction": "reverse"}), 22)[0]
    np.testing.assert_array_equal(backward, forward[::-1])


def test_a_short_sequence_in_a_batch_is_that_sequence_alone() -> None:
    x, operands = weights(5, 2, 3), [weights(2, 16, 3), weights(2, 16, 4), weights(2, 32)]
    attributes = {"hidden_size": 4, "direction": "bidirectional"}
    both = run(("LSTM", [x, *operands, np.asarray([5, 3], np.int32)], attributes), 22)
    alone = run(("LSTM", [x[:3, 1:], *operands], attributes), 22)
    np.testing.assert_allclose(both[0][:3, :, 1:], alone[0], rtol=1e-5, atol=1e-6)
    assert not both[0][3:, :, 1].any()
    np.testing.assert_allclose(both[1][:, 1:], alone[1], rtol=1e-5, atol=1e-6)


def test_the_index_of_a_maximum_points_at_it() -> None:
    example: Example = ("MaxPool", [IMAGE], {"kernel_shape": [3, 2], "strides": [2, 1],
                                             "pads": [1, 0, 1, 1]})  # fmt: skip
    proto = helper.make_node("MaxPool", ["x0"], ["y0", "y1"], **example[2])
    graph = helper.make_graph([proto], "one", [], [])
    (node,) = decode_nodes(graph, {"": 22})
    values, index = KERNELS["", "MaxPool"].forward(Call(node, (IMAGE,), (False,), Uncounted()))
    np.testing.assert_array_equal(IMAGE.reshape(-1)[index], values)


def test_minibatch_statistics_standardise_each_channel() -> None:
    attributes = {"training_mode": 1, "momentum": 0.8}
    operands = [IMAGE, np.ones(4, np.float32), np.zeros(4, np.float32), PAIRS, PAIRS**2]
    proto = helper.make_node("BatchNormalization", list("abcde"), ["y", "m", "v"], **attributes)
    (node,) = decode_nodes(helper.make_graph([proto], "one", [], []), {"": 22})
    call = Call(node, tuple(operands), (False,) * 5, Uncounted())
    found, mean, variance = KERNELS["", "BatchNormalization"].forward(call)
    np.testing.assert_allclose(found.mean((0, 2, 3)), 0, atol=1e-6)
    np.testing.assert_allclose(found.std((0, 2, 3)), 1, rtol=1e-4)
    np.testing.assert_allclose(mean, 0.8 * PAIRS + 0.2 * IMAGE.mean((0, 2, 3)), rtol=1e-5)
    np.testing.assert_allclose(variance, 0.8 * PAIRS**2 + 0.2 * IMAGE.var((0, 2, 3)), rtol=1e-5)


def test_older_softmax_normalises_all_axes_from_its_axis_on() -> None:
    (found,) = run(("Softmax", [X], {"axis": 1}), 11)
    np.testing.assert_allclose(found.sum((1, 2)), 1, rtol=1e-6)


def test_a_length_of_order_p_of_a_whole_map() -> None:
    (found,) = run(("GlobalLpPool", [IMAGE], {"p": 3}), 22)
    wanted = (np.abs(IMAGE.astype(float)) ** 3).sum((2, 3), keepdims=True) ** (1 / 3)
    np.testing.assert_allclose(found, wanted, rtol=1e-5)


def test_local_response_divides_by_the_squares_of_neighbouring_channels() -> None:
    """Krizhevsky et al. 2012, by loops; the reference evaluator leaves out the last neighbour."""
    (found,) = run(("LRN", [IMAGE], {"size": 3, "alpha": 0.2, "beta": 0.6, "bias": 1.5}), 22)
    for channel in range(4):
        near = IMAGE[:, max(channel - 1, 0) : channel + 2].astype(float)
        base = 1.5 + 0.2 / 3 * (near**2).sum(1)
        np.testing.assert_allclose(found[:, channel], IMAGE[:, channel] / base**0.6, rtol=1e-5)


def test_the_error_function_is_that_of_the_standard_library() -> None:
    """Everywhere within 3e-9, and odd, with its limits."""
    x = np.linspace(-7, 7, 20_001)
    wanted = [math.erf(value) for value in x]
    np.testing.assert_allclose(erf(x), wanted, rtol=0, atol=3e-9)
    np.testing.assert_array_equal(erf(np.asarray([np.inf, -np.inf, np.nan])), [1.0, -1.0, np.nan])


def test_upsampling_repeats_elements() -> None:
    scales = np.asarray([1, 1, 2, 3], np.float32)
    (found,) = run(("Upsample", [IMAGE, scales], {"mode": "nearest"}), 9)
    np.testing.assert_array_equal(found, IMAGE.repeat(2, 2).repeat(3, 3))


def test_a_stated_output_size_crops_or_extends_a_transposed_convolution() -> None:
    """Of 15 full positions 12 are kept, from the third on; of 17 the last two are zero."""
    x, w = weights(1, 2, 7), weights(2, 3, 3)
    full = naive_transposed(x, w, 1, 2)
    for size, begin in ((12, 2), (17, 0)):
        (found,) = run(("ConvTranspose", [x, w], {"strides": [2], "output_shape": [size]}), 22)
        wanted = np.pad(full, [(0, 0), (0, 0), (0, 2)])[..., begin : begin + size]
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)
    (same,) = run(("ConvTranspose", [x, w], {"strides": [2], "auto_pad": "SAME_UPPER"}), 22)
    np.testing.assert_allclose(same, full[..., :14], rtol=1e-5, atol=1e-6)
