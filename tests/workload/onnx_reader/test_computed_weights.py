"""Weights that the network computes, chooses, scales or slices."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import helper

from archsim.cli.counts import forward_macs, weight_matrices, weight_uses
from archsim.workload.graph import OpKind, ParameterRole
from archsim.workload.onnx_reader import workload_from_model
from archsim.workload.places import where_it_runs
from archsim.workload.training import TaskKind, TrainingOptions, training_graph

make = helper.make_node
NORMALISED = [
    make("ReduceL2", ["v", "axes"], ["n"], name="length"),
    make("Div", ["v", "n"], ["u"]),
    make("Mul", ["u", "g"], ["w"]),
    make("MatMul", ["x", "w"], ["y"], name="product"),
]
WEIGHTS = {"v": (16, 8), "g": (1, 8), "axes": np.asarray([0], np.int64)}


def read(model, **options):
    return workload_from_model(model, name="test", **options)


@pytest.fixture
def normalised(network):
    return read(network(NORMALISED, {"x": [4, 16]}, ["y"], WEIGHTS))


def test_weight_normalisation_is_computed_in_every_step(normalised) -> None:
    """Its operators cost what they cost on activations of that size, once per minibatch."""
    work = {op.op_type: op.forward for op in normalised.ops}
    assert work["ReduceL2"].mul == 128
    assert work["Div"].div == work["Mul"].mul == 128
    computing = [op for op in normalised.ops if op.per_step]
    assert {op.op_type for op in computing} == {"Parameter", "ReduceL2", "Div", "Mul"}
    assert not any(op.saved for op in computing)


def test_a_computed_matrix_stays_digital_and_is_said_to(normalised) -> None:
    (matrix,) = normalised.matrices.values()
    assert matrix.computed
    (product,) = (op for op in normalised.ops if op.weight is not None)
    assert where_it_runs(product) == "matrix unit"
    assert any(note.code == "computed_weight" for note in normalised.notes)
    assert training_graph(normalised).analog_parameters == 0


def test_the_gradient_flows_through_the_computation_to_its_parameters(normalised) -> None:
    """The weight gradient of the product is what the computation's backward waits for."""
    graph = training_graph(normalised)
    assert graph.digital_parameters == 128 + 8
    assert graph.macs.weight_gradient == graph.macs.forward == 4 * 128
    gradient = f"product:{TaskKind.WEIGHT_GRADIENT}"
    after = set(graph.graph.successors(gradient))
    assert any(graph.task(name).kind is TaskKind.DIGITAL_BACKWARD for name in after)
    for task in graph.tasks:
        assert task.per_step == (
            task.kind is TaskKind.OPTIMIZER
            or (task.op in normalised.graph and normalised.op(task.op).per_step)
            or (task.kind is TaskKind.GRADIENT_SUM and task.op == "v/parameter")
        )


def test_frozen_parameters_of_a_computed_matrix_train_nothing(normalised) -> None:
    graph = training_graph(normalised, TrainingOptions(frozen=("v", "g")))
    assert graph.macs.weight_gradient == 0
    assert graph.digital_parameters == 0
    half = training_graph(normalised, TrainingOptions(frozen=("v",)))
    assert half.macs.weight_gradient == 4 * 128
    assert half.digital_parameters == 8


def test_a_low_rank_addition_is_a_product_of_parameters(network) -> None:
    """x (W + B A): the sum is computed, and what it costs is two products once per step."""
    nodes = [
        make("MatMul", ["b", "a"], ["d"]),
        make("Add", ["w", "d"], ["m"]),
        make("MatMul", ["x", "m"], ["y"]),
    ]
    weights = {"w": (16, 8), "b": (16, 2), "a": (2, 8)}
    workload = read(network(nodes, {"x": [4, 16]}, ["y"], weights))
    assert workload.parameter_count == 128 + 32 + 16
    assert forward_macs(workload) == {
        "convolution": 0,
        "linear": 4 * 128,
        "dynamic": 16 * 2 * 8,
        "total": 4 * 128 + 256,
    }
    assert training_graph(workload).digital_parameters == workload.parameter_count


def test_one_plus_a_learned_scale_is_learned(network) -> None:
    """As in normalisations whose scale is stored less one."""
    nodes = [
        make("Add", ["w", "one"], ["s"]),
        make("Mul", ["x", "s"], ["h"]),
        make("MatMul", ["h", "m"], ["y"]),
    ]
    weights = {"w": (16,), "one": np.asarray(1, np.float32), "m": (16, 8)}
    workload = read(network(nodes, {"x": [4, 16]}, ["y"], weights))
    assert workload.parameters["w"].role is ParameterRole.SCALE
    assert training_graph(workload).digital_parameters == 16


