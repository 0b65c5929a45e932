"""Normalisations.  n is the number of elements, m that of (mean, variance) pairs.

Standardising with computed statistics: sum (n add), subtract the mean (n add), square (n mul), sum
(n add), multiply by the reciprocal deviation (n mul); per pair two multiplications by 1/size, one
addition of epsilon and one reciprocal square root.  Scale and shift add n mul and n add.  The input
is read twice: for the statistics and for the result.

Backward, from the saved input and statistics: recompute the standardised input (n add, n mul), the
sums of g and g*xhat (2n add, n mul), and dx = (g - mean(g) - xhat*mean(g*xhat)) / deviation (2n add,
2n mul).  Where the scale varies inside a group (layer normalisation), g is first multiplied by it
(n mul) and the parameters' gradients are sums of their own (2n add, n mul); where it does not (batch
normalisation) they are the sums that are there already.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from archsim.workload.graph import DigitalWork, Note, OpKind, ParameterRole, Saved
from archsim.workload.onnx_reader.nodes import Node
from archsim.workload.onnx_reader.operators import Operator, Piece, Read, Scope, per_element


def _parameters(scope: Scope, *names: str) -> tuple[Read, ...]:
    found = (scope.constant(name) for name in names if name)
    return tuple(
        Read(constant, ParameterRole.NORM)
        for constant in found
        if constant is not None and constant.learned_roots
    )


def _parameter_elements(reads: Sequence[Read]) -> int:
    return sum(read.constant.elements for read in reads)


def _standardise(n: int, m: int) -> DigitalWork:
    return per_element(n, add=3, mul=2) + per_element(m, mul=2, add=1, sqrt=1)


def _affine(n: int, reads: Sequence[Read]) -> DigitalWork:
    """Multiplication by the scale, and addition of the shift where there is one."""
    unit = DigitalWork(mul=min(len(reads), 1), add=max(len(reads) - 1, 0))
    return unit.scaled(n) + DigitalWork(read_parameters=_parameter_elements(reads))


def _piece(
    node: Node,
    scope: Scope,
    forward: DigitalWork,
    backward: DigitalWork,
    reads: tuple[Read, ...],
    reason: str,
) -> Piece:
    """A normalisation of the first input; traffic is two passes over what each direction needs."""
    source = node.input(0)
    n = scope.elements(source)
    return Piece(
        kind=OpKind.NORMALISATION,
        inputs=scope.activations(node),
        outputs=scope.results_of(node),
        reason=reason,
        forward=forward + DigitalWork(read=2 * n, written=n),
        backward=backward + DigitalWork(read=4 * n, written=n),
        saved=(Saved(source, n),),
        reads=reads,
    )


def _batch(node: Node, scope: Scope) -> Sequence[Piece]:
    """Per channel over the minibatch; updating the running statistics is 2 mul and 1 add each."""
    source = node.input(0)
    n, shape = scope.elements(source), scope.shape(source)
    m = shape[1] if len(shape) > 1 else 1
    reads = _parameters(scope, node.input(1), node.input(2))
    running = per_element(2 * m, mul=2, add=1)
    piece = _piece(
        node,
        scope,
        _standardise(n, m) + running + _affine(n, reads),
        per_element(n, add=5, mul=4)
        + per_element(m, mul=3)
        + DigitalWork(read_parameters=m if reads else 0),
        reads,
        "uses the statistics of the minibatch in training",
    )
    note = Note(
        "batch_norm_statistics",
        "BatchNormalization is trained with minibatch statistics, also where the file holds it in "
        "inference form; each is a barrier over the minibatch.",
        node.name,
    )
    return [
        Piece(
            kind=piece.kind,
            inputs=piece.inputs,
            outputs=piece.outputs,
            reason=piece.reason,
            forward=piece.forward,
            backward=piece.backward,
            saved=piece.saved,
            reads=reads,
            batch_barrier=True,
            notes=(note,),
        )
    ]


def _grouped(
    node: Node, scope: Scope, m: int, reads: tuple[Read, ...], reason: str
) -> Sequence[Piece]:
    n = scope.elements(node.input(0))
    backward = per_element(n, add=5, mul=4) + per_element(m, mul=3)
    if reads:
        backward += per_element(n, add=len(reads), mul=2)
        backward += DigitalWork(read_parameters=reads[0].constant.elements)
    return [_piece(node, scope, _standardise(n, m) + _affine(n, reads), backward, reads, reason)]


def _layer(node: Node, scope: Scope) -> Sequence[Piece]:
    shape = scope.shape(node.input(0))
    axis = node.integer("axis", -1) % len(shape)
    reads = _parameters(scope, node.input(1), node.input(2))
    return _grouped(node, scope, math.prod(shape[:axis]), reads, "normalises each token")


def _instance(node: Node, scope: Scope) -> Sequence[Piece]:
    shape = scope.shape(node.input(0))
    reads = _parameters(scope, node.input(1), node.input(2))
    return _grouped(node, scope, math.prod(shape[:2]), reads, "normalises each channel")


def _group(node: Node, scope: Scope) -> Sequence[Piece]:
    groups = scope.shape(node.input(0))[0] * node.integer("num_groups", 1)
    reads = _parameters(scope, node.input(1), node.input(2))
    return _grouped(node, scope, groups, reads, "normalises each group of channels")


def _rms(node: Node, scope: Scope) -> Sequence[Piece]:
    """Root mean square: square (n mul), sum (n add), scale by its reciprocal (n mul).

    Backward: xhat (n mul), sum of g*xhat (n mul, n add), g - xhat*mean (n mul, n add), scale
    (n mul); with a learned scale g*scale (n mul) and its gradient (n mul, n add).
    """
    shape, n = scope.shape(node.input(0)), scope.elements(node.input(0))
    rows = math.prod(shape[: node.integer("axis", -1) % len(shape)])
    reads = _parameters(scope, node.input(1))
    forward = per_element(n, add=1, mul=2) + per_element(rows, add=1, mul=1, sqrt=1)
    backward = per_element(n, add=2, mul=4) + per_element(rows, mul=1)
    if reads:
        backward += per_element(n, add=1, mul=2)
        backward += DigitalWork(read_parameters=reads[0].constant.elements)
    return [
        _piece(node, scope, forward + _affine(n, reads), backward, reads, "normalises each token")
    ]


def _local_response(node: Node, scope: Scope) -> Sequence[Piece]:
    """y = x * d^-beta with d = bias + alpha/size * (sum of squares over neighbouring channels).

    With w additions of neighbours (windows are cut at the first and last channel): forward n
    squares, w additions, d (n mul, n add), the power (n log, n mul, n exp), the product (n mul).
    Backward recomputes d and the power, then dx = g*d^-beta - 2*alpha*beta/size * x * (sum over the
    window of g*y/d): 5n mul, n div, w + n add.
    """
    shape, n = scope.shape(node.input(0)), scope.elements(node.input(0))
    channels, size = shape[1], node.integer("size", 1)
    before, after = (size - 1) // 2, size // 2
    neighbours = sum(
        min(channel + after, channels - 1) - max(channel - before, 0) for channel in range(channels)
    )
    window = DigitalWork(add=neighbours * (n // channels))
    power = per_element(n, mul=2, add=1, log=1, exp=1) + per_element(n, mul=1) + window
    forward = power + per_element(n, mul=1)
    backward = power + window + per_element(n, mul=5, div=1, add=1)
    return [_piece(node, scope, forward, backward, (), f"normalises over {size} channels")]


OPERATORS = (
    Operator("BatchNormalization", _batch),
    Operator("LayerNormalization", _layer),
    Operator("InstanceNormalization", _instance),
    Operator("GroupNormalization", _group),
    Operator("RMSNormalization", _rms),
    Operator("LRN", _local_response),
)
