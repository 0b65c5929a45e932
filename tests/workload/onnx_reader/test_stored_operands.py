"""Which stored operands of elementwise sums and products are parameters."""

from __future__ import annotations

import time

import numpy as np
import pytest
from onnx import helper

from archsim.workload.graph import OpKind, ParameterRole
from archsim.workload.onnx_reader import workload_from_model
from archsim.workload.training import TrainingOptions, training_graph

make = helper.make_node


def read(model, **options):
    return workload_from_model(model, name="test", **options)


def of(network, op_type: str, shape, name: str, content, then=()):
    """x of `shape`, `op_type` with the stored tensor `name`, then operators on its result."""
    nodes = [make(op_type, ["x", name], ["y"]), *then]
    return read(network(nodes, {"x": shape}, [nodes[-1].output[0]], {name: content}))


def roles(workload) -> dict[str, ParameterRole]:
    return {name: parameter.role for name, parameter in workload.parameters.items()}


def codes(workload) -> set[str]:
    return {note.code for note in workload.notes}


def test_factor_of_several_axes_under_a_name_of_the_source_is_a_parameter(network) -> None:
    """The attention vectors of a graph attention network: [heads, features]."""
    workload = of(network, "Mul", [6, 4, 8], "gat.att_src", (4, 8))
    assert roles(workload) == {"gat.att_src": ParameterRole.SCALE}
    assert codes(workload) == {"parameter_or_table"}
    step = training_graph(workload, TrainingOptions(input_gradients=("x",)))
    assert step.digital_parameters == 32
    # Both gradients are products over all elements; the factor's is summed over the 6 rows.
    (backward,) = (t for t in step.tasks if t.op == "Mul_0" and t.name.endswith("backward"))
    assert backward.work.mul == 2 * 192
    assert backward.work.add == 192 - 32


@pytest.mark.parametrize(
    "name", ["val_12", "onnx::Mul_68", "/layers.0/Constant_3_output_0", "unsqueeze_14", "cos"]
)
def test_factor_that_an_exporter_named_is_a_table(network, name: str) -> None:
    workload = of(network, "Mul", [6, 4, 8], name, (4, 8))
    assert roles(workload) == {}
    assert codes(workload) == ({"table_or_parameter"} if name != "cos" else set())


@pytest.mark.parametrize(
    "name", ["rope.embedding", "rotary_emb.cos_cached", "attn_mask", "inv_freq"]
)
def test_factor_that_the_source_calls_a_table_is_one(network, name: str) -> None:
    workload = of(network, "Mul", [6, 4, 8], name, (4, 8))
    assert (roles(workload), codes(workload)) == ({}, set())


def test_zeros_and_ones_are_a_mask_and_ones_alone_a_parameter(network) -> None:
    mask = np.tril(np.ones((8, 8), np.float32))
    assert roles(of(network, "Mul", [2, 8, 8], "m", mask)) == {}
    ones = np.ones((4, 8), np.float32)
    assert roles(of(network, "Mul", [2, 4, 8], "scale", ones)) == {"scale": ParameterRole.SCALE}


def test_exponent_of_a_decay_is_learned_whoever_named_it(network) -> None:
    """exp(dt * A) of a state-space model, of which an exporter folded A = -exp(A_log)."""
    after = [make("Exp", ["y"], ["z"])]
    assert roles(of(network, "Mul", [2, 16, 4], "neg", (16, 4), after)) == {
        "neg": ParameterRole.SCALE
    }


def test_modulated_kernel_is_learned_whoever_named_it(network) -> None:
    """StyleGAN: the kernel times a style per input channel, by which the network convolves."""
    nodes = [
        make("Mul", ["style", "unsqueeze"], ["k"]),
        make("Conv", ["x", "k"], ["y"]),
    ]
    inputs = {"x": [1, 4, 6, 6], "style": [1, 4, 1, 1]}
    workload = read(network(nodes, inputs, ["y"], {"unsqueeze": (8, 4, 3, 3)}))
    assert roles(workload) == {"unsqueeze": ParameterRole.SCALE}


def test_two_tables_that_turn_pairs_are_no_parameters(network) -> None:
    """(a, b) -> (a c - b s, a s + b c), as rotary embedding on separate halves."""
    nodes = [
        make("Split", ["x"], ["a", "b"], axis=-1, num_outputs=2),
        *(make("Mul", list(pair), ["".join(pair)]) for pair in ("ac", "bs", "as", "bc")),
        make("Sub", ["ac", "bs"], ["u"]),
        make("Add", ["as", "bc"], ["v"]),
        make("Concat", ["u", "v"], ["y"], axis=-1),
    ]
    workload = read(network(nodes, {"x": [2, 8, 6]}, ["y"], {"c": (8, 3), "s": (8, 3)}))
    assert roles(workload) == {}


@pytest.mark.parametrize("readers", [("Sin", "Cos"), ("Sin",)])
def test_frequencies_of_both_sine_and_cosine_are_a_table(network, readers) -> None:
    then = [make(op, ["y"], [f"z{i}"]) for i, op in enumerate(readers)]
    nodes = [make("Mul", ["x", "w"], ["y"]), *then]
    outputs = [node.output[0] for node in then]
    workload = read(network(nodes, {"x": [5, 1]}, outputs, {"w": (1, 8)}))
    assert len(workload.parameters) == (0 if len(readers) == 2 else 1)


