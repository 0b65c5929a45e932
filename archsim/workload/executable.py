"""From an ONNX file to a network that can be run and trained (see `executable_types`).

The reader's own pass is used, so that functions and control flow are taken apart, ties are applied
and hostile files are refused in the same way, and every product is found in the file by the matrix
that the workload counts it under.  What depends on neither inputs nor parameters is computed here,
once; shapes stay open, since they depend on the batch.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import onnx
from onnx import AttributeProto, TensorProto, helper, numpy_helper

from archsim.errors import InputError
from archsim.workload.collecting import collection_paused
from archsim.workload.executable_layouts import Places, held_matrices
from archsim.workload.executable_parameters import parameter_tensors
from archsim.workload.executable_types import (
    Array,
    Attribute,
    ExecutableGraph,
    ExecutableNode,
    GraphInput,
    MatrixUse,
)
from archsim.workload.numerics.covers import Network
from archsim.workload.numerics.flattening import Flat, flat_of
from archsim.workload.numerics.values import Constants
from archsim.workload.onnx_reader.binding import declared_inputs
from archsim.workload.onnx_reader.loading import load_model, load_with_elements
from archsim.workload.onnx_reader.nodes import Node
from archsim.workload.onnx_reader.reader import Bindings, Understood, understood
from archsim.workload.ties import NO_TIES, Ties
from archsim.workload.training import TrainingOptions, check_options

_NONE: Mapping[str, int] = MappingProxyType({})
_NO_SHAPES: Mapping[str, tuple[int, ...]] = MappingProxyType({})
# The inputs of an operator that are running means and variances.
_STATISTICS = {("", "BatchNormalization"): (3, 4)}


@collection_paused()
def executable(
    source: Path | str | onnx.ModelProto,
    *,
    name: str = "",
    batch: int | None = None,
    dims: Mapping[str, int] = _NONE,
    shapes: Mapping[str, tuple[int, ...]] = _NO_SHAPES,
    trip_counts: Mapping[str, int] = _NONE,
    ties: Ties = NO_TIES,
    frozen: Sequence[str] = (),
) -> ExecutableGraph:
    """The network in the file or model `source`, ready to be run and trained.

    `batch`, `dims`, `shapes`, `trip_counts` and `ties` are those of `read_workload`; `frozen` are
    globs over parameters that are not trained.  Matrices have the names of `Workload.matrices`.  Raises `InputError` for
    bad input, as `read_workload`.
    """
    if isinstance(source, onnx.ModelProto):
        model, label = source, name or source.graph.name
    else:
        # The first pass refuses what cannot be read safely, before the weights are.
        load_model(Path(source))
        model, label = load_with_elements(Path(source)), name or Path(source).stem
    bindings = Bindings(batch, dims, shapes, trip_counts, ties)
    known = understood(model, name=label, bindings=bindings)
    check_options(known.workload, TrainingOptions(frozen=tuple(frozen), loss="none"))
    return _Assembly(known, tuple(frozen)).graph()


@dataclass(frozen=True, slots=True)
class _Live:
    """The nodes that run in every step, and the constants that they read."""

    nodes: tuple[ExecutableNode, ...]
    constants: tuple[str, ...]


class _Assembly:
    """The graph while it is put together; used once."""

    def __init__(self, known: Understood, frozen: tuple[str, ...]) -> None:
        self._known = known
        self._workload = known.workload
        self._frozen = frozen
        self._flat = _with_untied(flat_of(known.model, known.traced), known)
        self._constants = Constants(
            Network(self._flat.nodes, self._flat.stored, self._workload), self._flat
        )
        self._aliases = _aliases(known)
        self._places = Places(known, self._value)
        self._held = held_matrices(known, self._places)

    def graph(self) -> ExecutableGraph:
        """The finished graph."""
        statistics = self._statistics()
        live = self._live(statistics)
        trained = {
            name
            for name in self._workload.parameters
            if not any(fnmatchcase(name, glob) for glob in self._frozen)
        }
        matrices = {
            name: matrix.tensor(trainable=matrix.parameter in trained)
            for name, matrix in self._held.matrices.items()
        }
        read = {name for node in live.nodes for name in node.digital_inputs}
        shapes = [self._shape(name) for name in self._workload.outputs]
        return ExecutableGraph(
            name=self._workload.name,
            inputs=tuple(self._inputs()),
            outputs=self._workload.outputs,
            output_shapes=tuple(shapes),
            nodes=live.nodes,
            constants={name: self._value(name) for name in live.constants},
            parameters=parameter_tensors(
                self._workload,
                live.nodes,
                matrices,
                {
                    name: (self._known.traced.scope.constants[name].shape, self._stored(name))
                    for name in self._workload.parameters
                },
                frozenset(trained),
            ),
            statistics={name: value for name, value in statistics.items() if name in read},
            matrices=matrices,
            digital_matrices=tuple(
                name for name in self._workload.matrices if name not in matrices
            ),
        )

    def _inputs(self) -> Iterator[GraphInput]:
        declared = declared_inputs(self._known.model.graph)
        batch = self._known.batch_symbol
        for entry in declared:
            info = self._workload.tensors[entry.name]
            dimensions = entry.dimensions or info.shape
            shape = (
                None if name == batch or (name is None and axis == 0) else size
                for axis, (name, size) in enumerate(zip(dimensions, info.shape, strict=True))
            )
            yield GraphInput(entry.name, tuple(shape), info.floating)

    def _shape(self, name: str) -> tuple[int | None, ...]:
        """An output's shape, free where the file says that it is the batch, or leads with it."""
        shape = self._workload.tensors[name].shape
        batch = self._known.batch_symbol
        if not batch:
            return shape
        found = next(v for v in self._known.model.graph.output if v.name == name)
        named = [d.dim_param for d in found.type.tensor_type.shape.dim]
        if len(named) == len(shape) and batch in named:
            free = tuple(n == batch for n in named)
        else:
            free = tuple(axis == 0 and n == self._workload.samples for axis, n in enumerate(shape))
        return tuple(None if f else size for f, size in zip(free, shape, strict=True))

    def _stored(self, name: str) -> Array | None:
        """The numbers of a parameter, or None if the file holds none of its own."""
        producer = self._constants.network.producer.get(name)
        if producer is not None and producer.op_type == "ConstantOfShape":
            return None
        tensor = self._flat.stored.get(name)
        if tensor is not None and tensor.data_location == TensorProto.EXTERNAL:
            return None
        return self._value(name)

    def _value(self, name: str) -> Array:
        """The value of a constant; raises `InputError` if it cannot be known."""
        try:
            return np.asarray(self._constants[name])
        except KeyError:
            raise InputError(
                f"the constant '{name}' cannot be computed in numpy.",
                place=self._workload.name,
                remedy="Export the network with constant folding.",
            ) from None

    def _statistics(self) -> dict[str, Array]:
        """Running means and variances, by tensor; neutral ones where the file has no numbers."""
        found: dict[str, Array] = {}
        for node in self._flat.nodes:
            for slot in _STATISTICS.get((node.domain, node.op_type), ()):
                constant = self._known.traced.scope.constants.get(node.input(slot))
                if constant is None:
                    continue
                tensor = self._flat.stored.get(constant.name)
                if tensor is not None and tensor.data_location == TensorProto.EXTERNAL:
                    found[constant.name] = np.full(constant.shape, slot == 4, np.float32)
                else:
                    found[constant.name] = self._value(constant.name)
        return found

    def _live(self, statistics: Iterable[str]) -> _Live:
        dynamic = {*self._workload.inputs, *self._workload.parameters, *statistics}
        running: list[tuple[Node, tuple[MatrixUse, ...]]] = []
        for node in self._flat.nodes:
            if node.outputs[0] in self._workload.parameters:
                continue
            uses = self._held.uses.get(node.outputs[0], ())
            slots = {use.slot for use in uses}
            operands = [n for index, n in enumerate(node.inputs) if index not in slots]
            if uses or any(self._aliases.get(n, n) in dynamic for n in operands if n):
                dynamic.update(filter(None, node.outputs))
                running.append((node, uses))
        return self._needed(running, dynamic)

    def _needed(
        self, running: Sequence[tuple[Node, tuple[MatrixUse, ...]]], dynamic: set[str]
    ) -> _Live:
        needed = set(self._workload.outputs)
        nodes: list[ExecutableNode] = []
        constants: dict[str, None] = {}
        for node, uses in reversed(running):
            if not needed.intersection(node.outputs):
                continue
            made = _executable_node(node, uses)
            for name in made.digital_inputs:
                needed.add(name)
                if self._aliases.get(name, name) not in dynamic:
                    constants[name] = None
            nodes.append(made)
        tied = [
            _copy(name, source, flipped=self._known.constants[name].flipped)
            for name, source in self._aliases.items()
            if name in needed
        ]
        return _Live((*tied, *nodes[::-1]), tuple(constants))


