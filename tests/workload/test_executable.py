"""Networks made ready to be run: matrices in their tensors, parameters, and what is folded."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from archsim.cotraining.numerics.backend import FloatBackend
from archsim.cotraining.numerics.network import Network
from archsim.errors import InputError
from archsim.workload.builders.gpt2 import gpt2
from archsim.workload.builders.lenet import lenet
from archsim.workload.builders.lstm import lstm_language_model
from archsim.workload.builders.mlp import mlp
from archsim.workload.builders.resnet import resnet
from archsim.workload.executable import executable
from archsim.workload.executable_start import (
    fresh_parameters,
    initial_parameters,
    without_softmax,
)
from archsim.workload.executable_types import ExecutableGraph, Part
from archsim.workload.matrix_layout import layout_of
from archsim.workload.onnx_reader import loading, workload_from_model
from archsim.workload.ties import Ties
from tests.cotraining.numerics.network_cases import NETWORKS, NetworkCase, model_of

Array = NDArray[Any]


def outputs_of(
    graph: ExecutableGraph, parameters: Mapping[str, Array], inputs: Mapping[str, Array]
) -> Mapping[str, Array]:
    """The outputs in float64."""
    backend = FloatBackend(graph, parameters)
    network = Network(graph, dtype=np.float64)
    return network.forward(parameters, inputs, backend, training=False)[0]


@pytest.mark.parametrize("case", NETWORKS, ids=str)
def test_matrices_are_those_of_the_workload(case: NetworkCase) -> None:
    """Every matrix that is priced is held under its name and in its size, or named as digital."""
    model = case.build()
    graph = executable(model, dims=case.dims)
    workload = workload_from_model(model, name="network", dims=case.dims)
    assert set(graph.matrices) | set(graph.digital_matrices) == set(workload.matrices)
    assert not set(graph.matrices) & set(graph.digital_matrices)
    for name, found in graph.matrices.items():
        counted = workload.matrices[name]
        assert (found.inputs, found.outputs, found.blocks) == (
            counted.inputs,
            counted.outputs,
            counted.blocks,
        )
    assert set(graph.parameters) == set(workload.parameters)
    for name, parameter in graph.parameters.items():
        assert np.prod(parameter.shape) == workload.parameters[name].elements


def test_only_computed_weights_stay_digital() -> None:
    """A weight that the network computes from a parameter is no matrix of the backend."""
    case = next(c for c in NETWORKS if c.name == "products")
    graph = executable(case.build())
    assert graph.digital_matrices == ("turned",)
    assert {m.parameter for m in graph.matrices.values()} == {"packed", "stack", "left", "heads"}


def matrix(graph: ExecutableGraph, name: str, tensor: Array) -> Array:
    """The content of a matrix in its parameter's `tensor`."""
    return graph.matrices[name].take(tensor)


def test_a_kernel_is_a_matrix_of_windows_by_channels() -> None:
    """Row (c, i, j) and column n of a convolution's matrix is the kernel's element (n, c, i, j)."""
    graph = executable(lenet("lenet", classes=10, activation="relu", pooling="max"))
    kernel = np.random.default_rng(0).normal(size=(16, 6, 5, 5))
    found = matrix(graph, "conv2.weight", kernel)
    assert found.shape == (1, 150, 16)
    for n, c, i, j in [(0, 0, 0, 0), (3, 2, 1, 4), (15, 5, 4, 4)]:
        assert found[0, c * 25 + i * 5 + j, n] == kernel[n, c, i, j]


