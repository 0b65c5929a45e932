"""LeNet-5."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from archsim.workload.builders.layers import ACTIVATION, Activation, conv, gemm
from archsim.workload.builders.writer import GraphWriter

if TYPE_CHECKING:
    import onnx

_POOLING = {"max": "MaxPool", "average": "AveragePool"}
_HIDDEN = (120, 84)
_FLAT = 16 * 5 * 5


def lenet(
    name: str,
    *,
    classes: int,
    activation: Activation,
    pooling: Literal["max", "average"],
) -> onnx.ModelProto:
    """LeNet-5 (LeCun et al. 1998) on 28 x 28 images, as it is written today.

    Every map of the second convolution sees all maps of the first, and pooling has no parameters:
    61,706 parameters for 10 classes.  Input `x` [batch, 1, 28, 28], output `logits`.
    """
    g = GraphWriter(name)
    x = g.input("x", ["batch", 1, 28, 28])
    x = conv(g, x, "conv1", (1, 6), 5, padding=2, bias=True)
    x = g.node(ACTIVATION[activation], [x], "act1")
    x = g.node(_POOLING[pooling], [x], "pool1", kernel_shape=[2, 2], strides=[2, 2])
    x = conv(g, x, "conv2", (6, 16), 5, bias=True)
    x = g.node(ACTIVATION[activation], [x], "act2")
    x = g.node(_POOLING[pooling], [x], "pool2", kernel_shape=[2, 2], strides=[2, 2])
    x = g.node("Flatten", [x], "flatten", axis=1)
    width = _FLAT
    for index, hidden in enumerate(_HIDDEN, start=1):
        x = gemm(g, x, f"fc{index}", width, hidden)
        x = g.node(ACTIVATION[activation], [x], f"act{index + 2}")
        width = hidden
    g.output("logits", gemm(g, x, "fc3", width, classes), ["batch", classes])
    return g.model()
