"""A workload that is not what the file computes is caught, whatever is wrong in it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import networkx as nx
import numpy as np
import pytest

from archsim.errors import InputError
from archsim.workload.graph import Op, Workload
from archsim.workload.numerics import MiscountError, evaluate, with_weights
from archsim.workload.onnx_reader import workload_from_model


def changed(workload: Workload, name: str, change: Callable[[Op], Op]) -> Workload:
    """`workload` with the op called `name` changed."""
    graph = nx.DiGraph(workload.graph)
    graph.nodes[name]["op"] = change(workload.op(name))
    return replace(workload, graph=nx.freeze(graph))


def without(workload: Workload, name: str) -> Workload:
    """`workload` without an op; its consumers read a tensor that nothing writes."""
    graph = nx.DiGraph(workload.graph)
    graph.remove_node(name)
    return replace(workload, graph=nx.freeze(graph))


def weight_ops(workload: Workload) -> list[Op]:
    return [op for op in workload.ops if op.weight is not None]


def some(items: Iterable[Any]) -> list[Any]:
    """The first two and the last: an evaluation stops at the first wrong op."""
    every = list(items)
    return every if len(every) <= 3 else [*every[:2], every[-1]]


def use_changed(**fields: Any) -> Callable[[Op], Op]:
    return lambda op: replace(op, weight=replace(op.weight, **fields))


def test_one_vector_more_or_less_is_caught(case: Any) -> None:
    for op in some(weight_ops(case.workload)):
        for vectors in (op.weight.vectors + 1, op.weight.vectors - 1):
            wrong = changed(case.workload, op.name, use_changed(vectors=vectors))
            with pytest.raises(MiscountError, match="vectors"):
                evaluate(case.model, wrong, case.inputs)


def test_another_size_of_a_matrix_is_caught(case: Any) -> None:
    """K, N and blocks count, also where their product stays the same."""
    for name, matrix in some(case.workload.matrices.items()):
        sizes = [
            {"inputs": matrix.inputs + 1},
            {"outputs": matrix.outputs + 1},
            {"blocks": matrix.blocks + 1},
            {"inputs": matrix.inputs * 2, "outputs": matrix.outputs / 2},
        ]
        for size in sizes:
            matrices = {**case.workload.matrices, name: replace(matrix, **size)}
            with pytest.raises(MiscountError):
                evaluate(case.model, replace(case.workload, matrices=matrices), case.inputs)


@pytest.mark.parametrize("name", ["bert", "llama", "attention", "products"])
def test_another_size_of_a_dynamic_product_is_caught(name: str, make_case: Any) -> None:
    case = make_case(name)
    checked = 0
    for op in case.workload.ops:
        for index, product in enumerate(op.dynamic):
            for field in ("count", "m", "k", "n"):
                other = replace(product, **{field: getattr(product, field) + 1})
                products = (*op.dynamic[:index], other, *op.dynamic[index + 1 :])
                wrong = changed(case.workload, op.name, lambda o, p=products: replace(o, dynamic=p))
                with pytest.raises(MiscountError, match="count, m, k, n"):
                    evaluate(case.model, wrong, case.inputs)
                checked += 1
    assert checked


def test_dependent_steps_are_counted_one_by_one(make_case: Any) -> None:
    """A recurrent product that claims its steps to be independent is caught, and the reverse."""
    case = make_case("recurrent")
    for op in weight_ops(case.workload):
        steps = 1 if op.weight.sequential_steps > 1 else 5
        wrong = changed(case.workload, op.name, use_changed(sequential_steps=steps))
        with pytest.raises(MiscountError, match="dependent steps"):
            evaluate(case.model, wrong, case.inputs)


def test_a_use_that_shares_no_matrix_is_caught(make_case: Any) -> None:
    """Two layers of equal size that are counted as one set of arrays hold different numbers."""
    case = make_case("bert")
    first, second = [
        op for op in weight_ops(case.workload)
        if (case.workload.matrices[op.weight.matrix].inputs,
            case.workload.matrices[op.weight.matrix].outputs) == (8, 8)
    ][:2]  # fmt: skip
    wrong = changed(case.workload, second.name, use_changed(matrix=first.weight.matrix))
    with pytest.raises(MiscountError, match="share"):
        evaluate(case.model, wrong, case.inputs)


def test_a_tied_use_that_is_not_turned_is_caught(make_case: Any) -> None:
    """A square matrix hides a wrong orientation from its sizes, but not from its numbers."""
    case = make_case("products")
    turned = [op for op in weight_ops(case.workload) if op.weight.transposed]
    assert turned
    for op in turned:
        wrong = changed(case.workload, op.name, use_changed(transposed=False))
        with pytest.raises(MiscountError, match="other numbers"):
            evaluate(case.model, wrong, case.inputs)


def test_a_product_that_is_not_counted_is_caught(make_case: Any) -> None:
    case = make_case("mlp")
    for op in weight_ops(case.workload):
        wrong = changed(case.workload, op.name, lambda o: replace(o, weight=None))
        with pytest.raises(MiscountError):
            evaluate(case.model, wrong, case.inputs)


def test_a_lost_op_is_caught(make_case: Any) -> None:
    """Whichever op is left out, something that needs it is missing its input."""
    case = make_case("resnet")
    written = set(case.workload.outputs)
    for op in case.workload.ops:
        if written.intersection(op.outputs):
            continue
        with pytest.raises(MiscountError):
            evaluate(case.model, without(case.workload, op.name), case.inputs)


def test_an_unlisted_input_is_caught(make_case: Any) -> None:
    case = make_case("resnet")
    for op in case.workload.ops:
        wrong = changed(case.workload, op.name, lambda o: replace(o, inputs=o.inputs[1:]))
        with pytest.raises(MiscountError):
            evaluate(case.model, wrong, case.inputs)


def test_a_wrong_shape_is_caught(case: Any) -> None:
    by_type = {op.op_type: op.outputs[0] for op in case.workload.ops}
    for name in by_type.values():
        if _in_file(case, name):
            info = case.workload.tensors[name]
            other = replace(info, shape=(*info.shape[:-1], info.shape[-1] + 1))
            tensors = {**case.workload.tensors, name: other}
            with pytest.raises(MiscountError, match="shape"):
                evaluate(case.model, replace(case.workload, tensors=tensors), case.inputs)


def _in_file(case: Any, name: str) -> bool:
    return any(name in node.output for node in case.model.graph.node)


def test_a_false_sign_is_caught(make_case: Any) -> None:
    case = make_case("mobile")
    evaluation = evaluate(case.model, case.workload, case.inputs, keep=True)
    negative = [name for name, value in evaluation.activations.items() if (value < 0).any()]
    assert negative
    for name in negative:
        info = replace(case.workload.tensors[name], nonnegative=True)
        tensors = {**case.workload.tensors, name: info}
        with pytest.raises(MiscountError, match="nonnegative"):
            evaluate(case.model, replace(case.workload, tensors=tensors), case.inputs)


def test_inputs_that_do_not_fit_are_refused(make_case: Any) -> None:
    case = make_case("mlp")
    (name,) = case.workload.inputs
    with pytest.raises(InputError, match=f"no array is given for the input '{name}'"):
        evaluate(case.model, case.workload, {})
    with pytest.raises(InputError, match="is bound for"):
        evaluate(case.model, case.workload, {name: case.inputs[name][..., :-1]})


def test_absent_weights_are_refused_and_filled_on_request(make_case: Any) -> None:
    """The same seed gives the same weights, and another seed others."""
    case = make_case("mlp")
    bare = type(case.model)()
    bare.CopyFrom(case.model)
    for tensor in bare.graph.initializer:
        tensor.ClearField("raw_data")
        tensor.data_location = tensor.EXTERNAL
        tensor.external_data.add(key="location", value="absent.bin")
    workload = workload_from_model(bare, name="bare")
    with pytest.raises(InputError, match="not in the file"):
        evaluate(bare, workload, case.inputs)
    found = [
        evaluate(with_weights(bare, workload, np.random.default_rng(seed)), workload, case.inputs)
        for seed in (1, 1, 2)
    ]
    first, again, other = (next(iter(result.outputs.values())) for result in found)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