def test_parts_of_stored_tensors_are_found() -> None:
    """Slices, directions, gates and groups lie where the operators read them."""
    rng = np.random.default_rng(0)
    products = executable(next(c for c in NETWORKS if c.name == "products").build())
    packed = rng.normal(size=(12, 4))
    np.testing.assert_array_equal(matrix(products, "kt", packed)[0], packed[4:8].T)
    left = rng.normal(size=(2, 3))
    np.testing.assert_array_equal(matrix(products, "left", left)[0], left.T)
    gates = executable(next(c for c in NETWORKS if c.name == "gates").build())
    recurrent = rng.normal(size=(2, 9, 3))
    reset = matrix(gates, "r2[direction 1][h]", recurrent)
    np.testing.assert_array_equal(reset[0], recurrent[1, 6:].T)
    grouped = executable(next(c for c in NETWORKS if c.name == "grouped").build())
    kernel = rng.normal(size=(6, 2, 3, 3))
    found = matrix(grouped, "w2", kernel)
    np.testing.assert_array_equal(found[1], kernel[3:].reshape(3, 18).T)


@pytest.mark.parametrize("regular", [True, False])
def test_what_is_put_is_taken(regular: bool) -> None:
    """A layout writes a matrix where it reads it from, adds to it, and leaves the rest alone."""
    rng = np.random.default_rng(0)
    places = np.arange(24).reshape(4, 6)[1:, ::2].T[None] if regular else None
    if places is None:
        places = rng.permutation(24)[:9].reshape(1, 3, 3)
    layout = layout_of(places, 24)
    assert (layout.strides is not None) == regular
    assert not layout.whole
    tensor = rng.normal(size=(4, 6))
    before, content = tensor.copy(), rng.normal(size=(1, 3, 3))
    layout.put(tensor, content)
    np.testing.assert_array_equal(layout.take(tensor), content)
    layout.add(tensor, content)
    np.testing.assert_array_equal(layout.take(tensor), 2 * content)
    rest = np.setdiff1d(np.arange(24), places)
    np.testing.assert_array_equal(tensor.reshape(-1)[rest], before.reshape(-1)[rest])


def language_model() -> onnx.ModelProto:
    """An embedding, and a head that stores the same table a second time, transposed."""
    rng = np.random.default_rng(0)
    table = rng.normal(size=(7, 3))
    nodes = [
        helper.make_node("Gather", ["table", "ids"], ["e"]),
        helper.make_node("Tanh", ["e"], ["t"]),
        helper.make_node("MatMul", ["t", "head"], ["y"]),
        helper.make_node("ReduceSum", ["head"], ["z"]),
    ]
    model = model_of(nodes, {"ids": ("batch",)}, {"table": table, "head": table.T}, ("y", "z"))
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.INT64
    return model


def test_a_tie_makes_one_matrix_of_two_tensors() -> None:
    """With a tie there is one parameter, which both the lookup and the head read in the backend."""
    model = language_model()
    apart, tied = executable(model), executable(model, ties=Ties(tie=(("table", "head"),)))
    assert (set(apart.parameters), set(tied.parameters)) == ({"table", "head"}, {"table"})
    (held,) = tied.matrices.values()
    assert held.parameter == "table"
    assert sum(len(node.uses) for node in tied.nodes) == 2
    ids = {"ids": np.asarray([2, 6, 2])}
    one = outputs_of(apart, initial_parameters(apart), ids)
    two = outputs_of(tied, initial_parameters(tied), ids)
    for name in one:
        np.testing.assert_allclose(two[name], one[name], rtol=1e-6)


def test_an_untied_tensor_is_several_parameters() -> None:
    """Each reader after the first gets a parameter of its own, which starts as the stored one."""
    w = np.random.default_rng(0).normal(size=(3, 3))
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["a"]),
        helper.make_node("MatMul", ["a", "w"], ["y"]),
    ]
    graph = executable(model_of(nodes, {"x": ("batch", 3)}, {"w": w}), ties=Ties(untie=("w",)))
    assert set(graph.parameters) == {"w", "w@y"}
    start = initial_parameters(graph)
    np.testing.assert_array_equal(start["w"], start["w@y"])
    x = np.ones((2, 3))
    changed = {**start, "w@y": np.zeros((3, 3))}
    assert not outputs_of(graph, changed, {"x": x})["y"].any()
    np.testing.assert_allclose(outputs_of(graph, start, {"x": x})["y"], x @ w @ w, rtol=1e-6)


