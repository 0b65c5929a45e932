"""Flash converter: one comparator for every level."""

from __future__ import annotations

from typing import Annotated, Literal

from archsim.fields import Quantity, Scalar
from archsim.hardware.adc.converter import SharedConverter


class FlashAdc(SharedConverter):
    """2^bits - 1 comparators with their encoder, and a ladder of references.

    A comparator takes `comparator_energy_j` per conversion, its part of the encoder
    `encoder_energy_j`, the ladder `ladder_energy_j` in all.  Up to 8 bits.
    """

    kind: Literal["flash"]
    bits: Annotated[Scalar, Quantity(integer=True, minimum=1, maximum=8)]
    comparator_energy_j: Annotated[Scalar, Quantity("J", minimum=0, maximum=1e-9)]
    encoder_energy_j: Annotated[Scalar, Quantity("J", minimum=0, maximum=1e-9)]
    ladder_energy_j: Annotated[Scalar, Quantity("J", minimum=0, maximum=1e-9)]
    comparator_area_m2: Annotated[Scalar, Quantity("m^2", minimum=0, maximum=1e-6)]
    ladder_area_m2: Annotated[Scalar, Quantity("m^2", minimum=0, maximum=1e-6)]

    @property
    def comparators(self) -> Scalar:
        """Comparators of one converter."""
        return 2.0**self.bits - 1.0

    def conversion_energy_j(self) -> Scalar:
        """Energy of one conversion at full rate, leakage included."""
        each = self.comparator_energy_j + self.encoder_energy_j
        return self.comparators * each + self.ladder_energy_j

    def unit_area_m2(self) -> Scalar:
        """Area of one converter."""
        return self.comparators * self.comparator_area_m2 + self.ladder_area_m2
