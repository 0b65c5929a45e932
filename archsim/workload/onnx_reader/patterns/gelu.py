"""Gelu written out: 0.5 x (1 + erf(x / sqrt 2)), or 0.5 x (1 + tanh(c (x + 0.044715 x^3))).

Hendrycks and Gimpel 2016, arXiv:1606.08415, with c = sqrt(2/pi).  A Gelu by tanh whose two factors
are `0.5 x` and `1 + tanh(...)` is written so in models' sources, and PyTorch then keeps what its
primitives keep: x, the tanh and both factors.  Exporters that take Gelu apart put the half on the
other factor or outside.
"""

from __future__ import annotations

import numpy as np

from archsim.workload.graph import Saved
from archsim.workload.onnx_reader.nodes import Node
from archsim.workload.onnx_reader.patterns.cone import Cone
from archsim.workload.onnx_reader.patterns.formulas import PROBE, Numbers, close, erf
from archsim.workload.onnx_reader.patterns.pattern import ConePattern
from archsim.workload.onnx_reader.patterns.pricing import Operator
from archsim.workload.onnx_reader.patterns.structure import Structure

_BY_ERF: Numbers = 0.5 * PROBE * (1.0 + erf(PROBE / np.sqrt(2.0)))
_BY_TANH: Numbers = (
    0.5 * PROBE * (1.0 + np.tanh(np.sqrt(2.0 / np.pi) * (PROBE + 0.044715 * PROBE**3)))
)


def _recognise(structure: Structure, cone: Cone) -> Operator | None:
    # The two forms differ by less than rounding in half precision: the file says which it is.
    nodes = [structure.node(index) for index in cone.members]
    if any(node.op_type == "Erf" for node in nodes):
        return Operator("Gelu") if close(cone.found, _BY_ERF) else None
    if not close(cone.found, _BY_TANH):
        return None
    saved = _primitives(structure, cone, nodes)
    return Operator("Gelu", attributes={"approximate": "tanh"}, framework_saved=saved)


def _primitives(structure: Structure, cone: Cone, nodes: list[Node]) -> tuple[Saved, ...] | None:
    """What PyTorch keeps where the source writes the function out, else None."""
    last = nodes[-1]
    halved = [n for n in last.inputs if n in cone.values and close(cone.values[n], 0.5 * PROBE)]
    if not halved or last.op_type != "Mul":
        return None
    inner = [node.outputs[0] for node in nodes if node.op_type == "Tanh"]
    kept = dict.fromkeys((cone.source, *inner, *last.inputs))
    return tuple(Saved(name, structure.scope.elements(name)) for name in kept)


PATTERN = ConePattern(
    "gelu",
    frozenset({"Erf", "Tanh"}),
    frozenset({"Mul", "Div"}),
    _recognise,
    largest=12,
)
