"""Local functions of a model, replaced by their bodies.

The package's own inliner does the work; functions that call themselves, or that unfold into more
nodes than any network has, would keep it busy for ever, so both are refused first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import onnx
from onnx import AttributeProto, inliner
from onnx.checker import ValidationError

from archsim.errors import InputError
from archsim.workload.onnx_reader.checking import MOST_NODES

_Key = tuple[str, str]


def inline_functions(model: onnx.ModelProto) -> onnx.ModelProto:
    """`model` without local functions; the same object if it has none."""
    if not model.functions:
        return model
    functions = {(f.domain, f.name): f for f in model.functions}
    sizes: dict[_Key, int] = {}
    for key in functions:
        _size(key, functions, sizes, ())
    total = _count(model.graph.node, functions, sizes)
    if total > MOST_NODES:
        raise InputError(
            f"the local functions unfold into {total:,} nodes, more than any network has.",
            remedy="Export the network without local functions.",
        )
    try:
        return inliner.inline_local_functions(model)
    except (RuntimeError, ValueError, ValidationError) as error:
        reason = str(error).split("\n", maxsplit=1)[0].rpartition("failed: ")[2]
        raise InputError(
            f"the local functions cannot be replaced by their bodies: {reason}",
            remedy="Export the network again, or without local functions.",
        ) from None


def _size(
    key: _Key,
    functions: Mapping[_Key, onnx.FunctionProto],
    sizes: dict[_Key, int],
    path: tuple[_Key, ...],
) -> int:
    if key in path:
        raise InputError(
            f"the local function '{key[1]}' calls itself.",
            remedy="ONNX functions may not be recursive; export the network again.",
        )
    if len(path) > 200:
        raise InputError(f"local functions are nested more than {len(path)} deep.")
    if key not in sizes:
        for node in _all_nodes(functions[key].node):
            if (node.domain, node.op_type) in functions:
                _size((node.domain, node.op_type), functions, sizes, (*path, key))
        sizes[key] = _count(functions[key].node, functions, sizes)
    return sizes[key]


def _count(
    nodes: Iterable[onnx.NodeProto],
    functions: Mapping[_Key, onnx.FunctionProto],
    sizes: Mapping[_Key, int],
) -> int:
    return sum(sizes.get((node.domain, node.op_type), 1) for node in _all_nodes(nodes))


def _all_nodes(nodes: Iterable[onnx.NodeProto]) -> Iterator[onnx.NodeProto]:
    """The nodes, and those of the graphs inside them: a call may hide in a branch."""
    for node in nodes:
        yield node
        for attribute in node.attribute:
            if attribute.type == AttributeProto.GRAPH:
                yield from _all_nodes(attribute.g.node)
