"""The file's nodes as the reader sees them: functions inlined, branches chosen, loops unrolled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

from archsim.errors import InputError
from archsim.workload.graph import Workload
from archsim.workload.numerics.kernel import Array
from archsim.workload.onnx_reader.binding import declared_inputs
from archsim.workload.onnx_reader.constants import initial_constants
from archsim.workload.onnx_reader.functions import inline_functions
from archsim.workload.onnx_reader.loading import opset_versions
from archsim.workload.onnx_reader.nodes import Node, decode_nodes, in_order, live_nodes
from archsim.workload.onnx_reader.trace import Traced, trace


@dataclass(frozen=True, slots=True)
class Flat:
    """Nodes in order, tensors that the file stores, and values that its structure implies.

    Of the latter are the number of an iteration, or the sizes of the parts of a sequence.
    """

    nodes: tuple[Node, ...]
    stored: Mapping[str, TensorProto]
    implied: Mapping[str, Array]


def flatten(model: onnx.ModelProto, workload: Workload, trip_counts: Mapping[str, int]) -> Flat:
    """The nodes of `model` bound as `workload` is; see `read_workload` for `trip_counts`."""
    model = inline_functions(model)
    graph = model.graph
    results = [value.name for value in graph.output]
    live, _ = live_nodes(decode_nodes(graph, opset_versions(model)), results)
    inputs = [
        (entry.name, entry.element_type, workload.tensors[entry.name].shape)
        for entry in declared_inputs(graph)
    ]
    constants = initial_constants(graph)
    traced = trace(
        in_order(live), inputs, constants, frozenset(results), model.opset_import, trip_counts
    )
    return flat_of(model, traced)


def flat_of(model: onnx.ModelProto, traced: Traced) -> Flat:
    """What the reader found in `model`, whose functions are inlined."""
    graph = model.graph
    stored = {tensor.name: tensor for tensor in graph.initializer} | dict(traced.payloads)
    stored |= {sparse.values.name: _dense(sparse) for sparse in graph.sparse_initializer}
    implied = {
        name: constant.value
        for name, constant in traced.scope.constants.items()
        if constant.value is not None and name not in stored
    }
    return Flat(traced.leaves, stored, implied)


def _dense(sparse: onnx.SparseTensorProto) -> TensorProto:
    values = elements(sparse.values)
    indices = elements(sparse.indices)
    found = np.zeros(tuple(sparse.dims), values.dtype)
    if indices.ndim == 1:
        found.reshape(-1)[indices] = values
    else:
        found[tuple(indices.T)] = values
    return numpy_helper.from_array(found, sparse.values.name)


def elements(tensor: TensorProto) -> Array:
    """The elements of a stored tensor; raises `InputError` if they are not in the file."""
    if tensor.data_location == TensorProto.EXTERNAL:
        raise InputError(
            f"the elements of '{tensor.name}' are not in the file.",
            remedy="Load the model with its weights, or fill them in with `with_weights`.",
        )
    return numpy_helper.to_array(tensor)
