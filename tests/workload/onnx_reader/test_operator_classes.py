"""Every operator that the onnx package defines is costed, taken apart, folded, or refused."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import defs, helper, numpy_helper

from archsim.errors import InputError
from archsim.workload.graph import OpKind
from archsim.workload.onnx_reader import OPERATORS, UnsupportedOperators, workload_from_model
from archsim.workload.onnx_reader.classification import all_operators, classify
from archsim.workload.onnx_reader.refusals import REFUSED, REFUSED_DOMAINS
from archsim.workload.onnx_reader.registry import FOLDED
from archsim.workload.onnx_reader.structure import STRUCTURAL
from archsim.workload.training import training_graph

DEFINED = sorted({(schema.domain, schema.name) for schema in defs.get_all_schemas_with_history()})
KINDS = {kind.value.replace("_", " ") for kind in OpKind} | {
    "weight or dynamic matmul",
    "shape arithmetic",
    "control flow",
    "sequence",
    "refused",
}
# The longest text that the table shows in two or three lines.
LONGEST = 72


@pytest.mark.parametrize(("domain", "op_type"), DEFINED)
def test_no_operator_of_any_opset_is_unclassified(domain: str, op_type: str) -> None:
    found = classify(domain, op_type)
    assert found is not None
    assert found.kind in KINDS
    assert found.forward
    assert found.backward


def test_each_operator_is_of_one_class() -> None:
    costed = {op_type for domain, op_type in OPERATORS if domain == ""}
    refused = {op_type for domain, op_type in REFUSED if domain == ""}
    for one, other in (
        (costed, FOLDED),
        (costed, STRUCTURAL),
        (costed, refused),
        (set(FOLDED), STRUCTURAL),
        (refused, STRUCTURAL),
    ):
        assert not set(one) & set(other)
    assert not {domain for domain, _ in OPERATORS} & set(REFUSED_DOMAINS)


def test_the_table_is_short_enough_to_read_and_lists_each_operator_once() -> None:
    rows = list(all_operators())
    assert len({(row.domain, row.op_type) for row in rows}) == len(rows)
    assert {(row.domain, row.op_type) for row in rows} >= set(OPERATORS)
    assert max(len(text) for row in rows for text in (row.forward, row.backward)) <= LONGEST


def test_since_is_the_first_opset_that_has_the_operator() -> None:
    found = {row.op_type: row.since for row in all_operators() if row.domain == ""}
    assert (found["Conv"], found["LayerNormalization"], found["Attention"]) == (1, 17, 23)


def test_a_refused_operator_is_refused_with_its_reason() -> None:
    text = helper.make_tensor_value_info("x", onnx.TensorProto.STRING, [4])
    result = helper.make_tensor_value_info("y", onnx.TensorProto.STRING, None)
    node = helper.make_node("StringNormalizer", ["x"], ["y"])
    graph = helper.make_graph([node], "g", [text], [result])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    with pytest.raises(UnsupportedOperators, match="works on text"):
        workload_from_model(model, name="test")


def cases() -> Iterator[tuple[str, list[onnx.ModelProto]]]:
    """The examples of the onnx package, with some inputs stored and with none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from onnx.backend.test.case.node import collect_testcases

        found = [case for case in collect_testcases() if case.model is not None]
    for case in found:
        inputs = case.data_sets[0][0] if case.data_sets else []
        yield case.name, [stored(case.model, inputs, first) for first in (1, 2, len(inputs))]


def stored(model: onnx.ModelProto, inputs: list[Any], first: int) -> onnx.ModelProto:
    """`model` with all inputs from `first` on as initializers."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    for info, value in zip(model.graph.input[first:], inputs[first:], strict=False):
        if isinstance(value, (np.ndarray, np.generic)):
            copy.graph.initializer.append(numpy_helper.from_array(np.asarray(value), info.name))
    return copy


def imports() -> tuple[set[str], list[str]]:
    """Types of operators in examples that import and train, and the errors of those that do not."""
    fine: set[str] = set()
    errors = []
    for name, models in cases():
        failure = ""
        for model in models:
            try:
                training_graph(workload_from_model(model, name=name))
                fine |= {node.op_type for node in model.graph.node}
                failure = ""
                break
            except InputError as error:
                failure = failure or str(error)
        if failure:
            errors.append(failure)
    return fine, errors


# Operators whose examples in the package all take sequences, or sizes that data decide.
WITHOUT_EXAMPLE = {
    *STRUCTURAL,
    "BlackmanWindow",
    "HammingWindow",
    "HannWindow",
    "MelWeightMatrix",
    "GlobalLpPool",
    "MaxRoiPool",
    "Multinomial",
    "RandomNormal",
    "RandomNormalLike",
    "RandomUniform",
}
KNOWN = (
    "size 0 in dimension",
    "no tensor (it is a sequence",
    "not supported",
    "depends on the data",
    "Scan of opset 8",
    "would have no elements",
)


@pytest.mark.slow
def test_every_operator_imports_in_some_example_of_the_onnx_package() -> None:
    """Nothing but an `InputError` comes out of the others, and only for known reasons."""
    fine, errors = imports()
    wanted = {name for domain, name in DEFINED if domain == ""}
    refused = {name for domain, name in REFUSED if domain == ""}
    current = {schema.name for schema in defs.get_all_schemas() if not schema.deprecated}
    assert (wanted & current) - refused - WITHOUT_EXAMPLE <= fine
    strange = [error for error in errors if not any(reason in error for reason in KNOWN)]
    assert not strange


@cache
def lonely() -> dict[str, onnx.ModelProto]:
    """Operators without an example in the package, each in a small network."""
    make = helper.make_node
    nodes = {
        "GlobalLpPool": make("GlobalLpPool", ["x"], ["y"], p=2),
        "MaxRoiPool": make("MaxRoiPool", ["x", "regions"], ["y"], pooled_shape=[2, 2]),
        "RandomNormal": make("RandomNormal", [], ["r"], shape=[2, 3, 8, 8]),
        "RandomNormalLike": make("RandomNormalLike", ["x"], ["r"]),
        "RandomUniform": make("RandomUniform", [], ["r"], shape=[2, 3, 8, 8]),
        "RandomUniformLike": make("RandomUniformLike", ["x"], ["r"]),
    }
    return {name: _model(node) for name, node in nodes.items()}


def _model(node: onnx.NodeProto) -> onnx.ModelProto:
    drawn = node.output[0] == "r"
    nodes = [node, helper.make_node("Add", ["x", "r"], ["y"])] if drawn else [node]
    x = helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [2, 3, 8, 8])
    y = helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, None)
    regions = numpy_helper.from_array(np.zeros((4, 5), np.float32), "regions")
    graph = helper.make_graph(nodes, "g", [x], [y], [regions])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)


@pytest.mark.parametrize("name", sorted(lonely()))
def test_an_operator_without_an_example_imports_and_costs_something(name: str) -> None:
    workload = workload_from_model(lonely()[name], name=name)
    (op,) = (op for op in workload.ops if op.op_type == name)
    assert op.forward.operations > 0


@pytest.mark.parametrize("name", ["RandomNormal", "RandomUniform", "RandomNormalLike"])
def test_random_numbers_are_no_weights(name: str) -> None:
    """They are drawn anew in every step, so they are neither folded nor learned."""
    workload = workload_from_model(lonely()[name], name=name)
    assert not workload.parameters
    assert any(op.op_type == name for op in workload.ops)
