"""Residual networks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from archsim.workload.builders.layers import batch_norm, conv, gemm, max_pool
from archsim.workload.builders.writer import GraphWriter

if TYPE_CHECKING:
    import onnx

_STEM = 64
_EXPANSION = {"basic": 1, "bottleneck": 4}


def resnet(
    name: str,
    *,
    block: Literal["basic", "bottleneck"],
    layers: tuple[int, ...],
    classes: int,
    side: int,
) -> onnx.ModelProto:
    """ResNet (He et al. 2015, arXiv:1512.03385), v1.5: a bottleneck strides in its 3 x 3 layer.

    `layers` counts the blocks of each stage.  Input `x` [batch, 3, side, side], output `logits`
    [batch, classes].  Parameters are called as in torchvision.
    """
    g = GraphWriter(name)
    x = g.input("x", ["batch", 3, side, side])
    x = conv(g, x, "conv1", (3, _STEM), 7, stride=2, padding=3)
    x = g.node("Relu", [batch_norm(g, x, "bn1", _STEM)], "relu")
    x = max_pool(g, x, "maxpool", 3, stride=2, padding=1)
    channels = _STEM
    for stage, blocks in enumerate(layers):
        width = _STEM * 2**stage
        for index in range(blocks):
            stride = 2 if stage > 0 and index == 0 else 1
            x = _block(
                g, x, f"layer{stage + 1}.{index}", (channels, width), stride=stride, block=block
            )
            channels = width * _EXPANSION[block]
    x = g.node("GlobalAveragePool", [x], "avgpool")
    x = g.node("Flatten", [x], "flatten", axis=1)
    g.output("logits", gemm(g, x, "fc", channels, classes), ["batch", classes])
    return g.model()


def _block(
    g: GraphWriter,
    x: str,
    name: str,
    channels: tuple[int, int],
    *,
    stride: int,
    block: Literal["basic", "bottleneck"],
) -> str:
    """One residual block; `channels` is (input channels, inner width)."""
    inputs, width = channels
    outputs = width * _EXPANSION[block]
    # (kernel, output channels, stride) of the convolutions of the residual branch
    plan = (
        ((3, width, stride), (3, width, 1))
        if block == "basic"
        else ((1, width, 1), (3, width, stride), (1, outputs, 1))
    )
    branch, current = x, inputs
    for number, (kernel, out, step) in enumerate(plan, start=1):
        branch = conv(
            g,
            branch,
            f"{name}.conv{number}",
            (current, out),
            kernel,
            stride=step,
            padding=kernel // 2,
        )
        branch = batch_norm(g, branch, f"{name}.bn{number}", out)
        if number < len(plan):
            branch = g.node("Relu", [branch], f"{name}.relu{number}")
        current = out
    shortcut = x
    if stride != 1 or inputs != outputs:
        shortcut = conv(g, x, f"{name}.downsample.0", (inputs, outputs), 1, stride=stride)
        shortcut = batch_norm(g, shortcut, f"{name}.downsample.1", outputs)
    total = g.node("Add", [branch, shortcut], f"{name}.add")
    return g.node("Relu", [total], f"{name}.relu")
