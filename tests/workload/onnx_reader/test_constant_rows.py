"""Products of two constants: learned queries, latents and tables of positions times a weight."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import helper, numpy_helper

from archsim.workload.graph import OpKind, ParameterRole
from archsim.workload.onnx_reader import workload_from_model
from archsim.workload.training import TaskKind, TrainingOptions, training_graph

make = helper.make_node
SINES = np.sin(np.arange(7 * 16)).reshape(7, 16).astype(np.float32)


def read(model):
    return workload_from_model(model, name="test")


def notes(workload) -> set[str]:
    return {note.code for note in workload.notes}


def table(name: str, values: np.ndarray):
    return make("Constant", [], [name], value=numpy_helper.from_array(values))


# Each makes "q" of the rows "r" and parameters; the sizes of both.
ENTRIES = {
    "linear": ([make("MatMul", ["r", "w"], ["q"], name="enter")], (10, 16), {"w": (16, 8)}),
    "left": ([make("MatMul", ["w", "r"], ["q"], name="enter")], (16, 10), {"w": (8, 16)}),
    "gemm": (
        [make("Gemm", ["r", "w", "b"], ["q"], name="enter", transB=1)],
        (10, 16),
        {"w": (8, 16), "b": (8,)},
    ),
    "einsum": (
        [make("Einsum", ["r", "w"], ["q"], name="enter", equation="ibh,hnd->ibnd")],
        (10, 1, 16),
        {"w": (16, 2, 4)},
    ),
    "convolution": (
        [make("Conv", ["r", "w", "b"], ["q"], name="enter")],
        (1, 4, 5, 5),
        {"w": (8, 4, 3, 3), "b": (8,)},
    ),
    "transposed": (
        [make("ConvTranspose", ["r", "w"], ["q"], name="enter")],
        (1, 4, 5, 5),
        {"w": (4, 8, 3, 3)},
    ),
    "normalised": (
        [
            make("LayerNormalization", ["r", "g", "o"], ["n"]),
            make("MatMul", ["n", "w"], ["q"], name="enter"),
        ],
        (10, 16),
        {"w": (16, 8), "g": (16,), "o": (16,)},
    ),
    "moved": (
        [
            make("Transpose", ["r"], ["t"], perm=[1, 0]),
            make("MatMul", ["t", "w"], ["q"], name="enter"),
        ],
        (16, 10),
        {"w": (16, 8)},
    ),
}
# Read by an exponential, so that nothing takes the product for a matrix of another.
ENDING = [
    make("Exp", ["q"], ["e"]),
    make("ReduceSum", ["e"], ["s"]),
    make("Mul", ["x", "s"], ["y"]),
]


def with_rows(network, entry: str, *, stored: bool):
    nodes, shape, weights = ENTRIES[entry]
    if stored:
        weights = {"r": shape, **weights}
    inputs = {"x": [3, 4]} if stored else {"x": [3, 4], "r": list(shape)}
    return read(network([*nodes, *ENDING], inputs, ["y"], weights))


@pytest.mark.parametrize("entry", sorted(set(ENTRIES) - {"left"}))
def test_stored_rows_train_as_an_input_whose_gradient_is_asked_for(network, entry: str) -> None:
    """The same network with the rows as an input needs the same products, forward and backward."""
    inside = with_rows(network, entry, stored=True)
    outside = with_rows(network, entry, stored=False)
    found = training_graph(inside)
    expected = training_graph(outside, TrainingOptions(input_gradients=("r",)))
    assert found.macs == expected.macs
    assert found.macs.input_gradient == found.macs.weight_gradient > 0
    assert found.analog_parameters == expected.analog_parameters
    assert inside.parameter_count == outside.parameter_count + np.prod(ENTRIES[entry][1])
    assert found.digital_parameters == expected.digital_parameters + np.prod(ENTRIES[entry][1])
    assert inside.parameters["r"].role is ParameterRole.EMBEDDING
    assert not any(matrix.computed for matrix in inside.matrices.values())
    assert "constant_rows" in notes(inside)


def test_of_two_stored_matrices_the_right_one_is_the_weight(network) -> None:
    """As linear layers have it; nothing else tells queries from weights."""
    workload = with_rows(network, "left", stored=True)
    assert {m.name for m in workload.matrices.values()} == {"r"}
    assert workload.parameters["w"].role is ParameterRole.EMBEDDING


def test_frozen_rows_need_no_gradient(network) -> None:
    workload = with_rows(network, "normalised", stored=True)
    graph = training_graph(workload, TrainingOptions(frozen=("r", "g", "o")))
    assert graph.macs.input_gradient == 0
    assert graph.macs.weight_gradient == graph.macs.forward
    scales_only = training_graph(workload, TrainingOptions(frozen=("r",)))
    assert scales_only.macs.input_gradient == graph.macs.forward
    assert scales_only.digital_parameters == 32


@pytest.mark.parametrize("equation", ["", "th,hd->td"])
def test_a_table_of_the_program_trains_the_weight_and_not_itself(network, equation: str) -> None:
    """Sines of positions are written as a Constant node; a projection of them is added."""
    product = make("MatMul", ["pos", "w"], ["q"], name="enter")
    if equation:
        product = make("Einsum", ["pos", "w"], ["q"], name="enter", equation=equation)
    nodes = [table("pos", SINES), product, make("MatMul", ["x", "t"], ["y"])]
    nodes.insert(2, make("Transpose", ["q"], ["t"]))
    workload = read(network(nodes, {"x": [5, 16]}, ["y"], {"w": (16, 16)}))
    graph = training_graph(workload)
    assert set(workload.parameters) == {"w"}
    assert graph.macs.weight_gradient == 7 * 16 * 16
    assert graph.macs.input_gradient == 0
    assert workload.op("enter").weight is not None
    assert "constant_rows" in notes(workload)


def test_a_layer_on_a_table_passes_its_gradient_to_the_layer_before(network) -> None:
    """Two layers on coordinates: the first needs no input gradient, the second does."""
    nodes = [
        table("pos", SINES),
        make("MatMul", ["pos", "w"], ["h"], name="first"),
        make("Relu", ["h"], ["a"]),
        make("MatMul", ["a", "v"], ["q"], name="second"),
        make("Add", ["x", "q"], ["y"]),
    ]
    workload = read(network(nodes, {"x": [7, 4]}, ["y"], {"w": (16, 32), "v": (32, 4)}))
    graph = training_graph(workload)
    assert graph.macs.weight_gradient == graph.macs.forward == 7 * 16 * 32 + 7 * 32 * 4
    assert graph.macs.input_gradient == 7 * 32 * 4


@pytest.mark.parametrize(
    ("name", "learned"),
    [
        ("decoder.queries.weight", True),
        ("onnx::MatMul_831", True),
        ("expand_2", True),
        ("sin_1", False),
        ("val_27", False),
        ("features.1.attn.relative_coords_table", False),
    ],
)
def test_names_tell_what_a_program_computed_from_what_it_stored(
    network, name: str, learned: bool
) -> None:
    nodes = [make("MatMul", [name, "w"], ["q"], name="enter"), *ENDING]
    workload = read(network(nodes, {"x": [3, 4]}, ["y"], {name: (10, 16), "w": (16, 8)}))
    graph = training_graph(workload)
    assert (name in workload.parameters) == learned
    assert graph.macs.weight_gradient == 10 * 16 * 8
    assert graph.macs.input_gradient == learned * 10 * 16 * 8


def test_a_learned_scale_of_a_table_trains_and_the_table_does_not(network) -> None:
    nodes = [
        make("Mul", ["sin_1", "g"], ["r"]),
        make("MatMul", ["r", "w"], ["q"], name="enter"),
        *ENDING,
    ]
    stored = {"sin_1": (10, 16), "g": (16,), "w": (16, 8)}
    workload = read(network(nodes, {"x": [3, 4]}, ["y"], stored))
    assert set(workload.parameters) == {"g", "w"}
    assert training_graph(workload).macs.input_gradient == 10 * 16 * 8


def test_zeros_added_to_queries_are_no_parameters(network) -> None:
    """A decoder's target starts at zero, and the queries are added to it."""
    nodes = [
        make("Add", ["zeros", "r"], ["t"]),
        make("MatMul", ["t", "w"], ["q"], name="enter"),
        *ENDING,
    ]
    stored = {"zeros": np.zeros((10, 1), np.float32), "r": (10, 16), "w": (16, 8)}
    workload = read(network(nodes, {"x": [3, 4]}, ["y"], stored))
    assert set(workload.parameters) == {"r", "w"}


