"""Circuits at the inputs of a macro: energy and area per input, beside the line that it drives."""

from __future__ import annotations

from math import exp2
from typing import Annotated, ClassVar, Literal, TypeAlias

from pydantic import Field

from archsim.fields import Component, Quantity
from archsim.hardware.macro.level_input import LevelInput
from archsim.hardware.macro.pulse_width_input import PulseWidthInput
from archsim.hardware.macro.technology import flip_flop_area_m2, flip_flop_energy_j

# Unsilicided polysilicon of 1 kOhm per square; 1 um wide to match to 8 bits; ends and spacing take
# as much again (assumed).
_OHM_PER_SQUARE = 1e3
_RESISTOR_WIDTH_M = 1e-6
_RESISTOR_FILL = 0.5


class BinaryInput(Component):
    """A register that holds one bit of the input per pass."""

    component: ClassVar[str] = "input_registers"
    kind: Literal["binary"]

    def energy_j(self, node_m: float, supply_v: float, input_bits: float, pass_s: float) -> float:
        """One clock edge per pass."""
        del input_bits, pass_s
        return flip_flop_energy_j(node_m, supply_v)

    def footprint_m2(self, node_m: float, input_bits: float) -> float:
        """One flip-flop."""
        del input_bits
        return flip_flop_area_m2(node_m)


class PulseCountInput(Component):
    """A counter that lets as many pulses through as the input says, clocked in every slot."""

    component: ClassVar[str] = "input_registers"
    kind: Literal["pulse_count"]

    def energy_j(self, node_m: float, supply_v: float, input_bits: float, pass_s: float) -> float:
        """`input_bits` flip-flops over 2^input_bits - 1 slots."""
        del pass_s
        edges = input_bits * (exp2(input_bits) - 1.0)
        return edges * flip_flop_energy_j(node_m, supply_v)

    def footprint_m2(self, node_m: float, input_bits: float) -> float:
        """The flip-flops, and as much logic."""
        return 2.0 * input_bits * flip_flop_area_m2(node_m)


class LadderInput(Component):
    """`ladders` R-2R ladders of `unit_resistance` between ground and `reference`, on for a pass.

    With independent bits that are one with probability 1/2, an n-bit ladder in voltage mode, its
    output unloaded, takes (3n + 2 - 2 / 4^n) / 36 of reference^2 / R on average: one bit drives 4R,
    a bit inside a long ladder sees 3R.
    """

    component: ClassVar[str] = "input_ladders"
    kind: Literal["ladder"]
    ladders: Annotated[float, Quantity(above=0)]
    unit_resistance_ohm: Annotated[float, Quantity("Ohm", above=0)]
    reference_share: Annotated[float, Quantity(above=0, maximum=1)]

    def energy_j(self, node_m: float, supply_v: float, input_bits: float, pass_s: float) -> float:
        """Static current over the pass, and the input register."""
        volts = self.reference_share * supply_v
        share = (3.0 * input_bits + 2.0 - 2.0 * exp2(-2.0 * input_bits)) / 36.0
        watts = share * volts**2 / self.unit_resistance_ohm
        register = input_bits * flip_flop_energy_j(node_m, supply_v)
        return self.ladders * watts * pass_s + register

    def footprint_m2(self, node_m: float, input_bits: float) -> float:
        """The register, and 3n unit resistors per ladder (n of 2R, n of R)."""
        squares = self.unit_resistance_ohm / _OHM_PER_SQUARE
        unit_m2 = squares * _RESISTOR_WIDTH_M**2 / _RESISTOR_FILL
        resistors = self.ladders * 3.0 * input_bits * unit_m2
        return input_bits * flip_flop_area_m2(node_m) + resistors


InputCircuit: TypeAlias = Annotated[
    BinaryInput | PulseCountInput | PulseWidthInput | LadderInput | LevelInput,
    Field(discriminator="kind"),
]
