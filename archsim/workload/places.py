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


def where_it_runs(op: Op) -> str:
    """The part of a chip that an operator occupies, or `free` if only metadata changes."""
    if op.kind is OpKind.MOVEMENT and op.forward == NO_WORK:
        return FREE
    return _PLACES.get(op.kind, _VECTOR_UNIT)
