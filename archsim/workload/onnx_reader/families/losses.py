"""Losses that the file itself computes."""

from __future__ import annotations

from collections.abc import Sequence

from archsim.workload.graph import DigitalWork, OpKind, Saved, SavedForm, TensorInfo
from archsim.workload.onnx_reader.nodes import Node
from archsim.workload.onnx_reader.operators import Operator, Piece, Scope, rule


def _cross_entropy(node: Node, scope: Scope) -> Sequence[Piece]:
    """Log-softmax of E scores in R rows, the mean of the targets' entries.

    Forward E - R comparisons, 2E additions, E exp, R log, R additions; backward from the kept
    logarithms: E exp, E mul, R additions.
    """
    scores = node.input(0)
    size, rows = scope.elements(scores), scope.elements(node.input(1))
    second = node.outputs[1] if len(node.outputs) > 1 else ""
    given = bool(second) and second in scope.tensors
    kept = second if given else f"{node.name}/log_probabilities"
    info = scope.info(node.outputs[0])
    internal = () if given else (TensorInfo(kept, scope.shape(scores), info.bytes_per_element),)
    return [
        Piece(
            kind=OpKind.LOSS,
            inputs=scope.activations(node),
            outputs=scope.results_of(node),
            reason="cross entropy of scores",
            forward=DigitalWork(
                add=2 * size + rows,
                exp=size,
                log=rows,
                compare=size - rows,
                read=size + rows,
                written=size,
            ),
            backward=DigitalWork(exp=size, mul=size, add=rows, read=size + rows, written=size),
            saved=(Saved(kept, size), Saved(node.input(1), rows, SavedForm.VALUE)),
            internal=internal,
        )
    ]


def _likelihood(node: Node, scope: Scope) -> Sequence[Piece]:
    """The mean of the targets' log-probabilities: one addition per row; backward writes them."""
    size, rows = scope.elements(node.input(0)), scope.elements(node.input(1))
    return [
        Piece(
            kind=OpKind.LOSS,
            inputs=scope.activations(node),
            outputs=scope.results_of(node),
            reason="mean of the targets' log-probabilities",
            forward=DigitalWork(add=rows, mul=1, read=2 * rows, written=1),
            backward=DigitalWork(mul=rows, read=rows, written=size),
            saved=(Saved(node.input(1), rows),),
        )
    ]


OPERATORS = (
    Operator(
        "SoftmaxCrossEntropyLoss",
        _cross_entropy,
        rule=rule(OpKind.LOSS, "n (exp, 2 add, compare), 1 log per row", "n (exp, mul)"),
    ),
    Operator(
        "NegativeLogLikelihoodLoss",
        _likelihood,
        rule=rule(OpKind.LOSS, "1 add per row", "1 mul per row"),
    ),
)
