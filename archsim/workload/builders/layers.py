"""Layers as the exporters write them: one or a few ONNX nodes and their parameters.

Parameters are called as in PyTorch (`layer.weight`, `layer.bias`, `bn.running_mean`).
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from archsim.workload.builders.writer import (
    ONES,
    ZEROS,
    GraphWriter,
    Init,
    glorot,
    kaiming,
)

Activation: TypeAlias = Literal["relu", "tanh", "sigmoid"]
ACTIVATION: dict[Activation, str] = {"relu": "Relu", "tanh": "Tanh", "sigmoid": "Sigmoid"}


def conv(
    g: GraphWriter,
    x: str,
    name: str,
    channels: tuple[int, int],
    kernel: int,
    *,
    stride: int = 1,
    padding: int = 0,
    bias: bool = False,
) -> str:
    """A square two-dimensional convolution of `channels` = (in, out) on [batch, in, h, w]."""
    cin, cout = channels
    weight = g.parameter(
        f"{name}.weight", (cout, cin, kernel, kernel), kaiming(cin * kernel * kernel)
    )
    inputs = [x, weight]
    if bias:
        inputs.append(g.parameter(f"{name}.bias", (cout,), ZEROS))
    return g.node(
        "Conv",
        inputs,
        name,
        kernel_shape=[kernel, kernel],
        strides=[stride, stride],
        pads=[padding] * 4,
    )


def batch_norm(g: GraphWriter, x: str, name: str, channels: int, epsilon: float = 1e-5) -> str:
    """Batch normalisation with running statistics, written as for inference."""
    inputs = [
        x,
        g.parameter(f"{name}.weight", (channels,), ONES),
        g.parameter(f"{name}.bias", (channels,), ZEROS),
        g.parameter(f"{name}.running_mean", (channels,), ZEROS),
        g.parameter(f"{name}.running_var", (channels,), ONES),
    ]
    return g.node("BatchNormalization", inputs, name, epsilon=epsilon)


def max_pool(
    g: GraphWriter, x: str, name: str, kernel: int, *, stride: int, padding: int = 0
) -> str:
    """Square max pooling."""
    return g.node(
        "MaxPool",
        [x],
        name,
        kernel_shape=[kernel, kernel],
        strides=[stride, stride],
        pads=[padding] * 4,
    )


def gemm(g: GraphWriter, x: str, name: str, inputs: int, outputs: int, *, bias: bool = True) -> str:
    """A fully connected layer on [batch, inputs], its weight stored [outputs, inputs]."""
    operands = [x, g.parameter(f"{name}.weight", (outputs, inputs), kaiming(inputs))]
    if bias:
        operands.append(g.parameter(f"{name}.bias", (outputs,), ZEROS))
    return g.node("Gemm", operands, name, transB=1)


def linear(g: GraphWriter, x: str, name: str, inputs: int, outputs: int) -> str:
    """A linear layer on [..., inputs] as MatMul and Add, its weight stored [inputs, outputs]."""
    weight = g.parameter(f"{name}.weight", (inputs, outputs), glorot(inputs, outputs))
    product = g.node("MatMul", [x, weight], name)
    return g.node("Add", [product, g.parameter(f"{name}.bias", (outputs,), ZEROS)], f"{name}.add")


def layer_norm(g: GraphWriter, x: str, name: str, width: int, epsilon: float) -> str:
    """Layer normalisation over the last axis, with scale and shift."""
    inputs = [
        x,
        g.parameter(f"{name}.weight", (width,), ONES),
        g.parameter(f"{name}.bias", (width,), ZEROS),
    ]
    return g.node("LayerNormalization", inputs, name, axis=-1, epsilon=epsilon)


def embedding(g: GraphWriter, ids: str, name: str, rows: int, width: int) -> str:
    """Rows of a learned table [rows, width] picked by integer `ids`."""
    table = g.parameter(f"{name}.weight", (rows, width), Init(std=0.02))
    return g.node("Gather", [table, ids], name, axis=0)
