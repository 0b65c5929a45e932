"""Scaled dot-product attention as exporters take it apart: one Attention operator again.

PyTorch's exporters write `scaled_dot_product_attention` with query and transposed key each
multiplied by the square root of the scale, which models that write attention out themselves do not
do.  What has that form is the fused operator, and keeps what that keeps.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from archsim.workload.graph import OpKind
from archsim.workload.onnx_reader.operators import Scope
from archsim.workload.onnx_reader.patterns.pattern import ChainPattern, Match
from archsim.workload.onnx_reader.patterns.pricing import Operator, finished, stand_in_node
from archsim.workload.onnx_reader.patterns.structure import Structure


@dataclass(frozen=True, slots=True)
class _Scaled:
    """An operand of the scores' product before it was multiplied by a number."""

    tensor: str
    factor: float
    index: int


def _find(structure: Structure, index: int) -> Match | None:
    piece, scope = structure.piece(index), structure.scope
    result = piece.outputs[0]
    last, first = structure.only_reader(result), structure.made_by(piece.inputs[0], "MatMul")
    if last is None or first is None or structure.op_type(last) != "MatMul":
        return None
    if structure.node(last).input(0) != result or scope.constant(structure.node(last).input(1)):
        return None
    query = _scaled(structure, structure.node(first).input(0))
    key = _scaled(structure, structure.node(first).input(1))
    if query is None or key is None or abs(query.factor - key.factor) > 1e-3 * abs(key.factor):
        return None
    members = {first, index, last, query.index, key.index}
    output = structure.piece(last).outputs[0]
    if not structure.closed(members, output):
        return None
    return _attention(structure, members, (query.tensor, key.tensor), last, output)


def _scaled(structure: Structure, tensor: str) -> _Scaled | None:
    index = structure.made_by(tensor, "Mul")
    if index is None or structure.only_reader(tensor) is None:
        return None
    node, scope = structure.node(index), structure.scope
    constants = [c for n in node.inputs if (c := scope.constant(n)) is not None]
    number = constants[0].number if len(constants) == 1 else None
    if number is None:
        return None
    return _Scaled(structure.piece(index).inputs[0], number, index)


def _attention(
    structure: Structure, members: set[int], operands: tuple[str, str], last: int, output: str
) -> Match | None:
    from archsim.workload.onnx_reader.registry import OPERATORS

    scope = structure.scope
    query, key = operands
    value = structure.node(last).input(1)
    first, transposed, third = scope.shape(query), scope.shape(key), scope.shape(value)
    if not 3 <= len(first) == len(transposed) == len(third) <= 4:
        return None
    second = (*transposed[:-2], transposed[-1], transposed[-2])
    softmax = next(i for i in members if structure.piece(i).kind is OpKind.SOFTMAX)
    masks = list(structure.piece(softmax).inputs[1:])
    four = (1,) * (4 - len(first))
    shapes = zip((query, key, value), (first, second, third), strict=True)
    tensors = {n: replace(scope.info(n), shape=(*four, *shape)) for n, shape in shapes}
    tensors |= {n: scope.info(n) for n in (*masks[:1], output)}
    node = stand_in_node(
        structure.node(last), Operator("Attention"), (query, key, value, *masks[:1]), (output,)
    )
    seen = Scope(tensors, {}, {}, frozenset())
    (piece,) = OPERATORS["", "Attention"].handler(node, seen)
    written = [p for i in sorted(members) for p in structure.piece(i).dynamic]
    if sum(p.macs for p in piece.dynamic) != sum(p.macs for p in written):
        return None
    reads = tuple(read for i in sorted(members) for read in structure.piece(i).reads)
    inputs = tuple(dict.fromkeys((*piece.inputs, *masks)))
    piece = replace(piece, inputs=inputs, reads=(*piece.reads, *reads))
    return Match(frozenset(members), (node, finished(structure, members, piece)))


PATTERN = ChainPattern("attention", frozenset({"Softmax"}), _find)
