"""Nodes that exporters write against the standard, and what they mean.

PyTorch's exporter hands on a permutation with negative axes as the source gave it, and writes a
batch normalisation with the five outputs of opsets below 14 also where the standard has fewer.
Both have one meaning, so they are read, with a note.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from onnx import AttributeProto, NodeProto

from archsim.workload.graph import Note

# From this opset on a batch normalisation has three outputs in training, and else one.
_FEWER_OUTPUTS_SINCE = 14
_OLD_OUTPUTS = 5
# Permutations that are longer belong to no tensor, and are refused elsewhere.
_MOST_AXES = 64
_SHOWN = 3


def _counted_from_the_end(node: NodeProto, version: int) -> NodeProto | None:
    """A Transpose whose axes are all counted from the front, if some are not."""
    for index, attribute in enumerate(node.attribute):
        rank = len(attribute.ints)
        if attribute.name != "perm" or attribute.type != AttributeProto.INTS:
            continue
        if rank > _MOST_AXES or not any(axis < 0 for axis in attribute.ints):
            return None
        if any(axis < -rank for axis in attribute.ints):
            return None
        changed = NodeProto()
        changed.CopyFrom(node)
        changed.attribute[index].ints[:] = [axis % rank for axis in attribute.ints]
        return changed
    return None


def _of_an_older_opset(node: NodeProto, version: int) -> NodeProto | None:
    """A batch normalisation without the saved statistics, which its opset does not have."""
    if version < _FEWER_OUTPUTS_SINCE or len(node.output) != _OLD_OUTPUTS:
        return None
    trains = any(entry.name == "training_mode" and entry.i for entry in node.attribute)
    changed = NodeProto()
    changed.CopyFrom(node)
    del changed.output[3 if trains else 1 :]
    return changed


_CORRECTIONS: Mapping[str, Callable[[NodeProto, int], NodeProto | None]] = {
    "Transpose": _counted_from_the_end,
    "BatchNormalization": _of_an_older_opset,
}


def corrected(node: NodeProto, domain: str, version: int) -> NodeProto:
    """`node` as the standard has it in opset `version` of `domain`: itself where nothing is wrong."""
    correct = _CORRECTIONS.get(node.op_type) if domain == "" else None
    changed = None if correct is None else correct(node, version)
    return node if changed is None else changed


def departures(nodes: Iterable[NodeProto], versions: Mapping[str, int]) -> tuple[Note, ...]:
    """A note if some nodes of a file are not read as they are written."""
    names = []
    for node in nodes:
        domain = "" if node.domain == "ai.onnx" else node.domain
        if corrected(node, domain, versions.get(domain, 1)) is not node:
            names.append(node.name or node.op_type)
    if not names:
        return ()
    shown = ", ".join(f"'{name}'" for name in names[:_SHOWN])
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return (
        Note(
            "not_standard",
            f"Not as the ONNX standard has it, but clear: {shown}{more}. Axes that are counted from "
            "the end are counted from the front, and outputs of an older opset are left out.",
        ),
    )
