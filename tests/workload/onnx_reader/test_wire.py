"""Payloads are cut out of encoded models without changing anything else of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from archsim.workload.onnx_reader import read_workload
from archsim.workload.onnx_reader.wire import (
    TooManyFields,
    WireError,
    check_fields,
    without_payloads,
)

_ROOT = Path(__file__).parents[3]
_PLENTY = 10**6
_KINDS = (np.float32, np.float64, np.int64, np.int32, np.uint8)
_HOLE_BYTES = 600 * 2**20


def stored_in(model: onnx.ModelProto) -> list[TensorProto]:
    """Every dense tensor of the model: initializers, constants, those inside graphs and functions."""
    found: list[TensorProto] = []

    def visit(graph: onnx.GraphProto | onnx.FunctionProto) -> None:
        found.extend(getattr(graph, "initializer", ()))
        for node in graph.node:
            for attribute in node.attribute:
                if attribute.HasField("t"):
                    found.append(attribute.t)
                if attribute.HasField("g"):
                    visit(attribute.g)

    visit(model.graph)
    for function in model.functions:
        visit(function)
    return found


def cleared(model: onnx.ModelProto) -> onnx.ModelProto:
    """The second method: decode everything, then clear each list that is longer than 64 KiB."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    for tensor in stored_in(copy):
        for field, width in (("raw_data", 1), ("float_data", 4), ("int64_data", 8)):
            if field == "int64_data":
                size = sum(len(_varint(value)) for value in tensor.int64_data)
            else:
                size = width * len(getattr(tensor, field))
            if size > 2**16:
                tensor.ClearField(field)
    return copy


def _varint(value: int) -> bytes:
    value %= 2**64
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def model_with(tensors: list[TensorProto]) -> onnx.ModelProto:
    """A model with the tensors in every place that a tensor can be."""
    inner = helper.make_graph(
        [helper.make_node("Constant", [], ["i"], value=tensors[-1])], "inner", [], [], tensors[:1]
    )
    nodes = [
        helper.make_node("Constant", [], ["c"], value=tensors[0]),
        helper.make_node("If", ["x"], ["y"], then_branch=inner, else_branch=inner),
    ]
    function = helper.make_function(
        "local", "F", ["a"], ["b"], nodes[:1], [helper.make_opsetid("", 20)]
    )
    graph = helper.make_graph(nodes, "g", [], [], tensors)
    return helper.make_model(graph, functions=[function], doc_string="d" * 70_000)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(_KINDS), st.sampled_from((0, 3, 8191, 8193, 70_000)), st.booleans()
        ),
        min_size=1,
        max_size=4,
    )
)
def test_what_is_left_is_the_model_less_its_long_lists(
    sizes: list[tuple[type[np.generic], int, bool]],
) -> None:
    tensors = []
    for index, (kind, count, raw) in enumerate(sizes):
        tensor = numpy_helper.from_array(np.full(count, 7, kind), f"t{index}")
        if not raw and kind in (np.float32, np.int64):
            tensor.ClearField("raw_data")
            field = tensor.float_data if kind is np.float32 else tensor.int64_data
            field.extend([7] * count)
        tensors.append(tensor)
    model = model_with(tensors)
    left = without_payloads(memoryview(model.SerializeToString()), _PLENTY)
    assert onnx.ModelProto.FromString(left) == cleared(model)


@given(st.binary(max_size=300))
def test_any_bytes_are_walked_or_refused(content: bytes) -> None:
    """And what the walk accepts unchanged, it gives back unchanged."""
    try:
        assert without_payloads(memoryview(content), _PLENTY) == content
    except WireError:
        return
    if content:
        with pytest.raises(TooManyFields):
            check_fields(memoryview(content), 0)


