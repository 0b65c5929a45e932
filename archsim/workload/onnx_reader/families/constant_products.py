"""Which products of two constants train, and so are not folded (see `constant_rows`)."""

from __future__ import annotations

import math
from collections.abc import Mapping

from archsim.workload.onnx_reader.constants import Constant
from archsim.workload.onnx_reader.families.constant_rows import is_learned, is_matrix
from archsim.workload.onnx_reader.families.einsum import parse
from archsim.workload.onnx_reader.nodes import Node
from archsim.workload.onnx_reader.operators import Scope

_PRODUCTS = frozenset({"MatMul", "Gemm", "Einsum"})
_CONVOLUTIONS = frozenset({"Conv", "ConvTranspose"})
# Where an operand is a kernel or a matrix, and no vectors that pass through one.
_KERNEL_SLOTS: Mapping[str, tuple[int, ...]] = {
    **dict.fromkeys(_CONVOLUTIONS, (1,)),
    **dict.fromkeys(("LSTM", "GRU", "RNN"), (1, 2)),
}
_MATRIX_SLOTS: Mapping[str, tuple[int, ...]] = {"MatMul": (1,), "Gemm": (1,), **_KERNEL_SLOTS}
# What leaves a matrix a matrix: its product with a scale, its sum with another matrix.
_MATRIX_KEEPING = frozenset({"Transpose", "Cast", "Identity", "Mul", "Div", "Neg"})
_KERNEL_KEEPING = _MATRIX_KEEPING | {"Reshape", "Unsqueeze", "Squeeze", "Slice", "Pad"}
_SUMS = frozenset({"Add", "Sub"})


def is_constant_product(node: Node, scope: Scope) -> bool:
    """Whether a product of two constants trains, and so must not be folded.

    It does if one operand is learned and the other is not (the first step of an unrolled cell, whose
    initial state is zero; a table of positions), or if both are learned and one is a stored matrix:
    unless the product is a kernel, or a matrix that others are multiplied by (a low-rank addition to
    a weight), which then is computed in every step.
    An outer product has nothing to sum (positions times frequencies).
    """
    if node.domain or node.op_type not in _PRODUCTS | _CONVOLUTIONS:
        return False
    first, second = (scope.constant(node.input(index)) for index in (0, 1))
    if first is None or second is None:
        return False
    learned = [is_learned(operand) for operand in (first, second)]
    if all(learned) and _leads_to(node, scope, _KERNEL_SLOTS, _KERNEL_KEEPING):
        return False
    if node.op_type in _CONVOLUTIONS:
        return is_matrix(second)
    contracted = _contracted(node, first, second)
    if contracted == 1 or not any(learned):
        return False
    if not all(learned):
        return True
    if not (is_matrix(first) or is_matrix(second)) or min(len(first.shape), len(second.shape)) < 2:
        return False
    fixed = first.from_node or second.from_node
    return fixed or not _is_low_rank(node, scope, first, second)


def _contracted(node: Node, first: Constant, second: Constant) -> int:
    """How many products each element of the result is a sum of."""
    if node.op_type != "Einsum":
        axis = 0 if node.integer("transA", 0) else -1
        return first.shape[axis] if first.shape else 1
    if len(node.inputs) != 2:
        return 1
    (left, right), result = parse(node.text("equation"), (len(first.shape), len(second.shape)))
    both = (set(left) & set(right)) - set(result)
    return math.prod(first.shape[left.index(label)] for label in both)


def _is_low_rank(node: Node, scope: Scope, first: Constant, second: Constant) -> bool:
    """Whether two stored matrices make one that others are multiplied by."""
    stored = bool(first.view and second.view) and len(first.shape) == len(second.shape) == 2
    return stored and _leads_to(node, scope, _MATRIX_SLOTS, _MATRIX_KEEPING)


def _leads_to(
    node: Node, scope: Scope, slots: Mapping[str, tuple[int, ...]], through: frozenset[str]
) -> bool:
    """Whether the result gets into one of these operands, by way of these operators or a sum."""
    stack, seen = [node.outputs[0]], {node.outputs[0]}
    while stack:
        name = stack.pop()
        for reader in scope.consumers.get(name, ()):
            places = () if reader.domain else slots.get(reader.op_type, ())
            if any(reader.input(place) == name for place in places):
                return True
            if reader.op_type in through or _adds_to_matrix(reader, scope, name):
                stack += [output for output in reader.outputs if output not in seen]
                seen.update(reader.outputs)
    return False


def _adds_to_matrix(reader: Node, scope: Scope, name: str) -> bool:
    """Whether `reader` adds the tensor to a stored matrix; a vector would be a layer's bias."""
    if reader.op_type not in _SUMS:
        return False
    others = [scope.constant(other) for other in reader.inputs if other != name]
    return all(other is not None and is_matrix(other) for other in others)
