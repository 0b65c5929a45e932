"""Nodes of an ONNX graph, decoded, checked, put in order and freed of dead code."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush

import onnx
from onnx import AttributeProto

from archsim.errors import InputError, did_you_mean


@dataclass(frozen=True, slots=True)
class Node:
    """One operator of the file.

    `name` is unique in the graph; `version` is the opset of the node's domain.  Optional inputs and
    outputs that are absent are the empty text.
    """

    name: str
    op_type: str
    domain: str
    version: int
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    proto: onnx.NodeProto
    attributes: Mapping[str, AttributeProto] = field(repr=False)

    def input(self, index: int) -> str:
        """The tensor at `index`, or the empty text where the optional input is absent."""
        return self.inputs[index] if index < len(self.inputs) else ""

    def has(self, attribute: str) -> bool:
        """Whether the file gives the attribute."""
        return attribute in self.attributes

    def integer(self, attribute: str, default: int) -> int:
        """An integer attribute."""
        found = self.attributes.get(attribute)
        return int(found.i) if found is not None else default

    def integers(self, attribute: str, default: Sequence[int] = ()) -> tuple[int, ...]:
        """An attribute that is a list of integers."""
        found = self.attributes.get(attribute)
        return tuple(found.ints) if found is not None else tuple(default)

    def real(self, attribute: str, default: float) -> float:
        """A floating-point attribute."""
        found = self.attributes.get(attribute)
        return float(found.f) if found is not None else default

    def text(self, attribute: str, default: str = "") -> str:
        """A text attribute."""
        found = self.attributes.get(attribute)
        return found.s.decode("utf-8", "replace") if found is not None else default

    @property
    def place(self) -> str:
        """How messages name this node."""
        return f"node '{self.name}' ({self.op_type})"

    @property
    def has_subgraph(self) -> bool:
        """Whether the node holds graphs (If, Loop, Scan)."""
        kinds = (AttributeProto.GRAPH, AttributeProto.GRAPHS)
        return any(attribute.type in kinds for attribute in self.attributes.values())


def decode_nodes(graph: onnx.GraphProto, versions: Mapping[str, int]) -> list[Node]:
    """All nodes in file order; a node without a name, or with one taken, gets a unique one."""
    taken: set[str] = set()
    nodes: list[Node] = []
    for index, proto in enumerate(graph.node):
        wanted = proto.name or f"{proto.op_type}_{index}"
        name, suffix = wanted, 1
        while name in taken:
            suffix += 1
            name = f"{wanted}_{suffix}"
        taken.add(name)
        domain = "" if proto.domain == "ai.onnx" else proto.domain
        nodes.append(
            Node(
                name=name,
                op_type=proto.op_type,
                domain=domain,
                version=versions.get(domain, 1),
                inputs=tuple(proto.input),
                outputs=tuple(proto.output),
                proto=proto,
                attributes={attribute.name: attribute for attribute in proto.attribute},
            )
        )
    return nodes


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
        for name in filter(None, node.inputs):
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
        stack.extend(producer[name] for name in node.inputs if name in producer)
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
        sources = {position[producer[name]] for name in node.inputs if name in producer}
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
    path: list[str] = []
    name = next(iter(left))
    while name not in path:
        path.append(name)
        name = next(
            producer[tensor] for tensor in left[name].inputs if producer.get(tensor) in left
        )
    loop = list(reversed(path[path.index(name) :]))
    shown = loop[:6] + (["..."] if len(loop) > 6 else [])
    return " -> ".join(f"'{entry}'" if entry != "..." else entry for entry in shown)


def summarise(nodes: Iterable[Node]) -> str:
    """Operator types with their counts, for a message: `2 MatMul, 1 Add`."""
    counts = Counter(node.op_type for node in nodes)
    return ", ".join(f"{count} {op_type}" for op_type, count in sorted(counts.items()))
