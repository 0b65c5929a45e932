"""Interpolation: every output is a weighted sum of a few inputs (taps).

One tap copies.  With t taps an output takes t mul and t - 1 add, and its backward t mul and t add
into the inputs.  Linear interpolation over d axes has 2^d taps, cubic 4^d.  Where positions are
data (grids, regions), their weights take 2 mul and 2 add per axis, shared by all channels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from archsim.workload.graph import DigitalWork, DynamicMatmul, OpKind, Saved, TensorInfo
from archsim.workload.onnx_reader.families.convolution import learned_bias, product_piece
from archsim.workload.onnx_reader.nodes import Node
from archsim.workload.onnx_reader.operators import (
    Operator,
    Piece,
    Product,
    Scope,
    data_keeps_sign,
    per_element,
    rule,
)

_TAPS = {"nearest": 1, "linear": 2, "bilinear": 2, "cubic": 4, "bicubic": 4, "area": 1}


def _interpolated(taps: int, outputs: int, inputs: int) -> tuple[DigitalWork, DigitalWork]:
    """Forward and backward work of `outputs` sums of `taps` inputs out of `inputs`."""
    forward = DigitalWork(read=taps * outputs, written=outputs)
    backward = DigitalWork(add=max(taps * outputs - inputs, 0), read=outputs, written=inputs)
    if taps > 1:
        forward += per_element(outputs, mul=taps, add=taps - 1)
        backward += per_element(outputs, mul=taps)
    return forward, backward


def _piece(
    node: Node,
    scope: Scope,
    work: tuple[DigitalWork, DigitalWork],
    reason: str,
    saved: tuple[Saved, ...] = (),
) -> Piece:
    kind = OpKind.ELEMENTWISE if work[0].operations else OpKind.MOVEMENT
    return Piece(
        kind=kind,
        inputs=scope.activations(node),
        outputs=scope.results_of(node),
        reason=reason,
        forward=work[0],
        backward=work[1],
        saved=saved,
    )


def upsampled(node: Node, scope: Scope) -> Sequence[Piece]:
    """Resize and Upsample: by repetition, linear or cubic interpolation along the axes that change."""
    shape, target = scope.shape(node.input(0)), scope.shape(node.outputs[0])
    changed = sum(a != b for a, b in zip(shape, target, strict=True))
    mode = node.text("mode", "nearest")
    taps = _TAPS.get(mode, 2) ** changed
    work = _interpolated(taps, math.prod(target), math.prod(shape))
    if not changed:
        work = (DigitalWork(), DigitalWork())
    return [_piece(node, scope, work, f"resamples by {mode} interpolation")]


def _grid(node: Node, scope: Scope) -> Sequence[Piece]:
    """GridSample: positions are data, and get gradients too (2 add per tap and axis)."""
    source, grid = node.input(0), node.input(1)
    axes = scope.shape(grid)[-1]
    outputs = scope.elements(node.outputs[0])
    taps = _TAPS.get(node.text("mode", "linear"), 2) ** axes
    points = scope.elements(grid) // axes
    forward, backward = _interpolated(taps, outputs, scope.elements(source))
    weights = per_element(points * axes, mul=2, add=2)
    if scope.differentiable(grid):
        backward += per_element(outputs, mul=axes * taps, add=axes * taps)
    names = tuple(name for name in (source, grid) if scope.constant(name) is None)
    saved = tuple(Saved(name, scope.elements(name)) for name in names)
    return [
        _piece(node, scope, (forward + weights, backward + weights), "samples at points", saved)
    ]


def _regions(node: Node, scope: Scope) -> Sequence[Piece]:
    """RoiAlign: bins average `sampling_ratio`^2 bilinear samples (4 if it is adaptive, 0).

    MaxRoiPool: bins are maxima of the region's elements; a region is at most the whole input.
    """
    source, outputs = node.input(0), scope.elements(node.outputs[0])
    inputs = scope.elements(source)
    if node.op_type == "MaxRoiPool":
        shape = scope.shape(source)
        regions = scope.shape(node.input(1))[0]
        seen = regions * math.prod(shape[1:])
        forward = DigitalWork(compare=max(seen - outputs, 0), read=seen, written=outputs)
        work = (forward, DigitalWork(add=outputs, read=2 * outputs, written=inputs))
        return [_piece(node, scope, work, "maxima of regions")]
    samples = (node.integer("sampling_ratio", 0) or 2) ** 2
    forward, backward = _interpolated(4 * samples, outputs, inputs)
    bins = outputs // scope.shape(node.outputs[0])[1]
    weights = per_element(bins * samples, mul=4, add=4)
    saved = (Saved(node.input(1), scope.elements(node.input(1))),)
    return [_piece(node, scope, (forward + weights, backward), "averages over regions", saved)]


def _affine_grid(node: Node, scope: Scope) -> Sequence[Piece]:
    """Every point of a grid by each sample's matrix: [points, d + 1] x [d + 1, d]."""
    theta, result = node.input(0), node.outputs[0]
    samples, axes, size = scope.shape(theta)
    points = scope.elements(result) // (samples * axes)
    return [
        Piece(
            kind=OpKind.DYNAMIC_MATMUL,
            inputs=scope.activations(node),
            outputs=(result,),
            reason="points by a computed matrix",
            # The points are constant: the matrix alone has a gradient.
            dynamic=(DynamicMatmul(samples, points, size, axes),),
        )
    ]