def _with_untied(flat: Flat, known: Understood) -> Flat:
    """`flat` with the tensors that untying made: `name@reader` holds what `name` does."""
    stored = dict(flat.stored)
    for name in known.constants:
        parts = name.split("@")
        bases = ("@".join(parts[:end]) for end in range(len(parts) - 1, 0, -1))
        base = next((b for b in bases if b in stored), None)
        if name not in stored and base is not None:
            stored[name] = stored[base]
    return replace(flat, stored=stored)


def _aliases(known: Understood) -> dict[str, str]:
    """Stored tensors that ties make one with another, by name: the parameter that they are."""
    return {
        name: constant.roots[0].name
        for name, constant in known.constants.items()
        if constant.roots and constant.roots[0].name != name
    }


def _copy(name: str, source: str, *, flipped: bool) -> ExecutableNode:
    """A node that makes the tied tensor `name` of the parameter `source`."""
    return ExecutableNode(
        name=f"{name}/tied",
        op_type="Transpose" if flipped else "Identity",
        domain="",
        version=13,
        inputs=(source,),
        outputs=(name,),
    )


def _executable_node(node: Node, uses: tuple[MatrixUse, ...]) -> ExecutableNode:
    attributes = {name: _attribute(found) for name, found in node.attributes.items()}
    return ExecutableNode(
        name=node.name,
        op_type=node.op_type,
        domain=node.domain,
        version=node.version,
        inputs=node.inputs,
        outputs=node.outputs,
        attributes={name: value for name, value in attributes.items() if value is not None},
        uses=uses,
    )


def _attribute(found: AttributeProto) -> Attribute | None:
    """An attribute as a plain value; None for kinds that no operator with numbers has."""
    if found.type in (AttributeProto.GRAPH, AttributeProto.GRAPHS, AttributeProto.SPARSE_TENSOR):
        return None
    value = helper.get_attribute_value(found)
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, TensorProto):
        return numpy_helper.to_array(value)
    if isinstance(value, (int, float)):
        return value
    if isinstance(value, Iterable):
        parts: list[Any] = list(value)
        return tuple(v.decode("utf-8", "replace") if isinstance(v, bytes) else v for v in parts)
    return None
