"""Small networks with seeded weights, and a check against another evaluator of the same file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from archsim.workload.builders.writer import ZEROS, GraphWriter, Init
from archsim.workload.graph import Workload
from archsim.workload.numerics import with_weights
from archsim.workload.onnx_reader import workload_from_model
from archsim.workload.spec import WORKLOAD_MODEL

Arrays = Mapping[str, np.ndarray]
# float32 sums of a few hundred terms in another order.
TOLERANCE = 2e-5


@dataclass(frozen=True)
class Case:
    """A network with weights, its workload, inputs, and how often its loops run."""

    model: onnx.ModelProto
    workload: Workload
    inputs: Arrays
    trip_counts: Mapping[str, int] = field(default_factory=dict)


def built_in(dims: Mapping[str, int], **network: Any) -> onnx.ModelProto:
    values = {"description": "x", "network": network, "dims": dims}
    return WORKLOAD_MODEL.model_validate(values).build()


def written(build: Callable[[GraphWriter], None]) -> Callable[[], onnx.ModelProto]:
    def make() -> onnx.ModelProto:
        writer = GraphWriter("network", seed=1)
        build(writer)
        return writer.model()

    return make


def raw(
    nodes: Sequence[onnx.NodeProto],
    inputs: Mapping[str, Sequence[int]],
    outputs: Sequence[str],
    weights: Mapping[str, np.ndarray],
    opset: int,
) -> onnx.ModelProto:
    infos = [
        helper.make_tensor_value_info(n, TensorProto.FLOAT, list(s)) for n, s in inputs.items()
    ]
    results = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs]
    stored = [numpy_helper.from_array(value, name) for name, value in weights.items()]
    graph = helper.make_graph(list(nodes), "network", infos, results, stored)
    imports = [helper.make_opsetid("", opset)]
    return helper.make_model(graph, opset_imports=imports, ir_version=10)


SMALL = Init(std=0.4)


def _mobile(g: GraphWriter) -> None:
    """Pointwise, depthwise (multiplier 2) and grouped convolutions, folded norms, a gate."""
    x = g.input("x", [2, 4, 9, 9])
    x = g.node("Conv", [x, g.parameter("expand", (8, 4, 1, 1), SMALL)], "expand_conv")
    x = g.node("Clip", [x, g.scalar("low", 0.0), g.scalar("high", 6.0)], "relu6")
    depth = [x, g.parameter("depth", (16, 1, 3, 3), SMALL), g.parameter("depth_bias", (16,), SMALL)]
    x = g.node("Conv", depth, "depth_conv", group=8, strides=[2, 2], pads=[1, 1, 1, 1])
    norm = [g.parameter(f"norm_{i}", (16,), Init(1.0, 0.1)) for i in range(4)]
    x = g.node("BatchNormalization", [x, *norm], "norm")
    gate = g.node("GlobalAveragePool", [x], "squeeze")
    gate = g.node("Conv", [gate, g.parameter("gate", (16, 16, 1, 1), SMALL)], "gate_conv")
    x = g.node("Mul", [x, g.node("HardSigmoid", [gate], "gate_value")], "gated")
    grouped = [x, g.parameter("grouped", (6, 8, 3, 3), SMALL)]
    x = g.node("Conv", grouped, "grouped_conv", group=2, auto_pad="SAME_UPPER")
    x = g.node("MaxPool", [x], "pool", kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1)
    x = g.node("Flatten", [x], "flat")
    g.output(
        "y",
        g.node(
            "Gemm", [g.parameter("fc", (54, 5), SMALL), x], "head", transA=1, transB=1, alpha=0.5
        ),
        [5, 2],
    )


def _rotated(g: GraphWriter, x: str, name: str, half: int) -> str:
    axes, steps = g.integers("last", -1), g.integers("one", 1)
    low = g.node(
        "Slice", [x, g.integers("zero", 0), g.integers("half", half), axes, steps], f"{name}_low"
    )
    high = g.node(
        "Slice",
        [x, g.integers("half", half), g.integers("end", 1 << 40), axes, steps],
        f"{name}_high",
    )
    turned = g.node("Concat", [g.node("Neg", [high], f"{name}_neg"), low], f"{name}_turn", axis=-1)
    angles = np.outer(np.arange(5), [1.0, 0.1, 1.0, 0.1]).astype(np.float32)
    straight = g.node("Mul", [x, g.constant("cos", np.cos(angles))], f"{name}_cos")
    across = g.node("Mul", [turned, g.constant("sin", np.sin(angles))], f"{name}_sin")
    return g.node("Add", [straight, across], f"{name}_rotated")


def _rms(g: GraphWriter, x: str, name: str, width: int) -> str:
    square = g.node("Pow", [x, g.scalar("two", 2.0)], f"{name}_square")
    mean = g.node("ReduceMean", [square, g.integers("last", -1)], f"{name}_mean")
    root = g.node(
        "Sqrt", [g.node("Add", [mean, g.scalar("eps", 1e-5)], f"{name}_eps")], f"{name}_root"
    )
    unit = g.node("Mul", [x, g.node("Reciprocal", [root], f"{name}_inverse")], f"{name}_unit")
    return g.node(
        "Mul", [g.parameter(f"{name}.weight", (width,), Init(1.0, 0.1)), unit], f"{name}_scaled"
    )


def _llama(g: GraphWriter) -> None:
    """One decoder block: RMS norms in primitives, rotary positions, grouped queries, SwiGLU."""
    batch, length, width, heads, groups, size = 2, 5, 16, 4, 2, 4
    x = g.input("x", [batch, length, width])
    hidden = _rms(g, x, "norm1", width)
    parts = {}
    for name, count in (("q", heads), ("k", groups), ("v", groups)):
        part = g.node(
            "MatMul",
            [hidden, g.parameter(f"{name}.weight", (width, count * size), SMALL)],
            f"{name}_proj",
        )
        part = g.node(
            "Reshape", [part, g.integers(f"{name}_shape", 0, 0, count, size)], f"{name}_heads"
        )
        parts[name] = g.node("Transpose", [part], f"{name}_first", perm=[0, 2, 1, 3])
    query, key = _rotated(g, parts["q"], "q", 2), _rotated(g, parts["k"], "k", 2)
    shared = []
    for name, part in (("key", key), ("value", parts["v"])):
        wide = g.node("Unsqueeze", [part, g.integers("two_axis", 2)], f"{name}_wide")
        wide = g.node(
            "Expand", [wide, g.integers("spread", batch, groups, 2, length, size)], f"{name}_spread"
        )
        shared.append(
            g.node("Reshape", [wide, g.integers("all", batch, heads, length, size)], f"{name}_all")
        )
    turned = g.node("Transpose", [shared[0]], "turned", perm=[0, 1, 3, 2])
    scores = g.node("MatMul", [query, turned], "scores")
    scores = g.node("Mul", [scores, g.scalar("scale", 0.5)], "scaled")
    mask = np.triu(np.full((length, length), -1e9, np.float32), 1)
    scores = g.node("Add", [scores, g.constant("mask", mask)], "masked")
    mixed = g.node("MatMul", [g.node("Softmax", [scores], "shares", axis=-1), shared[1]], "mixed")
    mixed = g.node("Transpose", [mixed], "back", perm=[0, 2, 1, 3])
    mixed = g.node("Reshape", [mixed, g.integers("flat", 0, 0, width)], "joined")
    mixed = g.node("MatMul", [mixed, g.parameter("o.weight", (width, width), SMALL)], "o_proj")
    x = g.node("Add", [x, mixed], "residual1")
    hidden = _rms(g, x, "norm2", width)
    gate = g.node("MatMul", [hidden, g.parameter("gate.weight", (width, 24), SMALL)], "gate_proj")
    gate = g.node("Mul", [gate, g.node("Sigmoid", [gate], "gate_sigmoid")], "silu")
    up = g.node("MatMul", [hidden, g.parameter("up.weight", (width, 24), SMALL)], "up_proj")
    down = [g.node("Mul", [gate, up], "product"), g.parameter("down.weight", (24, width), SMALL)]
    g.output(
        "y",
        g.node("Add", [x, g.node("MatMul", down, "down_proj")], "residual2"),
        [batch, length, width],
    )


def _primitives(g: GraphWriter) -> None:
    """A layer normalisation and a Gelu in the primitives that older exporters write."""
    x = g.input("x", [2, 5, 8])
    last, two = g.integers("last", -1), g.scalar("two", 2.0)
    centred = g.node("Sub", [x, g.node("ReduceMean", [x, last], "mean")], "centred")
    square = g.node("Pow", [centred, two], "square")
    variance = g.node("ReduceMean", [square, last], "variance")
    shifted = g.node("Add", [variance, g.scalar("eps", 1e-5)], "shifted")
    unit = g.node("Div", [centred, g.node("Sqrt", [shifted], "deviation")], "unit")
    scaled = g.node("Mul", [unit, g.parameter("scale", (8,), Init(1.0, 0.1))], "scaled")
    x = g.node("Add", [scaled, g.parameter("shift", (8,), SMALL)], "normed")
    x = g.node("MatMul", [x, g.parameter("up", (8, 12), SMALL)], "up_proj")
    x = g.node("Add", [x, g.parameter("up_bias", (12,), SMALL)], "biased")
    inner = g.node("Div", [x, g.scalar("root", 2.0**0.5)], "over_root")
    inner = g.node("Add", [g.node("Erf", [inner], "erf"), g.scalar("one", 1.0)], "plus_one")
    product = g.node("Mul", [x, inner], "times")
    g.output("y", g.node("Mul", [product, g.scalar("half", 0.5)], "gelu"), [2, 5, 12])


def _recurrent(g: GraphWriter) -> None:
    """Both directions of an LSTM from given states, then GRUs of both kinds, then an RNN."""
    x = g.input("x", [5, 3, 4])
    start = [g.input("h", [2, 3, 6]), g.input("c", [2, 3, 6])]
    lstm = [
        x,
        g.parameter("w1", (2, 24, 4), SMALL),
        g.parameter("r1", (2, 24, 6), SMALL),
        g.parameter("b1", (2, 48), SMALL),
        "",
        *start,
    ]
    x, last, memory = g.node_with_outputs(
        "LSTM", lstm, "lstm", 3, hidden_size=6, direction="bidirectional"
    )
    x = g.node("Transpose", [x], "by_step", perm=[0, 2, 1, 3])
    x = g.node("Reshape", [x, g.integers("joined", 5, 3, 12)], "both")
    for index, kept in enumerate((0, 1)):
        gru = [
            x,
            g.parameter(f"w_g{index}", (1, 15, 12 if index == 0 else 5), SMALL),
            g.parameter(f"r_g{index}", (1, 15, 5), SMALL),
            g.parameter(f"b_g{index}", (1, 30), SMALL),
        ]
        x = g.node("GRU", gru, f"gru{index}", hidden_size=5, linear_before_reset=kept)
        x = g.node("Squeeze", [x, g.integers("direction", 1)], f"gru{index}_squeezed")
    rnn = [
        x,
        g.parameter("w_r", (1, 4, 5), SMALL),
        g.parameter("r_r", (1, 4, 4), SMALL),
        g.parameter("b_r", (1, 8), ZEROS),
    ]
    g.output("y", g.node("RNN", rnn, "rnn", hidden_size=4), [5, 1, 3, 4])
    g.output("last", last, [2, 3, 6])
    g.output("memory", memory, [2, 3, 6])


def _upsampling(g: GraphWriter) -> None:
    """A transposed convolution joined with its input's convolution, as decoders have it."""
    x = g.input("x", [2, 3, 6, 6])
    down = g.node(
        "Conv",
        [x, g.parameter("down", (4, 3, 3, 3), SMALL)],
        "down_conv",
        strides=[2, 2],
        pads=[1, 1, 1, 1],
    )
    up = [
        g.node("LeakyRelu", [down], "act"),
        g.parameter("up", (4, 5, 4, 4), SMALL),
        g.parameter("up_bias", (5,), SMALL),
    ]
    up = g.node("ConvTranspose", up, "up_conv", strides=[2, 2], pads=[1, 1, 1, 1])
    joined = g.node("Concat", [x, up], "joined", axis=1)
    mean = g.node("AveragePool", [joined], "pool", kernel_shape=[3, 3], pads=[1, 1, 1, 1])
    g.output(
        "y",
        g.node(
            "InstanceNormalization",
            [mean, g.parameter("scale", (8,), Init(1.0, 0.1)), g.parameter("shift", (8,), SMALL)],
            "norm",
        ),
        [2, 8, 6, 6],
    )