def test_decays_behind_an_exponential_are_learned(network) -> None:
    """A = -exp(A_log), as state-space models store it."""
    nodes = [
        make("Exp", ["a"], ["e"]),
        make("Neg", ["e"], ["d"]),
        make("Mul", ["x", "d"], ["y"]),
    ]
    workload = read(network(nodes, {"x": [4, 5, 16, 1]}, ["y"], {"a": (16, 3)}))
    assert workload.parameter_count == 48
    assert training_graph(workload).digital_parameters == 48


def test_tables_of_sines_are_not_learned(network) -> None:
    nodes = [make("Cos", ["t"], ["c"]), make("Mul", ["x", "c"], ["y"])]
    workload = read(network(nodes, {"x": [4, 5, 16]}, ["y"], {"t": (5, 16)}))
    assert not workload.parameters


@pytest.mark.parametrize("op_type", ["Mul", "Div"])
def test_a_weight_times_a_scalar_is_that_weight(network, op_type: str) -> None:
    """The factor goes into the scale of what the array gives; both uses share the array."""
    nodes = [
        make(op_type, ["w", "c"], ["v"]),
        make("MatMul", ["x", "v"], ["h"]),
        make("MatMul", ["h", "w"], ["y"]),
    ]
    weights = {"w": (16, 16), "c": np.asarray(0.5, np.float32)}
    workload = read(network(nodes, {"x": [4, 16]}, ["y"], weights))
    assert list(workload.matrices) == ["w"]
    assert weight_uses(workload) == 2


def test_experts_chosen_by_an_index_are_all_held_and_few_computed(network) -> None:
    """6 tokens, each times one of 8 stored matrices of 16 x 12."""
    nodes = [
        make("ArgMax", ["r"], ["i"], axis=1, keepdims=0),
        make("Gather", ["w", "i"], ["m"], axis=0),
        make("Unsqueeze", ["x", "axes"], ["a"]),
        make("MatMul", ["a", "m"], ["y"]),
    ]
    weights = {"w": (8, 16, 12), "axes": np.asarray([1], np.int64)}
    workload = read(network(nodes, {"x": [6, 16], "r": [6, 8]}, ["y"], weights))
    assert forward_macs(workload)["linear"] == 6 * 16 * 12
    assert weight_matrices(workload) == 8
    assert workload.parameter_count == 8 * 16 * 12
    (op,) = (op for op in workload.ops if op.weight is not None)
    assert op.weight.chosen_blocks == 1
    # The choice comes before the product.
    assert "i" in op.inputs
    macs = training_graph(workload).macs
    assert macs.weight_gradient == macs.forward


def test_experts_on_both_paths_are_one_stack(network) -> None:
    """The same stack, once for a choice and once for all, transposed on the way."""
    nodes = [
        make("Gather", ["w", "i"], ["m"], axis=0),
        make("MatMul", ["x", "m"], ["y"]),
        make("MatMul", ["x8", "w"], ["z"]),
    ]
    inputs = {"x": [6, 1, 16], "x8": [8, 3, 16], "i": [6]}
    model = network(nodes, inputs, ["y", "z"], {"w": (8, 16, 12)}, integers=["i"])
    workload = read(model)
    assert list(workload.matrices) == ["w"]
    assert forward_macs(workload)["linear"] == (6 + 8 * 3) * 16 * 12


def test_slices_of_one_matrix_are_parts_of_it(network) -> None:
    nodes = [
        make("Split", ["w"], ["q", "k"], axis=1, num_outputs=2),
        make("MatMul", ["x", "q"], ["y"]),
        make("MatMul", ["x", "k"], ["z"]),
    ]
    workload = read(network(nodes, {"x": [4, 16]}, ["y", "z"], {"w": (16, 24)}))
    assert {matrix.part_of for matrix in workload.matrices.values()} == {"w"}
    assert weight_matrices(workload) == 1
    assert weight_uses(workload) == 2


