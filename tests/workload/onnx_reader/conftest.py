"""Small ONNX networks for the reader's tests."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

Shape = Sequence[int | str | None]
MakeNetwork = Callable[..., onnx.ModelProto]


def make_network(
    nodes: Sequence[onnx.NodeProto],
    inputs: Mapping[str, Shape],
    outputs: Sequence[str],
    weights: Mapping[str, Sequence[int] | np.ndarray] | None = None,
    *,
    opset: int = 20,
    integers: Sequence[str] = (),
    functions: Sequence[onnx.FunctionProto] = (),
) -> onnx.ModelProto:
    """A model; a weight given by its shape only is external, so that no value can be read."""
    initializers = []
    for name, content in (weights or {}).items():
        if isinstance(content, np.ndarray):
            initializers.append(numpy_helper.from_array(content, name))
            continue
        tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=list(content))
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value="absent.bin")
        initializers.append(tensor)
    infos = [
        helper.make_tensor_value_info(
            name, TensorProto.INT64 if name in integers else TensorProto.FLOAT, list(shape)
        )
        for name, shape in inputs.items()
    ]
    results = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs]
    graph = helper.make_graph(list(nodes), "network", infos, results, initializers)
    imports = [helper.make_opsetid("", opset), helper.make_opsetid("local", 1)]
    return helper.make_model(graph, opset_imports=imports, ir_version=10, functions=list(functions))


@pytest.fixture
def network() -> MakeNetwork:
    return make_network