def test_absent_weights_are_named() -> None:
    """A file without numbers cannot be the start, but fresh numbers can."""
    graph = executable(resnet("r", block="basic", layers=(2, 2, 2, 2), classes=10, side=32))
    with pytest.raises(InputError, match=r"no numbers for 62 of 62 parameters: 'conv1.weight'"):
        initial_parameters(graph)
    fresh = fresh_parameters(graph, np.random.default_rng(0))
    assert set(fresh) == set(graph.parameters) | set(graph.statistics)
    assert {v.dtype for v in fresh.values()} == {np.dtype(np.float32)}


def test_external_weights_are_absent_and_not_opened() -> None:
    """What lies in another file is not read; running statistics of it are neutral."""
    rng = np.random.default_rng(0)
    weights = {name: rng.normal(size=3) for name in ("s", "b", "m", "v")}
    nodes = [helper.make_node("BatchNormalization", ["x", "s", "b", "m", "v"], ["y"])]
    model = model_of(nodes, {"x": ("batch", 3, 4)}, weights)
    for tensor in model.graph.initializer:
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value="absent.bin")
    graph = executable(model)
    assert [p.initial for p in graph.parameters.values()] == [None, None]
    assert graph.statistics["m"].tolist() == [0, 0, 0]
    assert graph.statistics["v"].tolist() == [1, 1, 1]


def test_fresh_weights_have_the_published_variances() -> None:
    """Kaiming before ReLU, Glorot else, uniform in cells; scales are 1 and biases 0."""
    rng = np.random.default_rng(0)
    fresh = fresh_parameters(executable(mlp("m", widths=(400, 300, 200), activation="relu")), rng)
    assert fresh["fc1.weight"].std() == pytest.approx(np.sqrt(2 / 400), rel=0.02)
    assert fresh["fc2.weight"].std() == pytest.approx(np.sqrt(2 / 500), rel=0.02)
    assert not fresh["fc1.bias"].any()
    graph = executable(
        lstm_language_model("l", layers=1, width=100, vocabulary=50), dims={"seq": 3}
    )
    fresh = fresh_parameters(graph, rng)
    for name in ("lstm.0.weight_ih", "lstm.0.weight_hh"):
        assert graph.parameters[name].part is Part.RECURRENT
        assert np.abs(fresh[name]).max() <= 0.1
        assert fresh[name].std() == pytest.approx(0.1 / np.sqrt(3), rel=0.02)
    assert np.square(fresh["encoder.weight"]).sum(1).mean() == pytest.approx(1, rel=0.1)
    network = resnet("r", block="basic", layers=(1,), classes=10, side=32)
    fresh = fresh_parameters(executable(network), rng)
    assert (fresh["bn1.weight"] == 1).all()
    assert not fresh["bn1.bias"].any()
    assert (fresh["bn1.running_var"] == 1).all()


def test_fresh_numbers_follow_the_seed() -> None:
    """The same seed gives the same numbers, another one others; frozen ones stay the file's."""
    model = mlp("m", widths=(8, 6, 4), activation="relu")
    graph = executable(model, frozen=("fc1.*",))
    draws = [fresh_parameters(graph, np.random.default_rng(seed)) for seed in (1, 1, 2)]
    np.testing.assert_array_equal(draws[0]["fc2.weight"], draws[1]["fc2.weight"])
    assert (draws[0]["fc2.weight"] != draws[2]["fc2.weight"]).all()
    stored = initial_parameters(graph)
    np.testing.assert_array_equal(draws[0]["fc1.weight"], stored["fc1.weight"])
    assert not graph.matrices["fc1.weight"].trainable
    assert graph.matrices["fc2.weight"].trainable


