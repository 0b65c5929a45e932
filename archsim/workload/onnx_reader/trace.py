"""One pass over the nodes in order: fold what is constant, and understand the rest."""

from __future__ import annotations

import math
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
import onnx
from onnx import TensorProto, helper

from archsim.errors import InputError, did_you_mean
from archsim.workload.graph import Note, TensorInfo
from archsim.workload.onnx_reader.bodies import Body
from archsim.workload.onnx_reader.constants import Array, Constant, constant_node
from archsim.workload.onnx_reader.control_flow import LARGEST_UNROLLED_NODES
from archsim.workload.onnx_reader.evaluate import evaluate, shaped_by_value
from archsim.workload.onnx_reader.families.constant_products import is_constant_product
from archsim.workload.onnx_reader.families.embedding import chosen_matrices, is_constant_lookup
from archsim.workload.onnx_reader.families.found import given_count
from archsim.workload.onnx_reader.form import check_form
from archsim.workload.onnx_reader.lineage import lineages
from archsim.workload.onnx_reader.nodes import Node, decode_nodes
from archsim.workload.onnx_reader.operators import Piece, Scope
from archsim.workload.onnx_reader.recasting import STANDARD_OPSET, recast
from archsim.workload.onnx_reader.registry import (
    COUNTED,
    NEVER_FOLDED,
    SHAPE_ONLY,
    UnsupportedOperators,
    is_understood,
    lookup,
    unsupported,
)
from archsim.workload.onnx_reader.shapes import Memory, infer, tensor_info, type_proto, wanted
from archsim.workload.onnx_reader.structure import structural

# Operators that take parts, which may be empty (the part of a head that is not rotated).
_EMPTYING = frozenset({"Slice", "Split"})


@dataclass(frozen=True, slots=True)
class Traced:
    """The pieces in order, each with the node it comes from, and every tensor's description.

    `dormant` are the pieces of branches that do not run; `sequences` are lists of tensors; `folded`
    are the nodes that made constants; `leaves` all nodes after control flow and sequences were
    replaced, in order; `payloads` the tensors that subgraphs store, by their names outside.
    """

    pieces: list[tuple[Node, Piece]]
    scope: Scope
    dormant: list[tuple[Node, Piece]]
    notes: tuple[Note, ...]
    sequences: Mapping[str, tuple[str, ...]]
    folded: Mapping[str, Node]
    leaves: tuple[Node, ...]
    payloads: Mapping[str, TensorProto]

    def tensors_of(self, names: Sequence[str]) -> tuple[str, ...]:
        """`names`, with the elements of a sequence in its place."""
        return tuple(part for name in names for part in self.sequences.get(name, (name,)))


def check_supported(
    nodes: Sequence[Node], constants: Iterable[str], versions: Mapping[str, int]
) -> None:
    """Refuse a network with unknown operators that do not fold away; all are listed at once."""
    found = unsupported(_remaining(nodes, set(constants), versions))
    if found:
        raise UnsupportedOperators(found)


def _remaining(
    nodes: Sequence[Node], known: set[str], versions: Mapping[str, int], path: str = ""
) -> list[Node]:
    """The nodes that do not fold away, those of branches and loop bodies included."""
    left = []
    for node in nodes:
        if _folds(node, known):
            known.update(node.outputs)
            continue
        left.append(replace(node, name=f"{path}{node.name}") if path else node)
        for graph in node.subgraphs.values():
            stored = {tensor.name for tensor in graph.initializer}
            inner = decode_nodes(graph, versions)
            left += _remaining(inner, known | stored, versions, f"{path}{node.name}/")
    return left


def _folds(node: Node, known: Container[str]) -> bool:
    if structural(node) is not None or (node.domain, node.op_type) in NEVER_FOLDED:
        return False
    if node.domain == "" and node.op_type in SHAPE_ONLY:
        return True
    if node.domain == "" and node.op_type == "CastLike":
        return node.input(0) in known  # of the other operand only the type matters
    return all(name in known for name in node.inputs if name)


