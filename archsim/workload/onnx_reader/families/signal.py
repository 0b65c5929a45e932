"""Fourier transforms, by the fast algorithm.

A transform of length N takes N/2 * ceil(log2 N) butterflies of 4 mul and 6 add (Cooley and Tukey
1965, radix 2, complex).  The backward of a transform is the conjugate transform.
"""

from __future__ import annotations

from collections.abc import Sequence

from archsim.workload.graph import DigitalWork, OpKind
from archsim.workload.onnx_reader.nodes import Node
from archsim.workload.onnx_reader.operators import Operator, Piece, Scope, per_element, rule


def _transforms(count: int, length: int) -> DigitalWork:
    stages = max(length - 1, 0).bit_length()
    return per_element(count * (length // 2) * stages, mul=4, add=6)


def _piece(node: Node, scope: Scope, work: DigitalWork, reason: str) -> Piece:
    source, result = scope.elements(node.input(0)), scope.elements(node.outputs[0])
    return Piece(
        kind=OpKind.ELEMENTWISE,
        inputs=scope.activations(node),
        outputs=(node.outputs[0],),
        reason=reason,
        forward=work + DigitalWork(read=source, written=result),
        backward=work + DigitalWork(read=result, written=source),
    )


def _dft(node: Node, scope: Scope) -> Sequence[Piece]:
    target, shape = scope.shape(node.outputs[0]), scope.shape(node.input(0))
    axis = node.integer("axis", 1)
    if node.input(2):
        axis = int(scope.required(node, 2, "the axis").ravel()[0])
    stated = scope.value(node.input(1)) if node.input(1) else None
    length = shape[axis] if stated is None else int(stated.ravel()[0])
    count = scope.elements(node.outputs[0]) // (2 * target[axis])
    return [_piece(node, scope, _transforms(count, length), "Fourier transform")]


def _stft(node: Node, scope: Scope) -> Sequence[Piece]:
    """One transform per frame, after a product with the window."""
    batch, frames, bins, _ = scope.shape(node.outputs[0])
    length = scope.shape(node.input(2))[0] if node.input(2) else 0
    if not length:
        stated = scope.value(node.input(3)) if node.input(3) else None
        length = 2 * (bins - 1) if stated is None else int(stated.ravel()[0])
    window = per_element(batch * frames * length, mul=1)
    work = _transforms(batch * frames, length) + window
    return [_piece(node, scope, work, "Fourier transforms of windows")]


_RULE = rule(
    OpKind.ELEMENTWISE, "N/2 log2(N) (4 mul, 6 add) per transform", "the conjugate transform"
)
OPERATORS = (Operator("DFT", _dft, rule=_RULE), Operator("STFT", _stft, rule=_RULE))