def test_a_learned_initial_state_of_an_unrolled_cell_gets_a_gradient(network) -> None:
    """Both steps multiply the recurrent weight; both carry an error back."""
    nodes = [
        make("MatMul", ["h0", "w"], ["p"]),
        make("Add", ["p", "x"], ["s"]),
        make("Tanh", ["s"], ["h1"]),
        make("MatMul", ["h1", "w"], ["y"]),
    ]
    graph = training_graph(read(network(nodes, {"x": [1, 8]}, ["y"], {"h0": (1, 8), "w": (8, 8)})))
    assert graph.macs.forward == graph.macs.weight_gradient == 2 * 64
    assert graph.macs.input_gradient == 2 * 64
    assert graph.digital_parameters == 8


def test_a_kernel_made_of_parameters_stays_a_computed_weight(network) -> None:
    """The kernel of a state-space layer is a product of parameters: not rows that enter one."""
    nodes = [
        make("MatMul", ["c", "p"], ["k"]),
        make("Unsqueeze", ["k", "one"], ["kernel"]),
        make("Conv", ["x", "kernel"], ["y"], name="conv", group=4),
    ]
    stored = {"c": (4, 6), "p": (6, 5), "one": np.asarray([1], np.int64)}
    workload = read(network(nodes, {"x": [1, 4, 9]}, ["y"], stored))
    weight = workload.op("conv").weight
    assert weight is not None
    assert weight.content == "kernel"
    assert workload.parameter_count == 24 + 30


def test_a_product_of_two_stored_matrices_is_a_low_rank_weight(network) -> None:
    """x (U V) without anything between: a factored layer, computed in every step."""
    nodes = [make("MatMul", ["u", "v"], ["w"]), make("MatMul", ["x", "w"], ["y"], name="enter")]
    workload = read(network(nodes, {"x": [3, 16]}, ["y"], {"u": (16, 2), "v": (2, 8)}))
    weight = workload.op("enter").weight
    assert weight is not None
    assert weight.content == "w"


def test_rows_come_before_the_product_that_they_enter(network) -> None:
    graph = training_graph(with_rows(network, "normalised", stored=True))
    order = list(graph.graph.nodes)
    source, product = f"r/parameter:{TaskKind.FORWARD}", f"enter:{TaskKind.FORWARD}"
    assert order.index(source) < order.index(product)
    error = f"enter:{TaskKind.INPUT_GRADIENT}"
    assert any(
        graph.task(name).op_kind is OpKind.NORMALISATION for name in graph.graph.successors(error)
    )
