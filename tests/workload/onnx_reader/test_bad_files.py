"""Files that are no usable network get a sentence, quickly, and never a traceback."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from archsim.errors import InputError
from archsim.workload.onnx_reader import (
    UnsupportedOperators,
    read_workload,
    workload_from_model,
)


def node(op_type: str, inputs: list[str], outputs: list[str], **attributes: object):
    return helper.make_node(op_type, inputs, outputs, **attributes)


@pytest.fixture
def linear(network):
    return network([node("MatMul", ["x", "w"], ["y"])], {"x": [4, 16]}, ["y"], {"w": [16, 8]})


def refusal(model: onnx.ModelProto, **options) -> str:
    with pytest.raises(InputError) as caught:
        workload_from_model(model, name="test", sha256="", **options)
    return str(caught.value)


def test_missing_file_suggests_the_nearest_name(tmp_path: Path, linear) -> None:
    onnx.save(linear, tmp_path / "resnet50.onnx")
    with pytest.raises(InputError, match=r"no such file.*resnet50\.onnx"):
        read_workload(tmp_path / "resnet5O.onnx")


def test_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"folder .*nowhere.* does not exist"):
        read_workload(tmp_path / "nowhere" / "a.onnx")


def test_folder_is_refused_and_its_models_are_listed(tmp_path: Path, linear) -> None:
    onnx.save(linear, tmp_path / "inside.onnx")
    with pytest.raises(InputError, match=r"this is a folder.*inside\.onnx"):
        read_workload(tmp_path)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "empty"),
        (b"device: {kind: protonic}\nrows: 256\n", "not an ONNX file"),
        (b"\x00\xff\xfe" * 50, "not an ONNX file"),
    ],
)
def test_files_that_are_no_model_are_refused(tmp_path: Path, content, expected) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(InputError, match=expected):
        read_workload(path)


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.7, 0.9, 0.99])
def test_truncated_file_is_refused(tmp_path: Path, network, share: float) -> None:
    nodes = [node("MatMul", ["x", "w"], ["a"]), node("Relu", ["a"], ["y"])]
    model = network(nodes, {"x": [4, 16]}, ["y"], {"w": np.ones((16, 8), np.float32)})
    content = model.SerializeToString()
    path = tmp_path / "cut.onnx"
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(InputError) as caught:
        read_workload(path)
    assert str(path) in str(caught.value)


def test_any_extension_is_fine_and_the_name_is_the_stem(tmp_path: Path, linear) -> None:
    path = tmp_path / "net.bin"
    path.write_bytes(linear.SerializeToString())
    assert read_workload(path).name == "net"


def test_model_without_graph_is_refused() -> None:
    assert "no network" in refusal(onnx.ModelProto(ir_version=8))


def test_unknown_versions_are_refused(linear) -> None:
    linear.opset_import[0].version = 999
    assert "opset 999" in refusal(linear)
    linear.opset_import[0].version = 20
    linear.ir_version = 4000
    assert "IR version 4000" in refusal(linear)


def test_cycle_is_named(network) -> None:
    nodes = [node("Add", ["x", "c"], ["b"]), node("Relu", ["b"], ["c"])]
    message = refusal(network(nodes, {"x": [4]}, ["c"]))
    assert "cycle" in message
    assert "Add_0" in message
    assert "Relu_1" in message


def test_tensor_defined_twice_is_named(network) -> None:
    nodes = [node("Relu", ["x"], ["y"]), node("Tanh", ["x"], ["y"])]
    message = refusal(network(nodes, {"x": [4]}, ["y"]))
    assert "'y' is defined twice" in message
    assert "Tanh_1" in message


def test_dangling_input_and_output_suggest_the_nearest_tensor(network) -> None:
    nodes = [node("Relu", ["hidden_1"], ["y"])]
    message = refusal(network(nodes, {"hidden_l": [4]}, ["y"]))
    assert "'hidden_1' is produced by no node" in message
    assert "'hidden_l'" in message
    assert "graph output 'z'" in refusal(network([], {"x": [4]}, ["z"]))


def test_all_unsupported_operators_are_listed_at_once(network) -> None:
    nodes = [
        node("StringNormalizer", ["x"], ["a"]),
        node("StringNormalizer", ["x"], ["b"]),
        helper.make_node("Convolve", ["x"], ["c"], domain="local", name="mine"),
        node("Sum", ["a", "b", "c"], ["y"]),
    ]
    with pytest.raises(UnsupportedOperators) as caught:
        workload_from_model(network(nodes, {"x": [4, 4]}, ["y"]), name="test")
    found = {entry.op_type: entry for entry in caught.value.operators}
    assert {name: entry.count for name, entry in found.items()} == {
        "StringNormalizer": 2,
        "Convolve": 1,
    }
    assert found["Convolve"].nodes == ("mine",)
    assert found["Convolve"].domain == "local"
    assert found["Convolve"].nearest == "Conv"
    assert "StringNormalizer" in str(caught.value)
    assert "mine" in str(caught.value)
    # Sweeps send errors between processes.
    again = pickle.loads(pickle.dumps(caught.value))
    assert again.operators == caught.value.operators


def test_unsupported_operator_in_a_constant_subgraph_is_no_obstacle(network) -> None:
    nodes = [node("Det", ["c"], ["d"]), node("Mul", ["x", "d"], ["y"])]
    model = network(nodes, {"x": [4, 4]}, ["y"], {"c": np.ones((3, 3), np.float32)})
    assert [op.op_type for op in workload_from_model(model, name="test").ops] == ["Mul"]


@pytest.mark.parametrize(
    ("kernel", "groups"), [([8, 3, 3, 3], 2), ([8, 4, 3, 3], 3), ([8, 4, 300, 300], 1)]
)
def test_convolution_that_does_not_fit_names_its_node(network, kernel, groups) -> None:
    nodes = [helper.make_node("Conv", ["x", "w"], ["y"], name="bad", group=groups)]
    message = refusal(network(nodes, {"x": [1, 4, 8, 8]}, ["y"], {"w": kernel}))
    assert "'bad'" in message


def test_matmul_of_unequal_sizes_names_its_node(network) -> None:
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"], name="bad")]
    message = refusal(network(nodes, {"x": [4, 15]}, ["y"], {"w": [16, 8]}))
    assert "'bad'" in message
    assert "(4, 15)" in message


def test_shape_that_depends_on_the_data_names_tensor_and_node(network) -> None:
    nodes = [node("Expand", ["x", "shape"], ["y"])]
    model = network(nodes, {"x": [1], "shape": [1]}, ["y"], integers=["shape"])
    message = refusal(model)
    assert "'y'" in message
    assert "Expand_0" in message


def test_external_weights_are_never_opened(tmp_path: Path, network, monkeypatch) -> None:
    """A small external tensor that would fit the working directory's file stays unread."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "absent.bin").write_bytes(np.ones(8, np.float32).tobytes())
    model = network([node("Add", ["x", "w"], ["y"])], {"x": [2, 8]}, ["y"], {"w": [8]})
    onnx.save(model, tmp_path / "net.onnx")
    (tmp_path / "absent.bin").chmod(0)
    opened: list[Path] = []
    original = Path.open
    monkeypatch.setattr(
        Path, "open", lambda path, *mode: opened.append(path) or original(path, *mode)
    )
    assert read_workload(tmp_path / "net.onnx").parameter_count == 8
    assert opened == [tmp_path / "net.onnx"]


