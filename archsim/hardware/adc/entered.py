"""A published converter: its energy and area as its authors state them."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import model_validator

from archsim.fields import Quantity, Scalar
from archsim.hardware.adc.converter import SharedConverter


class EnteredAdc(SharedConverter):
    """Energy per conversion and area as published, up to the bits and rate they hold for.

    Fewer bits or a lower rate are taken to cost as much; more are refused.
    """

    kind: Literal["entered"]
    bits_max: Annotated[Scalar, Quantity(integer=True, minimum=1, maximum=16)]
    rate_max_hz: Annotated[Scalar, Quantity("Hz", above=0, maximum=1e10)]
    energy_j: Annotated[Scalar, Quantity("J", minimum=0, maximum=1e-6)]
    area_m2: Annotated[Scalar, Quantity("m^2", minimum=0, maximum=1e-5)]

    @model_validator(mode="after")
    def _in_range(self) -> Self:
        if self.bits > self.bits_max:
            raise ValueError(
                f"bits is {self.bits:g}, but the published energy and area hold up to "
                f"{self.bits_max:g} bits (bits_max); use another converter or kind: sar"
            )
        if self.rate_hz > self.rate_max_hz:
            raise ValueError(
                f"rate is {self.rate_hz:g} Hz, but the published energy and area hold up to "
                f"{self.rate_max_hz:g} Hz (rate_max); use another converter or kind: sar"
            )
        return self

    def conversion_energy_j(self) -> Scalar:
        """Energy of one conversion at full rate, leakage included."""
        return self.energy_j

    def unit_area_m2(self) -> Scalar:
        """Area of one converter."""
        return self.area_m2
