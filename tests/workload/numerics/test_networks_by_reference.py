"""The evaluated forward graph is what the file says: the onnx package's evaluator agrees."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx.reference import ReferenceEvaluator

from archsim.workload.numerics import evaluate
from archsim.workload.onnx_reader.loading import opset_versions
from archsim.workload.onnx_reader.nodes import decode_nodes


def test_outputs_are_those_of_the_reference_evaluator(case: Any, agree: Any) -> None:
    found = evaluate(case.model, case.workload, case.inputs).outputs
    names = [value.name for value in case.model.graph.output]
    reference = ReferenceEvaluator(case.model).run(None, dict(case.inputs))
    assert set(found) == set(names)
    agree(found, dict(zip(names, reference, strict=True)))


def test_every_node_that_computes_belongs_to_exactly_one_op(case: Any) -> None:
    """No op is lost, and none is counted twice."""
    evaluation = evaluate(case.model, case.workload, case.inputs, keep=True)
    owned = [name for names in evaluation.nodes.values() for name in names]
    assert len(owned) == len(set(owned))
    nodes = decode_nodes(case.model.graph, opset_versions(case.model))
    reached = set(case.workload.inputs)
    for node in nodes:
        if node.op_type != "Shape" and reached.intersection(node.inputs):
            reached.update(node.outputs)
            assert node.name in owned


def test_all_activations_are_kept_on_request(case: Any) -> None:
    kept = evaluate(case.model, case.workload, case.inputs, keep=True).activations
    written = {name for op in case.workload.ops for name in op.outputs}
    in_file = {name for node in case.model.graph.node for name in node.output}
    assert set(kept) == written & in_file


def test_an_op_that_stands_for_several_nodes_is_evaluated_through_all(make_case: Any) -> None:
    """A product with its bias, and patterns that the reader recognised."""
    case = make_case("primitives")
    nodes = evaluate(case.model, case.workload, case.inputs).nodes
    assert ("up_proj", "biased") in nodes.values()
    assert sorted(name for names in nodes.values() for name in names) == sorted(
        node.name for node in case.model.graph.node
    )


# The reference evaluator does not know these operators, or only newer or plainer forms of them;
# ONNX Runtime does, in the optional tests.
BEYOND_REFERENCE = frozenset(
    {
        "convT_group",
        "mm_qdq_chain",
        "ms_attention",
        "ms_fusedmatmul",
        "ms_matmulnbits",
        "ms_skipln",
        "rnn",
    }
)


def test_a_graph_with_one_difficulty_computes_what_is_counted(single: Any, agree: Any) -> None:
    found = evaluate(
        single.model, single.workload, single.inputs, trip_counts=single.trip_counts
    ).outputs
    assert set(found) == set(single.workload.outputs)
    if single.workload.name in BEYOND_REFERENCE:
        return
    names = [value.name for value in single.model.graph.output]
    wanted = dict(
        zip(names, ReferenceEvaluator(single.model).run(None, single.inputs), strict=True)
    )
    agree(found, {name: np.asarray(wanted[name]) for name in found})
