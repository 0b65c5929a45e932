"""Resize: each axis that changes is a weighted sum of a few elements of that axis."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from archsim.errors import InputError
from archsim.workload.numerics.kernel import Array, Call, Kernel, integers
from archsim.workload.onnx_reader.nodes import Node

_ROUNDINGS: Mapping[str, Callable[[Array], Array]] = {
    "round_prefer_floor": lambda x: np.ceil(x - 0.5),
    "round_prefer_ceil": lambda x: np.floor(x + 0.5),
    "floor": np.floor,
    "ceil": np.ceil,
}


@dataclass(frozen=True, slots=True)
class _Axis:
    """How one axis changes: from `size` to `out` elements, places apart by 1 / `scale`."""

    size: int
    out: int
    scale: float


def _places(mode: str, axis: _Axis, node: Node) -> Array:
    """Where each output lies on the axis of the input."""
    index = np.arange(axis.out, dtype=np.float64)
    half = (index + 0.5) / axis.scale - 0.5
    if mode == "half_pixel":
        return half
    if mode == "pytorch_half_pixel":
        return half if axis.out > 1 else np.zeros(1)
    if mode == "half_pixel_symmetric":
        return axis.size / 2 * (1 - axis.out / (axis.scale * axis.size)) + half
    if mode == "asymmetric":
        return index / axis.scale
    if mode == "align_corners":
        return index * ((axis.size - 1) / max(axis.out - 1, 1))
    raise InputError(f"places by '{mode}' are not evaluated.", place=node.place)


def _cubic(distance: Array, a: float) -> Array:
    """Keys 1981: the weight of an element at a distance of at most two."""
    d = np.abs(distance)
    near = ((a + 2) * d - (a + 3)) * d * d + 1
    far = ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
    return np.where(d <= 1, near, np.where(d < 2, far, 0.0))


def _weights(node: Node, axis: _Axis, mode: str, places: str) -> Array:
    """[out, size]: the share of each input in each output; what lies outside is the edge's."""
    at = _places(places, axis, node)
    found = np.zeros((axis.out, axis.size))
    rows = np.arange(axis.out)
    if mode == "nearest":
        default = "round_prefer_floor" if node.version >= 11 else "floor"
        chosen = _ROUNDINGS[node.text("nearest_mode", default)](at)
        found[rows, np.clip(chosen, 0, axis.size - 1).astype(np.int64)] = 1
        return found
    first = np.floor(at)
    cubic = mode == "cubic"
    for tap in range(-1, 3) if cubic else range(2):
        distance = at - (first + tap)
        share = _cubic(distance, node.real("cubic_coeff_a", -0.75)) if cubic else 1 - abs(distance)
        place = np.clip(first + tap, 0, axis.size - 1).astype(np.int64)
        np.add.at(found, (rows, place), share)
    return found


def _axes(call: Call) -> dict[int, _Axis]:
    """The axes that are resized."""
    data, node = call[0], call.node
    chosen = node.integers("axes", range(data.ndim))
    recent = node.op_type == "Resize" and node.version >= 11
    given = call.optional(2 if recent else 1)
    sizes = call.optional(3)
    if sizes is not None and sizes.size:
        wanted = integers(sizes)
        scales = [size / data.shape[axis] for axis, size in zip(chosen, wanted, strict=True)]
    else:
        factors = node.attributes["scales"].floats if given is None else np.ravel(given)
        scales = [float(factor) for factor in factors]
        wanted = tuple(
            int(np.floor(data.shape[axis] * scale))
            for axis, scale in zip(chosen, scales, strict=True)
        )
    found = {}
    for axis, out, scale in zip(chosen, wanted, scales, strict=True):
        if out != data.shape[axis] or scale != 1:
            found[axis % data.ndim] = _Axis(data.shape[axis], out, scale)
    return found


def _resize(call: Call) -> Array:
    data, node = call[0], call.node
    mode = node.text("mode", "nearest")
    unusual = node.text("keep_aspect_ratio_policy", "stretch") != "stretch"
    if unusual or node.integer("antialias", 0) or node.integer("exclude_outside", 0):
        raise InputError("smoothed or proportional resizing is not evaluated.", place=node.place)
    recent = node.op_type == "Resize" and node.version >= 11
    default = "half_pixel" if recent else "asymmetric"
    places = node.text("coordinate_transformation_mode", default)
    result = data.astype(np.float64) if mode != "nearest" else data
    for index, axis in _axes(call).items():
        weights = _weights(node, axis, mode, places)
        if mode == "nearest":
            result = result.take(weights.argmax(1), index)
        else:
            result = np.moveaxis(np.tensordot(weights, result, (1, index)), 0, index)
    return np.asarray(result).astype(data.dtype)


KERNELS = (
    Kernel("Resize", _resize),
    Kernel("Upsample", _resize),
)
