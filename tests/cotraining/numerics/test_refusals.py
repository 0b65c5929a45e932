"""What has no numerics is refused with a sentence, before training where the file shows it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper

from archsim.cotraining.numerics.backend import FloatBackend
from archsim.cotraining.numerics.network import Network
from archsim.cotraining.numerics.registry import check_known
from archsim.errors import InputError
from archsim.workload.executable import executable
from archsim.workload.executable_start import initial_parameters
from archsim.workload.executable_types import ExecutableNode
from tests.cotraining.numerics.network_cases import NETWORKS, model_of
from tests.cotraining.numerics.operator_cases import RECURRENT


def test_all_operators_without_numerics_are_named_at_once() -> None:
    """One message lists them with their counts, before anything runs."""
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"]),
        helper.make_node("LRN", ["a"], ["b"], size=3),
        helper.make_node("LRN", ["b"], ["c"], size=3),
        helper.make_node("Det", ["c"], ["y"]),
    ]
    model = model_of(nodes, {"x": ("batch", 2, 3, 3)}, {"w": np.ones((2, 2, 1, 1))})
    with pytest.raises(InputError, match=r"1 Det, 2 LRN") as caught:
        Network(executable(model))
    assert "not trained here" in str(caught.value)


def node_of(op_type: str, outputs: int = 1, **attributes: Any) -> ExecutableNode:
    """A node with one input."""
    names = tuple(f"y{i}" for i in range(outputs))
    return ExecutableNode("n", op_type, "", 20, ("x",), names, attributes)


@pytest.mark.parametrize(
    ("node", "words"),
    [
        (node_of("MaxPool", 2, kernel_shape=(2,)), r"1 MaxPool \(its indices\)"),
        (node_of("Einsum", equation="ii->i"), r"1 Einsum \(a diagonal\)"),
        (node_of("LSTM", clip=3.0), r"1 LSTM \(clipped gates\)"),
        (node_of("LSTM", input_forget=1), r"1 LSTM \(coupled gates\)"),
        (node_of("GRU", activations=("Sigmoid", "Affine")), r"the gate function Affine"),
        (node_of("Cast", to=int(TensorProto.STRING)), r"1 Cast \(to the element type 8\)"),
        (replace(node_of("Gelu"), domain="com.microsoft"), r"1 com.microsoft.Gelu "),
    ],
)
def test_parts_of_operators_without_numerics_are_named(node: ExecutableNode, words: str) -> None:
    """An attribute or an output that is not supported is named like an operator."""
    with pytest.raises(InputError, match=words):
        check_known([node], "network")


def test_what_only_the_data_show_is_refused_when_it_runs() -> None:
    """Peepholes that are not zero and ragged batches are refused, zeros and full lengths not."""
    case = next(c for c in RECURRENT if str(c) == "LSTM-states")
    peepholes, lengths = np.zeros((1, 9)), np.asarray([3, 3])
    inputs = [*case.inputs, peepholes]
    inputs[4] = lengths
    plain = case.run().outputs
    same = replace(case, inputs=tuple(inputs)).run().outputs
    np.testing.assert_array_equal(plain[0], same[0])
    with pytest.raises(InputError, match="peephole"):
        replace(case, inputs=(*inputs[:7], np.ones((1, 9)))).run()
    inputs[4] = np.asarray([3, 2])
    with pytest.raises(InputError, match="different lengths"):
        replace(case, inputs=tuple(inputs)).run()


def test_an_output_that_is_not_made_is_refused_where_it_is_read() -> None:
    """The statistics that a normalisation hands on are no output here; unread ones do not matter."""
    stored = {n: np.ones(3) for n in ("s", "b", "m", "v")}
    outputs = ["y", "mean", "var"]
    norm = helper.make_node(
        "BatchNormalization", ["x", "s", "b", "m", "v"], outputs, training_mode=1
    )
    read = helper.make_node("Add", ["y", "mean"], ["z"])
    for nodes, result, fine in (([norm], "y", True), ([norm, read], "z", False)):
        graph = executable(model_of(nodes, {"x": ("batch", 3)}, stored, (result,)))
        parameters = initial_parameters(graph)
        arguments = (parameters, {"x": np.eye(4, 3)}, FloatBackend(graph, parameters))
        if fine:
            Network(graph).forward(*arguments)
            continue
        with pytest.raises(InputError, match="its output 'mean' is read"):
            Network(graph).forward(*arguments)


@pytest.mark.parametrize(
    ("attributes", "access"),
    [
        ({"a": 1.5}, lambda n: n.integer("a", 0)),
        ({"a": 3}, lambda n: n.integers("a")),
        ({"a": (1.5,)}, lambda n: n.integers("a")),
        ({"a": "x"}, lambda n: n.real("a", 0.0)),
        ({"a": 1}, lambda n: n.text("a")),
        ({"a": (1,)}, lambda n: n.texts("a")),
        ({"a": 1}, lambda n: n.array("a")),
    ],
)
def test_attributes_of_another_kind_are_refused(attributes: dict[str, Any], access: Any) -> None:
    """A damaged file is answered with a sentence."""
    with pytest.raises(InputError, match="attribute 'a' is not of the kind"):
        access(node_of("Relu", **attributes))


def test_operands_that_do_not_fit_name_the_node() -> None:
    """A size that only the data bring is blamed on the node where it fails."""
    nodes = [helper.make_node("Add", ["x", "z"], ["y"], name="sum")]
    graph = executable(model_of(nodes, {"x": ("batch", 3), "z": ("rows", 3)}, {}), dims={"rows": 4})
    given = {"x": np.ones((2, 3)), "z": np.ones((4, 3))}
    with pytest.raises(InputError, match=r"node 'sum' \(Add\).*do not fit"):
        Network(graph).forward({}, given, FloatBackend(graph, {}))


def test_absent_parameters_are_named() -> None:
    """What the network reads digitally must be given."""
    graph = executable(NETWORKS[0].build())
    parameters = initial_parameters(graph)
    backend = FloatBackend(graph, parameters)
    digital = {n: v for n, v in parameters.items() if "weight" in n}
    with pytest.raises(InputError, match=r"2 parameters are absent, the first is 'fc1.bias'"):
        Network(graph).forward(digital, {"x": np.ones((1, 8))}, backend)


def test_a_gradient_for_what_is_no_output_is_refused() -> None:
    """The names of gradients are those of outputs."""
    graph = executable(NETWORKS[0].build())
    parameters = initial_parameters(graph)
    network = Network(graph)
    backend = FloatBackend(graph, parameters)
    _, tape = network.forward(parameters, {"x": np.ones((1, 8))}, backend)
    with pytest.raises(InputError, match=r"no output 'logit'. Did you mean 'logits'"):
        network.backward(tape, {"logit": np.ones((1, 4))})
