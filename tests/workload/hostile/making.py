"""Building blocks of hostile files: small networks that are fine but for one thing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnx
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper

Shape = Sequence[int | str | None]
OPSET = 20


def node(
    op_type: str, inputs: Sequence[str], outputs: Sequence[str], **attributes: object
) -> NodeProto:
    """A node that is called 'bad', so that the refusal can be seen to name it."""
    return helper.make_node(op_type, list(inputs), list(outputs), name="bad", **attributes)


def value(name: str, shape: Shape | None, kind: int = TensorProto.FLOAT) -> onnx.ValueInfoProto:
    """A graph input or output."""
    return helper.make_tensor_value_info(name, kind, shape)


def weight(name: str, shape: Sequence[int], kind: int = TensorProto.FLOAT) -> TensorProto:
    """A stored tensor whose elements are in a file that does not exist."""
    tensor = TensorProto(name=name, data_type=kind, dims=shape)
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="absent.bin")
    return tensor


def integers(name: str, *values: int) -> TensorProto:
    """A stored vector of 64-bit integers."""
    return numpy_helper.from_array(np.asarray(values, np.int64), name)


def scalar(name: str, kept: float) -> TensorProto:
    """A stored scalar."""
    kind = {bool: np.bool_, int: np.int64, float: np.float32}[type(kept)]
    return numpy_helper.from_array(np.asarray(kept, kind), name)


def graph(
    nodes: Sequence[NodeProto],
    inputs: Mapping[str, Shape | None],
    outputs: Sequence[str] = ("y",),
    stored: Sequence[TensorProto] = (),
    name: str = "network",
) -> GraphProto:
    """A graph of floating-point inputs and outputs of any shape."""
    given = [value(entry, shape) for entry, shape in inputs.items()]
    return helper.make_graph(
        list(nodes), name, given, [value(o, None) for o in outputs], list(stored)
    )


def model(
    nodes: Sequence[NodeProto],
    inputs: Mapping[str, Shape | None] | None = None,
    outputs: Sequence[str] = ("y",),
    stored: Sequence[TensorProto] = (),
    *,
    functions: Sequence[onnx.FunctionProto] = (),
    opset: int = OPSET,
) -> ModelProto:
    """A model; by default with one input x of shape [4, 16]."""
    made = graph(nodes, {"x": [4, 16]} if inputs is None else inputs, outputs, stored)
    imports = [helper.make_opsetid("", opset), helper.make_opsetid("local", 1)]
    return helper.make_model(made, opset_imports=imports, ir_version=10, functions=list(functions))


def linear() -> ModelProto:
    """A network that is fine: one matrix product."""
    return model([node("MatMul", ["x", "w"], ["y"])], stored=[weight("w", [16, 8])])


def function(
    name: str,
    nodes: Sequence[NodeProto],
    inputs: Sequence[str] = ("a",),
    outputs: Sequence[str] = ("b",),
) -> onnx.FunctionProto:
    """A local function."""
    imports = [helper.make_opsetid("", OPSET), helper.make_opsetid("local", 1)]
    return helper.make_function("local", name, list(inputs), list(outputs), list(nodes), imports)


def call(name: str, inputs: Sequence[str] = ("x",), outputs: Sequence[str] = ("y",)) -> NodeProto:
    """The call of a local function."""
    return helper.make_node(name, list(inputs), list(outputs), name="bad", domain="local")
