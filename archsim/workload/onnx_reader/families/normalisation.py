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
from dataclasses import replace

from onnx import TensorProto

from archsim.workload.graph import DigitalWork, Note, OpKind, ParameterRole, Saved
from archsim.workload.onnx_reader.nodes import Node
from archsim.workload.onnx_reader.operators import (
    Operator,
    Piece,
    Read,
    Scope,
    per_element,
    rule,
)
from archsim.workload.onnx_reader.recasting import shaped_like


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
    return [replace(piece, batch_barrier=True, notes=(note,))]


def _grouped(
    node: Node, scope: Scope, m: int, reads: tuple[Read, ...], reason: str
) -> Sequence[Piece]:
    n = scope.elements(node.input(0))
    backward = per_element(n, add=5, mul=4) + per_element(m, mul=3)
    if reads:
        backward += per_element(n, add=len(reads), mul=2)
        backward += DigitalWork(read_parameters=reads[0].constant.elements)
    return [_piece(node, scope, _standardise(n, m) + _affine(n, reads), backward, reads, reason)]


def layer_norm(node: Node, scope: Scope) -> Sequence[Piece]:
    """Each token by its own mean and variance."""
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


def rms_norm(node: Node, scope: Scope) -> Sequence[Piece]:
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


def _cut_windows(count: int, reach: int) -> int:
    """The sum over `count` places of the neighbours on one side, at most `reach` of them each."""
    inner = min(reach, count)
    return inner * (inner - 1) // 2 + inner * (count - inner)


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
    neighbours = _cut_windows(channels, before) + _cut_windows(channels, after)
    window = DigitalWork(add=neighbours * (n // channels))
    power = per_element(n, mul=2, add=1, log=1, exp=1) + per_element(n, mul=1) + window
    forward = power + per_element(n, mul=1)
    backward = power + window + per_element(n, mul=5, div=1, add=1)
    return [_piece(node, scope, forward, backward, (), f"normalises over {size} channels")]


def _mean_variance(node: Node, scope: Scope) -> Sequence[Piece]:
    """Standardised over given axes, by default all but the channels; nothing is learned."""
    shape = scope.shape(node.input(0))
    axes = {axis % len(shape) for axis in node.integers("axes", (0, 2, 3))}
    groups = math.prod(size for axis, size in enumerate(shape) if axis not in axes)
    return _grouped(node, scope, groups, (), "normalises over given axes")


def _unit_length(node: Node, scope: Scope) -> Sequence[Piece]:
    """x / |x| along an axis: square or absolute (n), sum (n add), root, product (n mul).

    Backward: xhat (n mul), sum of g*xhat (n mul, n add), difference (n mul, n add), scale (n mul).
    """
    shape, n = scope.shape(node.input(0)), scope.elements(node.input(0))
    rows = n // shape[node.integer("axis", -1)]
    euclidean = node.integer("p", 2) == 2
    each = DigitalWork(mul=1) if euclidean else DigitalWork(compare=1)
    root = DigitalWork(sqrt=rows) if euclidean else DigitalWork(div=rows)
    forward = each.scaled(n) + per_element(n, add=1, mul=1) + root
    backward = per_element(n, add=2, mul=4)
    return [_piece(node, scope, forward, backward, (), "normalises rows to length 1")]


def normalised(node: Node, scope: Scope) -> Sequence[tuple[int, tuple[int, ...]]]:
    """The input's type for the result, and one number per row for mean and deviation."""
    shape = scope.shape(node.input(0))
    axis = node.integer("axis", -1) % max(len(shape), 1)
    rows = (*shape[:axis], *(1,) * (len(shape) - axis))
    return [
        (scope.element_type(node.input(0)), shape),
        (TensorProto.FLOAT, rows),
        (TensorProto.FLOAT, rows),
    ]


NORM_RULE = rule(
    OpKind.NORMALISATION,
    "n (4 add, 3 mul), root per group",
    "n (7 add, 6 mul); parameters' sums",
)
BATCH_RULE = rule(OpKind.NORMALISATION, "n (4 add, 3 mul), root per channel", "n (5 add, 4 mul)")
RMS_RULE = rule(OpKind.NORMALISATION, "n (add, 3 mul), root per row", "n (3 add, 6 mul)")
OPERATORS = (
    Operator("BatchNormalization", _batch, rule=BATCH_RULE),
    Operator("LayerNormalization", layer_norm, shapes=normalised, rule=NORM_RULE),
    Operator("InstanceNormalization", _instance, rule=NORM_RULE),
    Operator("GroupNormalization", _group, shapes=shaped_like(0), rule=NORM_RULE),
    Operator("RMSNormalization", rms_norm, rule=RMS_RULE),
    # Optimisers write this one in the default domain, where the standard does not have it.
    Operator("SimplifiedLayerNormalization", rms_norm, shapes=normalised, rule=RMS_RULE),
    Operator(
        "MeanVarianceNormalization",
        _mean_variance,
        shapes=shaped_like(0),
        rule=rule(OpKind.NORMALISATION, "n (3 add, 2 mul), root per group", "n (5 add, 4 mul)"),
    ),
    Operator(
        "LpNormalization",
        _unit_length,
        rule=rule(OpKind.NORMALISATION, "n (add, 2 mul), root per row", "n (2 add, 4 mul)"),
    ),
    Operator(
        "LRN",
        _local_response,
        rule=rule(
            OpKind.NORMALISATION, "n (4 mul, add, log, exp), window", "n (8 mul, div, ...), windows"
        ),
    ),
)
