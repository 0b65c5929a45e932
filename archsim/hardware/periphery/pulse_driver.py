"""Update driver of one line: a level shifter and the high-voltage devices behind it."""

from __future__ import annotations

from typing import Annotated

import numpy as np

from archsim.fields import Quantity, Scalar
from archsim.hardware.periphery.circuit import Circuit


class PulseDriver(Circuit):
    """Shifts a logic pulse to the line's voltage and drives the line.

    A pulse takes (C_low + 2 C_mid) Vdd^2 + 2 C_high V^2 beyond the line itself (reference
    `drv.neurosim_levelshift`), `low_capacitance_f` being the first sum.  One unit of width delivers
    `drive_current_a`; a line that needs more within `edge_s` gets proportionally wider devices.
    Area grows linearly with voltage: `low_voltage_area_m2` per unit of width at zero volt,
    `area_ratio` times that at `area_ratio_at_v` (reference `drv.hv_area`).
    """

    logic_supply_v: Annotated[Scalar, Quantity("V", above=0, maximum=5.0)]
    low_capacitance_f: Annotated[Scalar, Quantity("F", minimum=0, maximum=1e-9)]
    high_capacitance_f: Annotated[Scalar, Quantity("F", minimum=0, maximum=1e-9)]
    drive_current_a: Annotated[Scalar, Quantity("A", above=0, maximum=1.0)]
    edge_s: Annotated[Scalar, Quantity("s", above=0, maximum=1e-3)]
    low_voltage_area_m2: Annotated[Scalar, Quantity("m^2", minimum=0, maximum=1e-6)]
    area_ratio: Annotated[Scalar, Quantity(minimum=1, maximum=1000)]
    area_ratio_at_v: Annotated[Scalar, Quantity("V", above=0, maximum=100.0)]

    def width(self, line_f: Scalar, swing_v: Scalar) -> Scalar:
        """Width in units: C V / t of the line over the current of one unit, at least 1."""
        return np.maximum(line_f * swing_v / (self.edge_s * self.drive_current_a), 1.0)

    def pulse_energy_j(self, line_f: Scalar, swing_v: Scalar, mean_square_v2: Scalar) -> Scalar:
        """Energy of one pulse beyond the line.

        `swing_v` is the largest swing that the devices are made for, `mean_square_v2` the mean
        square over the pulses that they give.
        """
        low = self.low_capacitance_f * self.logic_supply_v**2
        high = 2.0 * self.high_capacitance_f * mean_square_v2
        return low + self.width(line_f, swing_v) * high

    def line_area_m2(self, line_f: Scalar, swing_v: Scalar, rated_v: Scalar) -> Scalar:
        """Area for one line whose devices stand `rated_v`."""
        ratio = 1.0 + (self.area_ratio - 1.0) * rated_v / self.area_ratio_at_v
        return self.low_voltage_area_m2 * ratio * self.width(line_f, swing_v)
