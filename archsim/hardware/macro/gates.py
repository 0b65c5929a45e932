"""Single gates, in two-input NAND gates, as parts of the full adder that logic is scaled from."""

from __future__ import annotations

from archsim.hardware.macro.technology import (
    ADDER_GATES,
    full_adder_area_m2,
    full_adder_energy_j,
)

# Reference `logic.cells45`: XOR2_X1 is 1.14 um wide, NAND2_X1 0.57 um.
XOR_GATES = 2.0


def gate_energy_j(node_m: float, supply_v: float) -> float:
    """Energy of a NAND2 that switches: its share by size in a full adder, 7 to 130 nm."""
    return full_adder_energy_j(node_m, supply_v) / ADDER_GATES


def gate_area_m2(node_m: float) -> float:
    """Area of a NAND2 as placed, 7 to 130 nm."""
    return full_adder_area_m2(node_m) / ADDER_GATES
