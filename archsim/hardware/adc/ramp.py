"""Single-slope converter: a comparator for every line, one ramp and counter for many of them."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np

from archsim.fields import Quantity, Scalar
from archsim.hardware.adc.converter import Converter


class RampAdc(Converter):
    """A comparator and latch per line, and a ramp and counter for `outputs_per_ramp` lines.

    All lines of a bank are converted at once, in 2^bits clock cycles.  Per cycle a comparator takes
    `comparator_energy_j` and each ramp (its step and the count that it broadcasts)
    `ramp_energy_j`; a conversion stores its bits for `latch_energy_j` each.
    Structure: references `adc.marinella`, `adc.hermes_cco`.
    """

    kind: Literal["ramp"]
    clock_hz: Annotated[Scalar, Quantity("Hz", above=0, maximum=1e11)]
    outputs_per_ramp: Annotated[Scalar, Quantity(integer=True, minimum=1, maximum=65536)]
    comparator_energy_j: Annotated[Scalar, Quantity("J", minimum=0, maximum=1e-9)]
    ramp_energy_j: Annotated[Scalar, Quantity("J", minimum=0, maximum=1e-9)]
    latch_energy_j: Annotated[Scalar, Quantity("J", minimum=0, maximum=1e-9)]
    comparator_area_m2: Annotated[Scalar, Quantity("m^2", minimum=0, maximum=1e-6)]
    ramp_area_m2: Annotated[Scalar, Quantity("m^2", minimum=0, maximum=1e-6)]

    def count(self, outputs: Scalar) -> Scalar:
        """Converters in the bank: one for each line."""
        return outputs

    def round_s(self) -> Scalar:
        """Time of a whole ramp."""
        return 2.0**self.bits / self.clock_hz

    def _line_energy_j(self) -> Scalar:
        return 2.0**self.bits * self.comparator_energy_j + self.bits * self.latch_energy_j

    def conversion_energy_j(self) -> Scalar:
        """Energy of one conversion with its share of a fully used ramp."""
        ramp_j = 2.0**self.bits * self.ramp_energy_j
        return self._line_energy_j() + ramp_j / self.outputs_per_ramp

    def bank_energy_j(self, conversions: Scalar, rounds: Scalar, outputs: Scalar) -> Scalar:
        """Energy of `conversions` in `rounds`; a ramp runs whole, however few lines it serves."""
        ramps = rounds * np.ceil(outputs / self.outputs_per_ramp)
        ramp_j = ramps * 2.0**self.bits * self.ramp_energy_j
        return (conversions * self._line_energy_j() + ramp_j) * (1.0 - self.leakage_share)

    def bank_area_m2(self, outputs: Scalar) -> Scalar:
        """Area of comparators and ramps of `outputs` lines."""
        ramps = np.ceil(outputs / self.outputs_per_ramp)
        return outputs * self.comparator_area_m2 + ramps * self.ramp_area_m2