def test_an_unknown_frozen_name_is_refused() -> None:
    """A glob that matches no parameter is a mistake."""
    with pytest.raises(InputError, match="fc9"):
        executable(mlp("m", widths=(8, 6, 4), activation="relu"), frozen=("fc9.*",))


def test_free_and_fixed_batches_are_told_apart() -> None:
    """A symbolic batch is free wherever it stands; a fixed one is a number."""
    nodes = [helper.make_node("Relu", ["x"], ["y"])]
    for dims, expected in [
        (("batch", 3), (None, 3)),
        ((5, "batch"), (5, None)),
        ((4, 3), (4, 3)),
    ]:
        (entry,) = executable(model_of(nodes, {"x": dims}, {})).inputs
        assert entry.shape == expected
    lm = lstm_language_model("l", layers=1, width=4, vocabulary=9)
    graph = executable(lm, dims={"seq": 6})
    assert graph.inputs[0].shape == (None, 6)
    assert not graph.inputs[0].floating
    assert graph.output_shapes == ((None, 6, 9),)


def test_constants_are_folded_and_shapes_stay_open() -> None:
    """Arithmetic on stored tensors is done once; what depends on the batch is done in every run."""
    stored = {
        "w": np.ones((3, 3)),
        "scale": np.asarray(2.0),
        "half": np.asarray(0.5),
        "axis": np.asarray([0]),
        "rest": np.asarray([-1]),
    }
    make = helper.make_node
    nodes = [
        make("Mul", ["scale", "half"], ["one"]),
        make("Exp", ["one"], ["factor"]),
        make("Shape", ["x"], ["shape"], end=1),
        make("Concat", ["shape", "rest"], ["target"], axis=0),
        make("MatMul", ["x", "w"], ["a"]),
        make("Reshape", ["a", "target"], ["b"]),
        make("Mul", ["b", "factor"], ["y"]),
    ]
    graph = executable(model_of(nodes, {"x": ("batch", 2, 3)}, stored))
    assert [node.op_type for node in graph.nodes] == [
        "Shape",
        "Concat",
        "MatMul",
        "Reshape",
        "Mul",
    ]
    assert graph.constants["factor"] == pytest.approx(np.e)
    for batch in (1, 4):
        found = outputs_of(graph, initial_parameters(graph), {"x": np.ones((batch, 2, 3))})
        np.testing.assert_allclose(found["y"], np.full((batch, 6), 3 * np.e), rtol=1e-6)


