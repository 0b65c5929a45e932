"""A wire that crosses an array, with the transistors that hang on it and its driver."""

from __future__ import annotations

from typing import Annotated, Literal

from archsim.fields import Component, Quantity
from archsim.hardware.macro.technology import (
    CAPACITOR_F_PER_M2,
    DRIVER_FACTOR,
    WIRE_F_PER_M,
    driver_area_m2,
    terminal_capacitance_f,
)

# What makes a line toggle, per pass of the array.
Activity = Literal["each_pass", "input", "pulses", "product"]


class Line(Component):
    """`per_axis` equal lines along every row or column of the array.

    Per cell it passes, a line carries its wire over `cell_pitch` and `terminals` gates or drains of
    narrowest transistors; a published `cell_capacitance` stands instead of both, a published
    `driver_capacitance` instead of the assumed inverter chain.  A line that is charged through its
    cells is not `driven` and has no driver.  `capacitor` is one put on the line on purpose.  It swings between `low` and `high`
    (by default ground and the supply); `toggles`:

    - `each_pass`: once per pass of the array, whatever the data;
    - `input`: once per pass with the probability of a nonzero input;
    - `pulses`: as often as the input's value, up to 2^bits - 1 times;
    - `product`: by the mean product of input and weight (a discharged bit line).
    """

    axis: Literal["row", "column"]
    per_axis: Annotated[float, Quantity(above=0)]
    cell_pitch_m: Annotated[float, Quantity("m", minimum=0)]
    terminals: Annotated[float, Quantity(minimum=0)]
    cell_capacitance_f: Annotated[float, Quantity("F", minimum=0)] | None = None
    driver_capacitance_f: Annotated[float, Quantity("F", minimum=0)] | None = None
    driven: bool = True
    capacitor_f: Annotated[float, Quantity("F", minimum=0)] = 0.0
    low_v: Annotated[float, Quantity("V", minimum=-20, maximum=20)] = 0.0
    high_v: Annotated[float, Quantity("V", minimum=-20, maximum=20)] | None = None
    toggles: Activity

    def load_f(self, cells: float, node_m: float) -> float:
        """Capacitance of the line over `cells` cells, without its driver."""
        if self.cell_capacitance_f is not None:
            return self.capacitor_f + cells * self.cell_capacitance_f
        wire = WIRE_F_PER_M * self.cell_pitch_m
        each = wire + self.terminals * terminal_capacitance_f(node_m)
        return self.capacitor_f + cells * each

    def energy_j(self, cells: float, node_m: float, supply_v: float) -> float:
        """Energy from the upper supply of one excursion from low to high and back, with driver."""
        high = supply_v if self.high_v is None else self.high_v
        load = self.load_f(cells, node_m)
        if not self.driven:
            total = load
        elif self.driver_capacitance_f is None:
            total = DRIVER_FACTOR * load
        else:
            total = load + self.driver_capacitance_f
        return total * (high - self.low_v) * high

    def footprint_m2(self, cells: float, node_m: float) -> float:
        """Area of the driver of one line and of its capacitor."""
        driver = driver_area_m2(self.load_f(cells, node_m), node_m) if self.driven else 0.0
        return driver + self.capacitor_f / CAPACITOR_F_PER_M2
