"""Amplifiers that hold the lines of an array at analog voltages."""

from __future__ import annotations

from math import log
from typing import Annotated

from archsim.fields import Component, Quantity


class LineAmplifier(Component):
    """One amplifier per line of those called `line`: it buffers an input, or clamps an output.

    It settles with the line as its load: to 2^-bits within `settling` takes bits * ln 2 time
    constants C_line / gm, so that gm = bits * ln 2 * C_line / settling.  The bias current is gm over
    `gm_per_current` and flows from `supply` for the whole pass.  That is the least that a
    class-A stage of one pole takes; current that the cells draw is priced with the cells, and further
    stages, common-mode circuits and biases are left out.  Its area is not estimated.
    """

    line: str
    supply_v: Annotated[float, Quantity("V", above=0, maximum=20)]
    settling_s: Annotated[float, Quantity("s", above=0)]
    settling_bits: Annotated[float, Quantity(above=0, maximum=20)]
    gm_per_current_per_v: Annotated[float, Quantity("1/V", above=0, maximum=40)]

    def energy_j(self, load_f: float, pass_s: float) -> float:
        """Energy of one amplifier per pass of `pass_s`, at the end of a line of `load_f`."""
        transconductance = self.settling_bits * log(2.0) * load_f / self.settling_s
        return self.supply_v * transconductance / self.gm_per_current_per_v * pass_s
