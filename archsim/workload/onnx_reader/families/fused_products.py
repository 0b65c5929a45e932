"""Products that optimisers fuse with what follows them, and products by packed weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from archsim.errors import InputError
from archsim.workload.graph import OpKind
from archsim.workload.onnx_reader.constants import Constant, Root
from archsim.workload.onnx_reader.families.convolution import (
    CONVOLUTION_RULE,
    convolution,
    learned_bias,
    product_piece,
)
from archsim.workload.onnx_reader.families.elementwise_unary import FAST_GELU
from archsim.workload.onnx_reader.families.following import ADDITION, Step, activation_of, followed
from archsim.workload.onnx_reader.families.matmul import MATMUL_RULE, gemm, matmul
from archsim.workload.onnx_reader.nodes import Node
from archsim.workload.onnx_reader.operators import Operator, Piece, Product, Rule, Scope, rule
from archsim.workload.onnx_reader.recasting import recast, shaped_as

_MICROSOFT = "com.microsoft"


def fused_convolution(node: Node, scope: Scope) -> Sequence[Piece]:
    """FusedConv: a convolution, the sum with a fourth input, an activation."""
    (piece,) = convolution(recast(node, "Conv", (0, 1, 2)), scope)
    added = node.input(3)
    steps = (Step("sum", ADDITION, added),) if added else ()
    return followed(piece, node, scope, (*steps, *activation_of(node)))


def _channels_last(node: Node, scope: Scope) -> Sequence[Piece]:
    """NhwcConv: activations are [samples, positions, channels], kernels as always."""
    weights = scope.constant(node.input(1))
    if weights is None:
        raise InputError("its kernel is an activation.", place=node.place)
    groups = max(node.integer("group", 1), 1)
    size, target = weights.shape, scope.shape(node.outputs[0])
    product = Product(
        constant=weights,
        inputs=weights.elements // size[0],
        outputs=size[0] // groups,
        blocks=groups,
        vectors=scope.elements(node.outputs[0]) // target[-1],
        outputs_first=True,
        bias=learned_bias(scope, node.input(2)),
    )
    piece = product_piece(node, scope, product, "constant kernel, channels last")
    added = node.input(3)
    steps = (Step("sum", ADDITION, added),) if added else ()
    return followed(piece, node, scope, (*steps, *activation_of(node)))


def _channels_last_shape(node: Node, scope: Scope) -> Sequence[tuple[int, tuple[int, ...]]]:
    shape, size = scope.shape(node.input(0)), scope.shape(node.input(1))
    kernel = node.integers("kernel_shape", size[2:])
    rank = len(kernel)
    strides = node.integers("strides", (1,) * rank)
    dilations = node.integers("dilations", (1,) * rank)
    pads = node.integers("pads", (0,) * (2 * rank))
    same = node.text("auto_pad", "NOTSET").startswith("SAME")
    spatial = []
    for axis in range(rank):
        extent = dilations[axis] * (kernel[axis] - 1) + 1
        padded = shape[1 + axis] + pads[axis] + pads[rank + axis]
        step = strides[axis]
        wide = -(-shape[1 + axis] // step) if same else (padded - extent) // step + 1
        spatial.append(wide)
    return [(scope.element_type(node.input(0)), (shape[0], *spatial, size[0]))]


def _flipped(shape: tuple[int, ...]) -> tuple[int, ...]:
    return (*shape[:-2], shape[-1], shape[-2]) if len(shape) > 1 else shape


def _batch_moved(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape that `transBatch` reads: the batch axes stand before the last axis in memory."""
    return (*shape[1:-1], shape[0], shape[-1])


