"""Dimensions: bound by name, by input and by batch, or refused with the flag to use."""

from __future__ import annotations

import pytest
from onnx import TensorProto, helper

from archsim.errors import InputError
from archsim.workload.onnx_reader import workload_from_model


@pytest.fixture
def tokens(network):
    """[batch, seq, 16] times a [16, 8] matrix."""
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"])]
    return network(nodes, {"x": ["batch", "seq", 16]}, ["y"], {"w": [16, 8]})


def read(model, **options):
    return workload_from_model(model, name="test", **options)


def refusal(model, **options) -> str:
    with pytest.raises(InputError) as caught:
        read(model, **options)
    return str(caught.value)


def vectors(workload) -> int:
    return next(op.weight.vectors for op in workload.ops if op.weight)


def test_unbound_batch_is_one_and_said_so(tokens) -> None:
    workload = read(tokens, dims={"seq": 7})
    assert workload.samples == 1
    assert vectors(workload) == 7
    assert [note.code for note in workload.notes] == ["batch_assumed"]
    assert workload.bindings == {"batch": 1, "seq": 7}


@pytest.mark.parametrize(
    "options",
    [
        {"batch": 3, "dims": {"seq": 7}},
        {"dims": {"batch": 3, "seq": 7}},
        {"shapes": {"x": (3, 7, 16)}},
        {"batch": 3, "shapes": {"x": (3, 7, 16)}},
    ],
)
def test_all_ways_to_bind_agree(tokens, options) -> None:
    workload = read(tokens, **options)
    assert workload.samples == 3
    assert vectors(workload) == 21
    assert workload.tensors["y"].shape == (3, 7, 8)
    assert not workload.notes


def test_counts_are_proportional_to_the_batch(tokens) -> None:
    one, many = read(tokens, dims={"seq": 7}), read(tokens, batch=5, dims={"seq": 7})
    assert 5 * vectors(one) == vectors(many)


def test_unbound_dimension_names_tensor_dimension_and_flag(tokens) -> None:
    message = refusal(tokens)
    assert "'x'" in message
    assert "'seq'" in message
    assert "--dim seq=" in message


def test_unknown_names_get_the_nearest(tokens) -> None:
    assert "Did you mean 'seq'" in refusal(tokens, dims={"sec": 7})
    assert "no input 'ids'" in refusal(tokens, shapes={"ids": (1, 7, 16)})


@pytest.mark.parametrize("size", [0, -3, 2**60])
def test_impossible_sizes_are_refused(tokens, size: int) -> None:
    assert str(size) in refusal(tokens, dims={"seq": size})
    assert str(size) in refusal(tokens, batch=size, dims={"seq": 7})
    assert str(size) in refusal(tokens, shapes={"x": (1, size, 16)})


def test_sizes_whose_product_is_absurd_are_refused(tokens) -> None:
    assert "more elements" in refusal(tokens, batch=2**30, dims={"seq": 2**30})


def test_contradictions_are_refused(tokens) -> None:
    assert "fixes dimension 2 at 16" in refusal(tokens, shapes={"x": (1, 7, 17)})
    assert "2 dimensions were given" in refusal(tokens, shapes={"x": (1, 7)})
    assert "contradicts" in refusal(tokens, batch=2, dims={"batch": 3, "seq": 7})
    assert "bound to 8" in refusal(tokens, dims={"seq": 8}, shapes={"x": (1, 7, 16)})


def test_fixed_batch_that_differs_is_named(network) -> None:
    nodes = [helper.make_node("Relu", ["image"], ["y"])]
    model = network(nodes, {"image": [4, 3, 8, 8]}, ["y"])
    assert read(model, batch=4).samples == 4
    message = refusal(model, batch=8)
    assert "'image'" in message
    assert "fixes the leading dimension" in message
    assert "4" in message


@pytest.mark.parametrize("size", [0, -7])
def test_size_that_the_file_gives_must_be_positive(network, size: int) -> None:
    model = network([helper.make_node("Relu", ["x"], ["y"])], {"x": [1, size]}, ["y"])
    assert f"has size {size}" in refusal(model)


def test_nameless_dimensions(network) -> None:
    """A leading one is the batch; any other needs the whole shape.  -1 means the same."""
    nodes = [helper.make_node("Relu", ["x"], ["y"])]
    assert read(network(nodes, {"x": [None, 8]}, ["y"]), batch=3).samples == 3
    assert read(network(nodes, {"x": [-1, 8]}, ["y"]), batch=3).samples == 3
    model = network(nodes, {"x": [1, None]}, ["y"])
    assert "--shape x=" in refusal(model)
    assert read(model, shapes={"x": (1, 5)}).tensors["y"].shape == (1, 5)


def test_input_without_a_rank_needs_its_shape() -> None:
    graph = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, None)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    assert "how many dimensions" in refusal(model)
    assert read(model, shapes={"x": (2, 5)}).samples == 2


def test_dimension_may_be_an_expression(network) -> None:
    nodes = [helper.make_node("Concat", ["past", "x"], ["y"], axis=1)]
    inputs = {"x": ["batch", 1, 8], "past": ["batch", "total - 1", 8]}
    workload = read(network(nodes, inputs, ["y"]), dims={"total": 10})
    assert workload.tensors["past"].shape == (1, 9, 8)
    assert "--dim total=" in refusal(network(nodes, inputs, ["y"]))
    assert "positive" in refusal(network(nodes, inputs, ["y"]), dims={"total": 1})


def test_batch_is_found_by_name_where_it_does_not_lead(network) -> None:
    nodes = [helper.make_node("Relu", ["x"], ["y"])]
    workload = read(network(nodes, {"x": ["seq", "batch", 8]}, ["y"]), batch=4, dims={"seq": 3})
    assert workload.samples == 4
    assert workload.tensors["y"].shape == (3, 4, 8)


def test_stale_shapes_in_the_file_do_not_matter(tokens) -> None:
    value = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 99, 8])
    tokens.graph.value_info.append(value)
    assert read(tokens, dims={"seq": 7}).tensors["y"].shape == (1, 7, 8)


def test_binding_does_not_change_the_model(tokens) -> None:
    before = tokens.SerializeToString()
    read(tokens, batch=3, dims={"seq": 7})
    assert tokens.SerializeToString() == before


def test_shape_arithmetic_is_evaluated(network) -> None:
    """Reshape to [batch*seq, 16] by Shape, Gather, Mul, Unsqueeze, Concat, as exporters write it."""
    import numpy as np

    make = helper.make_node
    nodes = [
        make("Shape", ["x"], ["s"]),
        make("Gather", ["s", "zero"], ["b"]),
        make("Gather", ["s", "one"], ["t"]),
        make("Mul", ["b", "t"], ["bt"]),
        make("Unsqueeze", ["bt", "axis"], ["rows"]),
        make("Concat", ["rows", "width"], ["shape"], axis=0),
        make("Reshape", ["x", "shape"], ["flat"]),
        make("MatMul", ["flat", "w"], ["y"]),
    ]
    numbers = {
        "zero": np.int64(0),
        "one": np.int64(1),
        "axis": np.array([0]),
        "width": np.array([16]),
    }
    weights = {name: np.asarray(value, np.int64) for name, value in numbers.items()}
    model = network(nodes, {"x": ["batch", "seq", 16]}, ["y"], {**weights, "w": [16, 8]})
    workload = read(model, batch=10, dims={"seq": 7})
    assert [op.op_type for op in workload.ops] == ["Reshape", "MatMul"]
    assert vectors(workload) == 70