def _products(g: GraphWriter) -> None:
    """Matrices on the left, in stacks, as vectors, tied and transposed; equations; outer products."""
    x = g.input("x", [3, 4, 6])
    tied = g.parameter("tied", (6, 6), SMALL)
    first = g.node(
        "Add", [g.parameter("bias", (6,), SMALL), g.node("MatMul", [x, tied], "right")], "biased"
    )
    back = g.node("MatMul", [first, g.node("Transpose", [tied], "turned", perm=[1, 0])], "again")
    left = g.node("MatMul", [g.parameter("left", (5, 4), SMALL), back], "from_left")
    stacked = g.node("MatMul", [left, g.parameter("stack", (3, 6, 2), SMALL)], "stacked")
    vector = g.node("MatMul", [left, g.parameter("vector", (6,), SMALL)], "by_vector")
    equation = [left, g.parameter("experts", (3, 6, 4), SMALL)]
    named = g.node("Einsum", equation, "einsum", equation="bij,bjk->ibk")
    pairs = g.node("Einsum", [left, back], "pairs", equation="bij,bkj->bik")
    g.output("stacked", stacked, [3, 5, 2])
    g.output("row", vector, [3, 5])
    g.output("named", named, [5, 3, 4])
    g.output("pairs", pairs, [3, 5, 4])


