"""Which nodes of the file each op of the workload stands for.

Ops and nodes are paired by the tensors that they write, without asking the reader how it made the
op: the nodes of an op are those between its inputs (and constants) and its outputs.  So one op may
stand for one node, for several (a product with its bias, a recognised pattern), or be one of several
that a node was taken apart into (a recurrent layer); these are evaluated together.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from archsim.workload.graph import Op, Workload
from archsim.workload.numerics.products import Expected, MiscountError
from archsim.workload.onnx_reader.nodes import Node

# What these give depends on the shape of their input alone.
SHAPE_ONLY = frozenset({"Shape", "Size"})


@dataclass(frozen=True, slots=True)
class Cover:
    """Ops that are evaluated together, and the nodes that compute their outputs, in order.

    There is no node where an op hands on a tensor that the file stores.
    """

    ops: tuple[Op, ...]
    nodes: tuple[Node, ...]
    inputs: frozenset[str]
    outputs: tuple[str, ...]

    def expected(self, workload: Workload) -> list[Expected]:
        """The products that the ops count, in order."""
        found = []
        for op in self.ops:
            if op.weight is not None:
                matrix = workload.matrices[op.weight.matrix]
                found.append(Expected(op.name, use=op.weight, matrix=matrix))
            found += [Expected(op.name, dynamic=product) for product in op.dynamic]
        return found


class Network:
    """The file's nodes by the tensors they write, and what of them the workload calls activations.

    `nodes` are in order; `stored` has the names of the tensors that the file stores.
    """

    def __init__(self, nodes: Sequence[Node], stored: Container[str], workload: Workload) -> None:
        self.nodes = tuple(nodes)
        self.stored = stored
        self.workload = workload
        self.producer: Mapping[str, Node] = {
            name: node for node in nodes for name in node.outputs if name
        }
        # Nodes that stand for a part of one node of the file may share its name.
        self._rank = {node.outputs[0]: rank for rank, node in enumerate(nodes)}
        self._written = frozenset(name for op in workload.ops for name in op.outputs)
        self._computed = frozenset(op.weight.content for op in workload.ops if op.weight)

    @cached_property
    def activations(self) -> frozenset[str]:
        """Tensors of the file that depend on the network's inputs by more than their shape.

        What an op writes is one too, even where it is computed from constants alone.
        """
        found = set(self.workload.inputs) | self._written
        for node in self.nodes:
            if node.op_type in SHAPE_ONLY and not node.domain:
                continue
            if any(name in found for name in node.inputs):
                found.update(name for name in node.outputs if name)
        return frozenset(found)

    def is_stationary(self, name: str) -> bool:
        """Whether a tensor can be a weight: a constant, or computed from parameters alone."""
        return bool(name) and (name not in self.activations or name in self._computed)

    def _in_file(self, name: str) -> bool:
        return name in self.producer or name in self.stored

    def covers(self) -> list[Cover]:
        """The workload's ops with their nodes, in the workload's order."""
        found: list[Cover] = []
        waiting: dict[str, Op] = {}
        done: set[str] = set()
        for op in self.workload.ops:
            if op.name in done:
                continue
            if not any(self._in_file(name) for name in op.outputs):
                waiting.update(dict.fromkeys(op.outputs, op))
                continue
            group = (*self._parts(op, waiting), op, *self._siblings(op))
            for part in group:
                done.add(part.name)
                for name in part.outputs:
                    waiting.pop(name, None)
            found.append(self._cover(group))
        if waiting:
            lost = next(iter(waiting.values()))
            raise MiscountError(
                f"op '{lost.name}': the file computes none of its outputs, and no op that it feeds "
                "has one that the file does."
            )
        return found

    @cached_property
    def _writers(self) -> Mapping[str, list[Op]]:
        """The ops that write outputs of a node, by the node's first output."""
        found: dict[str, list[Op]] = {}
        for op in self.workload.ops:
            for key in self._nodes_of(op):
                found.setdefault(key, []).append(op)
        return found

    def _siblings(self, op: Op) -> list[Op]:
        """Later ops that write other outputs of a node of which `op` writes one."""
        others = [other for key in self._nodes_of(op) for other in self._writers[key]]
        return [other for other in others if other is not op]

    def _nodes_of(self, op: Op) -> list[str]:
        """The first outputs of the nodes that write what `op` does, each once."""
        names = [self.producer[name].outputs[0] for name in op.outputs if name in self.producer]
        return list(dict.fromkeys(names))

    def _parts(self, op: Op, waiting: Mapping[str, Op]) -> list[Op]:
        """The ops that feed `op` through tensors that the file does not know, in order."""
        found: dict[str, Op] = {}
        stack = [op]
        while stack:
            for name in stack.pop().inputs:
                part = waiting.get(name)
                if part is not None and part.name not in found:
                    found[part.name] = part
                    stack.append(part)
        return [part for part in waiting.values() if found.pop(part.name, None) is not None]

    def _cover(self, ops: tuple[Op, ...]) -> Cover:
        inside = {name for op in ops for name in op.outputs}
        entering = frozenset(name for op in ops for name in op.inputs if name not in inside)
        outputs = tuple(name for op in ops for name in op.outputs if self._in_file(name))
        scalars: set[str] = set()
        nodes: dict[str, Node] = {}
        stack = [self.producer[name] for name in outputs if name in self.producer]
        while stack:
            node = stack.pop()
            if node.outputs[0] in nodes:
                continue
            nodes[node.outputs[0]] = node
            for name in node.inputs:
                if name in entering or name not in self.activations:
                    continue
                if self._is_scalar(name):
                    scalars.add(name)
                elif name in self._written or name not in self.producer:
                    raise MiscountError(
                        f"op '{ops[-1].name}': {node.place} reads the tensor '{name}', which the "
                        "op does not list among its inputs."
                    )
                else:
                    stack.append(self.producer[name])
        ordered = sorted(nodes.values(), key=lambda node: self._rank[node.outputs[0]])
        return Cover(ops, tuple(ordered), entering | scalars, outputs)

    def _is_scalar(self, name: str) -> bool:
        """Whether an op writes one number: a zero point or a step, which goes with its tensor."""
        info = self.workload.tensors.get(name)
        return name in self._written and info is not None and info.elements == 1
