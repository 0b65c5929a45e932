"""Convolutions as they are counted: vectors of windows times a matrix of kernels, per group."""

from __future__ import annotations

import math
from itertools import product as every

import numpy as np

from archsim.workload.numerics.kernel import Array, Call, Kernel
from archsim.workload.numerics.windows import geometry, windows
from archsim.workload.onnx_reader.nodes import Node


def convolve(call: Call, data: Array, kernels: Array) -> Array:
    """`data` [B, C, *spatial] with `kernels` [Cout, C/groups, *kernel], without a bias.

    Vectors are [groups, B * positions, C/groups * kernel], the matrix [groups, C/groups * kernel,
    Cout/groups].
    """
    groups = call.node.integer("group", 1)
    shape = geometry(call.node, data.shape[2:], kernels.shape[2:])
    rank = len(shape.kernel)
    view = windows(data, shape)
    batch, channels = data.shape[:2]
    view = view.reshape(batch, groups, channels // groups, *view.shape[2:])
    # Axes become: groups, batch, positions, channels of a group, kernel.
    out_axes, kernel_axes = range(3, 3 + rank), range(3 + rank, 3 + 2 * rank)
    vectors = view.transpose(1, 0, *out_axes, 2, *kernel_axes)
    inputs = channels // groups * math.prod(shape.kernel)
    outputs = kernels.shape[0] // groups
    matrix = kernels.reshape(groups, outputs, inputs).swapaxes(1, 2)
    found = call.products.weight(vectors.reshape(groups, -1, inputs), matrix)
    found = found.reshape(groups, batch, *shape.out, outputs)
    found = found.transpose(1, 0, 2 + rank, *range(2, 2 + rank))
    return found.reshape(batch, kernels.shape[0], *shape.out)


def with_bias(data: Array, bias: Array | None) -> Array:
    """`data` [B, C, *spatial] plus one number per channel."""
    return data if bias is None else data + bias.reshape(-1, *(1,) * (data.ndim - 2))


def _convolution(call: Call) -> Array:
    return with_bias(convolve(call, call[0], call[1]), call.optional(2))


def _transposed(call: Call) -> Array:
    """Each input vector makes one window of outputs; windows that overlap are added."""
    data, kernels, node = call[0], call[1], call.node
    groups = node.integer("group", 1)
    batch, channels, *spatial = data.shape
    outputs, kernel = kernels.shape[1], kernels.shape[2:]
    rank = len(kernel)
    vectors = data.reshape(batch, groups, channels // groups, -1).transpose(1, 0, 3, 2)
    matrix = kernels.reshape(groups, channels // groups, -1)
    found = call.products.weight(vectors.reshape(groups, -1, channels // groups), matrix)
    found = found.reshape(groups, batch, *spatial, outputs, *kernel)
    # Axes become: batch, groups, outputs, positions, kernel.
    axes = (*range(2, 2 + rank), *range(3 + rank, 3 + 2 * rank))
    found = found.transpose(1, 0, 2 + rank, *axes)
    found = found.reshape(batch, groups * outputs, *spatial, *kernel)
    return with_bias(_scattered(node, found, tuple(spatial), kernel), call.optional(2))


def _scattered(
    node: Node, parts: Array, spatial: tuple[int, ...], kernel: tuple[int, ...]
) -> Array:
    """`parts` [B, C, *spatial, *kernel] added up at their places, without the padding."""
    rank = len(kernel)
    strides = node.integers("strides", (1,) * rank)
    dilations = node.integers("dilations", (1,) * rank)
    extra = node.integers("output_padding", (0,) * rank)
    full = [
        (size - 1) * step + (width - 1) * dilation + 1 + more
        for size, step, width, dilation, more in zip(
            spatial, strides, kernel, dilations, extra, strict=True
        )
    ]
    begins, sizes = _kept(node, spatial, strides, full)
    # A stated size may reach beyond the last window, and is zero there.
    room = [max(size, first + kept) for size, first, kept in zip(full, begins, sizes, strict=True)]
    target = np.zeros((*parts.shape[:2], *room), parts.dtype)
    for tap in every(*(range(width) for width in kernel)):
        places = tuple(
            slice(index * dilation, index * dilation + (size - 1) * step + 1, step)
            for index, dilation, size, step in zip(tap, dilations, spatial, strides, strict=True)
        )
        target[(slice(None), slice(None), *places)] += parts[(slice(None),) * (2 + rank) + tap]
    kept = tuple(slice(first, first + size) for first, size in zip(begins, sizes, strict=True))
    return target[(slice(None), slice(None), *kept)]


def _kept(
    node: Node, spatial: tuple[int, ...], strides: tuple[int, ...], full: list[int]
) -> tuple[list[int], list[int]]:
    """First element and size of what each axis keeps of all its `full` elements."""
    rank = len(spatial)
    mode = node.text("auto_pad", "NOTSET")
    wanted = list(node.integers("output_shape")[-rank:])
    if not wanted and mode in ("SAME_UPPER", "SAME_LOWER"):
        wanted = [size * step for size, step in zip(spatial, strides, strict=True)]
    if not wanted:
        pads = node.integers("pads", (0,) * (2 * rank))
        begins = list(pads[:rank])
        spans = zip(full, begins, pads[rank:], strict=True)
        return begins, [size - first - last for size, first, last in spans]
    totals = [max(size - want, 0) for size, want in zip(full, wanted, strict=True)]
    half = 0 if mode == "SAME_UPPER" else 1
    return [(total + half) // 2 for total in totals], wanted


KERNELS = (
    Kernel("Conv", _convolution),
    Kernel("ConvTranspose", _transposed),
)
