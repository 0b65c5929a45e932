"""The pass: every pattern in turn over the pieces of a network."""

from __future__ import annotations

from collections.abc import Sequence

from archsim.workload.onnx_reader.operators import Scope
from archsim.workload.onnx_reader.patterns import (
    attention,
    gelu,
    group_norm,
    hard_swish,
    layer_norm,
    mish,
    rms_norm,
    rotary,
    scores,
    softmax,
    swish,
)
from archsim.workload.onnx_reader.patterns.cone import Cone, cones, results_above, understood
from archsim.workload.onnx_reader.patterns.pattern import ChainPattern, ConePattern
from archsim.workload.onnx_reader.patterns.pricing import Operator, price
from archsim.workload.onnx_reader.patterns.structure import Placed, Structure

# Functions of one tensor first: the chains are made of them.
CONES: tuple[ConePattern, ...] = (
    gelu.PATTERN,
    mish.PATTERN,
    swish.PATTERN,
    hard_swish.PATTERN,
    softmax.PATTERN,
    layer_norm.PATTERN,
    rms_norm.PATTERN,
)
CHAINS: tuple[ChainPattern, ...] = (
    group_norm.PATTERN,
    scores.PATTERN,
    attention.PATTERN,
    rotary.PATTERN,
)
PATTERN_NAMES: tuple[str, ...] = (
    *(pattern.name for pattern in CONES),
    *(pattern.name for pattern in CHAINS),
)


def fuse_patterns(pieces: Sequence[Placed], scope: Scope) -> list[Placed]:
    """`pieces` with every recognised subgraph replaced by the operator that it is.

    The products in them, and what their results are, stay as they are.
    """
    structure = Structure(pieces, scope)
    for cone in CONES:
        if not _anchors(structure, cone.finals):
            continue  # no such function can end here
        for index in _anchors(structure, cone.anchors):
            if structure.has(index):
                _fuse_cone(structure, cone, index)
    for chain in CHAINS:
        for index in _anchors(structure, chain.anchors):
            match = chain.find(structure, index) if structure.has(index) else None
            if match is not None:
                structure.replace(match.members, match.placed)
    return structure.pieces


def _anchors(structure: Structure, op_types: frozenset[str]) -> list[int]:
    return sorted(index for op_type in op_types for index in structure.of_type(op_type))


def _fuse_cone(structure: Structure, pattern: ConePattern, anchor: int) -> None:
    for last in results_above(structure, anchor, pattern.finals, pattern.largest):
        found: tuple[Cone, Operator] | None = None
        for source, members in cones(structure, last, pattern.largest):
            if anchor not in members:
                continue
            cone = understood(structure, source, last, members)
            operator = None if cone is None else pattern.recognise(structure, cone)
            if cone is not None and operator is not None:
                found = cone, operator
                if not pattern.invariant:
                    break
        if found is not None:
            cone, operator = found
            start, whole = _with_casts(structure, cone.source, frozenset(cone.members))
            placed = price(structure, whole, start, cone.result, operator)
            structure.replace(whole, placed)
            return


def _with_casts(
    structure: Structure, source: str, members: frozenset[int]
) -> tuple[str, frozenset[int]]:
    """`members` and the casts in front of them that nothing else reads, with what they start from."""
    while (index := structure.made_by(source, "Cast", "Identity")) is not None:
        inputs = structure.piece(index).inputs
        outside = source in structure.scope.results or not set(structure.readers(source)) <= members
        if outside or len(inputs) != 1 or not structure.scope.differentiable(inputs[0]):
            break
        source, members = inputs[0], members | {index}
    return source, members
