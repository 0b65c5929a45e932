"""Which rows of an image the windows of convolutions and pooling need."""

from __future__ import annotations

from archsim.workload.graph import RowWindow
from archsim.workload.onnx_reader.nodes import Node
from archsim.workload.onnx_reader.operators import Scope

# Samples, channels and two spatial axes: with one axis rows would be single positions.
_IMAGE_AXES = 4


def row_window(node: Node, scope: Scope, kernel: tuple[int, ...]) -> RowWindow | None:
    """The windows along the first spatial axis of a node with a `kernel` (its spatial sizes).

    None for what is no image.  SAME paddings follow from the size of the output.
    """
    shape, target = scope.shape(node.input(0)), scope.shape(node.outputs[0])
    rank = len(shape) - 2
    if len(shape) < _IMAGE_AXES or len(kernel) != rank:
        return None
    stride = (node.integers("strides") or (1,))[0]
    dilation = (node.integers("dilations") or (1,))[0]
    extent = (kernel[0] - 1) * dilation + 1
    same = node.text("auto_pad", "NOTSET")
    before = (node.integers("pads") or (0,))[0]
    if same in ("SAME_UPPER", "SAME_LOWER"):
        total = max((target[2] - 1) * stride + extent - shape[2], 0)
        before = total // 2 if same == "SAME_UPPER" else -(-total // 2)
    elif same == "VALID":
        before = 0
    return RowWindow(extent, stride, before) if stride > 0 else None
