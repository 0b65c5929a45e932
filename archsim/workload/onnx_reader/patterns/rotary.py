"""Rotary position embedding written out: x cos + rotate(x) sin.

`rotate` swaps halves (or neighbours) of the last axis and negates one of them, through Slice or
Split, Neg and Concat (Su et al. 2021, arXiv:2104.09864).  Per element two multiplications and one
addition, forward and backward; the backward rotates the other way and needs the tables only.
"""

from __future__ import annotations

from dataclasses import replace

from archsim.workload.graph import DigitalWork, OpKind, Saved
from archsim.workload.onnx_reader.families.stored_operands import UNDECIDED
from archsim.workload.onnx_reader.operators import Piece, per_element
from archsim.workload.onnx_reader.patterns.pattern import ChainPattern, Match
from archsim.workload.onnx_reader.patterns.pricing import Operator, finished, stand_in_node
from archsim.workload.onnx_reader.patterns.structure import Structure

_PARTS = ("Slice", "Split")
_STACKING = frozenset({"Unsqueeze", "Reshape", "Identity", "Cast"})


def _find(structure: Structure, index: int) -> Match | None:
    node = structure.node(index)
    terms = [structure.made_by(name, "Mul") for name in node.inputs]
    if len(terms) != 2 or terms[0] is None or terms[1] is None:
        return None
    for plain, turned in ((terms[0], terms[1]), (terms[1], terms[0])):
        found = _rotation(structure, plain, turned)
        if found is None:
            continue
        source, members = found
        members |= {index, plain, turned}
        result = structure.piece(index).outputs[0]
        if structure.scope.shape(source) == structure.scope.shape(result) and structure.closed(
            members, result
        ):
            return _match(structure, members, source, result, index)
    return None


def _rotation(structure: Structure, plain: int, turned: int) -> tuple[str, set[int]] | None:
    """The tensor that `plain` multiplies and `turned` multiplies rotated, and the pieces between."""
    for name in structure.node(turned).inputs:
        joined, members = structure.behind(name, _STACKING)
        concat = structure.made_by(joined, "Concat")
        if concat is None:
            continue
        halves = [_half(structure, part) for part in structure.node(concat).inputs]
        if len(halves) != 2:
            return None
        one, two = halves
        if one is None or two is None:
            return None
        (first, negated, before), (second, other, after) = one, two
        if first != second or negated == other:
            return None
        if first not in structure.node(plain).inputs:
            return None
        return first, {*members, concat, *before, *after}
    return None


def _half(structure: Structure, tensor: str) -> tuple[str, bool, list[int]] | None:
    """What `tensor` is a part of, whether it is negated, and the pieces between."""
    tensor, members = structure.behind(tensor, _STACKING)
    negation = structure.made_by(tensor, "Neg")
    if negation is not None:
        members = [*members, negation]
        tensor = structure.piece(negation).inputs[0]
    tensor, more = structure.behind(tensor, _STACKING)
    index = structure.made_by(tensor, *_PARTS)
    if index is None:
        return None
    return structure.piece(index).inputs[0], negation is not None, [*members, *more, index]


def _match(structure: Structure, members: set[int], source: str, result: str, index: int) -> Match:
    scope = structure.scope
    count = scope.elements(result)
    made = {name for i in members for name in structure.piece(i).outputs}
    outside = [n for i in sorted(members) for n in structure.piece(i).inputs if n not in made]
    inputs = tuple(dict.fromkeys((source, *outside)))
    tables = [name for name in inputs if name != source]
    kept = tuple(Saved(name, scope.elements(name)) for name in tables)
    read = sum(entry.elements for entry in kept)
    stored = sum(structure.piece(i).forward.read_parameters for i in members)
    work = per_element(count, add=1, mul=2)
    traffic = DigitalWork(read=count + read, written=count, read_parameters=stored)
    piece = Piece(
        kind=OpKind.ELEMENTWISE,
        inputs=inputs,
        outputs=(result,),
        reason="rotates pairs of elements by their position",
        forward=work + traffic,
        backward=work + traffic,
        saved=kept,
    )
    node = stand_in_node(structure.node(index), Operator("RotaryEmbedding"), inputs, (result,))
    whole = finished(structure, members, piece)
    # What was not known of the factors alone, is now: they are rotary tables.
    notes = tuple(note for note in whole.notes if note.code not in UNDECIDED)
    return Match(frozenset(members), (node, replace(whole, notes=notes)))


PATTERN = ChainPattern("rotary_embedding", frozenset({"Add"}), _find)
