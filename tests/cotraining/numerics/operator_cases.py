"""Cases for every operator that has numerics: the contract tests run over them."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.cotraining.numerics.operator_case import Array, Case

_RNG = np.random.default_rng(20240229)


def normal(*shape: int) -> Array:
    return _RNG.normal(size=shape)


def positive(*shape: int) -> Array:
    return _RNG.uniform(0.5, 2.0, shape)


def whole(*values: int) -> Array:
    return np.asarray(values, np.int64)


def case(op_type: str, *inputs: Array | None, **options: Any) -> Case:
    """A case; options that `Case` does not know are attributes."""
    own = {key: options.pop(key) for key in list(options) if key in _FIELDS}
    return Case(op_type, inputs, options, **own)


_FIELDS = frozenset(Case.__dataclass_fields__) - {"op_type", "inputs", "attributes"}
_UNARY = (
    *("Relu", "Elu", "Celu", "Selu", "Gelu", "Sigmoid", "HardSigmoid", "HardSwish", "Tanh"),
    *("Softplus", "Softsign", "Mish", "Erf", "Abs", "Exp", "Sin", "Cos", "Neg", "LeakyRelu"),
    *("Identity", "ThresholdedRelu", "Sign", "Floor", "Ceil", "Round"),
)
_BINARY = ("Add", "Sub", "Mul", "Div", "Max", "Min", "Sum", "Mean")
_COMPARISONS = ("Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual")
_REDUCTIONS = (
    *("ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2"),
    *("ReduceSumSquare", "ReduceLogSum", "ReduceLogSumExp"),
)

ELEMENTWISE = (
    *(case(name, 2 * normal(*shape)) for name in _UNARY for shape in ((3, 4), (2, 3, 2))),
    *(
        case(name, positive(*shape))
        for name in ("Log", "Sqrt", "Reciprocal")
        for shape in ((3, 2), (4,))
    ),
    case("Swish", normal(3, 4), opset=24, compared=False),
    case("Swish", normal(3, 4), alpha=1.5, opset=24, compared=False),
    case("Elu", normal(3, 4), alpha=0.3, label="alpha"),
    case("Celu", normal(3, 4), alpha=0.3, label="alpha"),
    case("Selu", normal(3, 4), alpha=1.2, gamma=0.7, label="alpha"),
    case("LeakyRelu", normal(3, 4), alpha=0.3, label="alpha"),
    case("HardSigmoid", 3 * normal(3, 4), alpha=0.3, beta=0.4, label="alpha"),
    case("Gelu", 2 * normal(3, 4), approximate="tanh", label="tanh"),
    case("PRelu", normal(2, 3, 4), positive(3, 1)),
    case("PRelu", normal(2, 3), positive(1)),
    case("Clip", normal(4, 5), np.asarray(-0.5), np.asarray(0.7), fixed=frozenset({1, 2})),
    case("Clip", normal(4, 5), None, np.asarray(0.3), fixed=frozenset({2}), label="upper"),
    case("Clip", normal(4, 5), min=-0.2, max=0.4, opset=6, label="attributes"),
    *(case(name, positive(3, 4), positive(3, 4)) for name in _BINARY),
    *(case(name, positive(2, 1, 4), positive(3, 1)) for name in _BINARY if name != "Mean"),
    *(
        case(name, positive(3), positive(2, 3), positive(1, 3), label="three")
        for name in ("Max", "Min", "Sum")
    ),
    # The reference implementation does not broadcast the operands of Mean.
    case("Mean", positive(3), positive(2, 3), positive(1, 3), label="three", compared=False),
    case("Div", whole(7, -7, 5), whole(2, 2, -3), label="whole"),
    case("Pow", positive(3, 4), normal(4)),
    case("Pow", normal(3, 4), np.asarray(3.0), fixed=frozenset({1}), label="cube"),
    case("Pow", positive(3), whole(2), label="whole"),
    case("Where", np.asarray([[True], [False]]), normal(2, 3), normal(3)),
    case("Where", np.asarray([True, False, True]), normal(1), normal(2, 3)),
    case("CumSum", normal(3, 4), whole(1).reshape(())),
    case("CumSum", normal(3, 4), whole(0).reshape(()), exclusive=1, label="exclusive"),
    case("CumSum", normal(3, 4), whole(-1).reshape(()), exclusive=1, reverse=1, label="reverse"),
    case("Mod", whole(7, -7, 5), whole(3, 3, -3)),
    case("Mod", normal(5), positive(5), fmod=1),
    *(case(name, np.asarray([1.0, 2.0, 3.0]), np.asarray([2.0])) for name in _COMPARISONS),
    *(
        case(name, np.asarray([True, False]), np.asarray([[True], [False]]))
        for name in ("And", "Or", "Xor")
    ),
    case("Not", np.asarray([True, False])),
    case("IsNaN", np.asarray([1.0, np.nan])),
)

REDUCTIONS = (
    *(case(name, positive(2, 3, 4), whole(1)) for name in _REDUCTIONS),
    *(
        case(name, positive(2, 3, 4), whole(0, -1), keepdims=0, label="dropped")
        for name in _REDUCTIONS
    ),
    *(case(name, positive(2, 3), label="all") for name in _REDUCTIONS),
    *(
        case(name, positive(2, 3), axes=[1], keepdims=0, opset=11, label="attribute")
        for name in _REDUCTIONS
    ),
    case("ReduceSum", normal(2, 3), whole(), noop_with_empty_axes=1, label="nothing"),
    case(
        "ReduceProd",
        np.asarray([[0.0, 2.0, 3.0], [0.0, 0.0, 1.0], [1.0, 2.0, 3.0]]),
        whole(1),
        label="zeros",
    ),
    *(case(name, normal(3, 4), axis=1, keepdims=0) for name in ("ArgMax", "ArgMin")),
    *(
        case(name, np.asarray([[1.0, 1.0, 0.0, 0.0]]), axis=1, select_last_index=1)
        for name in ("ArgMax", "ArgMin")
    ),
    *(case(name, normal(2, 3, 4)) for name in ("Softmax", "LogSoftmax")),
    *(case(name, normal(2, 3, 4), axis=1, label="axis") for name in ("Softmax", "LogSoftmax")),
    *(
        case(name, normal(2, 3, 4), axis=1, opset=11, compared=False, label="old")
        for name in ("Softmax", "LogSoftmax")
    ),
)

MOVEMENT = (
    case("Reshape", normal(2, 3, 4), whole(0, -1)),
    case("Reshape", normal(2, 6), whole(3, 2, 2)),
    case("Flatten", normal(2, 3, 4), axis=2),
    case("Flatten", normal(2, 3, 4), axis=-2, label="negative"),
    case("Squeeze", normal(1, 3, 1), whole(0)),
    case("Squeeze", normal(1, 3, 1), label="all"),
    case("Unsqueeze", normal(3, 4), whole(0, -1)),
    case("Unsqueeze", normal(3), axes=[1], opset=11, label="attribute"),
    case("Transpose", normal(2, 3, 4)),
    case("Transpose", normal(2, 3, 4), perm=[1, 2, 0], label="perm"),
    case("Concat", normal(2, 3), normal(2, 1), axis=1),
    case("Concat", normal(2, 3), normal(1, 3), normal(2, 3), axis=-2),
    case("Split", normal(4, 6), axis=1, num_outputs=3, outputs=3),
    case("Split", normal(5, 2), whole(1, 4), outputs=2),
    case("Split", normal(5, 2), num_outputs=2, outputs=2, label="ragged"),
    case("Slice", normal(5, 6), whole(1, -1), whole(4, -6), whole(0, 1), whole(1, -2)),
    case("Slice", normal(5, 6), whole(1), whole(100)),
    case("Slice", normal(5, 6), starts=[1, 0], ends=[3, -1], opset=9, label="attributes"),
    case("Pad", normal(2, 3), whole(1, 0, 0, 2)),
    case(
        "Pad",
        normal(4, 4),
        whole(-1, 1, 2, -2),
        np.asarray(0.5),
        fixed=frozenset({2}),
        label="negative",
        compared=False,
    ),
    case("Pad", normal(2, 3), whole(1, 2), None, whole(1), label="axes"),
    *(
        case("Pad", normal(4, 5), whole(1, 2, 2, 0), mode=mode, label=mode)
        for mode in ("reflect", "edge", "wrap")
    ),
    case("Expand", normal(3, 1), whole(2, 1, 4)),
    case("Expand", normal(1), whole(3)),
    case("Tile", normal(2, 3), whole(2, 3)),
    case("Tile", normal(4), whole(2)),
    case("DepthToSpace", normal(1, 8, 2, 3), blocksize=2),
    case("DepthToSpace", normal(1, 8, 2, 3), blocksize=2, mode="CRD", label="crd"),
    case("SpaceToDepth", normal(1, 2, 4, 6), blocksize=2),
    case("SpaceToDepth", normal(2, 1, 3, 3), blocksize=3),
    case("Trilu", normal(3, 4), whole(1).reshape(())),
    case("Trilu", normal(2, 3, 3), upper=0, label="lower"),
    case("Gather", normal(5, 3), whole(4, 0, -1, 0)),
    case("Gather", normal(2, 5, 3), whole(1, 1, 3, 0).reshape(2, 2), axis=1),
    case("Gather", normal(4, 3), whole(2).reshape(()), axis=1, label="scalar"),
    case("GatherElements", normal(3, 4), whole(0, 2, 1, 0).reshape(1, 4)),
    case("GatherElements", normal(3, 4), whole(0, -1, 1, 1, 0, 3).reshape(3, 2), axis=1),
    case("GatherND", normal(3, 4, 2), whole(0, 1, 2, 3).reshape(2, 2)),
    case("GatherND", normal(2, 3, 4), whole(1, 0).reshape(2, 1), batch_dims=1, label="batch"),
)

MAKING = (
    case("Cast", normal(3), to=11),
    case("Cast", normal(3) * 4, to=7),
    case("CastLike", normal(3), normal(1), fixed=frozenset({1})),
    case("CastLike", normal(3) * 4, whole(1)),
    case("Shape", normal(2, 3, 4)),
    case("Shape", normal(2, 3, 4), start=1, end=-1),
    case("Size", normal(2, 3)),
    case("ConstantOfShape", whole(2, 3), value=np.asarray([1.5])),
    case("ConstantOfShape", whole(2), value=np.asarray([True])),
    case("ConstantOfShape", whole(2)),
    case("Range", whole(1).reshape(()), whole(8).reshape(()), whole(3).reshape(())),
    case("EyeLike", normal(2, 3), k=1),
    case("EyeLike", normal(2, 3), dtype=7),
    case("OneHot", whole(0, 2, -1), whole(4).reshape(()), np.asarray([0.5, 2.0])),
    case(
        "OneHot",
        whole(0, 2, 1, 3).reshape(2, 2),
        whole(4).reshape(()),
        np.asarray([0.0, 1.0]),
        axis=1,
    ),
    case("Dropout", normal(4, 5), np.asarray(0.4), fixed=frozenset({1}), compared=False),
    case(
        "Dropout",
        normal(4, 5),
        np.asarray(0.4),
        fixed=frozenset({1}),
        training=False,
        outputs=2,
        label="inference",
    ),
    case("Dropout", normal(4, 5), ratio=0.3, opset=7, compared=False, label="old"),
)

PRODUCTS = (
    case("MatMul", normal(3, 4), normal(4, 2)),
    case("MatMul", normal(2, 3, 4), normal(4, 2)),
    case("MatMul", normal(2, 1, 3, 4), normal(3, 4, 2)),
    case("MatMul", normal(4), normal(2, 4, 3)),
    case("MatMul", normal(2, 3, 4), normal(4)),
    case("MatMul", normal(4), normal(4)),
    case("Gemm", normal(3, 4), normal(4, 2), normal(2)),
    case("Gemm", normal(4, 3), normal(2, 4), normal(3, 1), transA=1, transB=1, alpha=0.5, beta=1.5),
    case("Gemm", normal(3, 4), normal(2, 4), transB=1),
    case("Einsum", normal(3, 4), normal(4, 2), equation="ij,jk->ik"),
    case("Einsum", normal(2, 3, 4), normal(2, 5, 4), equation="bqd,bkd->bqk"),
    case("Einsum", normal(2, 3, 4), normal(4, 5), equation="...i,ij->...j"),
    case("Einsum", normal(3, 4), equation="ij->j"),
    case("Einsum", normal(3), normal(4), normal(3, 4), equation="i,j,ij->"),
)

CONVOLUTION = (
    case("Conv", normal(2, 3, 6, 5), normal(4, 3, 3, 3), normal(4), pads=[1, 1, 1, 1]),
    case(
        "Conv",
        normal(2, 4, 7, 6),
        normal(6, 2, 3, 2),
        normal(6),
        group=2,
        strides=[2, 1],
        pads=[0, 1, 2, 0],
        dilations=[2, 1],
        label="grouped",
    ),
    case("Conv", normal(2, 3, 5, 5), normal(3, 1, 3, 3), group=3, label="depthwise"),
    case("Conv", normal(2, 3, 4, 4), normal(5, 3, 1, 1), label="pointwise"),
    case("Conv", normal(2, 3, 8), normal(4, 3, 3), strides=[2], auto_pad="SAME_UPPER", label="1d"),
    case("Conv", normal(1, 2, 4, 4, 3), normal(2, 2, 2, 2, 2), label="3d"),
    case(
        "Conv",
        normal(1, 2, 7, 6),
        normal(2, 2, 3, 3),
        strides=[2, 2],
        auto_pad="SAME_LOWER",
        label="lower",
    ),
    case("ConvTranspose", normal(2, 3, 4, 3), normal(3, 2, 3, 3), normal(2)),
    case(
        "ConvTranspose",
        normal(2, 4, 3, 3),
        normal(4, 2, 2, 3),
        group=2,
        strides=[2, 2],
        pads=[1, 0, 0, 1],
        output_padding=[1, 0],
        label="grouped",
        compared=False,
    ),
    case("ConvTranspose", normal(1, 2, 4), normal(2, 3, 3), strides=[2], dilations=[2], label="1d"),
    case(
        "ConvTranspose",
        normal(1, 2, 3, 3),
        normal(2, 1, 3, 3),
        strides=[2, 2],
        output_shape=[6, 6],
        label="output_shape",
        compared=False,
    ),
    case(
        "ConvTranspose",
        normal(1, 2, 3, 3),
        normal(2, 1, 3, 3),
        strides=[2, 2],
        auto_pad="SAME_UPPER",
        label="same",
    ),
)

_WINDOWS = tuple(
    case(name, normal(2, 2, 7, 6), kernel_shape=[3, 2], **options)
    for name in ("MaxPool", "AveragePool")
    for options in (
        {"strides": [2, 2], "label": "plain"},
        {"strides": [2, 1], "pads": [1, 0, 1, 1], "label": "padded"},
        {"strides": [2, 2], "ceil_mode": 1, "label": "ceil"},
        {"strides": [3, 3], "pads": [1, 1, 1, 1], "ceil_mode": 1, "label": "ceil_padded"},
        {"dilations": [2, 1], "label": "dilated"},
        {"auto_pad": "SAME_UPPER", "strides": [2, 2], "label": "same"},
    )
)
POOLING = (
    *_WINDOWS,
    case(
        "AveragePool",
        normal(2, 2, 7, 6),
        kernel_shape=[3, 2],
        pads=[1, 1, 1, 1],
        count_include_pad=1,
        label="counted",
    ),
    case(
        "AveragePool",
        normal(1, 1, 6, 6),
        kernel_shape=[3, 3],
        strides=[2, 2],
        pads=[1, 1, 1, 1],
        count_include_pad=1,
        ceil_mode=1,
        label="counted_ceil",
    ),
    case("MaxPool", normal(2, 3, 8), kernel_shape=[2], strides=[2], label="1d"),
    case("GlobalAveragePool", normal(2, 3, 4, 5)),
    case("GlobalAveragePool", normal(2, 3, 4)),
    case("GlobalMaxPool", normal(2, 3, 4, 5)),
    case("GlobalMaxPool", normal(2, 3, 4), compared=False),
)

_STATISTICS = frozenset({3, 4})


def _batch_norm(*shape: int, **options: Any) -> Case:
    c = shape[1]
    operands = (normal(*shape), positive(c), normal(c), normal(c), positive(c))
    return case("BatchNormalization", *operands, fixed=_STATISTICS, **options)


NORMALISATION = (
    _batch_norm(4, 3, reference={"training_mode": 1}, label="vectors"),
    _batch_norm(3, 2, 4, 3, epsilon=1e-3, reference={"training_mode": 1}, label="batch"),
    _batch_norm(3, 2, 4, training=False, label="inference"),
    _batch_norm(3, 2, 4, batchnorm="running", label="running"),
    _batch_norm(3, 2, 4, batchnorm="frozen", label="frozen"),
    _batch_norm(3, 4, 3, batchnorm="group", compared=False, label="group"),
    case("LayerNormalization", normal(2, 3, 4), positive(4), normal(4)),
    case("LayerNormalization", normal(2, 3, 4), positive(3, 4), normal(3, 4), axis=1, epsilon=1e-2),
    case("LayerNormalization", normal(2, 4), positive(4), outputs=3, label="three"),
    case("RMSNormalization", normal(2, 3, 4), positive(4), opset=23),
    case("RMSNormalization", normal(2, 3, 4), positive(3, 4), axis=-2, epsilon=1e-2, opset=23),
    case("GroupNormalization", normal(2, 6, 3), positive(6), normal(6), num_groups=3),
    case(
        "GroupNormalization",
        normal(2, 4, 3, 2),
        positive(2),
        normal(2),
        num_groups=2,
        opset=18,
        label="per_group",
    ),
    case("InstanceNormalization", normal(2, 3, 4), positive(3), normal(3)),
    case("InstanceNormalization", normal(2, 3, 4, 2), positive(3), normal(3), epsilon=1e-2),
)


def _recurrent(op_type: str, directions: int = 1, *, states: int = 0, **options: Any) -> Case:
    steps, batch, inputs, hidden = 3, 2, 4, 3
    gates = {"LSTM": 4, "GRU": 3, "RNN": 1}[op_type]
    x = normal(steps, batch, inputs)
    operands: list[Array | None] = [
        x,
        normal(directions, gates * hidden, inputs),
        normal(directions, gates * hidden, hidden),
        normal(directions, 2 * gates * hidden),
    ]
    if states:
        operands += [None, *(normal(directions, batch, hidden) for _ in range(states))]
    return case(op_type, *operands, hidden_size=hidden, **options)


_CELLS = tuple(
    made
    for name, states in (("LSTM", 2), ("GRU", 1), ("RNN", 1))
    for made in (
        _recurrent(name, outputs=1 + states, label="plain"),
        _recurrent(name, states=states, outputs=1 + states, label="states"),
        _recurrent(
            name, 2, direction="bidirectional", outputs=1 + states, label="both", compared=False
        ),
        _recurrent(name, direction="reverse", label="reverse", compared=False),
    )
)
RECURRENT = (
    *_CELLS,
    _recurrent("GRU", linear_before_reset=1, states=1, outputs=2, label="late"),
    _recurrent("RNN", activations=["Relu"], label="relu", compared=False),
)

CASES: tuple[Case, ...] = (
    *ELEMENTWISE,
    *REDUCTIONS,
    *MOVEMENT,
    *MAKING,
    *PRODUCTS,
    *CONVOLUTION,
    *POOLING,
    *NORMALISATION,
    *RECURRENT,
)
