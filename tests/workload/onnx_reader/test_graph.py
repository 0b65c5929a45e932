"""The graph that the reader makes: order, names, dead code, movement, signs and what is saved."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
from onnx import TensorProto, defs, helper

from archsim.workload.graph import NO_WORK, OpKind, Saved, SavedForm
from archsim.workload.onnx_reader import OPERATORS, workload_from_model

make = helper.make_node


def read(model, **options):
    return workload_from_model(model, name="test", **options)


def integers(*values: int) -> np.ndarray:
    return np.asarray(values, np.int64)


def single(network, op_type: str, shape, weights=None, **attributes):
    node = make(op_type, ["x", *(weights or {})], ["y"], **attributes)
    workload = read(network([node], {"x": shape}, ["y"], weights))
    (op,) = workload.ops
    return op


def test_order_of_the_nodes_in_the_file_does_not_matter(network) -> None:
    nodes = [
        make("MatMul", ["x", "w"], ["a"], name="one"),
        make("Relu", ["a"], ["b"], name="two"),
        make("Add", ["a", "b"], ["y"], name="three"),
    ]
    weights = {"w": [16, 8]}
    expected = read(network(nodes, {"x": [4, 16]}, ["y"], weights))
    found = read(network(nodes[::-1], {"x": [4, 16]}, ["y"], weights))
    assert [op.name for op in found.ops] == ["one", "two", "three"]
    assert {op.name: op for op in found.ops} == {op.name: op for op in expected.ops}
    edges = {(a, b): tensors for a, b, tensors in found.graph.edges(data="tensors")}
    assert edges == {("one", "two"): ("a",), ("one", "three"): ("a",), ("two", "three"): ("b",)}
    assert nx.is_frozen(found.graph)


def test_nodes_without_a_name_or_with_one_taken_get_unique_ones(network) -> None:
    nodes = [
        make("Relu", ["x"], ["a"]),
        make("Tanh", ["a"], ["b"], name="same"),
        make("Tanh", ["b"], ["c"], name="same"),
        make("Relu", ["c"], ["y"]),
    ]
    workload = read(network(nodes, {"x": [4]}, ["y"]))
    assert [op.name for op in workload.ops] == ["Relu_0", "same", "same_2", "Relu_3"]


def test_odd_names_are_kept(network) -> None:
    odd = "a b/c:0;\N{GREEK SMALL LETTER ALPHA}" + "x" * 300
    workload = read(network([make("Relu", [odd], ["y"], name=odd)], {odd: [4]}, ["y"]))
    assert workload.ops[0].name == odd
    assert workload.inputs == (odd,)


def test_dead_code_is_left_out_with_a_note(network) -> None:
    nodes = [make("MatMul", ["x", "w"], ["y"]), make("MatMul", ["x", "u"], ["z"])]
    workload = read(network(nodes, {"x": [4, 16]}, ["y"], {"w": [16, 8], "u": [16, 8]}))
    assert workload.parameter_count == 128
    (note,) = workload.notes
    assert note.code == "dead_code"
    assert "1 MatMul" in note.message


def test_what_serves_only_a_folded_shape_is_left_out(network) -> None:
    nodes = [
        make("Transpose", ["x"], ["t"], perm=[1, 0]),
        make("Shape", ["t"], ["s"]),
        make("Reshape", ["x", "s"], ["y"]),
    ]
    assert [op.op_type for op in read(network(nodes, {"x": [4, 16]}, ["y"])).ops] == ["Reshape"]


def test_outputs_that_are_inputs_or_constants(network) -> None:
    model = network([make("Relu", ["x"], ["y"])], {"x": [4]}, ["y", "x", "w"], {"w": [4]})
    workload = read(model)
    assert workload.outputs == ("y", "x")
    assert [note.code for note in workload.notes] == ["constant_output"]


def test_optional_outputs_that_nothing_reads_do_not_matter(network) -> None:
    """A dropout's mask, and the running statistics of a batch normalisation in training mode."""
    names = ["s", "b", "m", "v"]
    nodes = [
        make("BatchNormalization", ["x", *names], ["a", "mean", "var"], training_mode=1),
        make("Dropout", ["a"], ["y", "mask"]),
    ]
    workload = read(network(nodes, {"x": [2, 3, 4]}, ["y"], {name: [3] for name in names}))
    assert [op.outputs for op in workload.ops] == [("a",), ("y",)]
    assert [note.code for note in workload.notes] == ["batch_norm_statistics", "dropout_inference"]


def test_a_note_is_given_once_however_many_nodes_it_is_about(network) -> None:
    nodes = [make("Dropout", ["x"], ["a"]), make("Dropout", ["a"], ["y"])]
    (note,) = read(network(nodes, {"x": [4]}, ["y"])).notes
    assert note.node == "Dropout_0"


