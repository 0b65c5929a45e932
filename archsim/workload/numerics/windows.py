"""Windows over spatial axes, for convolutions and pooling."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from archsim.workload.numerics.kernel import Array
from archsim.workload.onnx_reader.nodes import Node


@dataclass(frozen=True, slots=True)
class Geometry:
    """Kernel, strides, dilations, padding at both ends and number of windows of each axis."""

    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    before: tuple[int, ...]
    after: tuple[int, ...]
    out: tuple[int, ...]


def geometry(node: Node, spatial: Sequence[int], kernel: Sequence[int]) -> Geometry:
    """The windows of `node` over axes of the sizes `spatial`."""
    rank = len(spatial)
    strides = node.integers("strides", (1,) * rank)
    dilations = node.integers("dilations", (1,) * rank)
    reach = [(size - 1) * step + 1 for size, step in zip(kernel, dilations, strict=True)]
    before, after = _padding(node, spatial, reach, strides)
    upwards = bool(node.integer("ceil_mode", 0))
    out = []
    for axis in range(rank):
        span = spatial[axis] + before[axis] + after[axis] - reach[axis]
        count = (-(-span // strides[axis]) if upwards else span // strides[axis]) + 1
        # A window that would begin in the padding behind the data is left out.
        if upwards and (count - 1) * strides[axis] >= spatial[axis] + before[axis]:
            count -= 1
        out.append(count)
    return Geometry(tuple(kernel), strides, dilations, before, after, tuple(out))


def _padding(
    node: Node, spatial: Sequence[int], reach: Sequence[int], strides: Sequence[int]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    rank = len(spatial)
    mode = node.text("auto_pad", "NOTSET")
    if mode in ("SAME_UPPER", "SAME_LOWER"):
        totals = [
            max((-(-size // step) - 1) * step + width - size, 0)
            for size, step, width in zip(spatial, strides, reach, strict=True)
        ]
        small, large = tuple(t // 2 for t in totals), tuple(-(-t // 2) for t in totals)
        return (small, large) if mode == "SAME_UPPER" else (large, small)
    pads = node.integers("pads", (0,) * (2 * rank)) if mode == "NOTSET" else (0,) * (2 * rank)
    return pads[:rank], pads[rank:]


def windows(data: Array, shape: Geometry, fill: float = 0.0) -> Array:
    """View of `data` [batch, channels, *spatial] as [batch, channels, *out, *kernel]."""
    rank = len(shape.kernel)
    widths = [(0, 0), (0, 0)]
    for axis in range(rank):
        reach = (shape.kernel[axis] - 1) * shape.dilations[axis] + 1
        used = (shape.out[axis] - 1) * shape.strides[axis] + reach
        behind = used - data.shape[2 + axis] - shape.before[axis]
        widths.append((shape.before[axis], max(behind, 0)))
    padded = np.pad(data, widths, constant_values=data.dtype.type(fill))
    reaches = [(k - 1) * d + 1 for k, d in zip(shape.kernel, shape.dilations, strict=True)]
    axes = tuple(range(2, 2 + rank))
    view = np.lib.stride_tricks.sliding_window_view(padded, reaches, axes)
    steps = [slice(None, None, stride) for stride in shape.strides]
    taps = [slice(None, None, dilation) for dilation in shape.dilations]
    ends = [slice(0, count) for count in shape.out]
    view = view[(slice(None), slice(None), *steps, *taps)]
    return view[(slice(None), slice(None), *ends)]
