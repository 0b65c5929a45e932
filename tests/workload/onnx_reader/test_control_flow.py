"""Branches, loops, scans, sequences and optionals: what runs is counted, as often as it runs."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from archsim.cli.counts import forward_macs, weight_matrices, weight_uses
from archsim.errors import InputError
from archsim.workload.graph import OpKind
from archsim.workload.onnx_reader import UnsupportedOperators, workload_from_model
from archsim.workload.training import training_graph

make = helper.make_node
FLOAT, INT64, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL


def value(name: str, kind: int = FLOAT, shape=None) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)


def graph(nodes, inputs, outputs, weights=None) -> onnx.GraphProto:
    tensors = [
        numpy_helper.from_array(np.ones(size, np.float32), name)
        for name, size in (weights or {}).items()
    ]
    return helper.make_graph(nodes, "body", inputs, [value(name) for name in outputs], tensors)


def read(model: onnx.ModelProto, **options):
    return workload_from_model(model, name="test", **options)


def constant(name: str, content) -> onnx.NodeProto:
    return make("Constant", [], [name], value=numpy_helper.from_array(np.asarray(content)))


BRANCHES = {
    "then_branch": graph([make("MatMul", ["x", "wt"], ["t"])], [], ["t"], {"wt": (16, 8)}),
    "else_branch": graph(
        [make("MatMul", ["x", "w"], ["h"]), make("MatMul", ["h", "we"], ["e"])],
        [],
        ["e"],
        {"we": (16, 8)},
    ),
}


@pytest.mark.parametrize(("condition", "macs"), [(True, 4 * 128), (False, 4 * (256 + 128))])
def test_a_known_condition_leaves_one_branch(network, condition: bool, macs: int) -> None:
    nodes = [constant("c", condition), make("If", ["c"], ["y"], **BRANCHES)]
    workload = read(network(nodes, {"x": [4, 16]}, ["y"], {"w": (16, 16)}))
    assert forward_macs(workload)["linear"] == macs
    assert workload.parameter_count == macs // 4
    assert not any(note.code == "branch_chosen_at_run_time" for note in workload.notes)


def test_of_branches_that_the_data_choose_the_heavier_counts_and_both_hold_weights(network) -> None:
    nodes = [
        make("ReduceSum", ["x"], ["s"], keepdims=0),
        make("Greater", ["s", "zero"], ["c"]),
        make("If", ["c"], ["y"], **BRANCHES),
    ]
    weights = {"w": (16, 16), "zero": np.asarray(0, np.float32)}
    workload = read(network(nodes, {"x": [4, 16]}, ["y"], weights))
    assert forward_macs(workload)["linear"] == 4 * (256 + 128)
    assert workload.parameter_count == 256 + 2 * 128
    assert weight_matrices(workload) == 3
    assert weight_uses(workload) == 2
    (note,) = (n for n in workload.notes if n.code == "branch_chosen_at_run_time")
    assert "else_branch" in note.message
    # The branch that is left out has no task, and training works all the same.
    macs = training_graph(workload).macs
    assert macs.weight_gradient == macs.forward


def cell(nodes, states: int, extra=(), weights=None) -> onnx.GraphProto:
    """A loop's body: counter, condition, states h0, h1, ...; results n0, n1, ... and `extra`."""
    inputs = [
        value("i", INT64, []),
        value("on", BOOL, []),
        *(value(f"h{k}") for k in range(states)),
    ]
    outputs = ["go", *(f"n{k}" for k in range(states)), *extra]
    return graph([make("Identity", ["on"], ["go"]), *nodes], inputs, outputs, weights)


def loop(trips: int | None, body: onnx.GraphProto, outputs=("y",), states=("x",)):
    """Constants for a loop of known length, and the loop."""
    count = "" if trips is None else "trips"
    given = [constant("trips", np.int64(trips))] if trips is not None else []
    return [
        *given,
        constant("yes", True),
        make("Loop", [count, "yes", *states], list(outputs), name="loop", body=body),
    ]