def test_loops_and_functions_are_taken_apart() -> None:
    """A local function is replaced by its body, and a loop of known length by its iterations."""
    body = helper.make_graph(
        [
            helper.make_node("MatMul", ["state", "w"], ["next"]),
            helper.make_node("Identity", ["going"], ["still"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("going", TensorProto.BOOL, []),
            helper.make_tensor_value_info("state", TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("still", TensorProto.BOOL, []),
            helper.make_tensor_value_info("next", TensorProto.FLOAT, None),
        ],
    )
    twice = helper.make_function(
        "local",
        "Twice",
        ["a"],
        ["b"],
        [helper.make_node("Add", ["a", "a"], ["b"])],
        [helper.make_opsetid("", 20)],
    )
    nodes = [
        helper.make_node("Loop", ["count", "yes", "x"], ["l"], body=body),
        helper.make_node("Twice", ["l"], ["y"], domain="local"),
    ]
    w = np.random.default_rng(0).normal(size=(3, 3))
    stored = {"w": w, "count": np.asarray(3), "yes": np.asarray(True)}
    model = model_of(nodes, {"x": ("batch", 3)}, stored)
    model.opset_import.append(helper.make_opsetid("local", 1))
    model.functions.append(twice)
    graph = executable(model)
    assert set(graph.matrices) == {"w"}
    assert sum(len(node.uses) for node in graph.nodes) == 3
    found = outputs_of(graph, initial_parameters(graph), {"x": np.eye(3)})
    np.testing.assert_allclose(found["y"], 2 * w @ w @ w, rtol=1e-5)


@pytest.mark.parametrize(
    ("op_type", "axis", "opset", "dropped"),
    [
        ("Softmax", -1, 20, True),
        ("Softmax", 1, 11, True),
        ("Softmax", 0, 20, False),
        ("LogSoftmax", -1, 20, False),
    ],
)
def test_a_final_softmax_is_dropped(op_type: str, axis: int, opset: int, dropped: bool) -> None:
    """The cross entropy takes scores: a Softmax over the last axis goes, all else stays."""
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["scores"]),
        helper.make_node(op_type, ["scores"], ["y"], axis=axis),
    ]
    model = model_of(nodes, {"x": ("batch", 3)}, {"w": np.ones((3, 2))}, opset=opset)
    graph = without_softmax(executable(model))
    assert graph.outputs == (("scores",) if dropped else ("y",))
    assert len(graph.nodes) == (1 if dropped else 2)


def test_a_large_file_is_read_with_its_weights(tmp_path: Path) -> None:
    """Beyond the size up to which files are decoded at once, the weights are there all the same."""
    w = np.random.default_rng(0).normal(size=(1200, 1500)).astype(np.float32)
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"])]
    path = tmp_path / "large.onnx"
    path.write_bytes(model_of(nodes, {"x": ("batch", 1200)}, {"w": w}).SerializeToString())
    assert path.stat().st_size > 6 * 2**20
    graph = executable(path)
    assert graph.name == "large"
    np.testing.assert_array_equal(initial_parameters(graph)["w"], w)


def test_a_file_too_large_to_train_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pricing reads files of any size, training only what fits in memory several times."""
    path = tmp_path / "net.onnx"
    path.write_bytes(mlp("m", widths=(8, 6, 4), activation="relu").SerializeToString())
    monkeypatch.setattr(loading, "_LARGEST_TRAINED_BYTES", 100)
    with pytest.raises(InputError, match="up to 100 bytes are trained"):
        executable(path)


@pytest.mark.parametrize("content", [b"", b"no model", b"PK\x03\x04"])
def test_files_that_are_no_models_are_refused_as_ever(tmp_path: Path, content: bytes) -> None:
    """The reader's own checks come first."""
    path = tmp_path / "net.onnx"
    path.write_bytes(content)
    with pytest.raises(InputError):
        executable(path)


def test_integer_tables_and_half_precision_weights() -> None:
    """Stored numbers keep their kind: half precision starts float32, integers stay integers."""
    half = np.random.default_rng(0).normal(size=(3, 2)).astype(np.float16)
    nodes = [
        helper.make_node("Cast", ["w"], ["wide"], to=TensorProto.FLOAT),
        helper.make_node("MatMul", ["x", "wide"], ["a"]),
        helper.make_node("Gather", ["a", "order"], ["y"], axis=1),
    ]
    model = model_of(nodes, {"x": ("batch", 3)}, {"order": np.asarray([1, 0])})
    model.graph.initializer.append(numpy_helper.from_array(half, "w"))
    graph = executable(model)
    assert graph.constants["order"].dtype == np.int64
    assert {m.parameter for m in graph.matrices.values()} == {"w"}
    found = outputs_of(graph, initial_parameters(graph), {"x": np.eye(3)})
    np.testing.assert_allclose(found["y"], half[:, ::-1].astype(np.float64))


def test_the_same_model_gives_the_same_graph() -> None:
    """Nothing depends on chance or on the order of sets."""
    model = gpt2("g", layers=1, width=8, heads=2, vocabulary=20, longest=10)
    one, two = (executable(model, dims={"seq": 5}) for _ in range(2))
    assert one.nodes == two.nodes
    assert list(one.parameters.items()) == list(two.parameters.items())
    assert list(one.constants) == list(two.constants)
    assert list(one.matrices) == list(two.matrices)
