"""Operators that say what runs, and pass tensors on in lists: replaced while the graph is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, TypeAlias

from archsim.workload.onnx_reader import control_flow, sequences
from archsim.workload.onnx_reader.nodes import Node

if TYPE_CHECKING:
    from archsim.workload.onnx_reader.trace import Tracer

StructureKind: TypeAlias = Literal["control flow", "sequence"]


@dataclass(frozen=True, slots=True)
class Structural:
    """An operator that is replaced by what it runs or holds; `rule` says by what."""

    kind: StructureKind
    expand: Callable[[Node, Tracer], None]
    rule: str


STRUCTURAL: Mapping[str, Structural] = MappingProxyType(
    {
        "If": Structural(
            "control flow", control_flow.expand_if, "the known branch, else the heavier"
        ),
        "Loop": Structural("control flow", control_flow.expand_loop, "unrolled"),
        "Scan": Structural("control flow", control_flow.expand_scan, "unrolled"),
        "SequenceMap": Structural(
            "control flow", control_flow.expand_sequence_map, "its body per element"
        ),
        "SequenceConstruct": Structural("sequence", sequences.expand_construct, "its inputs"),
        "SequenceEmpty": Structural("sequence", sequences.expand_empty, "nothing"),
        "SequenceInsert": Structural("sequence", sequences.expand_insert, "a longer list"),
        "SequenceErase": Structural("sequence", sequences.expand_erase, "a shorter list"),
        "SequenceAt": Structural("sequence", sequences.expand_at, "the element"),
        "SequenceLength": Structural("sequence", sequences.expand_length, "a known number"),
        "SplitToSequence": Structural("sequence", sequences.expand_split, "Split"),
        "ConcatFromSequence": Structural("sequence", sequences.expand_concat, "Concat"),
        "Optional": Structural("sequence", sequences.expand_optional, "what it holds"),
        "OptionalGetElement": Structural("sequence", sequences.expand_get, "what it holds"),
        "OptionalHasElement": Structural("sequence", sequences.expand_has, "a known truth value"),
    }
)


def structural(node: Node) -> Structural | None:
    """The structural operator of a node, or None."""
    return STRUCTURAL.get(node.op_type) if node.domain == "" else None
