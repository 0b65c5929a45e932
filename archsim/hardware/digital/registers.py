"""Flip-flops: energy of a bit that is clocked, area and leakage of a bit that is kept."""

from __future__ import annotations

from typing import Annotated

from archsim.fields import Component, Quantity, Scalar
from archsim.hardware.digital.scaling import area_ratio, energy_ratio, nominal_supply_v, per_node

_NODE_M, _ENERGY_J, _AREA_M2, _LEAKAGE_W = 40e-9, 0.009e-12, 5.98e-12, 0.07e-6


@per_node
def bit_energy_j(node_m: Scalar) -> Scalar:
    """Energy of clocking a new value into one bit: 9 fJ at 40 nm (`reg.aladdin`).

    Scaled by `stillmaker.energy` between nominal supplies; 7 to 130 nm.
    """
    there, here = nominal_supply_v(_NODE_M), nominal_supply_v(node_m)
    return _ENERGY_J * energy_ratio(_NODE_M, there, node_m, here)


@per_node
def bit_area_m2(node_m: Scalar) -> Scalar:
    """Area of one bit: 5.98 um^2 at 40 nm (`reg.aladdin`), scaled by `stillmaker.area`."""
    return _AREA_M2 * area_ratio(_NODE_M, node_m)


class Registers(Component):
    """Flip-flops of a technology node; leakage is 0.07 uW per bit at 40 nm and goes with the area."""

    node_m: Annotated[Scalar, Quantity("m", minimum=7e-9, maximum=130e-9)]

    @property
    def bit_energy_j(self) -> Scalar:
        """Energy of clocking a new value into one bit."""
        return bit_energy_j(self.node_m)

    @property
    def bit_area_m2(self) -> Scalar:
        """Area of one bit."""
        return bit_area_m2(self.node_m)

    @property
    def bit_leakage_w(self) -> Scalar:
        """Leakage of one bit."""
        return _LEAKAGE_W * area_ratio(_NODE_M, self.node_m)
