"""A recognised operator, costed by its family's rule as if the file held that operator."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from onnx import TensorProto, helper

from archsim.workload.graph import Saved, TensorInfo
from archsim.workload.onnx_reader.constants import Constant
from archsim.workload.onnx_reader.nodes import Node
from archsim.workload.onnx_reader.operators import Piece, Scope
from archsim.workload.onnx_reader.patterns.structure import Placed, Structure


@dataclass(frozen=True, slots=True)
class Operator:
    """The operator that a subgraph is: its type, its stored operands, and its attributes.

    `shape` is the shape under which its rule sees the input where that is not the tensor's own (a
    normalisation of axes that are not the last ones).  `framework_saved` is what PyTorch keeps for
    the subgraph where that is not what it keeps for the operator.
    """

    op_type: str
    operands: tuple[Constant, ...] = ()
    attributes: Mapping[str, int | float | str] | None = None
    shape: tuple[int, ...] | None = None
    framework_saved: tuple[Saved, ...] | None = None
    version: int = 23


def stand_in_node(
    last: Node, operator: Operator, inputs: Sequence[str], outputs: Sequence[str]
) -> Node:
    """A node of the operator, under the name of the last of those that it stands for."""
    attributes: dict[str, Any] = dict(operator.attributes or {})
    proto = helper.make_node(operator.op_type, list(inputs), list(outputs), last.name, **attributes)
    return replace(
        last,
        op_type=operator.op_type,
        domain="",
        version=operator.version,
        inputs=tuple(inputs),
        outputs=tuple(outputs),
        proto=proto,
        attributes={attribute.name: attribute for attribute in proto.attribute},
    )


def price(
    structure: Structure,
    members: Collection[int],
    source: str,
    result: str,
    operator: Operator,
) -> Placed:
    """The piece of `operator` from `source` to `result`, in the place of `members`."""
    # The registry knows all families, and its package reads networks through this one.
    from archsim.workload.onnx_reader.registry import OPERATORS

    scope, last = structure.scope, structure.node(max(members))
    operands = {f"{source}/operand {i}": constant for i, constant in enumerate(operator.operands)}
    node = stand_in_node(last, operator, (source, *operands), (result,))
    tensors = {name: scope.info(name) for name in (source, result)}
    if operator.shape is not None:
        tensors[source] = replace(tensors[source], shape=operator.shape)
    seen = Scope(tensors, operands, {}, frozenset())
    (piece,) = OPERATORS["", operator.op_type].handler(node, seen)
    return node, finished(structure, members, piece, operator.framework_saved)


def finished(
    structure: Structure,
    members: Collection[int],
    piece: Piece,
    framework_saved: tuple[Saved, ...] | None = None,
) -> Piece:
    """`piece` with the names of the nodes that it stands for, and with their remarks."""
    ordered = sorted(members)
    names = ", ".join(f"'{structure.node(index).name}'" for index in ordered)
    notes = tuple(note for index in ordered for note in structure.piece(index).notes)
    return replace(
        piece,
        reason=f"{piece.reason}, recognised in {len(ordered)} nodes: {names}",
        notes=(*piece.notes, *notes),
        framework_saved=framework_saved,
    )


def ones(name: str, size: int) -> Constant:
    """A stored vector that no tensor of the file is: a scale of one."""
    return Constant(name, (size,), TensorProto.FLOAT, distinct=(size,))


def internal(name: str, like: TensorInfo, shape: tuple[int, ...]) -> TensorInfo:
    """A tensor inside a fused operator, of the type of `like`."""
    return TensorInfo(name, shape, like.bytes_per_element)
