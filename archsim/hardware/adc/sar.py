"""Successive-approximation (and pipelined) converter, from the survey of published designs."""

from __future__ import annotations

from typing import Annotated, Literal, Self

import numpy as np

from archsim.fields import Quantity, Scalar
from archsim.hardware.adc.converter import SharedConverter
from archsim.hardware.adc.survey import LEAST_NODE_M, Spread, spread_energy_j, survey_area_m2


class SarAdc(SharedConverter):
    """A converter as published ones are: energy and area from bits, rate and node.

    `spread` picks the best fifth (`low`), the median (`typical`) or about the worst tenth (`high`)
    of the survey; `multiplier` scales the energy of a design that is known to differ.
    """

    kind: Literal["sar"]
    node_m: Annotated[Scalar, Quantity("m", minimum=5e-9, maximum=250e-9)]
    spread: Spread
    multiplier: Annotated[Scalar, Quantity(minimum=0.1, maximum=100)] = 1.0

    def conversion_energy_j(self) -> Scalar:
        """Energy of one conversion at full rate, leakage included."""
        return self.multiplier * spread_energy_j(self.bits, self.rate_hz, self.node_m, self.spread)

    def unit_area_m2(self) -> Scalar:
        """Area of one converter; a design that takes more energy is larger."""
        energy_j = spread_energy_j(self.bits, self.rate_hz, self.node_m, self.spread)
        return survey_area_m2(energy_j, self.rate_hz, self.node_m)

    def at_spread(self, spread: Spread) -> Self:
        """The converter at another point of the spread."""
        return self.model_copy(update={"spread": spread})

    def extrapolates(self) -> Scalar:
        """1 below the nodes of the survey, else 0."""
        return np.where(np.asarray(self.node_m) < LEAST_NODE_M, 1.0, 0.0)