def test_bias_per_expert_is_a_parameter(network) -> None:
    """[experts, 1, features] added to [experts, tokens, features]."""
    workload = of(network, "Add", [4, 6, 32], "b1", (4, 1, 32))
    assert roles(workload) == {"b1": ParameterRole.BIAS}
    assert training_graph(workload).digital_parameters == 128


def test_what_a_softmax_normalises_gets_a_mask(network) -> None:
    after = [make("Softmax", ["y"], ["z"], axis=-1)]
    for op_type in ("Add", "Mul"):
        assert roles(of(network, op_type, [2, 4, 8, 8], "w", (1, 4, 1, 8), after)) == {}


@pytest.mark.parametrize("name", ["zeros_like", "zeros_3", "positions"])
def test_added_zeros_of_an_exporter_are_no_embedding(network, name: str) -> None:
    """Whether or not the zeros are in the file; positions may start at zero, and are learned."""
    for content in ((5, 16), np.zeros((5, 16), np.float32)):
        found = roles(of(network, "Add", [2, 5, 16], name, content))
        assert found == ({name: ParameterRole.EMBEDDING} if name == "positions" else {})


OUTER = {
    "bi,bj->bij": ((3, 4), (3, 5)),
    "bti,bti->bti": ((2, 3, 4), (2, 3, 4)),
    "bij,bk->bk": ((3, 4, 5), (3, 6)),
    "...i,...->...i": ((2, 3, 4), (2, 3)),
}


@pytest.mark.parametrize("equation", sorted(OUTER))
def test_einsum_that_sums_nothing_in_common_is_elementwise(network, equation: str) -> None:
    """As many multiplications as results, after the sums over axes of one operand alone."""
    shapes = OUTER[equation]
    node = make("Einsum", ["a", "b"], ["y"], equation=equation)
    workload = read(network([node], {"a": shapes[0], "b": shapes[1]}, ["y"]))
    (op,) = workload.ops
    assert op.kind is OpKind.ELEMENTWISE
    assert workload.macs(op) == 0
    result = np.einsum(equation, *(np.ones(shape) for shape in shapes))
    assert op.forward.mul == result.size
    # Of ones, a result is the number of terms in it.
    assert op.forward.add == (int(result.max()) - 1) * 3
    step = training_graph(workload, TrainingOptions(input_gradients=("a", "b")))
    assert step.macs.total == 0
    assert {item.tensor for item in step.saved} == {"a", "b"}


def test_einsum_by_a_stored_vector_without_a_sum_is_a_learned_scale(network) -> None:
    node = make("Einsum", ["x", "w"], ["y"], equation="btd,d->btd")
    workload = read(network([node], {"x": [2, 3, 8]}, ["y"], {"w": (8,)}))
    assert roles(workload) == {"w": ParameterRole.SCALE}
    assert not workload.matrices


def test_zeros_joined_under_an_exporters_name_are_a_state(network) -> None:
    """Chunked state-space models put a state of zeros before the others."""
    node = make("Concat", ["zeros_like", "x"], ["y"], axis=1)
    workload = read(network([node], {"x": [2, 5, 16]}, ["y"], {"zeros_like": (2, 1, 16)}))
    assert roles(workload) == {}


@pytest.mark.parametrize("name", ["qkv.bias", "val_3"])
def test_bias_of_which_a_part_is_cleared_is_a_parameter(network, name: str) -> None:
    """The key has no bias (Liu et al. 2022, arXiv:2111.09883): zeros are scattered into it.

    The gradient goes back through the scatter, once per step; what an exporter folded is a table.
    """
    nodes = [
        make("MatMul", ["x", "w"], ["p"]),
        make("ScatterND", [name, "rows", "zeros"], ["b"]),
        make("Add", ["p", "b"], ["y"]),
    ]
    weights = {
        "w": (8, 12),
        name: (12,),
        "rows": np.arange(4, 8, dtype=np.int64).reshape(4, 1),
        "zeros": np.zeros(4, np.float32),
    }
    workload = read(network(nodes, {"x": [6, 8]}, ["y"], weights))
    learned = name == "qkv.bias"
    assert workload.parameter_count == 96 + 12 * learned
    assert training_graph(workload).digital_parameters == 12 * learned


def test_thousands_of_stored_operands_are_read_in_linear_time(network) -> None:
    """What follows each of them is not gone through to the end."""
    count = 5000
    nodes = [
        make(op_type, [f"{op_type}{i}" if i else "x", "val_1"], [f"{op_type}{i + 1}"])
        for op_type in ("Add", "Mul")
        for i in range(count)
    ]
    outputs = [f"Add{count}", f"Mul{count}"]
    start = time.process_time()
    workload = read(network(nodes, {"x": [4, 8]}, outputs, {"val_1": (4, 8)}))
    assert len(workload.ops) == 2 * count
    assert time.process_time() - start < 10.0
