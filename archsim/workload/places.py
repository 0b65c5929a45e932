"""Where an operator runs, unless a mapping decides otherwise."""

from __future__ import annotations

from types import MappingProxyType

from archsim.workload.graph import NO_WORK, Op, OpKind

ARRAYS = "arrays"
FREE = "free"
_VECTOR_UNIT = "vector unit"
# Kinds that are not named run on the vector unit; movement is decided by its work.
_PLACES = MappingProxyType(
    {
        OpKind.WEIGHT_MATMUL: ARRAYS,
        OpKind.DYNAMIC_MATMUL: "matrix unit",
        OpKind.EMBEDDING: "memory",
        OpKind.MOVEMENT: "memory",
    }
)


def place_of(kind: OpKind) -> str:
    """The part of a chip that operators of a kind occupy."""
    return _PLACES.get(kind, _VECTOR_UNIT)


def where_it_runs(op: Op) -> str:
    """The part of a chip that an operator occupies, or `free` if only metadata changes."""
    if op.kind is OpKind.MOVEMENT and op.forward == NO_WORK:
        return FREE
    if op.weight is not None and op.weight.content:
        return place_of(OpKind.DYNAMIC_MATMUL)  # a matrix that every step computes anew
    return place_of(op.kind)
