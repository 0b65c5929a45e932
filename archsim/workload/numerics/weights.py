"""Weights for a network whose file has none: seeded random numbers in place of what is absent."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from archsim.workload.graph import ParameterRole, Workload
from archsim.workload.numerics.kernel import Array


def with_weights(
    model: onnx.ModelProto, workload: Workload, generator: np.random.Generator
) -> onnx.ModelProto:
    """A copy of `model` in which every learned tensor has elements of its own.

    Initializers and constants whose elements are in external files, and learned tensors that a
    ConstantOfShape node stands for, get random values of the scale that their role calls for; what
    the file stores stays.  Absent running statistics are positive, so that they can be variances,
    and absent indices are zero, which is an index of anything.
    """
    filled = onnx.ModelProto()
    filled.CopyFrom(model)
    graph = filled.graph
    for tensor in graph.initializer:
        _fill(tensor, tensor.name, workload, generator)
    stored = {tensor.name: tensor for tensor in graph.initializer}
    kept = []
    for node in graph.node:
        if node.op_type == "Constant" and not node.domain:
            for attribute in node.attribute:
                if attribute.HasField("t"):
                    _fill(attribute.t, node.output[0], workload, generator)
        if _stands_in(node, workload):
            graph.initializer.append(_in_place_of(node, stored, workload, generator))
        else:
            kept.append(node)
    if len(kept) < len(graph.node):
        # The originals die with the list that they are taken from.
        copies = [onnx.NodeProto.FromString(node.SerializeToString()) for node in kept]
        del graph.node[:]
        graph.node.extend(copies)
    return filled


def _fill(
    tensor: TensorProto, name: str, workload: Workload, generator: np.random.Generator
) -> None:
    """Give an external tensor elements; `name` is what the workload calls it."""
    if tensor.data_location == TensorProto.EXTERNAL:
        values = _random(name, tuple(tensor.dims), workload, generator)
        tensor.CopyFrom(
            _tensor(tensor.name, values, tensor.data_type, learned=name in workload.parameters)
        )


def _stands_in(node: onnx.NodeProto, workload: Workload) -> bool:
    """Whether a ConstantOfShape node stands for a learned tensor."""
    own = node.op_type == "ConstantOfShape" and not node.domain
    return own and node.output[0] in workload.parameters


def _in_place_of(
    node: onnx.NodeProto,
    stored: Mapping[str, TensorProto],
    workload: Workload,
    generator: np.random.Generator,
) -> TensorProto:
    name = node.output[0]
    shape = tuple(int(size) for size in numpy_helper.to_array(stored[node.input[0]]))
    kind = node.attribute[0].t.data_type if node.attribute else TensorProto.FLOAT
    return _tensor(name, _random(name, shape, workload, generator), kind, learned=True)


def _random(
    name: str, shape: tuple[int, ...], workload: Workload, generator: np.random.Generator
) -> Array:
    """Values of the tensor `name`, by its role; float64."""
    parameter = workload.parameters.get(name)
    role = None if parameter is None else parameter.role
    if role is ParameterRole.WEIGHT:
        # All axes but the largest stand for the fan-in: sums stay of the order of one.
        fan_in = math.prod(shape) / max(shape, default=1)
        return generator.normal(0.0, 1.0 / math.sqrt(max(fan_in, 1.0)), shape)
    if role is ParameterRole.BIAS:
        return generator.normal(0.0, 0.1, shape)
    if role is ParameterRole.EMBEDDING:
        return generator.normal(0.0, 1.0, shape)
    return generator.uniform(0.5, 1.5, shape)


def _tensor(name: str, values: Array, kind: int, *, learned: bool) -> TensorProto:
    """`values` as an element type of ONNX; integers are levels of a weight, or indices."""
    dtype = helper.tensor_dtype_to_np_dtype(kind)
    if dtype.kind in "iu":
        values = np.abs(np.rint(values * 10)) if learned else np.zeros_like(values)
    return numpy_helper.from_array(values.astype(dtype), name)
