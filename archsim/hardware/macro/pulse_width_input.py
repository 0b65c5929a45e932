"""An input whose value is the width of one pulse, timed by a count that all inputs share."""

from __future__ import annotations

from math import exp2
from typing import ClassVar, Literal

from archsim.fields import Component
from archsim.hardware.macro.gates import XOR_GATES, gate_area_m2, gate_energy_j
from archsim.hardware.macro.technology import flip_flop_area_m2, flip_flop_energy_j


class PulseWidthInput(Component):
    """A comparator that ends the pulse when the shared count has reached the value in its register.

    The count is in Gray code, so that one of its bits, and with it one exclusive-or gate of the
    comparator, changes in each of 2^bits - 1 slots.  The gates that join the bits change seldom and
    are left out of the energy; the counter itself serves all inputs, and its wires along them are
    short beside their gates.
    """

    component: ClassVar[str] = "input_registers"
    kind: Literal["pulse_width"]

    def energy_j(self, node_m: float, supply_v: float, input_bits: float, pass_s: float) -> float:
        """Register loaded once, one gate per slot, and the flip-flop that ends the pulse."""
        del pass_s
        slots = exp2(input_bits) - 1.0
        edges = (input_bits + 1.0) * flip_flop_energy_j(node_m, supply_v)
        return edges + slots * XOR_GATES * gate_energy_j(node_m, supply_v)

    def footprint_m2(self, node_m: float, input_bits: float) -> float:
        """Register, flip-flop, an exclusive-or gate per bit and the gates that join them."""
        gates = input_bits * XOR_GATES + input_bits - 1.0
        return (input_bits + 1.0) * flip_flop_area_m2(node_m) + gates * gate_area_m2(node_m)
