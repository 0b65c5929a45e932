"""Standardisation written out: (x - mean) / sqrt(variance + epsilon), scaled and shifted.

What it is called follows from the axes over which it takes its statistics: a layer normalisation
over any axes but the first (Ba et al. 2016, arXiv:1607.06450), an instance normalisation over all
positions of a channel, a batch normalisation over all but the channels.  Division by a root,
multiplication by a reciprocal, powers of one half, and TensorFlow's `x a + (shift - mean a)` with
`a = scale / deviation` are all the same function.
"""

from __future__ import annotations

import numpy as np

from archsim.workload.onnx_reader.constants import Constant
from archsim.workload.onnx_reader.patterns.affine import Affine, affine
from archsim.workload.onnx_reader.patterns.cone import Cone
from archsim.workload.onnx_reader.patterns.formulas import PROBE, Numbers
from archsim.workload.onnx_reader.patterns.pattern import ConePattern
from archsim.workload.onnx_reader.patterns.pricing import Operator, ones
from archsim.workload.onnx_reader.patterns.structure import Structure

_CENTRED: Numbers = PROBE - PROBE.mean(axis=1, keepdims=True)
_VALUES: Numbers = _CENTRED / np.sqrt((_CENTRED**2).mean(axis=1, keepdims=True))


def _recognise(structure: Structure, cone: Cone) -> Operator | None:
    if cone.reduction is None:
        return None
    learned = affine(cone, _VALUES)
    if learned is None:
        return None
    shape, axes = structure.scope.shape(cone.source), cone.reduction.axes
    rank = len(shape)
    if 0 in axes and rank > 1:
        channels = axes == tuple(axis for axis in range(rank) if axis != 1)
        fits = channels and not (learned.vectors and learned.along_columns)
        return Operator("BatchNormalization", _operands(learned, shape[1])) if fits else None
    positions = rank > 3 and axes == tuple(range(2, rank))
    by_channel = learned.vectors and not learned.along_columns
    if by_channel and axes != tuple(range(2, rank)):
        return None
    if by_channel or (positions and not learned.vectors):
        return Operator("InstanceNormalization", _operands(learned, shape[1]))
    size = cone.reduction.size
    rows = structure.scope.elements(cone.source) // size
    return Operator(
        "LayerNormalization",
        _operands(learned, size),
        {"axis": -1},
        shape=(rows, size),
    )


def _operands(learned: Affine, size: int) -> tuple[Constant, ...]:
    """The operands of the fused operator; a shift alone comes with a scale that nothing learns."""
    if not learned.vectors:
        return ()
    scale = learned.scale or ones("ones", size)
    return (scale,) if learned.shift is None else (scale, learned.shift)


PATTERN = ConePattern(
    "layer_norm",
    frozenset({"ReduceMean", "ReduceSum"}),
    frozenset({"Div", "Mul", "Add", "Sub"}),
    _recognise,
    largest=18,
)