def test_fields_are_counted_at_all_depths() -> None:
    """The model has two fields, its graph two more, its node's name and output one each."""
    node = onnx.NodeProto(name="n", output=["y"])
    model = onnx.ModelProto(ir_version=8, graph=onnx.GraphProto(name="g", node=[node]))
    content = memoryview(model.SerializeToString())
    check_fields(content, 6)
    with pytest.raises(TooManyFields):
        check_fields(content, 5)


_MEASURE = """
import sys
from pathlib import Path
from archsim.workload.onnx_reader import read_workload
from tests.memory import peak_bytes
before = peak_bytes()
workload = read_workload(Path(sys.argv[1]))
print(workload.parameter_count, peak_bytes() - before)
"""


def test_weights_inside_a_file_are_never_loaded(tmp_path: Path) -> None:
    """600 MiB of weights, most of a file, add next to nothing to the memory of the process."""
    rows = _HOLE_BYTES // 4096
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, rows])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[rows, 1024])],
    )
    imports = [helper.make_opsetid("", 20)]
    tensor = graph.initializer.pop().SerializeToString() + b"\x4a" + _varint(_HOLE_BYTES)
    rest = graph.SerializeToString() + b"\x2a" + _varint(len(tensor) + _HOLE_BYTES) + tensor
    head = helper.make_model(onnx.GraphProto(), opset_imports=imports, ir_version=10)
    head.ClearField("graph")
    content = head.SerializeToString() + b"\x3a" + _varint(len(rest) + _HOLE_BYTES) + rest
    path = tmp_path / "large.onnx"
    with path.open("wb") as file:
        file.write(content)
        file.truncate(len(content) + _HOLE_BYTES)
    done = subprocess.run(
        [sys.executable, "-c", _MEASURE, str(path)],
        capture_output=True,
        text=True,
        cwd=_ROOT,
        check=True,
    )
    parameters, added = (int(word) for word in done.stdout.split())
    assert parameters == rows * 1024
    assert added < 64 * 2**20


_WATCH = """
import sys
from pathlib import Path
from archsim.workload.onnx_reader import read_workload
opened = []
sys.addaudithook(lambda event, values: opened.append(values[0]) if event == "open" else None)
read_workload(Path(sys.argv[1]))
print([str(name) for name in opened if not str(name).endswith((".py", ".pyc", ".so"))])
"""


def test_only_the_model_file_is_ever_opened(tmp_path: Path) -> None:
    """External data that is there, and small enough to be of use, stays closed; so do links."""
    secret = tmp_path / "secret"
    secret.write_bytes(bytes(64))
    (tmp_path / "linked.bin").symlink_to(secret)
    tensors = []
    for name in ("secret", "linked.bin"):
        tensor = TensorProto(name=f"w_{name}", data_type=TensorProto.FLOAT, dims=[16])
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value=name)
        tensors.append(tensor)
    shape = TensorProto(name="s", data_type=TensorProto.INT64, dims=[1])
    shape.data_location = TensorProto.EXTERNAL
    shape.external_data.add(key="location", value="secret")
    nodes = [
        helper.make_node("Add", ["x", "w_secret"], ["a"]),
        helper.make_node("Add", ["a", "w_linked.bin"], ["y"]),
        helper.make_node("ConstantOfShape", ["s0"], ["z"], value=shape),
    ]
    zero = numpy_helper.from_array(np.asarray([1], np.int64), "s0")
    graph = helper.make_graph(
        [*nodes, helper.make_node("Add", ["y", "z"], ["o"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, 16])],
        [helper.make_tensor_value_info("o", TensorProto.INT64, None)],
        [*tensors, zero],
    )
    graph.node[2].attribute[0].t.data_type = TensorProto.FLOAT
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    path = tmp_path / "net.onnx"
    path.write_bytes(model.SerializeToString())
    done = subprocess.run(
        [sys.executable, "-c", _WATCH, path.name],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={"PYTHONPATH": str(_ROOT), "PATH": ""},
        check=True,
    )
    assert done.stdout.strip() == str([path.name])
    assert read_workload(path).parameter_count == 32