def _deformed(node: Node, scope: Scope) -> Sequence[Piece]:
    """DeformConv: bilinear samples at computed offsets, then a convolution's product."""
    source, result = node.input(0), node.outputs[0]
    weights = scope.constants[node.input(1)]
    groups = max(node.integer("group", 1), 1)
    target, kernel = scope.shape(result), weights.shape
    positions = target[0] * math.prod(target[2:])
    taps = positions * scope.shape(source)[1] * math.prod(kernel[2:])
    info = scope.info(source)
    columns = TensorInfo(f"{node.name}/columns", (taps,), info.bytes_per_element)
    forward, backward = _interpolated(4, taps, scope.elements(source))
    offsets = scope.elements(node.input(2))
    extra = per_element(offsets, mul=2, add=2)
    if node.input(4):
        extra += per_element(taps, mul=1)
    names = [name for name in (source, node.input(2), node.input(4)) if name]
    inputs = tuple(name for name in names if scope.constant(name) is None)
    sampling = Piece(
        kind=OpKind.ELEMENTWISE,
        inputs=inputs,
        outputs=(columns.name,),
        reason="samples at computed offsets",
        suffix="/sampling",
        forward=forward + extra,
        backward=backward + extra + per_element(taps, mul=8, add=8),
        saved=tuple(Saved(name, scope.elements(name)) for name in inputs),
        internal=(columns,),
    )
    product = Product(
        constant=weights,
        inputs=math.prod(kernel[1:]),
        outputs=kernel[0] // groups,
        blocks=groups,
        vectors=positions,
        outputs_first=True,
        bias=learned_bias(scope, node.input(3)),
    )
    known = scope.knowing(columns)
    piece = product_piece(node, known, product, "constant kernel", source=columns.name)
    return [sampling, replace(piece, suffix="/product")]


RESIZE_RULE = rule(
    (OpKind.ELEMENTWISE, OpKind.MOVEMENT),
    "n (t mul, t-1 add), t taps: 1, 2^d or 4^d",
    "n (t mul, t add)",
)
_POINTS = rule(OpKind.ELEMENTWISE, "n (t mul, t-1 add), weights per point", "n (t mul, t add)")
OPERATORS = (
    Operator("Resize", upsampled, rule=RESIZE_RULE),
    Operator("Upsample", upsampled, rule=RESIZE_RULE),
    Operator("GridSample", _grid, rule=_POINTS),
    Operator("RoiAlign", _regions, rule=_POINTS),
    Operator(
        "MaxRoiPool",
        _regions,
        data_keeps_sign,
        rule=rule(
            (OpKind.ELEMENTWISE, OpKind.MOVEMENT),
            "compare per element of a region",
            "adds each error at its maximum",
        ),
    ),
    Operator(
        "AffineGrid",
        _affine_grid,
        rule=rule(OpKind.DYNAMIC_MATMUL, "d*(d+1) MACs per point", "as many for the matrix"),
    ),
    Operator(
        "DeformConv",
        _deformed,
        rule=rule(
            (OpKind.WEIGHT_MATMUL, OpKind.ELEMENTWISE),
            "bilinear samples; K*N*groups MACs per position",
            "the same in reverse; outer-product update",
        ),
    ),
)
