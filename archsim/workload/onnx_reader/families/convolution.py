"""Convolutions: a stationary kernel matrix and one vector per output position.

Lowered to matrices, a convolution has K = Cin/groups * kernel elements and N = Cout/groups, in
`groups` blocks, and one vector per sample and output position.  A transposed convolution has
K = Cin/groups and N = Cout/groups * kernel elements, and one vector per sample and input position.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from archsim.errors import InputError
from archsim.workload.graph import DigitalWork, DynamicMatmul, OpKind, ParameterRole, Saved
from archsim.workload.onnx_reader.constants import Constant
from archsim.workload.onnx_reader.families.constant_rows import learned_rows, rows_notes
from archsim.workload.onnx_reader.families.row_windows import row_window
from archsim.workload.onnx_reader.nodes import Node
from archsim.workload.onnx_reader.operators import Operator, Piece, Product, Read, Scope, rule


def bias_work(outputs: int, bias: Constant | None) -> tuple[DigitalWork, DigitalWork]:
    """Forward and backward work of adding `bias` to `outputs` elements.

    Forward one addition per element; backward the sum of the error over all vectors.
    """
    if bias is None:
        return DigitalWork(), DigitalWork()
    return (
        DigitalWork(add=outputs, read_parameters=bias.elements),
        DigitalWork(add=max(outputs - bias.elements, 0)),
    )


def learned_bias(scope: Scope, name: str) -> Constant | None:
    """The constant floating-point vector called `name`, or None if there is none.

    One number for all outputs, such as an expanded zero, stands for no bias.
    """
    found = scope.constant(name) if name else None
    if found is None or not found.learned_roots:
        return None
    if found.elements > 1 and math.prod(found.distinct) == 1:
        return None
    return found


def _weights(node: Node, scope: Scope, groups: int) -> Constant:
    weights = scope.constant(node.input(1))
    if weights is None:
        raise InputError(
            f"the kernel '{node.input(1)}' is an activation; only constant kernels are understood.",
            place=node.place,
        )
    if groups < 1:
        raise InputError(f"the number of groups is {groups}.", place=node.place)
    return weights


def _misfit(node: Node, shape: tuple[int, ...], kernel: tuple[int, ...], groups: int) -> InputError:
    return InputError(
        f"the input {shape}, the kernel {kernel} and {groups} groups do not fit each other.",
        place=node.place,
        remedy="Input channels must be groups times the kernel's, and groups divide the outputs.",
    )


def convolution(node: Node, scope: Scope) -> Sequence[Piece]:
    """Conv by a constant kernel, or by one that the network computes from its input."""
    groups = node.integer("group", 1)
    if scope.constant(node.input(1)) is None:
        return [_of_activations(node, scope, groups)]
    weights = _weights(node, scope, groups)
    source, result = node.input(0), node.outputs[0]
    shape, kernel = scope.shape(source), weights.shape
    if shape[1] != kernel[1] * groups or kernel[0] % groups:
        raise _misfit(node, shape, kernel, groups)
    target = scope.shape(result)
    product = Product(
        constant=weights,
        inputs=math.prod(kernel[1:]),
        outputs=kernel[0] // groups,
        blocks=groups,
        vectors=target[0] * math.prod(target[2:]),
        outputs_first=True,
        bias=learned_bias(scope, node.input(2)),
    )
    positions = "x".join(map(str, target[2:]))
    piece = product_piece(node, scope, product, f"constant kernel, {positions} positions")
    return [replace(piece, window=row_window(node, scope, kernel[2:]))]


def _of_activations(node: Node, scope: Scope, groups: int) -> Piece:
    """A kernel made by the network: products of two activations, one per sample and group."""
    source, kernel, result = node.input(0), node.input(1), node.outputs[0]
    shape, size, target = scope.shape(source), scope.shape(kernel), scope.shape(result)
    if groups < 1 or shape[1] != size[1] * groups or size[0] % groups:
        raise _misfit(node, shape, size, groups)
    positions = target[0] * math.prod(target[2:])
    bias = learned_bias(scope, node.input(2))
    forward, backward = bias_work(scope.elements(result), bias)
    names = scope.activations(node)
    return Piece(
        kind=OpKind.DYNAMIC_MATMUL,
        inputs=names,
        outputs=scope.results_of(node),
        reason="the kernel is an activation",
        dynamic=(DynamicMatmul(groups, positions, math.prod(size[1:]), size[0] // groups),),
        forward=forward,
        backward=backward,
        saved=tuple(
            Saved(name, scope.elements(name)) for name in (source, kernel) if name in names
        ),
        reads=() if bias is None else (Read(bias, ParameterRole.BIAS),),
    )


def _transposed(node: Node, scope: Scope) -> Sequence[Piece]:
    groups = node.integer("group", 1)
    if scope.constant(node.input(1)) is None:
        return [_transposed_activations(node, scope, groups)]
    weights = _weights(node, scope, groups)
    shape, kernel = scope.shape(node.input(0)), weights.shape
    if shape[1] != kernel[0] or kernel[0] % groups:
        raise _misfit(node, shape, kernel, groups)
    product = Product(
        constant=weights,
        inputs=kernel[0] // groups,
        outputs=math.prod(kernel[1:]),
        blocks=groups,
        vectors=shape[0] * math.prod(shape[2:]),
        bias=learned_bias(scope, node.input(2)),
    )
    piece = product_piece(node, scope, product, "constant kernel, one vector per input position")
    # Windows overlap: products that meet in one output are added up digitally.
    produced = product.vectors * product.outputs * groups
    overlap = max(produced - scope.elements(node.outputs[0]), 0)
    scatter = DigitalWork(add=overlap, read=produced, written=scope.elements(node.outputs[0]))
    gather = DigitalWork(read=scope.elements(node.outputs[0]), written=produced)
    return [replace(piece, forward=piece.forward + scatter, backward=piece.backward + gather)]


def _transposed_activations(node: Node, scope: Scope, groups: int) -> Piece:
    """A transposed kernel made by the network: one product per group, added up where they meet."""
    source, kernel = node.input(0), node.input(1)
    shape, size = scope.shape(source), scope.shape(kernel)
    if groups < 1 or shape[1] != size[0] or size[0] % groups:
        raise _misfit(node, shape, size, groups)
    positions, outputs = shape[0] * math.prod(shape[2:]), math.prod(size[1:])
    target = scope.elements(node.outputs[0])
    produced = positions * outputs * groups
    names = scope.activations(node)
    return Piece(
        kind=OpKind.DYNAMIC_MATMUL,
        inputs=names,
        outputs=scope.results_of(node),
        reason="the kernel is an activation",
        dynamic=(DynamicMatmul(groups, positions, size[0] // groups, outputs),),
        forward=DigitalWork(add=max(produced - target, 0), read=produced, written=target),
        backward=DigitalWork(read=target, written=produced),
        saved=tuple(
            Saved(name, scope.elements(name)) for name in (source, kernel) if name in names
        ),
    )


def product_piece(
    node: Node,
    scope: Scope,
    product: Product,
    reason: str,
    *,
    source: str | None = None,
    extra_inputs: tuple[str, ...] = (),
) -> Piece:
    """The op of a product of the activation `source` (default: the first input) by a constant.

    Its digital work is that of the bias; it saves its input, from which the weight gradient is
    made.
    """
    source = node.input(0) if source is None else source
    forward, backward = bias_work(scope.elements(node.outputs[0]), product.bias)
    reads = [Read(product.constant, ParameterRole.WEIGHT)]
    if product.bias is not None:
        reads.append(Read(product.bias, ParameterRole.BIAS))
    # A constant source (an initial state) is no activation, but its values are kept all the same;
    # learned ones (queries) become an activation once all nodes are understood.
    sources = () if scope.constant(source) is not None else (source,)
    return Piece(
        kind=OpKind.WEIGHT_MATMUL,
        inputs=(*sources, *extra_inputs),
        outputs=scope.results_of(node),
        reason=reason,
        product=product,
        forward=forward,
        backward=backward,
        saved=(Saved(source, scope.elements(source)),),
        reads=tuple(reads),
        rows=learned_rows(scope, source),
        notes=rows_notes(node, scope, source),
    )


CONVOLUTION_RULE = rule(
    (OpKind.WEIGHT_MATMUL, OpKind.DYNAMIC_MATMUL),
    "K*N*groups MACs per output position",
    "transposed read; outer-product update",
)
OPERATORS = (
    Operator("Conv", convolution, rule=CONVOLUTION_RULE),
    Operator(
        "ConvTranspose",
        _transposed,
        rule=rule(
            (OpKind.WEIGHT_MATMUL, OpKind.DYNAMIC_MATMUL),
            "K*N*groups MACs per input position, adds where windows meet",
            "transposed read; outer-product update",
        ),
    ),
)
