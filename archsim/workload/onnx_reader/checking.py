"""What must hold of a decoded model before anything is made of it: versions, sizes and names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

import onnx
from onnx import AttributeProto
from onnx.defs import onnx_opset_version

from archsim.errors import InputError
from archsim.workload.onnx_reader.loading import opset_versions

# A network of 70 billion parameters has ten thousand nodes; what takes minutes is no network.
MOST_NODES = 150_000
_MOST_TENSORS = 500_000
_MOST_ATTRIBUTES = 1_000
_MOST_OPERANDS = 65_536
_MOST_FUNCTIONS = 20_000
_LONGEST_NAME = 4_096
# Control characters, and those that turn the direction of what follows: on a terminal or in a
# report, a name with one of them could show as something else.
_UNSEEN = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")
_GRAPHS = (AttributeProto.GRAPH, AttributeProto.GRAPHS)


def check_model(model: onnx.ModelProto) -> None:
    """Refuse a message that has no graph, is of an unknown version, is no network's size, or has
    names that nobody can read.
    """
    if not model.HasField("graph") or not (model.graph.node or model.graph.output):
        raise InputError(
            "the file holds no network: the model has no graph, or its graph has no operators.",
            remedy="Export the network again.",
        )
    if not model.graph.output:
        raise InputError(
            "the graph has no outputs, so nothing in it would have to be computed.",
            remedy="Export the network again.",
        )
    _check_versions(model)
    _check_count(len(model.functions), _MOST_FUNCTIONS, "local functions")
    checker = _Checker()
    checker.check_names((entry.domain for entry in model.opset_import), "an opset import")
    for function in model.functions:
        checker.check_names((function.name, function.domain), "a local function")
        own = f"the local function '{function.name}'"
        checker.check_names((*function.input, *function.output, *function.attribute), own)
        checker.check_nodes(function.node, own)
    checker.check_graph(model.graph, "the graph")


def _check_versions(model: onnx.ModelProto) -> None:
    if not 1 <= model.ir_version <= onnx.IR_VERSION:
        raise InputError(
            f"the file has ONNX IR version {model.ir_version}; versions 1 to {onnx.IR_VERSION} "
            "are known.",
            remedy="Convert it with onnx.version_converter, or update the onnx package.",
        )
    newest = onnx_opset_version()
    versions = [entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")]
    if len(set(versions)) > 1:
        found = " and ".join(str(version) for version in sorted(set(versions))[:5])
        raise InputError(
            f"the file asks for several opsets of the standard operators at once: {found}.",
            remedy="Export the network again.",
        )
    standard = any(node.domain in ("", "ai.onnx") for node in model.graph.node)
    # The first two versions of the format did not say, and meant the first operators.
    if not versions and standard and model.ir_version > 2:
        raise InputError(
            "the file does not say which opset of the standard operators it uses.",
            remedy="Export the network again.",
        )
    version = opset_versions(model).get("", 1)
    if not 1 <= version <= newest:
        raise InputError(
            f"the file asks for opset {version}; opsets 1 to {newest} are known.",
            remedy="Export the network for a known opset, or update the onnx package.",
        )


def _check_count(found: int, most: int, what: str, place: str = "") -> None:
    if found > most:
        raise InputError(
            f"there are {found:,} {what}, more than any network has (at most {most:,} are read).",
            place=place,
            remedy="Export the network again, without unrolling its loops.",
        )


class _Checker:
    """Goes through graphs, the graphs inside their nodes too; counts nodes over all of them."""

    def __init__(self) -> None:
        self._nodes = 0

    def check_graph(self, graph: onnx.GraphProto, where: str) -> None:
        """Refuse a graph that is too large or has unreadable names."""
        stored = len(graph.initializer) + len(graph.sparse_initializer)
        _check_count(stored, _MOST_TENSORS, "stored tensors")
        _check_count(len(graph.input), _MOST_TENSORS, "graph inputs")
        _check_count(len(graph.output), _MOST_TENSORS, "graph outputs")
        self.check_names(_value_names(graph), where)
        self.check_nodes(graph.node, where)

    def check_nodes(self, nodes: Sequence[onnx.NodeProto], where: str) -> None:
        """Refuse nodes that are too many, too large or have unreadable names."""
        self._nodes += len(nodes)
        _check_count(self._nodes, MOST_NODES, "nodes")
        for index, node in enumerate(nodes):
            names = (node.name, node.op_type, node.domain, *node.input, *node.output)
            if not all(map(_readable, names)):
                self.check_names(names, f"node {index} of {where}")
            _check_count(len(names), _MOST_OPERANDS, "inputs and outputs", _place(node))
            if node.attribute:
                self._check_attributes(node)

    def _check_attributes(self, node: onnx.NodeProto) -> None:
        _check_count(len(node.attribute), _MOST_ATTRIBUTES, "attributes", _place(node))
        for attribute in node.attribute:
            if not _readable(attribute.name):
                self.check_names((attribute.name,), _place(node))
            if attribute.type in _GRAPHS:
                if attribute.HasField("g"):
                    self.check_graph(attribute.g, f"the graph '{attribute.name}' of {_place(node)}")
                for graph in attribute.graphs:
                    self.check_graph(graph, f"the graph '{attribute.name}' of {_place(node)}")
        names = [attribute.name for attribute in node.attribute]
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise InputError(
                f"the attribute '{twice}' is given twice.",
                place=_place(node),
                remedy="The file is damaged; export the network again.",
            )

    def check_names(self, names: Iterable[object], where: str) -> None:
        """Refuse names that are no readable text; protobuf hands over damaged text as bytes."""
        for name in names:
            if not isinstance(name, str):
                raise InputError(
                    f"the file is damaged: {where} has the name {name!r:.200}, which is no text.",
                    remedy="Copy or export the network again.",
                )
            if len(name) > _LONGEST_NAME:
                raise InputError(
                    f"{where} has a name of {len(name):,} characters: '{name[:40]}...' (at most "
                    f"{_LONGEST_NAME:,} are read).",
                    remedy="Give it a shorter name.",
                )
            if _UNSEEN.search(name):
                raise InputError(
                    f"{where} has the name {name!a:.200}, with characters that cannot be shown.",
                    remedy="Rename it, and export the network again.",
                )


def _readable(name: object) -> bool:
    # Most names are printable throughout, which is quickly seen; a few need a closer look.
    return isinstance(name, str) and name.isprintable() and len(name) <= _LONGEST_NAME


def _place(node: onnx.NodeProto) -> str:
    return f"node '{node.name or node.op_type}'"


def _value_names(graph: onnx.GraphProto) -> Iterator[object]:
    yield from (tensor.name for tensor in graph.initializer)
    yield from (sparse.values.name for sparse in graph.sparse_initializer)
    yield from (value.name for value in graph.output)
    for value in graph.input:
        yield value.name
        yield from (dim.dim_param for dim in value.type.tensor_type.shape.dim)
