"""What every analog-to-digital converter is asked: time, energy, area and leakage of a bank."""

from __future__ import annotations

from abc import abstractmethod
from typing import Annotated, Self

import numpy as np

from archsim.fields import Component, Quantity, Scalar
from archsim.hardware.adc.survey import Spread


class Converter(Component):
    """The converters on one side of an array, of any kind.

    A bank serves the `outputs` lines of one side; a round is the time in which each converter of a
    bank makes one conversion.  `leakage_share` is the part of the power at full rate that flows
    also when nothing is converted: it is static, and the rest is spent per conversion.
    """

    name: str = ""
    description: str = ""
    bits: Annotated[Scalar, Quantity(integer=True, minimum=1, maximum=16)]
    leakage_share: Annotated[Scalar, Quantity(minimum=0, maximum=1)]

    @abstractmethod
    def count(self, outputs: Scalar) -> Scalar:
        """Converters in the bank that serves `outputs` lines."""

    @abstractmethod
    def round_s(self) -> Scalar:
        """Time of one conversion."""

    @abstractmethod
    def conversion_energy_j(self) -> Scalar:
        """Energy of one conversion at full rate, leakage and shared circuits included."""

    @abstractmethod
    def bank_area_m2(self, outputs: Scalar) -> Scalar:
        """Area of the bank that serves `outputs` lines."""

    def bank_energy_j(self, conversions: Scalar, rounds: Scalar, outputs: Scalar) -> Scalar:
        """Energy of `conversions` in `rounds` of a bank of `outputs` lines, without leakage."""
        del rounds, outputs
        return conversions * self.conversion_energy_j() * (1.0 - self.leakage_share)

    def bank_leakage_w(self, outputs: Scalar) -> Scalar:
        """Power of the bank that flows whether or not it converts."""
        return (
            self.count(outputs) * self.conversion_energy_j() / self.round_s() * (self.leakage_share)
        )

    def at_spread(self, spread: Spread) -> Self:
        """The converter at one point of the spread of published ones; itself if it is published."""
        del spread
        return self

    def extrapolates(self) -> Scalar:
        """1 where the model is used outside the data that it was fitted to, else 0."""
        return 0.0


class SharedConverter(Converter):
    """Converters that `outputs_per_adc` lines share through a multiplexer."""

    rate_hz: Annotated[Scalar, Quantity("Hz", above=0, maximum=1e10)]
    outputs_per_adc: Annotated[Scalar, Quantity(integer=True, minimum=1, maximum=65536)]

    def count(self, outputs: Scalar) -> Scalar:
        """Converters in the bank that serves `outputs` lines."""
        return np.ceil(outputs / self.outputs_per_adc)

    def round_s(self) -> Scalar:
        """Time of one conversion."""
        return 1.0 / self.rate_hz

    @abstractmethod
    def unit_area_m2(self) -> Scalar:
        """Area of one converter."""

    def bank_area_m2(self, outputs: Scalar) -> Scalar:
        """Area of the bank that serves `outputs` lines."""
        return self.count(outputs) * self.unit_area_m2()
