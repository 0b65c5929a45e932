"""Softmax and its logarithm written out: exp(x - max) / sum, and x - log(sum(exp(x)))."""

from __future__ import annotations

import numpy as np

from archsim.workload.onnx_reader.patterns.cone import Cone
from archsim.workload.onnx_reader.patterns.formulas import PROBE, Numbers, close
from archsim.workload.onnx_reader.patterns.pattern import ConePattern
from archsim.workload.onnx_reader.patterns.pricing import Operator
from archsim.workload.onnx_reader.patterns.structure import Structure

_MEAN: Numbers = np.exp(PROBE).mean(axis=1, keepdims=True)


def _recognise(structure: Structure, cone: Cone) -> Operator | None:
    if cone.reduction is None or cone.vectors:
        return None
    size = cone.reduction.size
    rows = structure.scope.elements(cone.source) // size
    exact = np.exp(PROBE) / (size * _MEAN)
    for op_type, values in (("Softmax", exact), ("LogSoftmax", np.log(exact))):
        if close(cone.found, values):
            return Operator(op_type, attributes={"axis": -1}, shape=(rows, size))
    return None


PATTERN = ConePattern(
    "softmax",
    frozenset({"Exp", "ReduceLogSumExp"}),
    frozenset({"Div", "Mul", "Sub", "Log"}),
    _recognise,
    largest=9,
    invariant=True,  # the maximum is subtracted for the sake of rounding only
)
