"""MatMul and Gemm: by a constant on arrays, of two activations on the digital matrix unit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from archsim.workload.graph import DigitalWork, DynamicMatmul, OpKind, Saved
from archsim.workload.onnx_reader.constants import Constant
from archsim.workload.onnx_reader.families.constant_rows import weight_and_rows
from archsim.workload.onnx_reader.families.convolution import learned_bias, product_piece
from archsim.workload.onnx_reader.nodes import Node
from archsim.workload.onnx_reader.operators import (
    Operator,
    Piece,
    Product,
    Scope,
    per_element,
    rule,
)


def matmul(node: Node, scope: Scope) -> Sequence[Piece]:
    """MatMul by a constant, or of two activations."""
    weights, source = _operands(node, scope)
    if weights is not None:
        return [_by_constant(node, scope, weights, source)]
    return [_of_activations(node, scope)]


def _operands(node: Node, scope: Scope) -> tuple[Constant | None, str]:
    """The weights of a product, None if it has none, and the operand that they multiply."""
    left, right = node.input(0), node.input(1)
    first, second = scope.constant(left), scope.constant(right)
    if first is not None and second is not None:
        weights, rows = weight_and_rows(first, second)
        return weights, rows.name
    return (second, left) if second is not None else (first, right)


def _by_constant(node: Node, scope: Scope, weights: Constant, source: str) -> Piece:
    on_right = source == node.input(0)
    rows_axis, columns_axis = (-2, -1) if on_right else (-1, -2)
    shape = weights.shape
    contracted = shape[rows_axis] if len(shape) > 1 else shape[0]
    outputs = shape[columns_axis] if len(shape) > 1 else 1
    result = node.outputs[0]
    # A layer with one input is a stored row or column; rotary frequencies have a batch axis as well.
    layer = len(shape) == 2 and bool(weights.view)
    if not weights.learned_roots or (contracted == 1 and not layer):
        return _unlearned(node, scope, source, (contracted, outputs), weights)
    blocks = math.prod(weights.distinct[:-2])
    vectors = scope.elements(result) // outputs
    product = Product(
        constant=weights,
        inputs=contracted,
        outputs=outputs,
        blocks=blocks,
        vectors=vectors // blocks,
        outputs_first=not on_right,
    )
    what = f"{blocks} constant matrices" if blocks > 1 else "constant operand"
    return routed_piece(node, scope, product, what, source)


def routed_piece(node: Node, scope: Scope, product: Product, reason: str, source: str) -> Piece:
    """The op of a product; of one whose matrices the network chooses, each vector passes one."""
    routing = product.constant.routing
    if routing is None:
        return product_piece(node, scope, product, reason, source=source)
    routed = replace(
        product,
        blocks=routing.matrices,
        vectors=product.vectors * product.blocks,
        chosen_blocks=1,
    )
    reason = f"one of {routing.matrices} constant matrices, chosen at run time"
    return product_piece(
        node, scope, routed, reason, source=source, extra_inputs=(routing.indices,)
    )


def _unlearned(
    node: Node, scope: Scope, source: str, size: tuple[int, int], operand: Constant
) -> Piece:
    """A product by a constant that is no weight: computed (a mask) or an outer product.

    An outer product with a constant vector has no sum: it is an elementwise multiplication, such
    as positions times rotary frequencies.
    """
    contracted, outputs = size
    result = node.outputs[0]
    produced = scope.elements(result)
    if contracted == 1:
        moved = DigitalWork(read=scope.elements(source), written=produced)
        return Piece(
            kind=OpKind.ELEMENTWISE,
            inputs=(source,),
            outputs=(result,),
            reason="outer product with a constant: one multiplication per element",
            forward=per_element(produced, mul=1)
            + moved
            + DigitalWork(read_parameters=operand.elements),
            backward=per_element(produced, mul=1, add=1)
            + DigitalWork(read=produced, written=scope.elements(source)),
        )
    return Piece(
        kind=OpKind.DYNAMIC_MATMUL,
        inputs=(source,),
        outputs=(result,),
        reason="the constant operand is computed, not learned",
        dynamic=(DynamicMatmul(1, produced // outputs, contracted, outputs),),
    )


def _of_activations(node: Node, scope: Scope) -> Piece:
    left, right, result = node.input(0), node.input(1), node.outputs[0]
    first, second = scope.shape(left), scope.shape(right)
    contracted = first[-1]
    columns = second[-1] if len(second) > 1 else 1
    # One matrix on the right serves every row on the left: a single product.
    count = math.prod(scope.shape(result)[: -2 if len(second) > 1 else None] or (1,))
    if math.prod(second[:-2]) == 1 or len(second) == 1:
        count = 1
    rows = scope.elements(result) // (count * columns)
    return Piece(
        kind=OpKind.DYNAMIC_MATMUL,
        inputs=scope.activations(node),
        outputs=(result,),
        reason="both operands are activations",
        dynamic=(DynamicMatmul(count, rows, contracted, columns),),
        saved=tuple(Saved(name, scope.elements(name)) for name in scope.activations(node)),
    )


def gemm(node: Node, scope: Scope) -> Sequence[Piece]:
    """Gemm by a constant, or of two activations, with its addend."""
    left, right, added = node.input(0), node.input(1), node.input(2)
    result = node.outputs[0]
    rows, columns = scope.shape(result)
    contracted = scope.shape(left)[0 if node.integer("transA", 0) else 1]
    weights, source = _operands(node, scope)
    on_right = source == left
    if weights is None or not weights.learned_roots:
        piece = Piece(
            kind=OpKind.DYNAMIC_MATMUL,
            inputs=tuple(n for n in (left, right) if scope.constant(n) is None),
            outputs=(result,),
            reason="both operands are activations",
            dynamic=(DynamicMatmul(1, rows, contracted, columns),),
            saved=tuple(
                Saved(n, scope.elements(n))
                for n in dict.fromkeys((left, right))
                if scope.constant(n) is None
            ),
        )
        return [_with_addend(piece, scope, added, result)]
    flag = "transB" if on_right else "transA"
    product = Product(
        constant=weights,
        inputs=contracted,
        outputs=columns if on_right else rows,
        vectors=rows if on_right else columns,
        outputs_first=bool(node.integer(flag, 0)) == on_right,
        bias=learned_bias(scope, added),
    )
    piece = product_piece(node, scope, product, "constant operand", source=source)
    return [_with_addend(piece, scope, added, result)]


def _with_addend(piece: Piece, scope: Scope, added: str, result: str) -> Piece:
    """`piece` with the addition of Gemm's third operand, where that is an activation."""
    if not added or scope.constant(added) is not None:
        return piece
    size, count = scope.elements(added), scope.elements(result)
    inputs = piece.inputs if added in piece.inputs else (*piece.inputs, added)
    return replace(
        piece,
        inputs=inputs,
        forward=piece.forward + DigitalWork(add=count, read=size),
        # A broadcast addend gets the sum of the errors.
        backward=piece.backward + DigitalWork(add=count - size, written=size),
        reason=f"{piece.reason}; its addend is an activation",
    )


MATMUL_RULE = rule(
    (OpKind.WEIGHT_MATMUL, OpKind.DYNAMIC_MATMUL, OpKind.ELEMENTWISE),
    "m*k*n MACs",
    "two products of as many MACs",
)
OPERATORS = (
    Operator("MatMul", matmul, rule=MATMUL_RULE),
    Operator("Gemm", gemm, rule=MATMUL_RULE),
)
