"""One pass over the nodes in order: fold what is constant, and understand the rest."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import onnx
from onnx import TensorProto

from archsim.errors import InputError
from archsim.workload.graph import TensorInfo
from archsim.workload.onnx_reader.constants import Constant, constant_node, lineages
from archsim.workload.onnx_reader.evaluate import evaluate, shaped_by_value
from archsim.workload.onnx_reader.families.embedding import is_constant_lookup
from archsim.workload.onnx_reader.families.matmul import is_constant_product
from archsim.workload.onnx_reader.nodes import Node
from archsim.workload.onnx_reader.operators import Operator, Piece, Scope
from archsim.workload.onnx_reader.registry import (
    SHAPE_ONLY,
    UnsupportedOperators,
    lookup,
    unsupported,
)
from archsim.workload.onnx_reader.shapes import infer, tensor_info, type_proto, wanted


@dataclass(frozen=True, slots=True)
class Traced:
    """The pieces in order, each with the node it comes from, and every tensor's description."""

    pieces: list[tuple[Node, Piece]]
    scope: Scope


def check_supported(nodes: Sequence[Node], constants: Mapping[str, Constant]) -> None:
    """Refuse a network with unknown operators that do not fold away; all are listed at once."""
    known = set(constants)
    left = []
    for node in nodes:
        if _folds(node, known):
            known.update(node.outputs)
        else:
            left.append(node)
    found = unsupported(left)
    if found:
        raise UnsupportedOperators(found)


def _folds(node: Node, known: set[str] | Mapping[str, Constant]) -> bool:
    if node.has_subgraph:
        return False
    if node.domain == "" and node.op_type in SHAPE_ONLY:
        return True
    return all(name in known for name in node.inputs if name)


class _Tracer:
    """The tables of a pass; they grow node by node."""

    def __init__(
        self,
        inputs: Sequence[TensorInfo],
        constants: Mapping[str, Constant],
        consumers: Mapping[str, Sequence[Node]],
        results: frozenset[str],
        opsets: Sequence[onnx.OperatorSetIdProto],
    ) -> None:
        self.tensors = {entry.name: entry for entry in inputs}
        self.constants = dict(constants)
        self.types: dict[str, onnx.TypeProto] = {}
        self.scope = Scope(self.tensors, self.constants, consumers, results)
        self.opsets = opsets
        self.pieces: list[tuple[Node, Piece]] = []

    def visit(self, node: Node) -> None:
        trains = is_constant_lookup(node, self.scope) or is_constant_product(node, self.scope)
        if _folds(node, self.constants) and not trains:
            self._fold(node)
        else:
            self._understand(node)

    def _fold(self, node: Node) -> None:
        if node.op_type == "Constant" and node.domain == "":
            self._define(constant_node(node))
            return
        if node.op_type in SHAPE_ONLY and node.domain == "":
            self._fold_shape(node)
            return
        operator = lookup(node)
        rule = shaped_by_value(node) or (None if operator is None else operator.shapes)
        inferred = [
            entry if entry is not None else (0, ())
            for entry in infer(node, self.scope, self.types, self.opsets, rule)
        ]
        operands = [self.constants.get(name) if name else None for name in node.inputs]
        shapes = [shape for _, shape in inferred]
        values = evaluate(node, [None if c is None else c.value for c in operands], shapes)
        origins = lineages(node, operands, shapes)
        for name, (element_type, shape), value, origin in zip(
            node.outputs, inferred, values, origins, strict=True
        ):
            if name:
                self._define(
                    Constant(
                        name,
                        shape,
                        element_type,
                        origin.roots,
                        origin.view,
                        origin.flipped,
                        origin.distinct,
                        value,
                    )
                )

    def _fold_shape(self, node: Node) -> None:
        """Shape and Size: all dimensions are bound, so they are constants."""
        shape = self.scope.shape(node.input(0))
        value = np.asarray(
            math.prod(shape) if node.op_type == "Size" else _dimensions(node, shape), np.int64
        )
        self._define(
            Constant(
                node.outputs[0], value.shape, TensorProto.INT64, distinct=value.shape, value=value
            )
        )

    def _define(self, constant: Constant) -> None:
        self.constants[constant.name] = constant
        self.types[constant.name] = type_proto(constant.element_type, constant.shape)

    def _understand(self, node: Node) -> None:
        operator = lookup(node)
        if operator is None:
            raise UnsupportedOperators(unsupported([node]))
        nonnegative = operator.sign(node, self.scope)
        through = operator.straight_through(node, self.scope)
        found = infer(node, self.scope, self.types, self.opsets, operator.shapes)
        for index, (name, entry) in enumerate(zip(node.outputs, found, strict=False)):
            if entry is None or not wanted(self.scope, index, name):
                continue
            element_type, shape = entry
            if 0 in shape:
                raise InputError(
                    f"the tensor '{name}' would have no elements: its shape is {shape}.",
                    place=node.place,
                    remedy="Check the sizes given with --batch, --dim and --shape.",
                )
            info = tensor_info(name, element_type, shape, nonnegative=nonnegative)
            if through or self._carries_gradient(node, element_type):
                info = replace(info, floating=True)
            self.tensors[name] = info
            self.types[name] = type_proto(element_type, shape)
        for piece in self._pieces(node, operator):
            self.tensors.update({entry.name: entry for entry in piece.internal})
            self.pieces.append((node, piece))

    def _carries_gradient(self, node: Node, element_type: int) -> bool:
        """Whether the node hands on a quantised tensor through which gradients pass."""
        source = self.tensors.get(node.input(0))
        if source is None or not source.floating:
            return False
        return self.types[source.name].tensor_type.elem_type == element_type

    def _pieces(self, node: Node, operator: Operator) -> Sequence[Piece]:
        try:
            return operator.handler(node, self.scope)
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:
            # Shape inference lets through some inputs and attributes that make no sense.
            shown = ", ".join(f"'{n}' {self.scope.shape(n)}" for n in node.inputs if n)
            raise InputError(
                f"its inputs ({shown}) and attributes do not fit the operator.",
                place=node.place,
                remedy="Check the file, and the sizes given with --batch, --dim and --shape.",
            ) from error


def _dimensions(node: Node, shape: tuple[int, ...]) -> tuple[int, ...]:
    """What Shape gives, with its optional `start` and `end` (clamped, negative from the end)."""
    return shape[slice(node.integer("start", 0), node.integer("end", len(shape)))]


def trace(
    nodes: Sequence[Node],
    inputs: Sequence[tuple[str, int, tuple[int, ...]]],
    constants: Mapping[str, Constant],
    results: frozenset[str],
    opsets: Sequence[onnx.OperatorSetIdProto],
) -> Traced:
    """Understand `nodes` (in order) for bound `inputs` (name, element type, shape)."""
    consumers: dict[str, list[Node]] = {}
    for node in nodes:
        for name in dict.fromkeys(filter(None, node.inputs)):
            consumers.setdefault(name, []).append(node)
    infos = [tensor_info(name, kind, shape) for name, kind, shape in inputs]
    tracer = _Tracer(infos, constants, consumers, results, opsets)
    for name, kind, shape in inputs:
        tracer.types[name] = type_proto(kind, shape)
    for constant in constants.values():
        tracer.types[constant.name] = type_proto(constant.element_type, constant.shape)
    for node in nodes:
        tracer.visit(node)
    return Traced(tracer.pieces, tracer.scope)