def _attention() -> onnx.ModelProto:
    """The operator of opset 23, with grouped queries, a cache and a causal mask."""
    node = helper.make_node(
        "Attention",
        ["q", "k", "v", "", "pk", "pv"],
        ["y", "ck", "cv"],
        is_causal=1,
        q_num_heads=4,
        kv_num_heads=2,
    )
    generator = np.random.default_rng(3)
    weight = generator.normal(0, 0.3, (16, 16)).astype(np.float32)
    project = helper.make_node("MatMul", ["x", "w"], ["q"])
    cache = {"pk": (2, 2, 3, 4), "pv": (2, 2, 3, 4)}
    shapes = {"x": (2, 5, 16), "k": (2, 5, 8), "v": (2, 5, 8), **cache}
    return raw([project, node], shapes, ["y", "ck", "cv"], {"w": weight}, 23)


TRANSFORMER = {"layers": 2, "width": 8, "heads": 2, "vocabulary": 20, "longest": 9}
NETWORKS: Mapping[str, Callable[[], onnx.ModelProto]] = {
    "mlp": lambda: built_in({}, kind="mlp", widths=[7, 6, 3], activation="tanh"),
    "lenet": lambda: built_in({}, kind="lenet", activation="tanh", pooling="average"),
    "vgg": lambda: built_in(
        {}, kind="vgg", side=8, stages=[[4, 5], [6]], hidden=[8], classes=3, bias=True
    ),
    "resnet": lambda: built_in(
        {}, kind="resnet", block="bottleneck", layers=[1], classes=4, side=32
    ),
    "bert": lambda: built_in({"seq": 5}, kind="bert", inner=12, **TRANSFORMER),
    "gpt2": lambda: built_in({"seq": 5}, kind="gpt2", **TRANSFORMER),
    "lstm": lambda: built_in({"seq": 5}, kind="lstm", layers=2, width=6, vocabulary=20),
    "vit": lambda: built_in(
        {}, kind="vit", layers=2, width=8, heads=2, inner=12, patch=8, side=16, classes=4
    ),
    "mobile": written(_mobile),
    "llama": written(_llama),
    "primitives": written(_primitives),
    "recurrent": written(_recurrent),
    "upsampling": written(_upsampling),
    "products": written(_products),
    "attention": _attention,
}