class Tracer:
    """The tables of a pass; they grow node by node.

    `sequences` are lists of tensors, `absent` optionals that hold nothing; `dormant` are pieces of
    branches that do not run, whose weights exist all the same; `folded` are the nodes that made
    constants, by what they made.  `unrolled` counts the nodes that loops have made.
    """

    def __init__(
        self,
        inputs: Sequence[TensorInfo],
        constants: Mapping[str, Constant],
        consumers: dict[str, list[Node]],
        results: frozenset[str],
        opsets: Sequence[onnx.OperatorSetIdProto],
        counts: Mapping[str, int],
    ) -> None:
        self.tensors = {entry.name: entry for entry in inputs}
        self.constants = dict(constants)
        self.types: dict[str, onnx.TypeProto] = {}
        self.consumers = consumers
        self.scope = Scope(
            self.tensors, self.constants, consumers, results, self.types, dict(counts)
        )
        self.opsets = opsets
        self.versions = {
            "" if entry.domain == "ai.onnx" else entry.domain: entry.version for entry in opsets
        }
        self.pieces: list[tuple[Node, Piece]] = []
        self.dormant: list[tuple[Node, Piece]] = []
        self.notes: list[Note] = []
        self.sequences: dict[str, tuple[str, ...]] = {}
        self.absent: set[str] = set()
        self.bodies: dict[tuple[str, str], Body] = {}
        self.folded: dict[str, Node] = {}
        self.leaves: list[Node] = []
        self.payloads: dict[str, TensorProto] = {}
        self.unrolled = 0
        self.inferred: Memory = {}
        self.counted: set[str] = set()

    def given_count(self, node: Node) -> int | None:
        """The size that the user gave for a node, by its path in the file or by its own name."""
        return given_count(node, self.scope)

    def expect(self, nodes: Iterable[Node]) -> None:
        """Note what nodes that are about to be visited read."""
        for node in nodes:
            for name in node.reads:
                self.consumers.setdefault(name, []).append(node)

    def expect_results(self, names: Iterable[str], node: Node) -> None:
        """Note that `node` hands on these tensors, so that they matter."""
        for name in names:
            self.consumers.setdefault(name, []).append(node)

    def emit(
        self,
        node: Node,
        op_type: str,
        inputs: Sequence[str],
        outputs: Sequence[str],
        **attributes: int,
    ) -> None:
        """Visit a standard node that stands for a part of `node`."""
        proto = helper.make_node(op_type, list(inputs), list(outputs))
        proto.attribute.extend(helper.make_attribute(k, v) for k, v in attributes.items())
        made = Node(
            name=f"{node.name}/{op_type.lower()}",
            op_type=op_type,
            domain="",
            version=STANDARD_OPSET,
            inputs=tuple(inputs),
            outputs=tuple(outputs),
            proto=proto,
            attributes={attribute.name: attribute for attribute in proto.attribute},
            origin=f"{node.origin}/{op_type.lower()}",
        )
        self.expect([made])
        self.visit(made)

    def define_value(self, name: str, value: Array) -> str:
        """A small constant that no tensor of the file holds; gives its name."""
        kind = helper.np_dtype_to_tensor_dtype(value.dtype)
        self.define(Constant(name, value.shape, kind, distinct=value.shape, value=value))
        return name

    def charge(self, nodes: int, node: Node) -> None:
        """Count nodes that the file does not write out, such as the iterations of a loop.

        Raises `InputError` if that makes more than any network has.
        """
        self.unrolled += nodes
        if self.unrolled > LARGEST_UNROLLED_NODES:
            raise InputError(
                f"taking the loops and sequences apart makes more than {LARGEST_UNROLLED_NODES:,} "
                "nodes.",
                place=node.place,
                remedy="Export the network with a recurrent operator (LSTM, GRU), or for a "
                "shorter sequence.",
            )

    def visit(self, node: Node) -> None:
        """Fold the node, take it apart, or understand it."""
        check_form(node)
        try:
            self._visit(node)
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:
            # Shape inference lets through some inputs and attributes that make no sense.
            raise InputError(
                f"its inputs{self._shown(node)} and attributes do not fit the operator.",
                place=node.place,
                remedy="Check the file, and the sizes given with --batch, --dim and --shape.",
            ) from error

    def _shown(self, node: Node) -> str:
        known = (n for n in node.inputs if n in self.tensors or n in self.constants)
        shown = ", ".join(f"'{name}' {self.scope.shape(name)}" for name in known)
        return f" ({shown})" if shown else ""

    def _visit(self, node: Node) -> None:
        if node.domain == "" and node.op_type in COUNTED:
            self.counted.update((node.origin, node.origin.rpartition("/")[2]))
        structure = structural(node)
        if structure is not None:
            for name in node.reads:
                _remove(self.consumers.get(name, []), node)
            structure.expand(node, self)
            return
        if node.op_type == "Identity" and node.input(0) in self.sequences:
            self.sequences[node.outputs[0]] = self.sequences[node.input(0)]
            return
        self.leaves.append(node)
        chosen = chosen_matrices(node, self.scope)
        if chosen is not None:
            self.define(chosen)
            return
        trains = is_constant_lookup(node, self.scope) or is_constant_product(node, self.scope)
        if _folds(node, self.constants) and not trains:
            self._fold(node)
        else:
            self._understand(node)

    def _fold(self, node: Node) -> None:
        if node.domain == "" and node.op_type == "CastLike":
            element_type = self.types[node.input(1)].tensor_type.elem_type
            node = recast(node, "Cast", (0,), attributes={"to": element_type})
        if node.op_type == "Constant" and node.domain == "":
            self.define(constant_node(node))
            return
        if node.op_type in SHAPE_ONLY and node.domain == "":
            self._fold_shape(node)
            return
        operator = lookup(node)
        rule = shaped_by_value(node) or (None if operator is None else operator.shapes)
        found = infer(node, self.scope, self.types, self.opsets, rule, self.inferred)
        # A rule gives all outputs that the operator may have, the node may have fewer.
        inferred = [entry if entry is not None else (0, ()) for entry in found[: len(node.outputs)]]
        operands = [self.constants.get(name) if name else None for name in node.inputs]
        shapes = [shape for _, shape in inferred]
        values = evaluate(node, [None if c is None else c.value for c in operands], shapes)
        origins = lineages(node, operands, shapes)
        for name, (element_type, shape), value, origin in zip(
            node.outputs, inferred, values, origins, strict=True
        ):
            if name:
                self.folded[name] = node
                self.define(origin.constant(name, shape, element_type, value))

    def _fold_shape(self, node: Node) -> None:
        """Shape, Size and EyeLike: all dimensions are bound, so they are constants."""
        shape = self.scope.shape(node.input(0))
        if node.op_type == "EyeLike":
            kind = node.integer("dtype", self.scope.element_type(node.input(0)))
            self.define(Constant(node.outputs[0], shape, kind, distinct=shape))
            return
        value = np.asarray(
            math.prod(shape) if node.op_type == "Size" else _dimensions(node, shape), np.int64
        )
        self.define(
            Constant(
                node.outputs[0], value.shape, TensorProto.INT64, distinct=value.shape, value=value
            )
        )

    def define(self, constant: Constant) -> None:
        """Make a constant known."""
        self.constants[constant.name] = constant
        self.types[constant.name] = type_proto(constant.element_type, constant.shape)

    def _understand(self, node: Node) -> None:
        operator = lookup(node)
        if operator is None and is_understood(node):
            raise InputError(
                "what it makes depends on the data, and the estimate needs to know it.",
                place=node.place,
                remedy="Export the network with constant shapes, or bind its dimensions.",
            )
        if operator is None:
            raise UnsupportedOperators(unsupported([node]))
        nonnegative = operator.sign(node, self.scope)
        through = operator.straight_through(node, self.scope)
        found = infer(node, self.scope, self.types, self.opsets, operator.shapes, self.inferred)
        for index, (name, entry) in enumerate(zip(node.outputs, found, strict=False)):
            if entry is None or not wanted(self.scope, index, name):
                continue
            element_type, shape = entry
            if 0 in shape and node.op_type in _EMPTYING:
                self._define_empty(name, element_type, shape)
                continue
            if 0 in shape:
                raise InputError(
                    f"the tensor '{name}' would have no elements: its shape is {shape}.",
                    place=node.place,
                    remedy="Check the sizes given with --batch, --dim and --shape.",
                )
            info = tensor_info(name, element_type, shape, nonnegative=nonnegative)
            if not info.floating and (through or self._carries_gradient(node, element_type)):
                info = replace(info, floating=True)
            self.tensors[name] = info
            self.types[name] = type_proto(element_type, shape)
        for piece in operator.handler(node, self.scope):
            self.tensors.update({entry.name: entry for entry in piece.internal})
            self.pieces.append((node, piece))

    def _define_empty(self, name: str, element_type: int, shape: tuple[int, ...]) -> None:
        """A part without elements is known: joining it with others changes nothing."""
        kind = helper.tensor_dtype_to_np_dtype(element_type)
        value = np.zeros(shape, kind)
        self.define(Constant(name, shape, element_type, distinct=shape, value=value))

    def _carries_gradient(self, node: Node, element_type: int) -> bool:
        """Whether the node hands on a quantised tensor through which gradients pass."""
        source = self.tensors.get(node.input(0))
        if source is None or not source.floating:
            return False
        return self.types[source.name].tensor_type.elem_type == element_type


