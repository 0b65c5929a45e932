"""Graphs whose edges, names or sizes make no sense."""

from __future__ import annotations

from onnx import ModelProto, TensorProto, helper

from tests.workload.hostile.case import Case
from tests.workload.hostile.making import linear, model, node, value, weight


def _ring(length: int) -> ModelProto:
    nodes = [
        helper.make_node("Relu", [f"t{(i - 1) % length}"], [f"t{i}"], name=f"ring{i}")
        for i in range(length)
    ]
    return model(nodes, outputs=["t0"])


def _with_input(entry: object) -> ModelProto:
    made = model([node("Relu", ["x"], ["y"])])
    made.graph.input[0].CopyFrom(entry)
    return made


def _untyped() -> ModelProto:
    made = model([node("Relu", ["x"], ["y"])])
    made.graph.input[0].ClearField("type")
    return made


def _without_type_of_elements() -> ModelProto:
    return _with_input(value("x", [4, 16], TensorProto.UNDEFINED))


def _many_nodes(count: int) -> ModelProto:
    nodes = [helper.make_node("Relu", [f"t{i}"], [f"t{i + 1}"]) for i in range(count)]
    return model(nodes, {"t0": [4]}, [f"t{count}"])


def _unknown_operators() -> ModelProto:
    """Ten thousand operators that nobody knows, with names that take long to compare."""
    nodes = [
        helper.make_node(f"{'Convolution' * 15}{i}", ["x"], [f"y{i}"], name=f"n{i}")
        for i in range(10_000)
    ]
    return model(nodes, outputs=[f"y{i}" for i in range(10_000)])


def _twice_stored() -> ModelProto:
    made = linear()
    made.graph.initializer.append(weight("w", [8, 8]))
    return made


def _nameless_tensor() -> ModelProto:
    made = linear()
    made.graph.initializer.append(weight("", [8, 8]))
    return made


def _no_outputs() -> ModelProto:
    made = linear()
    del made.graph.output[:]
    return made


def _sequence_input() -> ModelProto:
    return _with_input(helper.make_tensor_sequence_value_info("x", TensorProto.FLOAT, [1]))


CASES: tuple[Case, ...] = (
    Case("cycle", lambda: _ring(2), ("cycle", "'ring0'")),
    Case("cycle_of_one", lambda: _ring(1), ("cycle", "'ring0'")),
    Case("cycle_of_thousands", lambda: _ring(30_000), ("cycle", "'ring1'", "...")),
    Case(
        "defined_twice",
        lambda: model([node("Relu", ["x"], ["y"]), node("Tanh", ["x"], ["y"])]),
        ("'y' is defined twice",),
    ),
    Case(
        "input_defined_again",
        lambda: model([node("Relu", ["x"], ["x"])], outputs=["x"]),
        ("'x' is defined twice",),
    ),
    Case(
        "output_twice_in_one_node",
        lambda: model([node("Split", ["x"], ["y", "y"], num_outputs=2)]),
        ("'y' is defined twice", "'bad'"),
    ),
    Case("stored_twice", _twice_stored, ("two stored tensors", "'w'")),
    Case("stored_without_name", _nameless_tensor, ("no name",)),
    Case(
        "dangling_input",
        lambda: model([node("Relu", ["hidden"], ["y"])]),
        ("'hidden' is produced by no node", "'bad'"),
    ),
    Case("dangling_output", lambda: model([node("Relu", ["x"], ["z"])]), ("graph output 'y'",)),
    Case("no_outputs", _no_outputs, ("no outputs",)),
    Case("untyped_input", _untyped, ("'x'", "no tensor")),
    Case("input_without_element_type", _without_type_of_elements, ("'x'", "element type")),
    Case("sequence_input", _sequence_input, ("'x' is no tensor",)),
    Case(
        "input_without_rank",
        lambda: model([node("Relu", ["x"], ["y"])], {"x": None}),
        ("'x'", "dimensions"),
    ),
    Case(
        "input_of_no_elements",
        lambda: model([node("Relu", ["x"], ["y"])], {"x": [4, 0]}),
        ("'x' has size 0",),
    ),
    Case(
        "input_of_negative_size",
        lambda: model([node("Relu", ["x"], ["y"])], {"x": [4, -7]}),
        ("'x' has size -7",),
    ),
    Case(
        "input_beyond_64_bits",
        lambda: model([node("Relu", ["x"], ["y"])], {"x": [2**62, 2**62, 4]}),
        ("'x'", "more elements"),
    ),
    Case(
        "input_of_a_thousand_dimensions",
        lambda: model([node("Relu", ["x"], ["y"])], {"x": [1] * 1000}),
        ("'x'", "dimensions"),
    ),
    Case(
        "product_beyond_64_bits",
        lambda: model([node("MatMul", ["a", "b"], ["y"])], {"a": [2**40, 1], "b": [1, 2**40]}),
        ("'bad'", "'y'", "more elements"),
    ),
    Case(
        "dimension_of_parentheses",
        lambda: model([node("Relu", ["x"], ["y"])], {"x": [4, "(" * 99 + "n" + ")" * 99]}),
        ("'x'", "not bound"),
    ),
    Case(
        "dimension_of_sixty_digits",
        lambda: model([node("Relu", ["x"], ["y"])], {"x": [4, "*".join(["9" * 18] * 10)]}),
        ("'x'", "more than any machine holds"),
    ),
    Case("no_inputs", lambda: model([node("Relu", [], ["y"])]), ("'bad'", "0 inputs")),
    Case("absent_input", lambda: model([node("MatMul", ["x", ""], ["y"])]), ("'bad'", "absent")),
    Case(
        "too_many_inputs",
        lambda: model([node("MatMul", ["x"] * 50, ["y"])]),
        ("'bad'", "50 inputs"),
    ),
    Case(
        "hundred_thousand_inputs",
        lambda: model([node("Sum", ["x"] * 100_000, ["y"])]),
        ("'bad'", "100,0"),
    ),
    Case("three_hundred_thousand_nodes", lambda: _many_nodes(300_000), ("150,000", "nodes")),
    Case(
        "ten_thousand_unknown_operators",
        _unknown_operators,
        ("not supported", "Convolution", "and 9,900 more"),
    ),
    Case(
        "unknown_domain",
        lambda: model([helper.make_node("Relu", ["x"], ["y"], name="bad", domain="nowhere")]),
        ("nowhere", "'bad'", "not supported"),
    ),
    Case(
        "unequal_operands",
        lambda: model([node("Add", ["a", "b"], ["y"])], {"a": [4, 3], "b": [4, 5]}),
        ("'bad'", "(4, 3)", "(4, 5)"),
    ),
)
