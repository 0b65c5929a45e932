"""Small networks of every kind, with a batch to feed them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from archsim.workload.builders.bert import bert
from archsim.workload.builders.gpt2 import gpt2
from archsim.workload.builders.lenet import lenet
from archsim.workload.builders.lstm import lstm_language_model
from archsim.workload.builders.mlp import mlp
from archsim.workload.builders.resnet import resnet
from archsim.workload.builders.vgg import vgg
from archsim.workload.builders.vit import vit

Array = NDArray[Any]


@dataclass(frozen=True)
class NetworkCase:
    """A network's model, the sizes of its symbolic dimensions, and a batch.

    `compared` is False where the reference implementation fails.  `batch` and `step` are those of
    finite differences: a deep network with minibatch statistics bends sharply.
    """

    name: str
    build: Callable[[], onnx.ModelProto]
    inputs: Callable[[int], Mapping[str, Array]]
    dims: Mapping[str, int] = field(default_factory=dict)
    compared: bool = True
    batch: int = 2
    step: float = 1e-6

    def __str__(self) -> str:
        return self.name


def _images(name: str, *shape: int) -> Callable[[int], Mapping[str, Array]]:
    return lambda batch: {name: np.random.default_rng(2).normal(size=(batch, *shape))}


def _tokens(batch: int) -> Mapping[str, Array]:
    return {"input_ids": np.random.default_rng(2).integers(0, 20, (batch, 5))}


def _text(batch: int) -> Mapping[str, Array]:
    rng = np.random.default_rng(2)
    mask = np.ones((batch, 5), np.int64)
    mask[0, 3:] = 0
    return {
        **_tokens(batch),
        "token_type_ids": rng.integers(0, 2, (batch, 5)),
        "attention_mask": mask,
    }


def model_of(
    nodes: list[onnx.NodeProto],
    inputs: Mapping[str, tuple[int | str, ...]],
    weights: Mapping[str, Array],
    outputs: tuple[str, ...] = ("y",),
    opset: int = 20,
) -> onnx.ModelProto:
    """A model of floating inputs and stored tensors."""
    graph = helper.make_graph(
        nodes,
        "hand_made",
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, list(shape))
            for name, shape in inputs.items()
        ],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        [
            numpy_helper.from_array(v.astype(np.float32) if v.dtype.kind == "f" else v, n)
            for n, v in weights.items()
        ],
    )
    imports = [helper.make_opsetid("", opset)]
    return helper.make_model(graph, opset_imports=imports, ir_version=9)


def _grouped() -> onnx.ModelProto:
    """Depthwise, grouped, pointwise and transposed convolutions."""
    rng = np.random.default_rng(3)
    weights = {
        "w1": rng.normal(size=(4, 1, 3, 3)),
        "b1": rng.normal(size=4),
        "w2": rng.normal(size=(6, 2, 3, 3)),
        "w3": rng.normal(size=(4, 6, 1, 1)),
        "w4": rng.normal(size=(4, 3, 2, 2)),
        "b4": rng.normal(size=6),
    }
    nodes = [
        helper.make_node("Conv", ["x", "w1", "b1"], ["a"], group=4, pads=[1, 1, 1, 1]),
        helper.make_node("Tanh", ["a"], ["b"]),
        helper.make_node("Conv", ["b", "w2"], ["c"], group=2, strides=[2, 1]),
        helper.make_node("Conv", ["c", "w3"], ["d"]),
        helper.make_node("Sigmoid", ["d"], ["e"]),
        helper.make_node("ConvTranspose", ["e", "w4", "b4"], ["y"], group=2, strides=[2, 2]),
    ]
    return model_of(nodes, {"x": ("batch", 4, 7, 6)}, weights)


def _gates() -> onnx.ModelProto:
    """Three kinds of cells, in both directions, with both orders of the reset."""
    rng = np.random.default_rng(4)
    weights: dict[str, Array] = {"axes": np.asarray([1])}
    nodes = []
    source, width, hidden = "x", 4, 3
    layers = (
        ("GRU", 1, {}),
        ("GRU", 2, {"linear_before_reset": 1}),
        ("GRU", 2, {}),
        ("LSTM", 2, {}),
        ("RNN", 1, {}),
    )
    for number, (kind, directions, attributes) in enumerate(layers):
        gates = {"LSTM": 4, "GRU": 3, "RNN": 1}[kind]
        weights |= {
            f"w{number}": rng.normal(size=(directions, gates * hidden, width)),
            f"r{number}": rng.normal(size=(directions, gates * hidden, hidden)),
            f"b{number}": rng.normal(size=(directions, 2 * gates * hidden)),
            f"shape{number}": np.asarray([0, -1, directions * hidden]),
        }
        direction = "bidirectional" if directions == 2 else "forward"
        operands = [source, f"w{number}", f"r{number}", f"b{number}"]
        nodes += [
            helper.make_node(
                kind,
                operands,
                [f"h{number}"],
                hidden_size=hidden,
                direction=direction,
                **attributes,
            ),
            helper.make_node("Transpose", [f"h{number}"], [f"t{number}"], perm=[0, 2, 1, 3]),
            helper.make_node("Reshape", [f"t{number}", f"shape{number}"], [f"s{number}"]),
        ]
        source, width = f"s{number}", directions * hidden
    nodes.append(helper.make_node("Identity", [source], ["y"]))
    return model_of(nodes, {"x": (5, "batch", 4)}, weights)


def _products() -> onnx.ModelProto:
    """Weights on either side, transposed, stacked, sliced from one tensor, in an Einsum."""
    rng = np.random.default_rng(5)
    weights = {
        "packed": rng.normal(size=(12, 4)),
        "stack": rng.normal(size=(3, 4, 4)),
        "left": rng.normal(size=(2, 3)),
        "heads": rng.normal(size=(2, 2, 5)),
        "gemm": rng.normal(size=(4, 3)),
        "gain": rng.normal(size=(4, 5)),
        "thirds": np.asarray([4, 4, 4]),
        "one": np.asarray([1]),
        "split": np.asarray([0, 3, 2, 2]),
    }
    make = helper.make_node
    nodes = [
        make("Split", ["packed", "thirds"], ["wq", "wk", "wv"], axis=0),
        *(make("Transpose", [f"w{n}"], [f"{n}t"], perm=[1, 0]) for n in "qkv"),
        *(make("MatMul", ["x", f"{n}t"], [n]) for n in "qkv"),
        make("Tanh", ["q"], ["qa"]),
        make("Mul", ["qa", "k"], ["qk"]),
        make("Add", ["qk", "v"], ["a"]),
        make("Unsqueeze", ["a", "one"], ["b"]),
        make("MatMul", ["b", "stack"], ["c"]),
        make("ReduceMean", ["c", "one"], ["d"], keepdims=0),
        make("Reshape", ["d", "split"], ["e"]),
        make("Einsum", ["e", "heads"], ["f"], equation="bthd,hdm->btm"),
        make("MatMul", ["left", "f"], ["g"]),
        make("Tanh", ["gain"], ["bent"]),
        make("Mul", ["gain", "bent"], ["curved"]),
        make("Transpose", ["curved"], ["turned"]),
        make("MatMul", ["g", "turned"], ["y"]),
    ]
    return model_of(nodes, {"x": ("batch", 3, 4)}, weights)


NETWORKS = (
    NetworkCase("mlp", lambda: mlp("mlp", widths=(8, 6, 4), activation="tanh"), _images("x", 8)),
    NetworkCase(
        "lenet",
        lambda: lenet("lenet", classes=10, activation="relu", pooling="max"),
        _images("x", 1, 28, 28),
    ),
    NetworkCase(
        "vgg8",
        lambda: vgg(
            "vgg8", image=(3, 8), stages=((4, 4), (6, 6)), hidden=(12,), classes=5, bias=True
        ),
        _images("x", 3, 8, 8),
    ),
    NetworkCase(
        "lstm",
        lambda: lstm_language_model("lstm", layers=2, width=6, vocabulary=20),
        _tokens,
        {"seq": 5},
    ),
    NetworkCase(
        "gpt2",
        lambda: gpt2("gpt2", layers=2, width=8, heads=2, vocabulary=20, longest=10),
        _tokens,
        {"seq": 5},
    ),
    NetworkCase(
        "bert",
        lambda: bert("bert", layers=1, width=8, heads=2, inner=12, vocabulary=20, longest=10),
        _text,
        {"seq": 5},
    ),
    NetworkCase(
        "vit",
        lambda: vit("vit", layers=1, width=8, heads=2, inner=12, patch=8, side=16, classes=5),
        _images("pixel_values", 3, 16, 16),
    ),
    # The reference implementation has no groups of transposed convolutions.
    NetworkCase("grouped", _grouped, _images("x", 4, 7, 6), compared=False),
    NetworkCase(
        "gates",
        _gates,
        lambda batch: {"x": np.random.default_rng(2).normal(size=(5, batch, 4))},
    ),
    NetworkCase("products", _products, _images("x", 3, 4)),
)
RESNET = NetworkCase(
    "resnet18",
    lambda: resnet("resnet18", block="basic", layers=(2, 2, 2, 2), classes=10, side=32),
    _images("x", 3, 32, 32),
    batch=8,
    step=1e-8,
)