def test_a_loop_of_known_length_is_its_unrolled_body(network) -> None:
    """The same tensors, products and gradients as nodes written out by hand; one matrix."""
    body = cell([make("MatMul", ["h0", "w"], ["a"]), make("Relu", ["a"], ["n0"])], 1)
    rolled = read(network(loop(5, body), {"x": [4, 16]}, ["y"], {"w": (16, 16)}))
    nodes, name = [], "x"
    for step in range(5):
        nodes.append(make("MatMul", [name, "w"], [f"a{step}"]))
        name = "y" if step == 4 else f"h{step}"
        nodes.append(make("Relu", [f"a{step}"], [name]))
    unrolled = read(network(nodes, {"x": [4, 16]}, ["y"], {"w": (16, 16)}))
    assert forward_macs(rolled) == forward_macs(unrolled)
    assert list(rolled.matrices) == list(unrolled.matrices) == ["w"]
    assert weight_uses(rolled) == 5
    assert training_graph(rolled).macs == training_graph(unrolled).macs
    assert [op.kind for op in rolled.ops][:-1] == [op.kind for op in unrolled.ops]


def test_weights_inside_a_loop_are_one_matrix_for_all_iterations(network) -> None:
    body = cell([make("MatMul", ["h0", "w"], ["n0"])], 1, weights={"w": (16, 16)})
    workload = read(network(loop(3, body), {"x": [4, 16]}, ["y"]))
    assert workload.parameter_count == 256
    assert weight_matrices(workload) == 1
    assert weight_uses(workload) == 3


def test_the_counter_of_a_loop_indexes_and_its_results_are_stacked(network) -> None:
    """y[t] = x[t] W for each of 6 steps, with the running sum as the state."""
    body = cell(
        [
            make("Gather", ["seq", "i"], ["s"], axis=0),
            make("MatMul", ["s", "w"], ["p"]),
            make("Add", ["h0", "p"], ["n0"]),
        ],
        1,
        extra=["p"],
    )
    nodes = loop(6, body, ("last", "y"), ("start",))
    weights = {"w": (16, 8), "start": np.zeros((4, 8), np.float32)}
    workload = read(network(nodes, {"seq": [6, 4, 16]}, ["y", "last"], weights))
    assert workload.tensors["y"].shape == (6, 4, 8)
    assert workload.tensors["last"].shape == (4, 8)
    assert forward_macs(workload)["linear"] == 6 * 4 * 128
    macs = training_graph(workload).macs
    assert macs.weight_gradient == macs.forward


def test_a_condition_that_becomes_false_ends_a_loop(network) -> None:
    """go = i < 2, so that three iterations run."""
    body = graph(
        [
            make("Less", ["i", "two"], ["go"]),
            make("MatMul", ["h0", "w"], ["n0"]),
        ],
        [value("i", INT64, []), value("on", BOOL, []), value("h0")],
        ["go", "n0"],
    )
    weights = {"w": (16, 16), "two": np.asarray(2, np.int64)}
    workload = read(network(loop(None, body), {"x": [4, 16]}, ["y"], weights))
    assert weight_uses(workload) == 3


def test_a_loop_inside_a_loop_multiplies(network) -> None:
    inner = graph(
        [make("Identity", ["on2"], ["go2"]), make("MatMul", ["g", "w"], ["m"])],
        [value("j", INT64, []), value("on2", BOOL, []), value("g")],
        ["go2", "m"],
        {"w": (16, 16)},
    )
    body = cell([make("Loop", ["four", "on", "h0"], ["n0"], name="inner", body=inner)], 1)
    model = network(loop(3, body), {"x": [4, 16]}, ["y"], {"four": np.asarray(4, np.int64)})
    workload = read(model)
    assert weight_uses(workload) == 12
    assert workload.parameter_count == 256