def test_unread_part_of_a_split_constant_does_not_hide_the_others(network) -> None:
    nodes = [
        make("Split", ["c", "sizes"], ["a", "unused"], axis=0),
        make("Expand", ["x", "a"], ["y"]),
    ]
    stored = {"c": integers(3, 4, 5), "sizes": integers(2, 1)}
    assert read(network(nodes, {"x": [1]}, ["y"], stored)).tensors["y"].shape == (3, 4)


FREE = {
    "Reshape": ({"s": integers(8, 3)}, {}),
    "Flatten": ({}, {}),
    "Unsqueeze": ({"a": integers(0)}, {}),
    "Squeeze": ({"a": integers(1)}, {}),
    "Identity": ({}, {}),
    "Dropout": ({}, {}),
    "Cast": ({}, {"to": TensorProto.FLOAT}),
    "Transpose": ({}, {"perm": [1, 0, 2]}),
    "Expand": ({"s": integers(4, 1, 6)}, {}),
    "Pad": ({"p": integers(0, 0, 0, 0, 0, 0)}, {}),
    "Slice": ({"s": integers(0), "e": integers(99)}, {}),
    "Concat": ({}, {"axis": 0}),
}


@pytest.mark.parametrize("op_type", sorted(FREE))
def test_metadata_changes_are_free_and_say_why(network, op_type: str) -> None:
    weights, attributes = FREE[op_type]
    op = single(network, op_type, [4, 1, 6], weights, **attributes)
    assert op.kind is OpKind.MOVEMENT
    assert op.forward == op.backward == NO_WORK
    assert op.reason.startswith("free")


COPIES = {
    "Transpose": ({}, {"perm": [2, 1, 0]}, (24, 24), (24, 24)),
    "Expand": ({"s": integers(4, 5, 6)}, {}, (24, 120), (120, 24)),
    "Pad": ({"p": integers(0, 0, 0, 0, 0, 2)}, {}, (24, 32), (24, 24)),
    "Slice": ({"s": integers(1), "e": integers(3)}, {}, (12, 12), (12, 24)),
    "Slice reversed": (
        {"s": integers(-1), "e": integers(-99), "a": integers(0), "t": integers(-1)},
        {},
        (24, 24),
        (24, 24),
    ),
    "Cast": ({}, {"to": TensorProto.FLOAT16}, (24, 24), (24, 24)),
    "Gather": ({"i": integers(0, 1, 1)}, {"axis": 0}, (18, 18), (18, 24)),
}


@pytest.mark.parametrize("case", sorted(COPIES))
def test_copies_read_and_write_elements(network, case: str) -> None:
    weights, attributes, forward, backward = COPIES[case]
    op = single(network, case.split(maxsplit=1)[0], [4, 1, 6], weights, **attributes)
    assert (op.forward.read, op.forward.written) == forward
    assert op.forward.operations == 0
    assert (op.backward.read, op.backward.written) == backward


SIGNS = [
    ("Relu", {}, {}, True),
    ("Sigmoid", {}, {}, True),
    ("Softmax", {}, {}, True),
    ("Tanh", {}, {}, False),
    ("Gelu", {}, {}, False),
    ("Identity", {}, {}, False),
    ("Clip", {"low": np.float32(0.0), "high": np.float32(6.0)}, {}, True),
    ("Clip", {"low": np.float32(-1.0), "high": np.float32(6.0)}, {}, False),
    ("Pow", {"p": np.float32(2.0)}, {}, True),
    ("Pow", {"p": np.float32(3.0)}, {}, False),
    ("Mul", {"c": np.float32(2.0)}, {}, False),
]


@pytest.mark.parametrize(("op_type", "weights", "attributes", "expected"), SIGNS)
def test_sign_of_a_function_of_a_signed_input(
    network, op_type, weights, attributes, expected
) -> None:
    weights = {name: np.asarray(value) for name, value in weights.items()}
    node = make(op_type, ["x", *weights], ["y"], **attributes)
    workload = read(network([node], {"x": [1, 2, 4, 4]}, ["y"], weights))
    assert not workload.tensors["x"].nonnegative
    assert workload.tensors["y"].nonnegative is expected


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        (make("MaxPool", ["r"], ["y"], kernel_shape=[2, 2]), True),
        (make("AveragePool", ["r"], ["y"], kernel_shape=[2, 2]), True),
        (make("GlobalAveragePool", ["r"], ["y"]), True),
        (make("Flatten", ["r"], ["y"]), True),
        (make("Dropout", ["r"], ["y"]), True),
        (make("Add", ["r", "r"], ["y"]), True),
        (make("Concat", ["r", "r"], ["y"], axis=1), True),
        (make("Concat", ["r", "x"], ["y"], axis=1), False),
        (make("Add", ["r", "x"], ["y"]), False),
        (make("Sub", ["r", "r"], ["y"]), False),
        (make("Mul", ["x", "x"], ["y"]), True),
    ],
)
def test_sign_survives_what_moves_or_pools_it(network, node, expected) -> None:
    model = network([make("Relu", ["x"], ["r"]), node], {"x": [1, 2, 4, 4]}, ["y"])
    assert read(model).tensors["y"].nonnegative is expected


