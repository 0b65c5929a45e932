"""Graphs inside nodes (branches, loop bodies): decoded once, inlined as often as they run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import onnx
from onnx import NodeProto

from archsim.errors import InputError
from archsim.workload.onnx_reader.constants import Constant, initial_constants
from archsim.workload.onnx_reader.nodes import (
    Node,
    check_definitions,
    decode_nodes,
    free_names,
    in_order,
    live_nodes,
)

if TYPE_CHECKING:
    from archsim.workload.onnx_reader.trace import Tracer


@dataclass(frozen=True, slots=True)
class Body:
    """A graph inside a node: its live nodes in order, under the names that it uses itself.

    `stored` says what its stored tensors are called outside.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    nodes: tuple[Node, ...]
    stored: Mapping[str, str]


def body_of(node: Node, attribute: str, tracer: Tracer) -> Body:
    """The graph that `node` holds as `attribute`; its stored tensors become known to `tracer`."""
    key = (node.origin, attribute)
    if key not in tracer.bodies:
        graph = node.subgraphs.get(attribute)
        if graph is None:
            raise InputError(f"it has no graph '{attribute}'.", place=node.place)
        tracer.bodies[key] = _decode(node, graph, tracer)
    return tracer.bodies[key]


def _decode(node: Node, graph: onnx.GraphProto, tracer: Tracer) -> Body:
    inputs = tuple(value.name for value in graph.input)
    outputs = tuple(value.name for value in graph.output)
    nodes = decode_nodes(graph, tracer.versions)
    constants = initial_constants(graph)
    given = dict.fromkeys((*constants, *inputs, *free_names(graph)))
    check_definitions(nodes, given, outputs)
    live, _ = live_nodes(nodes, outputs)
    stored = {}
    for name, constant in constants.items():
        taken = name in tracer.constants or name in tracer.tensors
        label = f"{node.origin}/{name}" if taken else name
        stored[name] = label
        tracer.define(_renamed_root(constant, label))
    tracer.payloads.update((stored[tensor.name], tensor) for tensor in graph.initializer)
    return Body(inputs, outputs, tuple(in_order(live)), stored)


def _renamed_root(constant: Constant, label: str) -> Constant:
    roots = tuple(replace(root, name=label) for root in constant.roots)
    return replace(constant, name=label, roots=roots, view=label)


def inline(
    tracer: Tracer, node: Node, body: Body, given: Mapping[str, str], prefix: str, origin: str
) -> list[str]:
    """Visit the nodes of `body` under names that begin with `prefix`; gives its outputs' names.

    `given` says what the inputs of the body are called outside, `origin` is the path in the file.
    """
    tracer.charge(max(len(body.nodes), 1), node)
    names = {**node.outer, **body.stored, **given}
    for inner in body.nodes:
        for output in filter(None, inner.outputs):
            names[output] = f"{prefix}/{output}"
    nodes = [_placed(inner, names, prefix, origin) for inner in body.nodes]
    tracer.expect(nodes)
    outputs = [names.get(output, output) for output in body.outputs]
    tracer.expect_results(outputs, node)
    for inner in nodes:
        tracer.visit(inner)
    return outputs


def _placed(inner: Node, names: Mapping[str, str], prefix: str, origin: str) -> Node:
    """A node of a body as a node of the graph around it."""

    def called(tensors: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(names.get(name, name) if name else "" for name in tensors)

    inputs, outputs = called(inner.inputs), called(inner.outputs)
    proto = NodeProto(op_type=inner.proto.op_type, domain=inner.proto.domain)
    proto.input.extend(inputs)
    proto.output.extend(outputs)
    if not inner.has_subgraph:
        proto.attribute.extend(inner.proto.attribute)
    return replace(
        inner,
        name=f"{prefix}/{inner.name}",
        inputs=inputs,
        outputs=outputs,
        proto=proto,
        captured=called(inner.captured),
        outer={name: names[name] for name in inner.captured if name in names},
        origin=f"{origin}/{inner.name}",
    )