def random_inputs(model: onnx.ModelProto, workload: Workload, seed: int = 0) -> Arrays:
    generator = np.random.default_rng(seed)
    found = {}
    for value in model.graph.input:
        if value.name not in workload.inputs:
            continue
        shape = workload.tensors[value.name].shape
        dtype = helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)
        if dtype.kind == "f":
            found[value.name] = generator.normal(size=shape).astype(dtype)
        else:
            found[value.name] = generator.integers(0, 2, shape).astype(dtype)
    if "attention_mask" in found:
        found["attention_mask"][:] = 1
    return found


def case_of(model: onnx.ModelProto) -> Case:
    symbols = {
        dim.dim_param for value in model.graph.input for dim in value.type.tensor_type.shape.dim
    }
    dims = {"seq": 5} if "seq" in symbols else {}
    workload = workload_from_model(model, name="network", dims=dims)
    full = with_weights(model, workload, np.random.default_rng(7))
    return Case(full, workload, random_inputs(full, workload))


@pytest.fixture(params=sorted(NETWORKS))
def case(request: pytest.FixtureRequest) -> Case:
    """Each of the small networks."""
    return case_of(NETWORKS[request.param]())


SINGLE = Path(__file__).parents[2] / "data" / "single"
LOOP_TRIPS = 3