def test_a_given_count_of_an_inner_loop_is_that_of_its_path(network) -> None:
    inner = graph(
        [make("Identity", ["on2"], ["go2"]), make("MatMul", ["g", "w"], ["m"])],
        [value("j", INT64, []), value("on2", BOOL, []), value("g")],
        ["go2", "m"],
    )
    body = cell([make("Loop", ["n", "on", "h0"], ["n0"], name="inner", body=inner)], 1)
    model = network(loop(3, body), {"x": [4, 16], "n": []}, ["y"], {"w": (16, 16)}, integers=["n"])
    for name in ("inner", "loop/inner"):
        assert weight_uses(read(model, trip_counts={name: 2})) == 6
    with pytest.raises(InputError, match="--trip-count loop/inner=N"):
        read(model)


def test_huge_loops_are_refused_before_they_are_unrolled(network) -> None:
    body = cell([make("MatMul", ["h0", "w"], ["n0"])], 1)
    for trips in (10**6, 2**30):
        with pytest.raises(InputError, match=r"loop.*unrolling .* would make more than"):
            read(network(loop(trips, body), {"x": [4, 16]}, ["y"], {"w": (16, 16)}))


def test_a_loop_that_never_ends_is_refused(network) -> None:
    body = cell([make("Relu", ["h0"], ["n0"])], 1)
    with pytest.raises(InputError, match="never ends"):
        read(network([make("Loop", ["", "", "x"], ["y"], body=body)], {"x": [4, 16]}, ["y"]))
    for trips in (None, 2**63 - 1):
        with pytest.raises(InputError, match="still holds after 1,000 iterations"):
            read(network(loop(trips, body), {"x": [4, 16]}, ["y"]))


def scan_network(network, **attributes):
    body = graph(
        [
            make("MatMul", ["step", "w"], ["p"]),
            make("MatMul", ["h", "r"], ["q"]),
            make("Add", ["p", "q"], ["a"]),
            make("Tanh", ["a"], ["n"]),
            make("Identity", ["n"], ["out"]),
        ],
        [value("h"), value("step")],
        ["n", "out"],
    )
    node = make("Scan", ["start", "x"], ["last", "y"], body=body, num_scan_inputs=1, **attributes)
    weights = {"w": (16, 8), "r": (8, 8), "start": np.zeros((4, 8), np.float32)}
    shape = [4, 7, 16] if attributes.get("scan_input_axes") else [7, 4, 16]
    return read(network([node], {"x": shape}, ["y", "last"], weights))


@pytest.mark.parametrize(
    ("attributes", "shape"),
    [
        ({}, (7, 4, 8)),
        ({"scan_input_axes": [1], "scan_output_axes": [1]}, (4, 7, 8)),
        ({"scan_input_directions": [1], "scan_output_directions": [1]}, (7, 4, 8)),
    ],
)
def test_a_scan_is_a_recurrent_cell(network, attributes, shape) -> None:
    """Seven steps of x W + h R, whatever the axis and the direction."""
    workload = scan_network(network, **attributes)
    assert workload.tensors["y"].shape == shape
    assert forward_macs(workload)["linear"] == 7 * 4 * (16 * 8 + 8 * 8)
    assert weight_uses(workload) == 14
    assert weight_matrices(workload) == 2


def test_scan_and_rnn_of_the_same_cell_have_the_same_products(network) -> None:
    rnn = make("RNN", ["x", "w", "r"], ["y"], hidden_size=8)
    model = network([rnn], {"x": [7, 4, 16]}, ["y"], {"w": (1, 8, 16), "r": (1, 8, 8)})
    assert forward_macs(read(model)) == forward_macs(scan_network(network))


def test_operators_that_are_unknown_inside_a_branch_are_listed_with_their_path(network) -> None:
    odd = graph([make("Oddity", ["x"], ["t"], name="odd", domain="x.y")], [], ["t"])
    nodes = [
        constant("c", True),
        make(
            "If", ["c"], ["y"], name="choice", then_branch=odd, else_branch=BRANCHES["then_branch"]
        ),
    ]
    model = network(nodes, {"x": [4, 16]}, ["y"])
    model.opset_import.add(domain="x.y", version=1)
    with pytest.raises(UnsupportedOperators) as found:
        read(model)
    assert found.value.operators[0].nodes == ("choice/odd",)