def _operand_shapes(node: Node, scope: Scope) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The shapes that a FusedMatMul multiplies, after the transpositions in its attributes."""
    found = []
    for index, letter in enumerate("AB"):
        shape = scope.shape(node.input(index))
        if node.integer(f"transBatch{letter}", 0) and len(shape) > 2:
            shape = _batch_moved(shape)
        if node.integer(f"trans{letter}", 0):
            shape = _flipped(shape)
        found.append(shape)
    return found[0], found[1]


def _product_shape(node: Node, scope: Scope) -> Sequence[tuple[int, tuple[int, ...]]]:
    left, right = _operand_shapes(node, scope)
    if len(left) < 2 or len(right) < 2 or left[-1] != right[-2]:
        raise InputError(f"the operands {left} and {right} do not fit.", place=node.place)
    longer, shorter = sorted((left[:-2], right[:-2]), key=len, reverse=True)
    padded = (1,) * (len(longer) - len(shorter)) + shorter
    batch = tuple(max(pair) for pair in zip(longer, padded, strict=True))
    return [(scope.element_type(node.input(0)), (*batch, left[-2], right[-1]))]


def _fused_matmul(node: Node, scope: Scope) -> Sequence[Piece]:
    """alpha * A B with A and B transposed on the way; alpha goes into the scale of the result."""
    (piece,) = matmul(recast(node, "MatMul", (0, 1)), _turned(node, scope))
    return followed(piece, node, scope, activation_of(node))


def _turned(node: Node, scope: Scope) -> Scope:
    """A scope in which the operands of a FusedMatMul have the shapes that it multiplies."""
    # Only what the node sees: copies of all tensors for each node would grow with their square.
    near = (*node.inputs, *node.outputs)
    tensors = {name: scope.tensors[name] for name in near if name in scope.tensors}
    constants = {name: scope.constants[name] for name in near if name in scope.constants}
    for name, shape, letter in zip(node.inputs, _operand_shapes(node, scope), "AB", strict=False):
        constant = scope.constant(name)
        if constant is None:
            tensors[name] = replace(scope.info(name), shape=shape)
            continue
        flip = bool(node.integer(f"trans{letter}", 0))
        constants[name] = replace(
            constant,
            shape=shape,
            distinct=_flipped(constant.distinct) if flip else constant.distinct,
            flipped=constant.flipped != flip,
            value=None,
        )
    return replace(scope, tensors=tensors, constants=constants)


def _fused_gemm(node: Node, scope: Scope) -> Sequence[Piece]:
    (piece,) = gemm(recast(node, "Gemm", (0, 1, 2)), scope)
    return followed(piece, node, scope, activation_of(node))


def _gemm_gelu(node: Node, scope: Scope) -> Sequence[Piece]:
    """GemmFastGelu: a product, a bias, Gelu by tanh."""
    (piece,) = matmul(recast(node, "MatMul", (0, 1)), scope)
    steps = [Step("bias", ADDITION, node.input(2))] if node.input(2) else []
    return followed(piece, node, scope, [*steps, Step("gelu", FAST_GELU)])


def unpacked(constant: Constant, inputs: int, outputs: int) -> Constant:
    """A packed weight as the matrix [outputs, inputs] that it stands for."""
    count = inputs * outputs
    roots = tuple(Root(root.name, count, (outputs, inputs)) for root in constant.roots[:1])
    return replace(
        constant,
        shape=(outputs, inputs),
        distinct=(outputs, inputs),
        roots=roots,
        view=constant.view or constant.name,
        value=None,
    )


def _packed(node: Node, scope: Scope) -> Sequence[Piece]:
    """MatMulNBits and MatMulBnb4: the attributes K and N say what the packed bytes hold."""
    inputs, outputs = node.integer("K", 0), node.integer("N", 0)
    stored = scope.constant(node.input(1))
    if stored is None or inputs < 1 or outputs < 1:
        raise InputError("its packed weight is no constant of K x N.", place=node.place)
    bias = node.input(5) if node.op_type == "MatMulNBits" else ""
    product = Product(
        constant=unpacked(stored, inputs, outputs),
        inputs=inputs,
        outputs=outputs,
        vectors=scope.elements(node.outputs[0]) // outputs,
        outputs_first=True,
        bias=learned_bias(scope, bias),
    )
    return [product_piece(node, scope, product, "constant operand in few bits")]


def _packed_shape(node: Node, scope: Scope) -> Sequence[tuple[int, tuple[int, ...]]]:
    shape = scope.shape(node.input(0))
    if shape[-1] != node.integer("K", 0):
        raise InputError(
            f"its input {shape} does not end in K = {node.integer('K', 0)}.", place=node.place
        )
    return [(scope.element_type(node.input(0)), (*shape[:-1], node.integer("N", 0)))]


def _with_step(base: Rule) -> Rule:
    return rule(
        (*base.kinds, OpKind.ELEMENTWISE),
        f"{base.forward}; activation",
        f"{base.backward}; activation",
    )


_CONV, _MATMUL = _with_step(CONVOLUTION_RULE), _with_step(MATMUL_RULE)
_convolved = shaped_as("Conv", (0, 1, 2))
OPERATORS = (
    Operator("FusedConv", fused_convolution, domain=_MICROSOFT, shapes=_convolved, rule=_CONV),
    *(
        Operator(
            op_type, _channels_last, domain=_MICROSOFT, shapes=_channels_last_shape, rule=_CONV
        )
        for op_type in ("NhwcConv", "NhwcFusedConv")
    ),
    *(
        Operator(op_type, _fused_matmul, domain=_MICROSOFT, shapes=_product_shape, rule=_MATMUL)
        for op_type in ("FusedMatMul", "TransposeMatMul", "FusedMatMulActivation")
    ),
    Operator(
        "FusedGemm",
        _fused_gemm,
        domain=_MICROSOFT,
        shapes=shaped_as("Gemm", (0, 1, 2)),
        rule=_MATMUL,
    ),
    Operator(
        "GemmFastGelu",
        _gemm_gelu,
        domain=_MICROSOFT,
        shapes=shaped_as("MatMul", (0, 1)),
        rule=_MATMUL,
    ),
    *(
        Operator(op_type, _packed, domain=_MICROSOFT, shapes=_packed_shape, rule=MATMUL_RULE)
        for op_type in ("MatMulNBits", "MatMulBnb4")
    ),
)