def test_slices_of_a_stack_are_matrices_of_their_own(network) -> None:
    nodes = [
        make("Gather", ["w", "zero"], ["q"], axis=0),
        make("Gather", ["w", "one"], ["k"], axis=0),
        make("MatMul", ["x", "q"], ["y"]),
        make("MatMul", ["x", "k"], ["z"]),
    ]
    weights = {
        "w": (2, 16, 24),
        "zero": np.asarray(0, np.int64),
        "one": np.asarray(1, np.int64),
    }
    workload = read(network(nodes, {"x": [4, 16]}, ["y", "z"], weights))
    assert weight_matrices(workload) == 2


def test_a_kernel_that_the_network_makes_is_a_dynamic_product(network) -> None:
    """2 samples of 6 x 6 positions, 8 channels in 2 groups, 3 x 3 kernels for 4 outputs."""
    node = make("Conv", ["x", "k"], ["y"], group=2, pads=[1, 1, 1, 1])
    workload = read(network([node], {"x": [2, 8, 6, 6], "k": [4, 4, 3, 3]}, ["y"]))
    assert workload.ops[0].kind is OpKind.DYNAMIC_MATMUL
    assert forward_macs(workload)["dynamic"] == 2 * 36 * 4 * 4 * 9


def test_dropout_in_training_form_draws_a_mask(network) -> None:
    node = make("Dropout", ["x", "ratio", "train"], ["y"])
    weights = {"ratio": np.asarray(0.1, np.float32), "train": np.asarray(True)}
    workload = read(network([node], {"x": [4, 16]}, ["y"], weights))
    assert workload.ops[0].kind is OpKind.ELEMENTWISE
    assert workload.ops[0].forward.compare == 64


@pytest.mark.parametrize(
    ("equation", "shapes", "macs"),
    [
        ("ij,jk,kl->il", ((4, 5), (5, 6), (6, 7)), 4 * 5 * 6 + 4 * 6 * 7),
        ("bij,bj,bk->bik", ((3, 4, 5), (3, 5), (3, 6)), 3 * 4 * 5),
    ],
)
def test_einsum_of_three_operands_multiplies_from_the_left(
    network, equation: str, shapes, macs: int
) -> None:
    names = ["a", "b", "c"]
    node = make("Einsum", names, ["y"], equation=equation)
    workload = read(network([node], dict(zip(names, shapes, strict=True)), ["y"]))
    assert forward_macs(workload)["dynamic"] == macs
    operands = [np.ones(shape) for shape in shapes]
    assert workload.tensors["y"].shape == np.einsum(equation, *operands).shape


@pytest.mark.parametrize(
    ("equation", "kind"), [("ij->ji", OpKind.MOVEMENT), ("ij->i", OpKind.REDUCTION)]
)
def test_einsum_of_one_operand_moves_or_reduces(network, equation: str, kind: OpKind) -> None:
    node = make("Einsum", ["x"], ["y"], equation=equation)
    assert read(network([node], {"x": [4, 5]}, ["y"])).ops[0].kind is kind


@pytest.mark.parametrize("given", [None, 3])
def test_what_a_search_finds_is_at_most_everything_or_what_is_given(network, given) -> None:
    nodes = [make("NonZero", ["x"], ["i"], name="search"), make("Cast", ["i"], ["y"], to=1)]
    counts = {} if given is None else {"search": given}
    workload = read(network(nodes, {"x": [4, 5]}, ["y"]), trip_counts=counts)
    assert workload.tensors["i"].shape == (2, 20 if given is None else given)
    noted = any(note.code == "size_depends_on_data" for note in workload.notes)
    assert noted == (given is None)


@pytest.mark.parametrize("left", [False, True])
def test_a_layer_with_one_input_is_a_weight(network, left: bool) -> None:
    """As the step sizes of state-space models; x has 6 rows (or columns) of one element."""
    operands, shape = (["w", "x"], (16, 1)) if left else (["x", "w"], (1, 16))
    entering = [2, 1, 6] if left else [2, 6, 1]
    model = network([make("MatMul", operands, ["y"])], {"x": entering}, ["y"], {"w": shape})
    workload = read(model)
    assert forward_macs(workload)["linear"] == 2 * 6 * 16
    assert workload.parameter_count == 16


@pytest.mark.parametrize("rank", [2, 3])
def test_frequencies_with_a_batch_axis_are_a_table(network, rank: int) -> None:
    """Rotary positions: [1, 8, 1] times [2, 1, 6] is an outer product, elementwise work."""
    shape = (1, 8, 1) if rank == 3 else (8, 1)
    model = network([make("MatMul", ["f", "x"], ["y"])], {"x": [2, 1, 6]}, ["y"], {"f": shape})
    workload = read(model)
    assert bool(workload.parameters) == (rank == 2)
