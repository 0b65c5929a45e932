"""Branches, loops, sequences, functions and computed weights evaluate to what the file says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from archsim.workload.numerics import Evaluator, evaluate
from archsim.workload.onnx_reader import workload_from_model

R = np.random.default_rng(2)
FLOAT = TensorProto.FLOAT


def weights(*shape: int) -> np.ndarray:
    return R.normal(0, 0.4, shape).astype(np.float32)


def tensor(name: str, shape: list[int] | None, kind: int = FLOAT) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)


def model(
    nodes: list[onnx.NodeProto],
    shapes: dict[str, list[int]],
    stored: dict[str, np.ndarray],
    functions: list[onnx.FunctionProto] | None = None,
) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "structure",
        [tensor(name, shape) for name, shape in shapes.items()],
        [tensor("y", None)],
        [numpy_helper.from_array(value, name) for name, value in stored.items()],
    )
    imports = [helper.make_opsetid("", 18), helper.make_opsetid("local", 1)]
    return helper.make_model(graph, opset_imports=imports, ir_version=10, functions=functions or [])


def loop() -> onnx.ModelProto:
    """Three steps of one cell, whose weights the body stores, and what each step gives."""
    body = helper.make_graph(
        [
            helper.make_node("MatMul", ["h", "w"], ["wh"]),
            helper.make_node("Tanh", ["wh"], ["next"]),
            helper.make_node("Identity", ["on"], ["still"]),
            helper.make_node("Mul", ["next", "scale"], ["given"]),
        ],
        "body",
        [tensor("step", [], TensorProto.INT64), tensor("on", [], TensorProto.BOOL),
         tensor("h", [2, 4])],
        [tensor("still", [], TensorProto.BOOL), tensor("next", [2, 4]), tensor("given", [2, 4])],
        [numpy_helper.from_array(weights(4, 4), "w")],
    )  # fmt: skip
    nodes = [
        helper.make_node("Loop", ["trips", "on0", "x"], ["last", "all"], body=body),
        helper.make_node("Concat", ["last2", "all"], ["y"], axis=0),
        helper.make_node("Unsqueeze", ["last", "axis"], ["last2"]),
    ]
    nodes[1], nodes[2] = nodes[2], nodes[1]
    stored = {
        "trips": np.asarray(3),
        "on0": np.asarray(True),
        "scale": weights(4),
        "axis": np.asarray([0]),
    }
    return model(nodes, {"x": [2, 4]}, stored)


def branch() -> onnx.ModelProto:
    """A condition that the file knows."""
    sides = {
        f"{side}_branch": helper.make_graph(
            [helper.make_node("MatMul", ["x", f"w_{side}"], [f"out_{side}"])],
            side,
            [],
            [tensor(f"out_{side}", [2, 3])],
            [numpy_helper.from_array(weights(4, 3), f"w_{side}")],
        )
        for side in ("then", "else")
    }
    return model(
        [helper.make_node("If", ["c"], ["y"], **sides)], {"x": [2, 4]}, {"c": np.asarray(False)}
    )


def scan() -> onnx.ModelProto:
    """A running product over the second axis, from its end."""
    body = helper.make_graph(
        [
            helper.make_node("MatMul", ["part", "w"], ["turned"]),
            helper.make_node("Add", ["state", "turned"], ["new"]),
            helper.make_node("Identity", ["new"], ["given"]),
        ],
        "body",
        [tensor("state", [2, 3]), tensor("part", [2, 4])],
        [tensor("new", [2, 3]), tensor("given", [2, 3])],
    )
    nodes = [
        helper.make_node("Scan", ["start", "x"], ["last", "all"], body=body, num_scan_inputs=1),
        helper.make_node("Add", ["all", "last"], ["y"]),
    ]
    return model(nodes, {"start": [2, 3], "x": [5, 2, 4]}, {"w": weights(4, 3)})


def sequence() -> onnx.ModelProto:
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["a"]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("SequenceConstruct", ["x", "b"], ["list"]),
        helper.make_node("SequenceAt", ["list", "one"], ["c"]),
        helper.make_node("ConcatFromSequence", ["list"], ["d"], axis=-1),
        helper.make_node("Concat", ["c", "d"], ["y"], axis=-1),
    ]
    return model(nodes, {"x": [2, 4]}, {"w": weights(4, 3), "one": np.asarray(1)})


def function() -> onnx.ModelProto:
    """A local function with a product, used twice with one weight."""
    body = [
        helper.make_node("MatMul", ["a", "b"], ["c"]),
        helper.make_node("Tanh", ["c"], ["d"]),
    ]
    local = helper.make_function(
        "local", "Layer", ["a", "b"], ["d"], body, [helper.make_opsetid("", 18)]
    )
    nodes = [
        helper.make_node("Layer", ["x", "w"], ["h"], domain="local"),
        helper.make_node("Layer", ["h", "w"], ["y"], domain="local"),
    ]
    return model(nodes, {"x": [2, 4]}, {"w": weights(4, 4)}, [local])


def weight_normalisation() -> onnx.ModelProto:
    """The matrix is g v / |v|, computed from parameters in every step."""
    nodes = [
        helper.make_node("ReduceL2", ["v", "rows"], ["n"]),
        helper.make_node("Div", ["v", "n"], ["unit"]),
        helper.make_node("Mul", ["unit", "g"], ["w"]),
        helper.make_node("MatMul", ["x", "w"], ["y"]),
    ]
    stored = {"v": weights(4, 3), "g": weights(1, 3), "rows": np.asarray([0])}
    return model(nodes, {"x": [2, 4]}, stored)


def experts() -> onnx.ModelProto:
    """Each of the tokens goes through the matrix that its largest score names."""
    nodes = [
        helper.make_node("MatMul", ["x", "router"], ["scores"]),
        helper.make_node("ArgMax", ["scores"], ["choice"], axis=-1, keepdims=0),
        helper.make_node("Gather", ["stack", "choice"], ["chosen"]),
        helper.make_node("Unsqueeze", ["x", "axis"], ["rows"]),
        helper.make_node("MatMul", ["rows", "chosen"], ["wide"]),
        helper.make_node("Squeeze", ["wide", "axis"], ["y"]),
    ]
    stored = {"router": weights(4, 3), "stack": weights(3, 4, 5), "axis": np.asarray([1])}
    return model(nodes, {"x": [6, 4]}, stored)


def sparse() -> onnx.ModelProto:
    """A weight that is stored by its elements that are not zero."""
    built = model([helper.make_node("MatMul", ["x", "w"], ["y"])], {"x": [2, 4]}, {})
    values = numpy_helper.from_array(weights(3), "w")
    indices = numpy_helper.from_array(np.asarray([1, 5, 10]), "w_indices")
    built.graph.sparse_initializer.append(helper.make_sparse_tensor(values, indices, [4, 3]))
    return built


STRUCTURES = {
    "branch": branch,
    "scan": scan,
    "sequence": sequence,
    "function": function,
    "weight_normalisation": weight_normalisation,
    "experts": experts,
}


@pytest.mark.parametrize("name", sorted(STRUCTURES))
def test_a_structure_evaluates_to_what_the_file_says(
    name: str, case_from: Callable[[onnx.ModelProto], Any], agree: Any
) -> None:
    case = case_from(STRUCTURES[name]())
    found = evaluate(case.model, case.workload, case.inputs).outputs
    (reference,) = ReferenceEvaluator(case.model).run(None, dict(case.inputs))
    agree(found, {"y": np.asarray(reference)})


def test_a_sparse_weight_is_zero_elsewhere(case_from: Any) -> None:
    """By hand: the reference evaluator reads no sparse initializers."""
    case = case_from(sparse())
    (stored,) = case.model.graph.sparse_initializer
    weight = np.zeros(12, np.float32)
    weight[[1, 5, 10]] = numpy_helper.to_array(stored.values)
    found = evaluate(case.model, case.workload, case.inputs).outputs["y"]
    np.testing.assert_allclose(found, case.inputs["x"] @ weight.reshape(4, 3), rtol=1e-5)


def by_hand(built: onnx.ModelProto, x: np.ndarray, trips: int) -> np.ndarray:
    """The last state, then what each step gave; the reference evaluator does not stack these."""
    (node,) = [node for node in built.graph.node if node.op_type == "Loop"]
    (body,) = [attribute.g for attribute in node.attribute]
    (weight,) = (numpy_helper.to_array(t) for t in body.initializer)
    (scale,) = (numpy_helper.to_array(t) for t in built.graph.initializer if t.name == "scale")
    states = [x]
    for _ in range(trips):
        states.append(np.tanh(states[-1] @ weight))
    return np.stack([states[-1], *(state * scale for state in states[1:])])


def test_a_loop_is_its_body_step_after_step(case_from: Any, agree: Any) -> None:
    case = case_from(loop())
    found = evaluate(case.model, case.workload, case.inputs).outputs
    agree(found, {"y": by_hand(case.model, case.inputs["x"], 3)})


def test_a_loop_runs_as_often_as_the_user_says(agree: Any) -> None:
    """The trip count is an input of the network, so the workload and the evaluation are told."""
    built = loop()
    trips = next(t for t in built.graph.initializer if t.name == "trips")
    built.graph.initializer.remove(trips)
    built.graph.input.append(tensor("trips", [], TensorProto.INT64))
    (node,) = [node for node in built.graph.node if node.op_type == "Loop"]
    node.name = "steps"
    counts = {"steps": 2}
    workload = workload_from_model(built, name="loop", trip_counts=counts)
    inputs = {"x": weights(2, 4), "trips": np.asarray(2)}
    found = evaluate(built, workload, inputs, trip_counts=counts).outputs
    agree(found, {"y": by_hand(built, inputs["x"], 2)})


def test_a_tensor_that_serves_its_shape_alone_is_not_computed(case_from: Any, agree: Any) -> None:
    """Half of a product's width, taken from the shape of a transposed input that nothing else reads."""
    nodes = [
        helper.make_node("Transpose", ["x"], ["turned"]),
        helper.make_node("Shape", ["turned"], ["shape"], end=1),
        helper.make_node("Div", ["shape", "two"], ["half"]),
        helper.make_node("Concat", ["minus", "two", "half"], ["target"], axis=0),
        helper.make_node("MatMul", ["x", "w"], ["h"]),
        helper.make_node("Reshape", ["h", "target"], ["y"]),
    ]
    stored = {"w": weights(4, 4), "two": np.asarray([2]), "minus": np.asarray([-1])}
    case = case_from(model(nodes, {"x": [3, 4]}, stored))
    evaluation = evaluate(case.model, case.workload, case.inputs)
    (reference,) = ReferenceEvaluator(case.model).run(None, dict(case.inputs))
    agree(evaluation.outputs, {"y": np.asarray(reference)})
    assert not any("Transpose" in name for name in evaluation.nodes)


def test_an_evaluator_can_run_many_times(case_from: Any, agree: Any) -> None:
    case = case_from(scan())
    evaluator = Evaluator(case.model, case.workload)
    for inputs in (case.inputs, {name: -value for name, value in case.inputs.items()}, case.inputs):
        (reference,) = ReferenceEvaluator(case.model).run(None, dict(inputs))
        agree(evaluator.run(inputs).outputs, {"y": np.asarray(reference)})
