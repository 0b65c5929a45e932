"""The evaluated forward graph is what the file says: the onnx package's evaluator agrees."""

from __future__ import annotations

from typing import Any

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
