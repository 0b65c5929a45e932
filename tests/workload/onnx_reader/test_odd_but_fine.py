"""Files that look like an attack and are none: what exporters and tools do write, and we read."""

from __future__ import annotations

import time

import numpy as np
import pytest
from onnx import SparseTensorProto, TensorProto, helper, numpy_helper

from archsim.workload.onnx_reader import workload_from_model
from archsim.workload.onnx_reader.nodes import UniqueNames


def node(op_type: str, inputs: list[str], outputs: list[str], **attributes: object):
    return helper.make_node(op_type, inputs, outputs, **attributes)


def test_nodes_in_any_order_are_one_network(network) -> None:
    """Precision converters append their casts at the end of the file."""
    chain = [node("Relu" if i % 2 else "Tanh", [f"t{i}"], [f"t{i + 1}"]) for i in range(50)]
    shuffled = [chain[i] for i in np.random.default_rng(3).permutation(50)]
    sorted_ops = workload_from_model(network(chain, {"t0": [4]}, ["t50"]), name="a").ops
    shuffled_ops = workload_from_model(network(shuffled, {"t0": [4]}, ["t50"]), name="b").ops
    assert [op.outputs for op in shuffled_ops] == [op.outputs for op in sorted_ops]


def test_sparse_weight_counts_in_its_dense_shape(network) -> None:
    model = network([node("MatMul", ["x", "w"], ["y"])], {"x": [4, 16]}, ["y"])
    values = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[2], float_data=[1, 2])
    indices = TensorProto(data_type=TensorProto.INT64, dims=[2], int64_data=[0, 5])
    model.graph.sparse_initializer.append(
        SparseTensorProto(values=values, indices=indices, dims=[16, 8])
    )
    assert workload_from_model(model, name="test").parameter_count == 16 * 8


def test_weight_without_elements_counts_by_its_shape(network) -> None:
    """Files are stripped of their weights to be shared."""
    model = network([node("MatMul", ["x", "w"], ["y"])], {"x": [4, 16]}, ["y"], {"w": [16, 8]})
    model.graph.initializer[0].ClearField("external_data")
    model.graph.initializer[0].ClearField("data_location")
    assert workload_from_model(model, name="test").parameter_count == 16 * 8


def test_names_are_any_text_that_can_be_shown(network) -> None:
    odd = "w/é 雪 :0\t" + "x" * 3000
    model = network([node("MatMul", ["x", odd], ["y"])], {"x": [4, 16]}, ["y"], {odd: [16, 8]})
    assert list(workload_from_model(model, name="test").matrices) == [odd]


def test_constant_of_no_elements_is_a_constant(network) -> None:
    """Exporters write an empty region of interest beside the scales of a Resize."""
    nodes = [node("Resize", ["x", "roi", "scales"], ["y"])]
    stored = {"roi": np.zeros(0, np.float32), "scales": np.asarray([1, 1, 2, 2], np.float32)}
    workload = workload_from_model(network(nodes, {"x": [1, 3, 4, 4]}, ["y"], stored), name="test")
    assert workload.tensors["y"].shape == (1, 3, 8, 8)


@pytest.mark.parametrize("fill", [float("-inf"), float("nan"), 3.4e38])
def test_extreme_constants_are_constants(network, fill: float) -> None:
    """A mask of attention is filled with minus infinity."""
    stored = {"m": np.full((4, 4), fill, np.float32)}
    model = network([node("Add", ["x", "m"], ["y"])], {"x": [4, 4]}, ["y"], stored)
    assert [op.op_type for op in workload_from_model(model, name="test").ops] == ["Add"]


def test_node_without_outputs_is_left_out(network) -> None:
    nodes = [node("Relu", ["x"], []), node("Tanh", ["x"], ["y"])]
    model = network(nodes, {"x": [4]}, ["y"])
    assert [op.op_type for op in workload_from_model(model, name="test").ops] == ["Tanh"]


def test_ten_thousand_nodes_of_one_name_are_told_apart_quickly(network) -> None:
    count = 10_000
    nodes = [helper.make_node("Relu", [f"t{i}"], [f"t{i + 1}"], name="n") for i in range(count)]
    start = time.process_time()
    workload = workload_from_model(network(nodes, {"t0": [4]}, [f"t{count}"]), name="test")
    assert len({op.name for op in workload.ops}) == count
    assert time.process_time() - start < 10.0


def test_unique_names_are_those_of_the_plain_search() -> None:
    """A name that is taken gets the lowest free number, as trying them one by one would give."""
    random = np.random.default_rng(5)
    wanted = [str(random.choice(["a", "a_2", "a_3", "b", "a_2_2"])) for _ in range(200)]
    names, taken = UniqueNames(), set[str]()
    for name in wanted:
        number, expected = 1, name
        while expected in taken:
            number += 1
            expected = f"{name}_{number}"
        taken.add(expected)
        assert names.take(name) == expected


def test_value_of_a_constant_that_is_kept_elsewhere_is_not_looked_for(network, tmp_path) -> None:
    """The file of that name in the working directory has nothing to do with the model."""
    fill = numpy_helper.from_array(np.zeros(1, np.float32))
    fill.ClearField("raw_data")
    fill.data_location = TensorProto.EXTERNAL
    fill.external_data.add(key="location", value="here.bin")
    nodes = [node("ConstantOfShape", ["s"], ["c"], value=fill), node("Mul", ["x", "c"], ["y"])]
    model = network(nodes, {"x": [4, 4]}, ["y"], {"s": np.asarray([4, 4])})
    assert [op.op_type for op in workload_from_model(model, name="test").ops] == ["Mul"]


def test_axes_of_a_permutation_may_be_counted_from_the_end(network) -> None:
    """As PyTorch hands them on; the network is the same, and a note says so."""
    results = []
    for perm in ([0, -2, -1, 1], [0, 2, 3, 1]):
        nodes = [node("Transpose", ["x"], ["t"], perm=perm), node("MatMul", ["t", "w"], ["y"])]
        model = network(nodes, {"x": [2, 3, 4, 5]}, ["y"], {"w": [3, 7]})
        results.append(workload_from_model(model, name="test"))
    from_end, standard = results
    assert from_end.tensors == standard.tensors
    assert from_end.ops == standard.ops
    assert [note.code for note in from_end.notes] == ["not_standard"]
    assert standard.notes == ()


@pytest.mark.parametrize("trains", [0, 1])
def test_batch_norm_may_have_the_outputs_of_an_older_opset(network, trains: int) -> None:
    """PyTorch writes five also where the opset has three (in training) or one."""
    inputs = ["x", "s", "b", "m", "v"]
    weights = {name: [4] for name in inputs[1:]}

    def read(*outputs: str):
        norm = node("BatchNormalization", inputs, list(outputs), training_mode=trains)
        model = network([norm], {"x": [2, 4, 5]}, ["y"], weights, opset=17)
        return workload_from_model(model, name="test")

    old, new = read("y", "a", "c", "d", "e"), read(*("y", "a", "c")[: 3 if trains else 1])
    assert old.ops == new.ops
    assert set(old.parameters) == {"s", "b"}
    assert "not_standard" in {note.code for note in old.notes}
    assert "not_standard" not in {note.code for note in new.notes}
