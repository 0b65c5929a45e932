"""Swish written out: x sigmoid(a x); SiLU for a = 1, the quick Gelu for a = 1.702.

Exporters have no operator for SiLU below opset 24 and write Sigmoid and Mul; some write the sigmoid
itself out, x / (1 + exp(-a x)).
"""

from __future__ import annotations

import numpy as np

from archsim.workload.onnx_reader.patterns.cone import Cone
from archsim.workload.onnx_reader.patterns.formulas import PROBE, close, sigmoid
from archsim.workload.onnx_reader.patterns.pattern import ConePattern
from archsim.workload.onnx_reader.patterns.pricing import Operator
from archsim.workload.onnx_reader.patterns.structure import Structure


def _recognise(structure: Structure, cone: Cone) -> Operator | None:
    share = cone.found / PROBE
    at = int(np.argmin(np.abs(PROBE)))
    first = float(share.ravel()[at])
    if not 0.0 < first < 1.0:
        return None
    slope = float(np.log(first / (1.0 - first)) / PROBE.ravel()[at])
    if slope < 0.1 or not close(cone.found, PROBE * sigmoid(slope * PROBE)):
        return None
    return Operator("Swish", attributes={"alpha": round(slope, 4)})


PATTERN = ConePattern(
    "swish",
    frozenset({"Sigmoid", "Exp"}),
    frozenset({"Mul", "Div"}),
    _recognise,
    largest=7,
)
