"""Scaling, masking and softmax of attention scores: one pass over the scores.

From a product of two activations to the softmax: multiplications and divisions by a number,
additions of a mask or position bias, selections by a mask, and the selection of zero where a row
had nothing to attend to.  The operations are those of the parts; the scores are read and written
once, and only the softmax's result is kept.
"""

from __future__ import annotations

from dataclasses import replace

from archsim.workload.graph import DigitalWork, OpKind, Saved
from archsim.workload.onnx_reader.operators import Piece
from archsim.workload.onnx_reader.patterns.pattern import ChainPattern, Match
from archsim.workload.onnx_reader.patterns.pricing import finished
from archsim.workload.onnx_reader.patterns.structure import Structure

_STEPS = frozenset({"Mul", "Div", "Add", "Sub", "Where", "Cast", "Identity"})
_SCALING = frozenset({"Mul", "Div"})


def _find(structure: Structure, index: int) -> Match | None:
    members = {index}
    tensor = structure.piece(index).inputs[0]
    while (step := _step(structure, tensor)) is not None:
        before, source = step
        members.add(before)
        tensor = source
    made = structure.producer(tensor)
    if made is None or structure.piece(made).kind is not OpKind.DYNAMIC_MATMUL:
        return None
    result = _guarded(structure, structure.piece(index).outputs[0], members)
    if len(members) == 1 or not structure.closed(members, result):
        return None
    piece = _piece(structure, sorted(members), tensor, result)
    return Match(frozenset(members), (structure.node(index), finished(structure, members, piece)))


def _step(structure: Structure, tensor: str) -> tuple[int, str] | None:
    """The step that made `tensor`, which nothing else reads, and the scores that it changed."""
    index, scope = structure.producer(tensor), structure.scope
    if index is None or structure.op_type(index) not in _STEPS:
        return None
    if structure.only_reader(tensor) is None:
        return None
    node, shape = structure.node(index), scope.shape(tensor)
    choices = node.inputs[1:] if node.op_type == "Where" else node.inputs
    scores = [n for n in choices if scope.constant(n) is None and scope.shape(n) == shape]
    if node.op_type in _SCALING:
        scaled = [
            n for n in node.inputs if (c := scope.constant(n)) is not None and c.elements == 1
        ]
        return (index, scores[0]) if len(scores) == 1 and scaled else None
    for name in scores:
        if _from_product(structure, name):
            return index, name
    return None


def _from_product(structure: Structure, tensor: str) -> bool:
    """Whether `tensor` comes from a product of activations through steps of this pattern."""
    for _ in range(8):
        index = structure.producer(tensor)
        if index is None:
            return False
        if structure.piece(index).kind is OpKind.DYNAMIC_MATMUL:
            return True
        if structure.op_type(index) not in _STEPS:
            return False
        shape = structure.scope.shape(tensor)
        same = [n for n in structure.piece(index).inputs if structure.scope.shape(n) == shape]
        if not same:
            return False
        tensor = same[0]
    return False


def _guarded(structure: Structure, result: str, members: set[int]) -> str:
    """The result behind a selection of zero where it is not a number, if there is one."""
    if len(structure.readers(result)) != 2:
        return result
    readers = sorted(structure.readers(result))
    if structure.op_type(readers[0]) != "IsNaN":
        return result
    test, choice = readers
    asked = structure.node(choice)
    if asked.op_type != "Where" or asked.input(0) != structure.piece(test).outputs[0]:
        return result
    members.update(readers)
    return structure.piece(choice).outputs[0]


def _piece(structure: Structure, members: list[int], scores: str, result: str) -> Piece:
    scope, parts = structure.scope, [structure.piece(index) for index in members]
    made = {name for part in parts for name in part.outputs}
    outside = [n for part in parts for n in part.inputs if n not in made and n != scores]
    inputs = tuple(dict.fromkeys((scores, *outside)))
    forward = sum((part.forward for part in parts), DigitalWork())
    backward = sum((part.backward for part in parts), DigitalWork())
    count = scope.elements(result)
    gradients = sum(scope.elements(name) for name in inputs if scope.differentiable(name))
    read = sum(scope.elements(name) for name in inputs)
    softmax = next(part for part in parts if part.kind is OpKind.SOFTMAX)
    return replace(
        softmax,
        inputs=inputs,
        outputs=(result,),
        reason="scales, masks and normalises attention scores",
        forward=replace(forward, read=read, written=count),
        backward=replace(backward, read=2 * count, written=gradients),
        saved=(Saved(result, count),),
        reads=tuple(read_ for part in parts for read_ in part.reads),
    )


PATTERN = ChainPattern("attention_scores", frozenset({"Softmax"}), _find)