def recursive(name: str, calls: str, count: int = 1) -> onnx.FunctionProto:
    body = [
        helper.make_node(calls, ["a" if i == 0 else f"t{i}"], [f"t{i + 1}"], domain="local")
        for i in range(count)
    ]
    body.append(helper.make_node("Identity", [f"t{count}"], ["b"]))
    imports = [helper.make_opsetid("", 20), helper.make_opsetid("local", 1)]
    return helper.make_function("local", name, ["a"], ["b"], body, imports)


def test_recursive_function_is_refused(network) -> None:
    nodes = [helper.make_node("F", ["x"], ["y"], domain="local")]
    model = network(nodes, {"x": [4]}, ["y"], functions=[recursive("F", "G"), recursive("G", "F")])
    assert "calls itself" in refusal(model)


def test_function_that_unfolds_without_end_is_refused(network) -> None:
    functions = [recursive(f"F{i}", f"F{i + 1}", 10) for i in range(30)]
    functions.append(
        helper.make_function(
            "local",
            "F30",
            ["a"],
            ["b"],
            [node("Relu", ["a"], ["b"])],
            [helper.make_opsetid("", 20)],
        )
    )
    nodes = [helper.make_node("F0", ["x"], ["y"], domain="local")]
    assert "unfold" in refusal(network(nodes, {"x": [4]}, ["y"], functions=functions))


def test_local_function_is_replaced_by_its_body(network) -> None:
    body = [node("MatMul", ["a", "w"], ["t"]), node("Add", ["t", "c"], ["b"])]
    function = helper.make_function(
        "local", "Linear", ["a", "w", "c"], ["b"], body, [helper.make_opsetid("", 20)]
    )
    nodes = [helper.make_node("Linear", ["x", "w", "c"], ["y"], domain="local")]
    model = network(nodes, {"x": [4, 16]}, ["y"], {"w": [16, 8], "c": [8]}, functions=[function])
    workload = workload_from_model(model, name="test")
    assert workload.parameter_count == 16 * 8 + 8
    assert sum(workload.macs(op) for op in workload.ops) == 4 * 16 * 8


def test_random_damage_never_escapes_as_another_error(tmp_path: Path) -> None:
    """Bytes of a real file are overwritten at random: it imports, or it is refused."""
    folder = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
    content = (folder / "light_bvlc_alexnet.onnx").read_bytes()
    random = np.random.default_rng(7)
    path = tmp_path / "damaged.onnx"
    refused = 0
    for _ in range(150):
        damaged = bytearray(content)
        for position in random.integers(0, len(content), 1):
            damaged[position] = random.integers(0, 256)
        path.write_bytes(damaged)
        try:
            read_workload(path)
        except InputError:
            refused += 1
    assert 0 < refused < 150


def test_sequence_input_is_refused() -> None:
    value = helper.make_tensor_sequence_value_info("s", TensorProto.FLOAT, [1])
    graph = helper.make_graph(
        [node("Identity", ["s"], ["y"])],
        "g",
        [value],
        [helper.make_tensor_sequence_value_info("y", TensorProto.FLOAT, [1])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    assert "'s' is no tensor" in refusal(model)
