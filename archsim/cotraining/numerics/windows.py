"""Windows of a convolution or pooling: gathered into columns, and scattered back.

Arrays are [B, C, *space].  Columns are [C, *kernel, B, *out]: rows run over the elements of a window
and columns over windows, so that a copy moves whole lines of the image and a product gives whole
lines of the result.  Loops run over the elements of the kernel only.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from types import EllipsisType
from typing import Any, TypeAlias

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from archsim.cotraining.numerics.contract import Array, Call, refuse

# What of an image is worked on at a time: half a core's second-level cache of today's machines.
_CACHED_BYTES = 2**19
# Which elements of the spatial axes.
Region: TypeAlias = "tuple[EllipsisType | slice, ...]"


@dataclass(frozen=True, slots=True)
class Windows:
    """Where windows lie: per spatial axis the kernel's size, stride, dilation, pads, and sizes."""

    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    before: tuple[int, ...]
    after: tuple[int, ...]
    space: tuple[int, ...]
    out: tuple[int, ...]

    @property
    def padded(self) -> tuple[int, ...]:
        """Sizes of the padded image; windows of `ceil_mode` may reach beyond its pads."""
        reach = (
            (o - 1) * s + (k - 1) * d + 1
            for o, s, k, d in zip(self.out, self.strides, self.kernel, self.dilations, strict=True)
        )
        sizes = zip(self.before, self.space, self.after, reach, strict=True)
        return tuple(max(b + n + a, r) for b, n, a, r in sizes)

    @property
    def interior(self) -> Region:
        """The image inside the padded one."""
        return (..., *(slice(b, b + n) for b, n in zip(self.before, self.space, strict=True)))

    @property
    def pointwise(self) -> bool:
        """Whether each window is one element, and each element one window."""
        return self.out == self.space == self.padded and math.prod(self.kernel) == 1

    def offsets(self) -> Iterator[Region]:
        """For each element of the kernel in order, what it sees of the padded image."""
        for index in product(*map(range, self.kernel)):
            steps = zip(index, self.dilations, self.out, self.strides, strict=True)
            seen = (slice(i * d, i * d + (o - 1) * s + 1, s) for i, d, o, s in steps)
            yield (..., *seen)


def pad(x: Array, windows: Windows, fill: float = 0.0) -> Array:
    """`x` [B, C, *space] with a border of `fill`, laid out as [C, B, *space] in memory."""
    if windows.padded == windows.space:
        return x
    batch, channels = x.shape[:2]
    memory = np.full((channels, batch, *windows.padded), fill, x.dtype)
    image = memory.swapaxes(0, 1)
    image[windows.interior] = x
    return image


def gather(x: Array, windows: Windows) -> Array:
    """The columns [C, *kernel, B, *out] of `x` [B, C, *space]."""
    if windows.pointwise:
        turned = np.ascontiguousarray(x.swapaxes(0, 1))
        return turned.reshape(x.shape[1], *windows.kernel, x.shape[0], *windows.out)
    image = pad(x, windows)
    steps = image.strides
    space = list(zip(steps[2:], windows.dilations, windows.strides, strict=True))
    view = as_strided(
        image,
        (x.shape[1], *windows.kernel, x.shape[0], *windows.out),
        (steps[1], *(s * d for s, d, _ in space), steps[0], *(s * t for s, _, t in space)),
        writeable=False,
    )
    return np.ascontiguousarray(view)


def scatter(columns: Array, windows: Windows) -> Array:
    """The sum of columns [C, *kernel, B, *out] where their windows lie: [B, C, *space]."""
    rank = len(windows.kernel)
    channels, batch = columns.shape[0], columns.shape[1 + rank]
    if windows.pointwise:
        return columns.reshape(channels, batch, *windows.out).swapaxes(0, 1)
    image = np.zeros((channels, batch, *windows.padded), columns.dtype)
    parts = columns.reshape(channels, -1, batch, *windows.out)
    # As many channels at a time as stay in the cache: every element is added to once per offset.
    at_once = max(_CACHED_BYTES * channels // max(image.nbytes, 1), 1)
    for first in range(0, channels, at_once):
        block, own = image[first : first + at_once], parts[first : first + at_once]
        for number, seen in enumerate(windows.offsets()):
            block[seen] += own[:, number]
    return image[windows.interior].swapaxes(0, 1)


def windows_of(call: Call, kernel: Sequence[int], space: Sequence[int]) -> Windows:
    """The windows of a node over an image of `space`, from its attributes."""
    rank = len(kernel)
    node = call.node
    strides = node.integers("strides", (1,) * rank)
    dilations = node.integers("dilations", (1,) * rank)
    ceil = bool(node.integer("ceil_mode", 0))
    extents = tuple((k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True))
    before, after = _pads(call, extents, strides, space)
    out = []
    for n, e, s, b, a in zip(space, extents, strides, before, after, strict=True):
        steps = n + b + a - e
        if steps < 0:
            raise refuse(call, f"its window of {e} elements is wider than its input of {n}.")
        size = (-(-steps // s) if ceil else steps // s) + 1
        # The last window must begin inside the image or the pads before it.
        out.append(size - 1 if ceil and (size - 1) * s >= n + b else size)
    return Windows(tuple(kernel), strides, dilations, before, after, tuple(space), tuple(out))


def _pads(
    call: Call, extents: Sequence[int], strides: Sequence[int], space: Sequence[int]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Pads before and after each axis, given or chosen by `auto_pad`."""
    rank = len(extents)
    mode = call.node.text("auto_pad", "NOTSET")
    if mode in ("NOTSET", ""):
        pads = call.node.integers("pads", (0,) * (2 * rank))
        return pads[:rank], pads[rank:]
    if mode == "VALID":
        return (0,) * rank, (0,) * rank
    totals = [
        max((-(-n // s) - 1) * s + e - n, 0)
        for n, s, e in zip(space, strides, extents, strict=True)
    ]
    small, large = tuple(t // 2 for t in totals), tuple(t - t // 2 for t in totals)
    return (large, small) if mode == "SAME_LOWER" else (small, large)


def ones_counted(windows: Windows, inside: Region, dtype: np.dtype[Any]) -> NDArray[Any]:
    """How many elements of each window lie `inside`, [*out]."""
    image = np.zeros(windows.padded, dtype)
    image[inside] = 1
    found = np.zeros(windows.out, dtype)
    for seen in windows.offsets():
        found += image[seen]
    return found
