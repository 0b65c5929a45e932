"""What is a weight, what is a parameter, and what is tied."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto, helper

from archsim.workload.graph import OpKind, ParameterRole
from archsim.workload.onnx_reader import workload_from_model
from archsim.workload.training import training_graph

make = helper.make_node


def read(model, **options):
    return workload_from_model(model, name="test", **options)


def macs(workload) -> int:
    return sum(workload.macs(op) for op in workload.ops)


def integers(*values: int) -> np.ndarray:
    return np.asarray(values, np.int64)


@pytest.fixture
def through(network):
    """x[4, 16] times what `nodes` make of the stored tensor `w`."""

    def build(nodes, shape=(16, 8), extra=None, result="v"):
        nodes = [*nodes, make("MatMul", ["x", result], ["y"])]
        return read(network(nodes, {"x": [4, 16]}, ["y"], {"w": shape, **(extra or {})}))

    return build


CHAINS = {
    "stored": ([], (16, 8), {}, "w"),
    "identity": ([make("Identity", ["w"], ["v"])], (16, 8), {}, "v"),
    "cast": ([make("Cast", ["w"], ["v"], to=TensorProto.FLOAT)], (16, 8), {}, "v"),
    "transpose": ([make("Transpose", ["w"], ["v"], perm=[1, 0])], (8, 16), {}, "v"),
    "reshape": ([make("Reshape", ["w", "s"], ["v"])], (128,), {"s": integers(16, 8)}, "v"),
    "squeeze": ([make("Squeeze", ["w", "a"], ["v"])], (1, 16, 8), {"a": integers(0)}, "v"),
    "quantised": (
        [make("DequantizeLinear", ["w", "step"], ["v"])],
        np.ones((16, 8), np.int8),
        {"step": np.asarray(0.1, np.float32)},
        "v",
    ),
    "twice": (
        [make("Identity", ["w"], ["u"]), make("Transpose", ["u"], ["v"], perm=[1, 0])],
        (8, 16),
        {},
        "v",
    ),
}


@pytest.mark.parametrize("name", sorted(CHAINS))
def test_constant_operand_is_the_stored_weight_through_any_view(through, name: str) -> None:
    nodes, shape, extra, result = CHAINS[name]
    workload = through(nodes, shape, extra, result)
    (matrix,) = workload.matrices.values()
    assert (matrix.name, matrix.inputs, matrix.outputs, matrix.blocks) == ("w", 16, 8, 1)
    assert workload.parameter_count == 128
    assert macs(workload) == 4 * 16 * 8
    assert [op.op_type for op in workload.ops] == ["MatMul"]


def test_constant_of_shape_and_constant_nodes_hold_weights(network) -> None:
    """As in the networks that ship with the onnx package, whose weights are not stored."""
    nodes = [make("ConstantOfShape", ["s"], ["w"]), make("MatMul", ["x", "w"], ["y"])]
    workload = read(network(nodes, {"x": [4, 16]}, ["y"], {"s": integers(16, 8)}))
    assert workload.parameter_count == 128
    value = helper.make_tensor("w", TensorProto.FLOAT, [16, 8], [1.0] * 128)
    nodes = [make("Constant", [], ["w"], value=value), make("MatMul", ["x", "w"], ["y"])]
    assert read(network(nodes, {"x": [4, 16]}, ["y"])).parameter_count == 128


def test_initializer_that_is_also_an_input_is_a_weight(network) -> None:
    inputs = {"x": [4, 16], "w": [16, 8]}
    model = network([make("MatMul", ["x", "w"], ["y"])], inputs, ["y"], {"w": [16, 8]})
    workload = read(model)
    assert workload.inputs == ("x",)
    assert workload.parameter_count == 128


def test_computed_weight_counts_the_stored_tensors_it_is_made_of(network) -> None:
    """Weight normalisation: w = v * g / |v|."""
    nodes = [
        make("ReduceL2", ["v", "axes"], ["n"]),
        make("Div", ["v", "n"], ["u"]),
        make("Mul", ["u", "g"], ["w"]),
        make("MatMul", ["x", "w"], ["y"]),
    ]
    weights = {"v": (16, 8), "g": (1, 8), "axes": integers(0)}
    workload = read(network(nodes, {"x": [4, 16]}, ["y"], weights))
    assert set(workload.parameters) == {"v", "g"}
    assert workload.parameter_count == 136
    assert macs(workload) == 512


def test_one_initializer_used_twice_is_one_matrix(network) -> None:
    nodes = [make("MatMul", ["x", "w"], ["h"]), make("MatMul", ["h", "w"], ["y"])]
    workload = read(network(nodes, {"x": [4, 16]}, ["y"], {"w": [16, 16]}))
    assert list(workload.matrices) == ["w"]
    assert workload.parameter_count == 256
    assert workload.parameter_count_untied == 512
    assert macs(workload) == 2 * 4 * 256
    assert not any(op.weight.transposed for op in workload.ops)


@pytest.mark.parametrize("size", [(16, 8), (16, 16)])
def test_transposed_use_of_a_weight_is_flagged(network, size) -> None:
    """An autoencoder with tied weights, also where the matrix is square."""
    nodes = [
        make("MatMul", ["x", "w"], ["h"]),
        make("Transpose", ["w"], ["t"], perm=[1, 0]),
        make("MatMul", ["h", "t"], ["y"]),
    ]
    workload = read(network(nodes, {"x": [4, 16]}, ["y"], {"w": size}))
    assert list(workload.matrices) == ["w"]
    assert [op.weight.transposed for op in workload.ops] == [False, True]


def test_gemm_with_transb_and_matmul_of_the_transpose_are_the_same_use(network) -> None:
    nodes = [
        make("Gemm", ["x", "w"], ["h"], transB=1),
        make("Transpose", ["w"], ["t"], perm=[1, 0]),
        make("MatMul", ["h", "t"], ["y"]),
    ]
    workload = read(network(nodes, {"x": [4, 16]}, ["y"], {"w": [16, 16]}))
    assert [op.weight.transposed for op in workload.ops] == [False, False]


@pytest.mark.parametrize("transposed", [False, True])
def test_tied_head_shares_the_embedding_table(network, transposed: bool) -> None:
    last = [make("Transpose", ["e"], ["t"], perm=[1, 0]), make("MatMul", ["h", "t"], ["y"])]
    if not transposed:
        last = [make("Gemm", ["f", "e"], ["y"], transB=1)]
    nodes = [make("Gather", ["e", "ids"], ["h"]), make("Reshape", ["h", "s"], ["f"]), *last]
    weights = {"e": [100, 16], "s": integers(15, 16)}
    workload = read(network(nodes, {"ids": [3, 5]}, ["y"], weights, integers=["ids"]))
    (table,) = workload.parameters.values()
    assert (table.elements, table.role, table.uses) == (1600, ParameterRole.EMBEDDING, 2)
    (matrix,) = workload.matrices.values()
    assert (matrix.inputs, matrix.outputs) == (16, 100)
    assert macs(workload) == 15 * 1600
    lookup = workload.ops[0]
    assert lookup.kind is OpKind.EMBEDDING
    assert lookup.forward.read_parameters == 3 * 5 * 16


def test_bias_of_equal_values_is_not_tied(network) -> None:
    weights = {"w": np.ones((16, 8), np.float32), "v": np.ones((16, 8), np.float32)}
    nodes = [
        make("MatMul", ["x", "w"], ["a"]),
        make("MatMul", ["x", "v"], ["b"]),
        make("Add", ["a", "b"], ["y"]),
    ]
    workload = read(network(nodes, {"x": [4, 16]}, ["y"], weights))
    assert workload.parameter_count == 256
    assert len(workload.matrices) == 2


@pytest.mark.parametrize("first", [False, True])
def test_added_vector_is_the_bias_of_the_matmul_and_counts_once(network, first: bool) -> None:
    operands = ["b", "h"] if first else ["h", "b"]
    nodes = [make("MatMul", ["x", "w"], ["h"]), make("Add", operands, ["y"])]
    workload = read(network(nodes, {"x": [4, 16]}, ["y"], {"w": [16, 8], "b": [8]}))
    (op,) = workload.ops
    assert op.outputs == ("y",)
    assert workload.matrices["w"].bias == "b"
    assert workload.parameters["b"].role is ParameterRole.BIAS
    assert workload.parameter_count == 136
    gemm = read(
        network(
            [make("Gemm", ["x", "w", "b"], ["y"])], {"x": [4, 16]}, ["y"], {"w": [16, 8], "b": [8]}
        )
    ).ops[0]
    assert (op.forward, op.backward) == (gemm.forward, gemm.backward)
    assert op.forward.add == 4 * 8
    assert op.backward.add == 3 * 8


def test_addition_after_a_product_that_others_read_is_an_op_of_its_own(network) -> None:
    nodes = [
        make("MatMul", ["x", "w"], ["h"]),
        make("Add", ["h", "b"], ["a"]),
        make("Mul", ["a", "h"], ["y"]),
    ]
    workload = read(network(nodes, {"x": [4, 16]}, ["y"], {"w": [16, 8], "b": [8]}))
    assert [op.op_type for op in workload.ops] == ["MatMul", "Add", "Mul"]
    assert workload.matrices["w"].bias is None
    assert workload.parameters["b"].role is ParameterRole.BIAS


def test_addend_of_gemm_that_is_an_activation_is_a_residual(network) -> None:
    nodes = [make("Gemm", ["x", "w", "r"], ["y"])]
    workload = read(network(nodes, {"x": [4, 16], "r": [4, 8]}, ["y"], {"w": [16, 8]}))
    assert workload.parameter_count == 128
    assert workload.ops[0].inputs == ("x", "r")
    assert workload.ops[0].forward.add == 32


def test_scalars_masks_and_unused_tensors_are_no_parameters(network) -> None:
    nodes = [
        make("Mul", ["x", "half"], ["a"]),
        make("Add", ["a", "mask"], ["b"]),
        make("Softmax", ["b"], ["y"]),
    ]
    weights = {"half": np.float32(0.5) * np.ones(()), "mask": [1, 1, 6, 6], "unused": [100]}
    weights["half"] = np.asarray(0.5, np.float32)
    workload = read(network(nodes, {"x": [1, 2, 6, 6]}, ["y"], weights))
    assert workload.parameter_count == 0


def test_channel_scale_and_shift_are_parameters(network) -> None:
    nodes = [make("Mul", ["x", "s"], ["a"]), make("Add", ["a", "b"], ["y"])]
    model = network(nodes, {"x": [2, 5, 4, 4]}, ["y"], {"s": [5, 1, 1], "b": [5, 1, 1]})
    workload = read(model)
    roles = {name: parameter.role for name, parameter in workload.parameters.items()}
    assert roles == {"s": ParameterRole.SCALE, "b": ParameterRole.BIAS}
    # The gradient of the shift sums the error over everything but the channel.
    assert workload.ops[1].backward.add == 2 * 5 * 16 - 5


def test_position_rows_by_known_indices_are_an_embedding(network) -> None:
    nodes = [make("Gather", ["table", "positions"], ["p"]), make("Add", ["x", "p"], ["y"])]
    weights = {"table": [64, 16], "positions": np.arange(7)[None]}
    workload = read(network(nodes, {"x": [2, 7, 16]}, ["y"], weights))
    assert [op.kind for op in workload.ops] == [OpKind.EMBEDDING, OpKind.ELEMENTWISE]
    assert workload.parameters["table"].elements == 64 * 16
    assert workload.ops[0].inputs == ()
    # Every sample adds to the same rows.
    assert workload.ops[1].backward.add == 7 * 16


def test_slices_of_a_packed_weight_are_matrices_and_one_parameter(network) -> None:
    nodes = [
        make("Split", ["w", "sizes"], ["q", "k", "v"], axis=1),
        *(make("MatMul", ["x", part], [f"y{part}"]) for part in "qkv"),
        make("Sum", ["yq", "yk", "yv"], ["y"]),
    ]
    weights = {"w": [16, 24], "sizes": integers(8, 8, 8)}
    workload = read(network(nodes, {"x": [4, 16]}, ["y"], weights))
    assert macs(workload) == 4 * 16 * 24
    assert workload.parameter_count == workload.parameter_count_untied == 384
    assert sum(matrix.elements for matrix in workload.matrices.values()) == 384


def test_slices_put_together_again_are_the_stored_tensor(network) -> None:
    """Exporters reorder the gates of recurrent cells so."""
    nodes = [
        make("Split", ["w", "sizes"], ["a", "b"], axis=0),
        make("Concat", ["b", "a"], ["v"], axis=0),
        make("MatMul", ["x", "v"], ["y"]),
    ]
    workload = read(network(nodes, {"x": [4, 16]}, ["y"], {"w": [16, 8], "sizes": integers(8, 8)}))
    assert list(workload.matrices) == ["w"]


@pytest.mark.parametrize(
    ("shape", "blocks", "expected"), [((4, 16, 8), 4, 512), ((1, 16, 8), 1, 128)]
)
def test_stacked_weights_are_blocks_unless_they_are_repeated(
    network, shape, blocks: int, expected: int
) -> None:
    nodes = [make("Expand", ["w", "s"], ["v"]), make("MatMul", ["x", "v"], ["y"])]
    weights = {"w": shape, "s": integers(4, 16, 8)}
    workload = read(network(nodes, {"x": [4, 10, 16]}, ["y"], weights))
    (matrix,) = workload.matrices.values()
    assert (matrix.blocks, matrix.elements) == (blocks, expected)
    assert macs(workload) == 4 * 10 * 16 * 8


def test_first_step_of_an_unrolled_cell_trains_its_weights(network) -> None:
    """The initial state is zero and constant, yet its product with learned weights is an op."""
    nodes = [
        make("MatMul", ["zero", "r"], ["a"]),
        make("MatMul", ["x", "w"], ["b"]),
        make("Add", ["a", "b"], ["c"]),
        make("Tanh", ["c"], ["h"]),
        make("MatMul", ["h", "r"], ["y"]),
    ]
    weights = {"zero": np.zeros((4, 8), np.float32), "r": [8, 8], "w": [16, 8]}
    workload = read(network(nodes, {"x": [4, 16]}, ["y"], weights))
    assert macs(workload) == 4 * (8 * 8 + 16 * 8 + 8 * 8)
    assert workload.parameter_count == 64 + 128


def test_class_token_that_starts_at_zero_is_learned_and_padding_is_not(network) -> None:
    nodes = [make("Concat", ["token", "x"], ["y"], axis=1)]
    token = {"token": np.zeros((1, 1, 16), np.float32)}
    assert read(network(nodes, {"x": [1, 7, 16]}, ["y"], token)).parameter_count == 16
    padding = {"token": np.zeros((1, 2, 16), np.float32)}
    assert read(network(nodes, {"x": [1, 7, 16]}, ["y"], padding)).parameter_count == 0


def test_matrix_gathered_from_a_table_has_no_more_parameters_than_it(network) -> None:
    """Relative positions: 6 x 6 rows of a table of 11; what trains are the 11."""
    rows = np.asarray([[a - b + 5 for b in range(6)] for a in range(6)], np.int64)
    nodes = [
        make("Gather", ["table", "rows"], ["r"]),
        make("Einsum", ["x", "r"], ["y"], equation="bik,ijk->bij"),
    ]
    weights = {"table": (11, 8), "rows": rows}
    workload = read(network(nodes, {"x": [1, 6, 8]}, ["y"], weights))
    graph = training_graph(workload)
    assert sum(matrix.elements for matrix in workload.matrices.values()) == 36 * 8
    assert graph.analog_parameters + graph.digital_parameters == workload.parameter_count == 88