@pytest.fixture(params=sorted(path.stem for path in SINGLE.glob("*.onnx")))
def single(request: pytest.FixtureRequest) -> Case:
    """Each of the graphs that hold one difficulty; a loop that the data end runs three times."""
    model = onnx.load(SINGLE / f"{request.param}.onnx", load_external_data=False)
    loops = [node.name or "Loop_0" for node in model.graph.node if node.op_type == "Loop"]
    counts = dict.fromkeys(loops, LOOP_TRIPS)
    symbols = {"batch": 10, "seq": 7} if request.param == "mm_shape_arith" else {}
    workload = workload_from_model(model, name=request.param, dims=symbols, trip_counts=counts)
    full = with_weights(model, workload, np.random.default_rng(7))
    inputs = dict(random_inputs(full, workload))
    if counts:
        inputs["n"] = np.full_like(inputs["n"], LOOP_TRIPS)
    return Case(full, workload, inputs, counts)


@pytest.fixture
def make_case() -> Callable[[str], Case]:
    """A small network by name."""
    return lambda name: case_of(NETWORKS[name]())


@pytest.fixture
def case_from() -> Callable[[onnx.ModelProto], Case]:
    """The case of a given model."""
    return case_of


@pytest.fixture
def model_of() -> Callable[..., onnx.ModelProto]:
    """A model from nodes, input shapes, output names, weights and an opset."""
    return raw


def relative_error(found: Arrays, wanted: Arrays) -> float:
    """Largest difference over largest magnitude, the worst of all tensors."""
    worst = 0.0
    for name, value in wanted.items():
        assert found[name].shape == value.shape, name
        assert found[name].dtype == value.dtype, name
        scale = max(float(np.abs(value).max(initial=0.0)), 1e-30)
        worst = max(worst, float(np.abs(found[name] - value).max(initial=0.0)) / scale)
    return worst


@pytest.fixture
def agree() -> Callable[[Arrays, Arrays], None]:
    """Asserts that all tensors agree to `TOLERANCE`."""

    def check(found: Arrays, wanted: Arrays) -> None:
        assert relative_error(found, wanted) < TOLERANCE

    return check
