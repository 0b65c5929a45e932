"""Where folded tensors come from: what of them is learned, and what is not."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto, helper

from archsim.workload.graph import ParameterRole
from archsim.workload.onnx_reader import workload_from_model
from archsim.workload.training import training_graph

make = helper.make_node


def read(model):
    return workload_from_model(model, name="test")


@pytest.mark.parametrize("shifted", [True, False])
def test_statistics_of_a_standardised_weight_are_no_parameters(network, shifted: bool) -> None:
    """Weights and gains are learned, and a shift if there is one; mean and variance are not."""
    nodes = [
        make("BatchNormalization", ["w", "gain", "shift", "mean", "var"], ["n"]),
        make("Reshape", ["n", "shape"], ["k"]),
        make("Conv", ["x", "k"], ["y"], name="conv"),
    ]
    stored = {"w": (1, 8, 27), "shape": np.asarray([8, 3, 3, 3], np.int64)}
    stored |= dict.fromkeys(("gain", "shift", "mean", "var"), (8,))
    if not shifted:
        stored["shift"] = np.zeros(8, np.float32)
    workload = read(network(nodes, {"x": [1, 3, 8, 8]}, ["y"], stored))
    assert set(workload.parameters) == {"w", "gain", *(["shift"] if shifted else [])}
    assert training_graph(workload).digital_parameters == 8 * 27 + 8 + 8 * shifted


def test_a_bias_with_zeros_put_into_it_is_that_bias(network) -> None:
    """The key part of a packed bias is set to zero, by index, in every forward pass."""
    nodes = [
        make("MatMul", ["x", "w"], ["p"]),
        make("ScatterND", ["bias", "places", "zeros"], ["b"], name="clear"),
        make("Add", ["p", "b"], ["y"]),
    ]
    stored = {"w": (8, 12), "bias": (12,), "places": np.arange(4, 8).reshape(4, 1)}
    stored["zeros"] = np.zeros(4, np.float32)
    workload = read(network(nodes, {"x": [6, 8]}, ["y"], stored))
    assert {n: p.role for n, p in workload.parameters.items()} == {
        "w": ParameterRole.WEIGHT,
        "bias": ParameterRole.BIAS,
    }
    assert workload.op("clear").per_step
    assert training_graph(workload).digital_parameters == 12


def test_positions_that_are_interpolated_stay_learned(network) -> None:
    """Those of the patches are resized to the image, the class token's is put before them."""
    sizes = np.asarray([1, 8, 6, 6], np.int64)
    nodes = [
        make("Resize", ["grid", "", "", "sizes"], ["large"], name="resize", mode="linear"),
        make("Reshape", ["large", "flat"], ["f"]),
        make("Transpose", ["f"], ["t"], perm=[0, 2, 1]),
        make("Concat", ["first", "t"], ["pos"], axis=1),
        make("Add", ["x", "pos"], ["s"]),
        make("MatMul", ["s", "w"], ["y"]),
    ]
    stored = {
        "grid": (1, 8, 4, 4),
        "first": (1, 1, 8),
        "w": (8, 8),
        "sizes": sizes,
        "flat": np.asarray([1, 8, 36], np.int64),
    }
    workload = read(network(nodes, {"x": [1, 37, 8]}, ["y"], stored))
    assert workload.parameter_count == 8 * 16 + 8 + 64
    assert workload.op("resize").per_step
    assert training_graph(workload).digital_parameters == 8 * 16 + 8


def test_frequencies_of_a_time_embedding_are_a_table(network) -> None:
    """The first product then has nothing learned before it, and needs no input gradient."""
    nodes = [
        make("Cast", ["t"], ["time"], to=TensorProto.FLOAT),
        make("Unsqueeze", ["time", "one"], ["column"]),
        make("Mul", ["column", "freqs"], ["angle"]),
        make("Sin", ["angle"], ["s"]),
        make("Cos", ["angle"], ["c"]),
        make("Concat", ["s", "c"], ["e"], axis=1),
        make("MatMul", ["e", "w"], ["y"]),
    ]
    stored = {"one": np.asarray([1], np.int64), "freqs": (1, 8), "w": (16, 4)}
    workload = read(network(nodes, {"t": [3]}, ["y"], stored, integers=["t"]))
    assert set(workload.parameters) == {"w"}
    graph = training_graph(workload)
    assert graph.macs.input_gradient == 0
    assert graph.macs.weight_gradient == 3 * 16 * 4
