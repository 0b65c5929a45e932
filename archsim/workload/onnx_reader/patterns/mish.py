"""Mish written out: x tanh(softplus(x)) (Misra 2019, arXiv:1908.08681)."""

from __future__ import annotations

import numpy as np

from archsim.workload.onnx_reader.patterns.cone import Cone
from archsim.workload.onnx_reader.patterns.formulas import PROBE, Numbers, close
from archsim.workload.onnx_reader.patterns.pattern import ConePattern
from archsim.workload.onnx_reader.patterns.pricing import Operator
from archsim.workload.onnx_reader.patterns.structure import Structure

_VALUES: Numbers = PROBE * np.tanh(np.logaddexp(0.0, PROBE))


def _recognise(structure: Structure, cone: Cone) -> Operator | None:
    return Operator("Mish") if close(cone.found, _VALUES) else None


PATTERN = ConePattern(
    "mish",
    frozenset({"Softplus", "Tanh"}),
    frozenset({"Mul"}),
    _recognise,
    largest=5,
)