def test_sequences_leave_nothing_but_their_elements(network) -> None:
    """Insert, erase, take, measure, split and join: only products and copies remain."""
    nodes = [
        make("SplitToSequence", ["x"], ["parts"], axis=1, keepdims=1),
        make("SequenceAt", ["parts", "one"], ["p"]),
        make("SequenceEmpty", [], ["none"]),
        make("SequenceInsert", ["none", "p"], ["first"]),
        make("SequenceInsert", ["first", "x2", "zero"], ["second"]),
        make("SequenceErase", ["second", "zero"], ["third"]),
        make("SequenceAt", ["third", "zero"], ["q"]),
        make("SequenceLength", ["parts"], ["length"]),
        make("Unsqueeze", ["length", "axes"], ["wide"]),
        make("Expand", ["q", "wide"], ["e"]),
        make("MatMul", ["e", "w"], ["y"]),
        make("ConcatFromSequence", ["parts"], ["z"], axis=0, new_axis=1),
    ]
    weights = {
        "one": np.asarray(1, np.int64),
        "zero": np.asarray(0, np.int64),
        "axes": np.asarray([0], np.int64),
        "w": (3, 8),
    }
    model = network(nodes, {"x": [4, 3], "x2": [4, 3]}, ["y", "z"], weights)
    workload = read(model)
    assert workload.tensors["z"].shape == (3, 4, 1)
    assert forward_macs(workload)["linear"] == 4 * 3 * 8
    assert not any("Sequence" in op.op_type for op in workload.ops)


def test_a_sequence_output_is_its_elements(network) -> None:
    nodes = [make("Relu", ["x"], ["a"]), make("SequenceConstruct", ["a", "x"], ["y"])]
    workload = read(network(nodes, {"x": [4, 3]}, ["y"]))
    assert workload.outputs == ("a", "x")


def test_sequence_map_runs_its_body_per_element(network) -> None:
    body = graph([make("MatMul", ["e", "w"], ["r"])], [value("e")], ["r"])
    nodes = [
        make("SequenceConstruct", ["x", "x2", "x"], ["s"]),
        make("SequenceMap", ["s"], ["t"], body=body),
        make("ConcatFromSequence", ["t"], ["y"], axis=0),
    ]
    workload = read(network(nodes, {"x": [4, 16], "x2": [4, 16]}, ["y"], {"w": (16, 8)}))
    assert workload.tensors["y"].shape == (12, 8)
    assert forward_macs(workload)["linear"] == 12 * 128


@pytest.mark.parametrize("held", [True, False])
def test_an_optional_that_holds_something_chooses_a_branch(network, held: bool) -> None:
    kind = helper.make_tensor_type_proto(FLOAT, [4, 16])
    nodes = [
        make("Optional", ["x"] if held else [], ["o"], **({} if held else {"type": kind})),
        make("OptionalHasElement", ["o"], ["c"]),
        make("If", ["c"], ["y"], **BRANCHES),
    ]
    workload = read(network(nodes, {"x": [4, 16]}, ["y"], {"w": (16, 16)}))
    assert forward_macs(workload)["linear"] == (4 * 128 if held else 4 * 384)


def test_what_a_branch_captures_from_outside_is_no_dead_code(network) -> None:
    """The second output of a Split is read by a branch only."""
    branch = graph([make("Relu", ["right"], ["t"])], [], ["t"])
    nodes = [
        make("Split", ["x"], ["left", "right"], axis=1, num_outputs=2),
        constant("c", True),
        make("If", ["c"], ["y"], then_branch=branch, else_branch=branch),
    ]
    workload = read(network(nodes, {"x": [4, 16]}, ["y"]))
    assert workload.tensors["y"].shape == (4, 8)
    assert next(iter(workload.ops)).kind is OpKind.MOVEMENT
