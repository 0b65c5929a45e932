"""An input whose value is one of 2^bits levels, taken from reference voltages that all share."""

from __future__ import annotations

from math import exp2
from typing import ClassVar, Literal

from archsim.fields import Component
from archsim.hardware.macro.gates import gate_area_m2, gate_energy_j
from archsim.hardware.macro.technology import flip_flop_area_m2, flip_flop_energy_j


class LevelInput(Component):
    """A register, a decoder and 2^bits transmission gates that put one reference on the line.

    The charge of the line comes from the reference and is counted on the line (`toggles: input`,
    not driven): C * V^2 times the mean level, since a reference below the supply takes its current
    from the supply.  The references themselves (ladder, buffers) are not in it.
    """

    component: ClassVar[str] = "input_registers"
    kind: Literal["levels"]

    def energy_j(self, node_m: float, supply_v: float, input_bits: float, pass_s: float) -> float:
        """Register loaded once; a new code switches the gates of two of the decoder's outputs."""
        del pass_s
        register = input_bits * flip_flop_energy_j(node_m, supply_v)
        return register + 2.0 * input_bits * gate_energy_j(node_m, supply_v)

    def footprint_m2(self, node_m: float, input_bits: float) -> float:
        """Register; `input_bits` gates and a transmission gate, taken as one more, per level."""
        gates = exp2(input_bits) * (input_bits + 1.0)
        return input_bits * flip_flop_area_m2(node_m) + gates * gate_area_m2(node_m)
