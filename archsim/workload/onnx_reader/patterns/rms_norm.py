"""Normalisation by the root mean square written out: x / sqrt(mean(x^2) + epsilon), scaled.

Zhang and Sennrich 2019, arXiv:1910.07467.  A vector brought to unit length is the same function less
a constant factor.  A scale that stands before what it multiplies was written so in the model's
source (`weight * x`, as in Hugging Face models), and PyTorch then keeps the normalised vector for the
scale's gradient; its own operator, which exporters write the other way round, does not.
"""

from __future__ import annotations

import numpy as np

from archsim.workload.graph import Saved
from archsim.workload.onnx_reader.patterns.affine import affine
from archsim.workload.onnx_reader.patterns.cone import Cone
from archsim.workload.onnx_reader.patterns.formulas import PROBE, Numbers
from archsim.workload.onnx_reader.patterns.pattern import ConePattern
from archsim.workload.onnx_reader.patterns.pricing import Operator
from archsim.workload.onnx_reader.patterns.structure import Structure

_VALUES: Numbers = PROBE / np.sqrt((PROBE**2).mean(axis=1, keepdims=True))


def _recognise(structure: Structure, cone: Cone) -> Operator | None:
    if cone.reduction is None or 0 in cone.reduction.axes or len(cone.vectors) > 1:
        return None
    size = cone.reduction.size
    learned = affine(cone, _VALUES) or affine(cone, _VALUES / np.sqrt(size))
    if learned is None or learned.shift is not None:
        return None
    if learned.vectors and not learned.along_columns:
        return None
    rows = structure.scope.elements(cone.source) // size
    return Operator(
        "RMSNormalization",
        () if learned.scale is None else (learned.scale,),
        {"axis": -1},
        shape=(rows, size),
        framework_saved=_kept_by_pytorch(structure, cone, rows),
    )


def _kept_by_pytorch(structure: Structure, cone: Cone, rows: int) -> tuple[Saved, ...]:
    """The input and one number per vector; the normalised vectors if the source scales them."""
    last = structure.node(max(cone.members))
    count = structure.scope.elements(cone.source)
    kept = (Saved(cone.source, count), Saved(f"{cone.result}/statistics", rows))
    if last.op_type != "Mul" or structure.scope.constant(last.input(0)) is None:
        return kept
    return (*kept, Saved(last.input(1), count))


PATTERN = ConePattern(
    "rms_norm",
    frozenset({"ReduceMean", "ReduceSum", "ReduceL2", "ReduceSumSquare"}),
    frozenset({"Div", "Mul"}),
    _recognise,
    largest=12,
)
