"""HardSwish written out: x clip(x + 3, 0, 6) / 6, or x times a hard sigmoid of slope 1/6.

Howard et al. 2019, arXiv:1905.02244.
"""

from __future__ import annotations

import numpy as np

from archsim.workload.onnx_reader.patterns.cone import Cone
from archsim.workload.onnx_reader.patterns.formulas import PROBE, Numbers, close
from archsim.workload.onnx_reader.patterns.pattern import ConePattern
from archsim.workload.onnx_reader.patterns.pricing import Operator
from archsim.workload.onnx_reader.patterns.structure import Structure

_VALUES: Numbers = PROBE * np.clip(PROBE + 3.0, 0.0, 6.0) / 6.0


def _recognise(structure: Structure, cone: Cone) -> Operator | None:
    return Operator("HardSwish") if close(cone.found, _VALUES) else None


PATTERN = ConePattern(
    "hard_swish",
    frozenset({"Clip", "HardSigmoid", "Relu", "Min"}),
    frozenset({"Mul", "Div"}),
    _recognise,
    largest=7,
)
