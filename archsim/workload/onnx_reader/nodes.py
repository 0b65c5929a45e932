"""Nodes of an ONNX graph, decoded, checked, put in order and freed of dead code."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush

import onnx
from onnx import AttributeProto

from archsim.errors import InputError, did_you_mean
from archsim.workload.onnx_reader.departures import corrected


@dataclass(frozen=True, slots=True)
class Node:
    """One operator of the file.

    `name` is unique in the graph; `version` is the opset of the node's domain.  Optional inputs and
    outputs that are absent are the empty text.  `captured` are the tensors outside that the node's
    own graphs read; `outer` says what names of those graphs are called outside.  `origin` is the
    path of names that leads to the node in the file (a loop's body has one node for many runs).
    """

    name: str
    op_type: str
    domain: str
    version: int
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    proto: onnx.NodeProto
    attributes: Mapping[str, AttributeProto] = field(repr=False)
    captured: tuple[str, ...] = ()
    outer: Mapping[str, str] = field(default_factory=dict, repr=False)
    origin: str = ""

    @property
    def reads(self) -> tuple[str, ...]:
        """All tensors that the node or its own graphs read, each once."""
        if len(self.inputs) == 1 and not self.captured and self.inputs[0]:
            return self.inputs
        return tuple(dict.fromkeys(filter(None, (*self.inputs, *self.captured))))

    def input(self, index: int) -> str:
        """The tensor at `index`, or the empty text where the optional input is absent."""
        return self.inputs[index] if index < len(self.inputs) else ""

    def has(self, attribute: str) -> bool:
        """Whether the file gives the attribute."""
        return attribute in self.attributes

    def integer(self, attribute: str, default: int) -> int:
        """An integer attribute."""
        found = self._attribute(attribute, AttributeProto.INT)
        return int(found.i) if found is not None else default

    def integers(self, attribute: str, default: Sequence[int] = ()) -> tuple[int, ...]:
        """An attribute that is a list of integers."""
        found = self._attribute(attribute, AttributeProto.INTS)
        return tuple(found.ints) if found is not None else tuple(default)

    def real(self, attribute: str, default: float) -> float:
        """A floating-point attribute."""
        found = self._attribute(attribute, AttributeProto.FLOAT)
        return float(found.f) if found is not None else default

    def text(self, attribute: str, default: str = "") -> str:
        """A text attribute."""
        found = self._attribute(attribute, AttributeProto.STRING)
        return found.s.decode("utf-8", "replace") if found is not None else default

    def _attribute(self, name: str, kind: int) -> AttributeProto | None:
        """The attribute, once it is of that kind and of a sensible length."""
        found = self.attributes.get(name)
        if found is None:
            return None
        # Old files do not say what kind an attribute is of.
        if found.type not in (kind, AttributeProto.UNDEFINED):
            raise InputError(
                f"the attribute '{name}' is not of the kind that the operator needs.",
                place=self.place,
                remedy="The file is damaged; export the network again.",
            )
        if max(len(found.ints), len(found.s)) > _LONGEST_ATTRIBUTE:
            raise InputError(
                f"the attribute '{name}' has {max(len(found.ints), len(found.s)):,} elements, more "
                "than any network's.",
                place=self.place,
                remedy="The file is damaged; export the network again.",
            )
        return found

    @property
    def place(self) -> str:
        """How messages name this node."""
        return f"node '{self.name}' ({self.op_type})"

    @property
    def module(self) -> str:
        """The dotted path of the module that the node belongs to, where the exporter noted it."""
        return exported_module(self.proto)

    @property
    def subgraphs(self) -> Mapping[str, onnx.GraphProto]:
        """The graphs that the node holds (If, Loop, Scan), by attribute."""
        kind = AttributeProto.GRAPH
        return {name: a.g for name, a in self.attributes.items() if a.type == kind}

    @property
    def has_subgraph(self) -> bool:
        """Whether the node holds graphs (If, Loop, Scan)."""
        return bool(self.subgraphs)


_LONGEST_ATTRIBUTE = 65_536

# What PyTorch's exporter notes on a node: the paths of the modules around it, then its own name.
_SCOPES_KEY = "pkg.torch.onnx.name_scopes"
_LONGEST_NOTE = 4096
_QUOTED = re.compile(r"'([^'\\]*)'")


def exported_module(proto: onnx.NodeProto) -> str:
    """The dotted path of the innermost module in the exporter's notes on a node, or empty.

    The notes are a list of texts, `['', 'layer1', 'layer1.0', 'conv2d']`; a note of any other form
    is none.
    """
    for entry in proto.metadata_props:
        if entry.key == _SCOPES_KEY:
            # Damaged text arrives as bytes.
            note = entry.value if isinstance(entry.value, str) else ""
            scopes = _QUOTED.findall(note[:_LONGEST_NOTE])
            return str(scopes[-2]) if len(scopes) > 1 else ""
    return ""


class UniqueNames:
    """Hands out names, each once: a name that is taken gets the next free number."""

    def __init__(self, separator: str = "_") -> None:
        self._separator = separator
        self._taken: set[str] = set()
        # The last number that each name was given, so that a thousand equal ones are not counted
        # through a thousand times.
        self._last: dict[str, int] = {}

    def take(self, wanted: str) -> str:
        """`wanted`, or where it is taken, with the lowest number from 2 on that is free."""
        name, number = wanted, self._last.get(wanted, 1)
        while name in self._taken:
            number += 1
            name = f"{wanted}{self._separator}{number}"
        self._taken.add(name)
        self._last[wanted] = number
        return name


def decode_nodes(graph: onnx.GraphProto, versions: Mapping[str, int]) -> list[Node]:
    """All nodes in file order; a node without a name, or with one taken, gets a unique one.

    What exporters write against the standard is read as they mean it (see `departures`).
    """
    names = UniqueNames()
    nodes: list[Node] = []
    for index, written in enumerate(graph.node):
        name = names.take(written.name or f"{written.op_type}_{index}")
        domain = "" if written.domain == "ai.onnx" else written.domain
        version = versions.get(domain, 1)
        proto = corrected(written, domain, version)
        nodes.append(
            Node(
                name=name,
                op_type=proto.op_type,
                domain=domain,
                version=version,
                inputs=tuple(proto.input),
                outputs=tuple(proto.output),
                proto=proto,
                attributes={attribute.name: attribute for attribute in proto.attribute},
                captured=_captured(proto),
                origin=name,
            )
        )
    return nodes


def _captured(proto: onnx.NodeProto) -> tuple[str, ...]:
    """The names that the graphs of a node use without defining them, in order of appearance."""
    graphs = [a.g for a in proto.attribute if a.type == AttributeProto.GRAPH]
    if not graphs:
        return ()
    return tuple(dict.fromkeys(name for graph in graphs for name in free_names(graph)))


def free_names(graph: onnx.GraphProto) -> tuple[str, ...]:
    """The tensors that `graph` reads and does not define: they are those of the graph around it."""
    defined = {entry.name for entry in (*graph.input, *graph.initializer)}
    defined.update(sparse.values.name for sparse in graph.sparse_initializer)
    defined.update(output for node in graph.node for output in node.output)
    used: dict[str, None] = {}
    for node in graph.node:
        used.update(dict.fromkeys((*node.input, *_captured(node))))
    used.update(dict.fromkeys(value.name for value in graph.output))
    return tuple(name for name in used if name and name not in defined)


def check_definitions(nodes: Iterable[Node], given: Iterable[str], outputs: Iterable[str]) -> None:
    """Refuse tensors that are defined twice, and tensors that are used but never defined."""
    owners: dict[str, str] = dict.fromkeys(given, "a graph input or initializer")
    nodes = list(nodes)
    for node in nodes:
        for output in filter(None, node.outputs):
            if output in owners:
                raise InputError(
                    f"the tensor '{output}' is defined twice: here and by {owners[output]}.",
                    place=node.place,
                    remedy="Each tensor of an ONNX graph has one producer; export it again.",
                )
            owners[output] = node.place
    for node in nodes:
        for name in node.reads:
            if name not in owners:
                raise InputError(
                    f"the input '{name}' is produced by no node, and is neither a graph input nor "
                    "an initializer.",
                    place=node.place,
                    remedy=_hint(name, owners),
                )
    for name in outputs:
        if name not in owners:
            raise InputError(
                f"the graph output '{name}' is produced by no node.", remedy=_hint(name, owners)
            )


def _hint(name: str, known: Iterable[str]) -> str:
    # Comparing against thousands of names is slow, and a list of them helps nobody.
    names = list(known)
    hint = did_you_mean(name, names) if len(names) <= 2000 else ""
    return hint if hint.startswith("Did") else ""


def live_nodes(nodes: Sequence[Node], outputs: Iterable[str]) -> tuple[list[Node], list[Node]]:
    """The nodes that some graph output depends on, and those that none does, in file order."""
    producer = {output: node for node in nodes for output in node.outputs if output}
    needed: set[str] = set()
    stack = [producer[name] for name in outputs if name in producer]
    while stack:
        node = stack.pop()
        if node.name in needed:
            continue
        needed.add(node.name)
        stack.extend(producer[name] for name in node.reads if name in producer)
    live = [node for node in nodes if node.name in needed]
    dead = [node for node in nodes if node.name not in needed]
    return live, dead


def in_order(nodes: Sequence[Node]) -> list[Node]:
    """The nodes sorted so that producers come first, else as in the file; refuses cycles."""
    position = {node.name: index for index, node in enumerate(nodes)}
    producer = {output: node.name for node in nodes for output in node.outputs if output}
    waits: dict[int, int] = {}
    consumers: dict[int, list[int]] = {}
    for index, node in enumerate(nodes):
        sources = {position[producer[name]] for name in node.reads if name in producer}
        waits[index] = len(sources)
        for source in sources:
            consumers.setdefault(source, []).append(index)
    ready = [index for index, count in waits.items() if count == 0]
    heapify(ready)
    ordered: list[Node] = []
    while ready:
        index = heappop(ready)
        ordered.append(nodes[index])
        for consumer in consumers.get(index, ()):
            waits[consumer] -= 1
            if waits[consumer] == 0:
                heappush(ready, consumer)
    if len(ordered) < len(nodes):
        raise InputError(
            f"the graph has a cycle through {_cycle(nodes, ordered, producer)}.",
            remedy="ONNX graphs are acyclic; a recurrent network uses LSTM, GRU, RNN, Loop or "
            "Scan nodes.",
        )
    return ordered


def _cycle(nodes: Sequence[Node], ordered: Sequence[Node], producer: Mapping[str, str]) -> str:
    done = {node.name for node in ordered}
    left = {node.name: node for node in nodes if node.name not in done}
    position: dict[str, int] = {}
    name = next(iter(left))
    while name not in position:
        position[name] = len(position)
        name = next(producer[tensor] for tensor in left[name].reads if producer.get(tensor) in left)
    loop = list(reversed(list(position)[position[name] :]))
    shown = loop[:6] + (["..."] if len(loop) > 6 else [])
    return " -> ".join(f"'{entry}'" if entry != "..." else entry for entry in shown)


def summarise(nodes: Iterable[Node]) -> str:
    """Operator types with their counts, for a message: `2 MatMul, 1 Add`."""
    counts = Counter(node.op_type for node in nodes)
    return ", ".join(f"{count} {op_type}" for op_type, count in sorted(counts.items()))