SAVED = {
    "Relu": (Saved("y", 24, SavedForm.MASK),),
    "Sigmoid": (Saved("y", 24),),
    "Tanh": (Saved("y", 24),),
    "Softmax": (Saved("y", 24),),
    "Gelu": (Saved("x", 24),),
    "Erf": (Saved("x", 24),),
    "Neg": (),
    "ReduceMean": (),
    "GlobalAveragePool": (),
    "GlobalMaxPool": (Saved("y", 6, SavedForm.INDEX),),
}


@pytest.mark.parametrize("op_type", sorted(SAVED))
def test_what_the_backward_needs_is_saved(network, op_type: str) -> None:
    assert single(network, op_type, [2, 3, 4]).saved == SAVED[op_type]


def test_two_operand_functions_save_what_their_gradients_need(network) -> None:
    def saved(op_type: str, right: str, weights=None):
        inputs = {"x": [2, 12]} if weights else {"x": [2, 12], "z": [2, 12]}
        nodes = [make(op_type, ["x", right], ["y"])]
        return {entry.tensor for entry in read(network(nodes, inputs, ["y"], weights)).ops[0].saved}

    assert saved("Add", "z") == set()
    assert saved("Sub", "z") == set()
    assert saved("Mul", "z") == {"x", "z"}
    assert saved("Div", "z") == {"z", "y"}
    assert saved("MatMul", "t", {"t": [12, 5]}) == {"x"}
    assert saved("Mul", "half", {"half": np.asarray(0.5, np.float32)}) == set()
    # A learned scale needs the input for its own gradient.
    assert saved("Mul", "scale", {"scale": [12]}) == {"x"}


def test_integer_and_boolean_results_have_no_backward(network) -> None:
    nodes = [make("Greater", ["x", "z"], ["c"]), make("Where", ["c", "x", "z"], ["y"])]
    workload = read(network(nodes, {"x": [2, 12], "z": [2, 12]}, ["y"]))
    comparison, choice = workload.ops
    assert comparison.backward == NO_WORK
    assert comparison.saved == ()
    assert choice.saved == (Saved("c", 24, SavedForm.MASK),)


@pytest.mark.parametrize(("domain", "op_type"), sorted(OPERATORS))
def test_every_registered_operator_is_one_of_the_standard(domain: str, op_type: str) -> None:
    """A misspelt entry would never be found; a contrib operator brings its own shape rule."""
    entry = OPERATORS[domain, op_type]
    assert entry.shapes is not None or defs.has(op_type, domain)


def test_half_precision_activations_have_two_bytes(network) -> None:
    nodes = [make("Cast", ["x"], ["h"], to=TensorProto.FLOAT16), make("Relu", ["h"], ["y"])]
    workload = read(network(nodes, {"x": [4]}, ["y"]))
    assert workload.tensors["h"].bytes_per_element == 2
    assert workload.tensors["x"].bytes_per_element == 4


def test_cost_of_reading_is_linear_in_the_nodes(network) -> None:
    """Ten times the nodes take less than thirty times as long."""
    import time

    def seconds(count: int) -> float:
        nodes = [make("Relu", [f"t{i}"], [f"t{i + 1}"]) for i in range(count)]
        model = network(nodes, {"t0": [4]}, [f"t{count}"])
        times = []
        for _ in range(3):
            start = time.perf_counter()
            read(model)
            times.append(time.perf_counter() - start)
        return min(times)

    assert seconds(3000) < 30 * seconds(300)


def test_gradients_pass_simulated_quantisation(network) -> None:
    """Quantised activations train straight through, also where they are reshaped in between."""
    nodes = [
        make("QuantizeLinear", ["x", "step"], ["q"]),
        make("Reshape", ["q", "shape"], ["r"]),
        make("DequantizeLinear", ["r", "step"], ["y"]),
        make("ArgMax", ["y"], ["i"]),
    ]
    stored = {"step": np.asarray(0.1, np.float32), "shape": integers(-1)}
    tensors = read(network(nodes, {"x": [4, 4]}, ["y", "i"], stored)).tensors
    assert [tensors[name].floating for name in "qryi"] == [True, True, True, False]
    assert tensors["q"].bytes_per_element == 1
