"""VGG-style networks for small images."""

from __future__ import annotations

from typing import TYPE_CHECKING

from archsim.workload.builders.layers import conv, gemm, max_pool
from archsim.workload.builders.writer import GraphWriter

if TYPE_CHECKING:
    import onnx


def vgg(
    name: str,
    *,
    image: tuple[int, int],
    stages: tuple[tuple[int, ...], ...],
    hidden: tuple[int, ...],
    classes: int,
    bias: bool,
) -> onnx.ModelProto:
    """Stages of 3 x 3 convolutions with ReLU, each ended by 2 x 2 max pooling, then linear layers.

    `image` is (channels, side), `stages` the output channels of each stage's convolutions, `hidden`
    the widths of the fully connected layers before the last.  Input `x` [batch, channels, side,
    side], output `logits` [batch, classes].
    """
    g = GraphWriter(name)
    channels, side = image
    x = g.input("x", ["batch", channels, side, side])
    layer = 0
    for number, stage in enumerate(stages, start=1):
        for width in stage:
            layer += 1
            x = conv(g, x, f"conv{layer}", (channels, width), 3, padding=1, bias=bias)
            x = g.node("Relu", [x], f"relu{layer}")
            channels = width
        x = max_pool(g, x, f"pool{number}", 2, stride=2)
        side //= 2
    x = g.node("Flatten", [x], "flatten", axis=1)
    inputs = channels * side * side
    for number, width in enumerate(hidden, start=1):
        x = gemm(g, x, f"fc{number}", inputs, width, bias=bias)
        x = g.node("Relu", [x], f"relu{layer + number}")
        inputs = width
    x = gemm(g, x, f"fc{len(hidden) + 1}", inputs, classes, bias=bias)
    g.output("logits", x, ["batch", classes])
    return g.model()
