"""Convolutions as products: columns of windows times the kernel's matrix.

A convolution multiplies vectors of K = Cin/groups * kernel elements, one per sample and position, by
[groups, K, Cout/groups]; a transposed one vectors of Cin/groups by [groups, Cin/groups,
Cout/groups * kernel], whose products are added up where windows meet.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from archsim.cotraining.numerics.contract import Array, Call, Grads, Operator, Result, refuse
from archsim.cotraining.numerics.stationary import ArrayMatrix, Stationary
from archsim.cotraining.numerics.windows import Windows, gather, scatter, windows_of

# Columns hold each element of the image once per element of the kernel.  Up to this size they are
# kept for the backward pass; beyond it they are gathered again, which costs less than the memory.
_KEPT_BYTES = 2**26


def _kernel(call: Call) -> Stationary:
    """The kernel [groups, K, N], held by the backend or an array of the network."""
    if call.weights:
        return call.weights[0]
    kernel, groups = call[1], call.node.integer("group", 1)
    matrix = kernel.reshape(groups, kernel.shape[0] // groups, -1)
    if call.node.op_type == "Conv":
        matrix = matrix.swapaxes(1, 2)
    return ArrayMatrix(matrix, kernel.shape, trains=call.wanted(1))


def _columns(x: Array, windows: Windows, groups: int) -> Array:
    """Vectors [groups, V, K] of the windows, a view of columns."""
    columns = gather(x, windows)
    width = columns.shape[0] * math.prod(windows.kernel)
    return columns.reshape(groups, width // groups, -1).swapaxes(1, 2)


def _rows(images: Array, groups: int) -> Array:
    """[B, C, *space] as vectors [groups, B * positions, C / groups], a view where possible."""
    channels = images.shape[1]
    return images.swapaxes(0, 1).reshape(groups, channels // groups, -1).swapaxes(1, 2)


def _images(rows: Array, batch: int, space: Sequence[int]) -> Array:
    """The inverse of `_rows`."""
    groups, _, channels = rows.shape
    return rows.swapaxes(1, 2).reshape(groups * channels, batch, *space).swapaxes(0, 1)


def _with_bias(call: Call, images: Array) -> Array:
    bias = call.optional(2)
    if bias is not None:
        images += bias.reshape(-1, *(1,) * (images.ndim - 2))
    return images


def _bias_gradient(grad: Array) -> Array:
    return np.asarray(grad.sum((0, *range(2, grad.ndim))))


def _check(call: Call, channels: int, kernel: tuple[int, ...], needed: int) -> None:
    groups = call.node.integer("group", 1)
    if channels != needed or groups < 1 or kernel[0] % groups:
        raise refuse(
            call,
            f"its input has {channels} channels, which {groups} groups and a kernel of shape "
            f"{kernel} do not fit.",
        )


def _convolution(call: Call) -> Result:
    x, weight = call[0], _kernel(call)
    groups, shape, wants = call.node.integer("group", 1), weight.shape, call.wants(3)
    _check(call, x.shape[1], shape, shape[1] * groups)
    windows = windows_of(call, shape[2:], x.shape[2:])
    batch = x.shape[0]
    vectors = _columns(x, windows, groups)
    out = _with_bias(call, _images(weight.times(vectors), batch, windows.out))
    keeps = vectors.nbytes <= _KEPT_BYTES
    kept, source = (vectors, None) if keeps else (None, x)
    if not weight.trains:
        kept = source = None

    def pullback(grads: Grads) -> list[Array | None]:
        grad = grads[0]
        if grad is None:
            return [None] * 3
        d = _rows(grad, groups)
        into = kernel = None
        if wants[0]:
            columns = weight.back(d).swapaxes(1, 2)
            into = scatter(
                columns.reshape(groups * shape[1], *windows.kernel, batch, *windows.out), windows
            )
        if weight.trains:
            again = kept if source is None else _columns(source, windows, groups)
            assert again is not None
            gradient = weight.record(again, d)
            kernel = None if gradient is None else gradient.swapaxes(1, 2).reshape(shape)
        return [into, kernel, _bias_gradient(grad) if wants[2] else None]

    return Result((out,), pullback)


def _transposed(call: Call) -> Result:
    x, weight = call[0], _kernel(call)
    groups, shape, wants = call.node.integer("group", 1), weight.shape, call.wants(3)
    _check(call, x.shape[1], shape, shape[0])
    windows = _target(call, shape[2:], x.shape[2:])
    batch, outputs = x.shape[0], shape[1] * groups
    vectors = _rows(x, groups)
    columns = weight.times(vectors).swapaxes(1, 2)
    out = scatter(columns.reshape(outputs, *windows.kernel, batch, *windows.out), windows)
    out = _with_bias(call, out)
    kept = vectors if weight.trains else None

    def pullback(grads: Grads) -> list[Array | None]:
        grad = grads[0]
        if grad is None:
            return [None] * 3
        d = _columns(grad, windows, groups)
        into = _images(weight.back(d), batch, windows.out) if wants[0] else None
        gradient = None
        if kept is not None:
            gradient = weight.record(kept, d)
            gradient = None if gradient is None else gradient.reshape(shape)
        return [into, gradient, _bias_gradient(grad) if wants[2] else None]

    return Result((out,), pullback)


def _target(call: Call, kernel: tuple[int, ...], space: tuple[int, ...]) -> Windows:
    """The windows of the convolution that a transposed one reverses: over its output."""
    node, rank = call.node, len(kernel)
    strides = node.integers("strides", (1,) * rank)
    dilations = node.integers("dilations", (1,) * rank)
    extra = node.integers("output_padding", (0,) * rank)
    reach = [
        (n - 1) * s + (k - 1) * d + 1
        for n, s, k, d in zip(space, strides, kernel, dilations, strict=True)
    ]
    wanted = node.integers("output_shape")
    mode = node.text("auto_pad", "NOTSET")
    if wanted or mode.startswith("SAME"):
        sizes = wanted[-rank:] or tuple(n * s for n, s in zip(space, strides, strict=True))
        totals = [r + e - n for r, e, n in zip(reach, extra, sizes, strict=True)]
        small = tuple(t // 2 for t in totals)
        large = tuple(t - t // 2 for t in totals)
        before, after = (small, large) if mode == "SAME_UPPER" else (large, small)
    else:
        pads = node.integers("pads", (0,) * (2 * rank))
        before, after = pads[:rank], pads[rank:]
        sizes = tuple(r + e - b - a for r, e, b, a in zip(reach, extra, before, after, strict=True))
    return Windows(kernel, strides, dilations, before, after, sizes, space)


OPERATORS = (Operator("Conv", _convolution), Operator("ConvTranspose", _transposed))
