"""Gather: rows of a learned table are an embedding, parts of an activation a movement."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import replace

from archsim.workload.graph import DigitalWork, OpKind, ParameterRole, Saved
from archsim.workload.onnx_reader.constants import Constant, Routing
from archsim.workload.onnx_reader.families.movement import movement, part_of_tensor
from archsim.workload.onnx_reader.nodes import Node
from archsim.workload.onnx_reader.operators import (
    Operator,
    Piece,
    Read,
    Scope,
    data_keeps_sign,
    rule,
)

# Where a table read by known indices ends up if it is a matmul weight, and not an embedding.
_WEIGHT_READERS = frozenset(
    {
        "MatMul",
        "Gemm",
        "Conv",
        "ConvTranspose",
        "LSTM",
        "GRU",
        "RNN",
        "Einsum",
        "Transpose",
        "Concat",
        "Slice",
        "Split",
    }
)
RESHAPING = frozenset({"Reshape", "Unsqueeze", "Squeeze", "Expand", "Cast", "Identity"})
_BIAS_READERS = frozenset({"Add", "Sum", "Where"})
# What may stand between a stack of matrices and the product by the chosen ones.
_ON_THE_WAY = RESHAPING | {"Transpose", "DequantizeLinear", "Slice", "Split"}
_PRODUCTS = frozenset({"MatMul", "Gemm", "Einsum"})
_FARTHEST_READER = 256


def is_constant_lookup(node: Node, scope: Scope) -> bool:
    """Whether a Gather with known indices is an embedding, which trains, and not a weight's part.

    It reads rows of a stored matrix by several indices, such as positions, and the rows are not
    weights of a product; rows that are only multiplied are tables (rotary factors).
    """
    table, indices = scope.constant(node.input(0)), scope.constant(node.input(1))
    if table is None or indices is None or node.op_type != "Gather":
        return False
    rows = table.floating and bool(table.view) and len(table.shape) == 2
    if not rows or node.integer("axis", 0) != 0 or not indices.shape or table.shape[1] == 1:
        return False
    # A position bias is turned to the scores' order of axes before it is added to them.
    if readers_of(node.outputs[0], scope, RESHAPING | {"Transpose", "Slice"}) <= _BIAS_READERS:
        return True
    readers = readers_of(node.outputs[0], scope)
    return not (readers & _WEIGHT_READERS) and readers != {"Mul"}


def readers_of(name: str, scope: Scope, through: frozenset[str] = RESHAPING) -> set[str]:
    """Types of the operators that read `name`, also through those named in `through`.

    Only the nearest operators are looked at: an answer is a few steps away or does not matter, and
    going through all that follows, for each of many, would grow with the square of a file's size.
    """
    found: set[str] = set()
    waiting, steps = deque([name]), 0
    while waiting and steps < _FARTHEST_READER:
        for reader in scope.consumers.get(waiting.popleft(), ()):
            if reader.op_type in through:
                waiting.extend(reader.outputs)
            else:
                found.add(reader.op_type)
        steps += 1
    return found


def _gather(node: Node, scope: Scope) -> Sequence[Piece]:
    table = scope.constant(node.input(0))
    if table is None:
        part, source = scope.elements(node.outputs[0]), scope.elements(node.input(0))
        forward = DigitalWork(read=part, written=part)
        backward = DigitalWork(add=max(part - source, 0), read=part, written=source)
        return [movement(node, scope, "copies a part", forward, backward)]
    if not table.floating and not _quantised_rows(node, scope):
        size = scope.elements(node.outputs[0])
        forward = DigitalWork(read=scope.elements(node.input(1)) + size, written=size)
        return [movement(node, scope, "looks up constants", forward)]
    return [_lookup(node, scope)]


def _quantised_rows(node: Node, scope: Scope) -> bool:
    """Whether the node reads rows of a learned table that is stored in few bits."""
    table = scope.constant(node.input(0))
    readers = readers_of(node.outputs[0], scope, RESHAPING | {"Transpose"})
    return table is not None and bool(table.view) and readers == {"DequantizeLinear"}


def _lookup(node: Node, scope: Scope) -> Piece:
    """Rows of a table by index; backward adds each error to its row (a sparse scatter)."""
    table, indices = scope.constants[node.input(0)], node.input(1)
    size, count = scope.elements(node.outputs[0]), scope.elements(indices)
    # A table that was computed (rotary factors, masks) is looked up the same way, but not learned.
    learned = bool(table.view)
    saved = () if scope.constant(indices) is not None else (Saved(indices, count),)
    backward = DigitalWork(add=size, read=size + count, written=size, read_parameters=size)
    return Piece(
        kind=OpKind.EMBEDDING,
        inputs=scope.activations(node),
        outputs=(node.outputs[0],),
        reason="rows of a learned table" if learned else "rows of a constant table",
        forward=DigitalWork(read=count, written=size, read_parameters=size),
        backward=backward if learned else DigitalWork(),
        saved=saved if learned else (),
        reads=(Read(table, ParameterRole.EMBEDDING),) if learned else (),
    )


def _takes_rows(node: Node, scope: Scope) -> bool:
    """Whether the node takes whole entries of its first axis, one for each index."""
    if node.domain == "" and node.op_type == "Gather":
        return node.integer("axis", 0) == 0
    if node.domain == "" and node.op_type == "GatherND" and not node.integer("batch_dims", 0):
        return scope.shape(node.input(1))[-1] == 1
    return False


def chosen_matrices(node: Node, scope: Scope) -> Constant | None:
    """The matrices that a Gather takes from a stored stack by a computed index, or None.

    They are weights of the products that follow (mixtures of experts): all are held on arrays, and
    the products take those that are chosen.
    """
    stack, indices = scope.constant(node.input(0)), node.input(1)
    if stack is None or scope.constant(indices) is not None or len(stack.distinct) < 3:
        return None
    if not _takes_rows(node, scope):
        return None
    readers = readers_of(node.outputs[0], scope, _ON_THE_WAY)
    if not stack.view or not readers or not readers <= _PRODUCTS:
        return None
    chosen = scope.shape(indices)
    shape = (*(chosen[:-1] if node.op_type == "GatherND" else chosen), *stack.shape[1:])
    return replace(
        stack,
        name=node.outputs[0],
        shape=shape,
        distinct=shape,
        value=None,
        routing=Routing(indices, stack.shape[0]),
    )


def _gathered(node: Node, scope: Scope) -> Sequence[Piece]:
    """GatherElements, GatherND: parts of a learned table, or of an activation."""
    table = scope.constant(node.input(0))
    if table is None or not table.floating:
        return part_of_tensor(node, scope)
    return [_lookup(node, scope)]


_RULE = rule(
    (OpKind.EMBEDDING, OpKind.MOVEMENT),
    "reads n elements of a table",
    "adds n errors to rows of the table",
)
OPERATORS = (
    Operator(
        "Gather",
        _gather,
        data_keeps_sign,
        straight_through=_quantised_rows,
        rule=_RULE,
    ),
    *(
        Operator(op_type, _gathered, data_keeps_sign, rule=_RULE)
        for op_type in ("GatherElements", "GatherND")
    ),
)