def _remove(readers: list[Node], node: Node) -> None:
    """Take `node` itself, and no equal one, off the list; nodes are visited in its order."""
    for index, reader in enumerate(readers):
        if reader is node:
            del readers[index]
            return


def _dimensions(node: Node, shape: tuple[int, ...]) -> tuple[int, ...]:
    """What Shape gives, with its optional `start` and `end` (clamped, negative from the end)."""
    return shape[slice(node.integer("start", 0), node.integer("end", len(shape)))]


def trace(
    nodes: Sequence[Node],
    inputs: Sequence[tuple[str, int, tuple[int, ...]]],
    constants: Mapping[str, Constant],
    results: frozenset[str],
    opsets: Sequence[onnx.OperatorSetIdProto],
    counts: Mapping[str, int] = MappingProxyType({}),
) -> Traced:
    """Understand `nodes` (in order) for bound `inputs` (name, element type, shape).

    `counts` are sizes that only a run would tell, by the names of nodes.
    """
    infos = [tensor_info(name, kind, shape) for name, kind, shape in inputs]
    tracer = Tracer(infos, constants, {}, results, opsets, counts)
    tracer.expect(nodes)
    for name, kind, shape in inputs:
        tracer.types[name] = type_proto(kind, shape)
    for constant in constants.values():
        tracer.types[constant.name] = type_proto(constant.element_type, constant.shape)
    # Constants first: what a search finds may be stated by one further on.
    for node in sorted(nodes, key=lambda n: (n.domain, n.op_type) != ("", "Constant")):
        tracer.visit(node)
    _check_counted(nodes, counts, tracer)
    return Traced(
        tracer.pieces,
        tracer.scope,
        tracer.dormant,
        tuple(tracer.notes),
        tracer.sequences,
        tracer.folded,
        tuple(tracer.leaves),
        tracer.payloads,
    )


def _check_counted(nodes: Sequence[Node], counts: Mapping[str, int], tracer: Tracer) -> None:
    for name in counts:
        if name not in tracer.counted:
            counted = [node.origin for node in nodes if node.op_type in COUNTED]
            raise InputError(
                f"no loop or search is called '{name}'.",
                place="--trip-count",
                remedy=did_you_mean(name, counted) or "The network has none.",
            )
