"""Cells of compute-in-memory arrays: energy of one cell in one pass of the array."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from archsim.fields import Component, Quantity
from archsim.hardware.macro.technology import CAPACITOR_F_PER_M2, terminal_capacitance_f


class CapacitiveCell(Component):
    """A cell that puts charge on its own capacitor, or on its share of a C-2C ladder.

    `capacitance_f` is all that is charged per cell (a C-2C ladder has C + 2C per bit).  It is
    charged from the supply with the probability that the product is one, to the input's value, and
    discharged before the next pass: C * V^2 * input * weight, which bounds what charge sharing on
    floating plates takes from above.  `terminals` sources and drains of narrowest transistors, which
    set and reset the charged plate, are charged with it.
    """

    kind: Literal["capacitive"]
    capacitance_f: Annotated[float, Quantity("F", minimum=0)]
    terminals: Annotated[float, Quantity(minimum=0)] = 0.0

    def energy_j(
        self, node_m: float, supply_v: float, mean_input: float, mean_weight: float
    ) -> float:
        """Energy of one cell per pass."""
        charged_f = self.capacitance_f + self.terminals * terminal_capacitance_f(node_m)
        return charged_f * supply_v**2 * mean_input * mean_weight

    @property
    def stacked_m2(self) -> float:
        """Area of the capacitor, which lies above the transistors of the cell."""
        return self.capacitance_f / CAPACITOR_F_PER_M2


class ResistiveCell(Component):
    """A resistive device on which the read voltage stands for the length of a pulse.

    `mean_input` is the mean square of the input (for pulses of one height the share of nonzero
    ones); the mean conductance is that of the stored weights.  Where a buffer or clamp passes the
    current on from `supply`, a cell takes supply * v * g * t, and `mean_input` is the mean magnitude
    of the input; without it the read voltage is taken as a supply of its own.
    """

    kind: Literal["resistive"]
    conductance_siemens: Annotated[float, Quantity("S", minimum=0)]
    read_v: Annotated[float, Quantity("V", minimum=0)]
    pulse_s: Annotated[float, Quantity("s", minimum=0)]
    supply_v: Annotated[float, Quantity("V", above=0, maximum=20)] | None = None

    def energy_j(
        self, node_m: float, supply_v: float, mean_input: float, mean_weight: float
    ) -> float:
        """Energy of one cell per pass, whatever the logic supply."""
        del node_m, supply_v, mean_weight
        if self.supply_v is not None:
            charge_c = self.read_v * self.conductance_siemens * self.pulse_s * mean_input
            return self.supply_v * charge_c
        return self.read_v**2 * self.conductance_siemens * self.pulse_s * mean_input

    @property
    def stacked_m2(self) -> float:
        """The device lies above its transistor and needs no area of its own."""
        return 0.0


class PassiveCell(Component):
    """A cell whose energy is all on its lines (transistors that discharge a bit line)."""

    kind: Literal["passive"]

    def energy_j(
        self, node_m: float, supply_v: float, mean_input: float, mean_weight: float
    ) -> float:
        """Nothing of its own."""
        del node_m, supply_v, mean_input, mean_weight
        return 0.0

    @property
    def stacked_m2(self) -> float:
        """Nothing above the transistors."""
        return 0.0


Cell: TypeAlias = Annotated[
    CapacitiveCell | ResistiveCell | PassiveCell, Field(discriminator="kind")
]
