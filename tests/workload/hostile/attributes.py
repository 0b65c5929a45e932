"""Attributes that no operator can have: negative, zero, huge, of the wrong kind or form."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from onnx import ModelProto, TensorProto, helper, numpy_helper

from tests.workload.hostile.case import Case
from tests.workload.hostile.making import integers, model, node, scalar, weight

_IMAGE = {"x": [1, 4, 8, 8]}
_NAMED = ("'bad'",)
HUGE = 2**62


def _convolution(
    shape: Sequence[int] = (8, 4, 3, 3), **attributes: object
) -> Callable[[], ModelProto]:
    return lambda: model(
        [node("Conv", ["x", "w"], ["y"], **attributes)], _IMAGE, stored=[weight("w", shape)]
    )


def _transposed(**attributes: object) -> Callable[[], ModelProto]:
    return lambda: model(
        [node("ConvTranspose", ["x", "w"], ["y"], **attributes)],
        _IMAGE,
        stored=[weight("w", [4, 8, 3, 3])],
    )


def _image(op_type: str, **attributes: object) -> Callable[[], ModelProto]:
    return lambda: model([node(op_type, ["x"], ["y"], **attributes)], _IMAGE)


def _resize(*scales: float) -> Callable[[], ModelProto]:
    stored = numpy_helper.from_array(np.asarray(scales, np.float32), "scales")
    return lambda: model([node("Resize", ["x", "", "scales"], ["y"])], _IMAGE, stored=[stored])


def _recurrent(op_type: str, hidden: int, gates: int) -> Callable[[], ModelProto]:
    stored = [weight("w", [1, gates * 8, 16]), weight("r", [1, gates * 8, 8])]
    return lambda: model(
        [node(op_type, ["x", "w", "r"], ["y"], hidden_size=hidden)],
        {"x": [5, 2, 16]},
        stored=stored,
    )


def _kind() -> ModelProto:
    made = _convolution(group=1)()
    attribute = made.graph.node[0].attribute[0]
    attribute.CopyFrom(helper.make_attribute("group", "one"))
    return made


def _twice() -> ModelProto:
    made = _convolution(group=1)()
    made.graph.node[0].attribute.append(helper.make_attribute("group", 4))
    return made


def _thousands() -> ModelProto:
    made = model([node("Relu", ["x"], ["y"])])
    made.graph.node[0].attribute.extend(helper.make_attribute(f"a{i}", i) for i in range(3000))
    return made


def _equation(text: str, count: int = 2) -> Callable[[], ModelProto]:
    return lambda: model([node("Einsum", ["x"] * count, ["y"], equation=text)], {"x": [4, 4]})


def _quantised(*shape: int) -> Callable[[], ModelProto]:
    stored = [weight("w", [16, 8], TensorProto.INT8), weight("scale", shape)]
    nodes = [node("DequantizeLinear", ["w", "scale"], ["d"]), node("MatMul", ["x", "d"], ["y"])]
    return lambda: model(nodes, stored=stored)


def _normalised(elements: int) -> Callable[[], ModelProto]:
    stored = [weight(name, [elements]) for name in "sbmv"]
    return lambda: model(
        [node("BatchNormalization", ["x", "s", "b", "m", "v"], ["y"])], _IMAGE, stored=stored
    )


CASES: tuple[Case, ...] = (
    Case("conv_stride_zero", _convolution(strides=[0, 0]), _NAMED),
    Case("conv_stride_negative", _convolution(strides=[-1, -1]), _NAMED),
    Case("conv_stride_missing", _convolution(strides=[1]), _NAMED),
    Case("conv_dilation_zero", _convolution(dilations=[0, 0]), _NAMED),
    Case("conv_dilation_huge", _convolution(dilations=[HUGE, HUGE]), _NAMED),
    Case("conv_group_zero", _convolution(group=0), (*_NAMED, "groups")),
    Case("conv_group_negative", _convolution(group=-1), (*_NAMED, "groups")),
    Case("conv_group_huge", _convolution(group=HUGE), (*_NAMED, "groups")),
    Case("conv_pads_huge", _convolution(pads=[HUGE] * 4), _NAMED),
    Case("conv_pads_overflow", _convolution(pads=[2**63 - 1] * 4), _NAMED),
    Case("conv_pads_negative", _convolution(pads=[-100] * 4), _NAMED),
    Case("conv_pads_missing", _convolution(pads=[1, 1]), _NAMED),
    Case("conv_kernel_differs", _convolution(kernel_shape=[5, 5]), _NAMED),
    Case("conv_kernel_rank", _convolution((8, 4, 3)), _NAMED),
    Case("conv_kernel_larger_than_image", _convolution((8, 4, 30, 30)), _NAMED),
    Case("conv_kernel_of_nothing", _convolution((8, 4, 0, 0)), _NAMED),
    Case("conv_padding_unknown", _convolution(auto_pad="SAME_SIDEWAYS"), _NAMED),
    Case("conv_transpose_stride_huge", _transposed(strides=[HUGE, HUGE]), _NAMED),
    Case("conv_transpose_output_negative", _transposed(output_shape=[-5, -5]), _NAMED),
    Case("pool_kernel_zero", _image("MaxPool", kernel_shape=[0, 0]), _NAMED),
    Case("pool_kernel_negative", _image("AveragePool", kernel_shape=[-3, -3]), _NAMED),
    Case("pool_kernel_huge", _image("MaxPool", kernel_shape=[HUGE, HUGE]), _NAMED),
    Case("pool_kernel_missing", _image("MaxPool"), (*_NAMED, "kernel_shape")),
    Case("pool_stride_zero", _image("MaxPool", kernel_shape=[2, 2], strides=[0, 0]), _NAMED),
    Case(
        "pool_pads_huge",
        _image("AveragePool", kernel_shape=[2, 2], pads=[2**40, 2**40, 2**40, 2**40]),
        _NAMED,
    ),
    Case(
        "pool_of_endless_row",
        lambda: model(
            [node("AveragePool", ["x"], ["y"], kernel_shape=[2**30], strides=[1])],
            {"x": [1, 1, 2**40]},
        ),
        _NAMED,
    ),
    Case("split_into_billions", _image("Split", num_outputs=2**31), (*_NAMED, "'num_outputs'")),
    Case(
        "split_into_fewer_than_there_are",
        lambda: model([node("Split", ["x"], ["y", "z", "u"], num_outputs=2)], _IMAGE, ["y", "u"]),
        (*_NAMED, "'num_outputs' is 2"),
    ),
    Case("split_into_none", _image("Split", num_outputs=0), _NAMED),
    Case("split_into_minus_one", _image("Split", num_outputs=-1), (*_NAMED, "'num_outputs'")),
    Case("transpose_outside", _image("Transpose", perm=[0, 1, 2, 9]), _NAMED),
    Case("transpose_repeats", _image("Transpose", perm=[0, 1, 1, 2]), _NAMED),
    Case("transpose_far_negative", _image("Transpose", perm=[-5, 0, 1, 2]), _NAMED),
    Case("softmax_axis_outside", _image("Softmax", axis=2**40), _NAMED),
    Case("flatten_axis_outside", _image("Flatten", axis=77), _NAMED),
    Case("depth_to_space_zero", _image("DepthToSpace", blocksize=0), _NAMED),
    Case("depth_to_space_huge", _image("DepthToSpace", blocksize=HUGE), _NAMED),
    Case("cast_to_nothing", _image("Cast", to=99), _NAMED),
    Case("cast_missing", _image("Cast"), (*_NAMED, "'to'")),
    Case(
        "one_hot_huge",
        lambda: model(
            [node("OneHot", ["x", "depth", "values"], ["y"])],
            {"x": [4, 16]},
            stored=[scalar("depth", HUGE), integers("values", 0, 1)],
        ),
        _NAMED,
    ),
    Case("resize_infinite", _resize(1.0, 1.0, float("inf"), 2.0), _NAMED),
    Case("resize_not_a_number", _resize(1.0, 1.0, float("nan"), 2.0), _NAMED),
    Case("resize_negative", _resize(1.0, 1.0, -2.0, 2.0), _NAMED),
    Case("resize_huge", _resize(1.0, 1.0, 1e30, 1e30), _NAMED),
    Case("lstm_hidden_huge", _recurrent("LSTM", HUGE, 4), _NAMED),
    Case("lstm_hidden_negative", _recurrent("LSTM", -8, 4), _NAMED),
    Case("gru_hidden_zero", _recurrent("GRU", 0, 3), _NAMED),
    Case("einsum_garbage", _equation(")->(;*"), _NAMED),
    Case("einsum_too_few", _equation("ij,jk,kl->il"), _NAMED),
    Case("einsum_unequal", _equation("ij,jk->qqqqqq"), _NAMED),
    Case("einsum_of_a_megabyte", _equation("ij," * 350_000 + "->ij"), _NAMED),
    Case("attribute_kind", _kind, (*_NAMED, "'group'")),
    Case("attribute_twice", _twice, (*_NAMED, "'group' is given twice")),
    Case("attributes_by_the_thousand", _thousands, (*_NAMED, "3,000 attributes")),
    Case("attribute_of_a_million", _convolution(pads=[1] * 1_000_000), _NAMED),
    Case("quantisation_shape", _quantised(3), _NAMED),
    Case("quantisation_rank", _quantised(16, 8, 2), _NAMED),
    Case("normalisation_shape", _normalised(7), _NAMED),
)
