"""What all circuits around an array share: a name in the breakdown, leakage when idle."""

from __future__ import annotations

from typing import Annotated

from archsim.fields import Component, Quantity, Scalar


class Circuit(Component):
    """A circuit of which an array has many.

    `leakage_w` is what one of them takes while it does nothing; if it is not given, the chip's
    leakage per area of logic holds (`chip.static_power_density`).
    """

    name: str = ""
    description: str = ""
    leakage_w: Annotated[Scalar, Quantity("W", minimum=0, maximum=1.0)] | None = None

    def leakage_of_w(self, count: Scalar, area_m2: Scalar, density_w_per_m2: Scalar) -> Scalar:
        """Leakage of `count` of these, `area_m2` in all."""
        if self.leakage_w is None:
            return density_w_per_m2 * area_m2
        return count * self.leakage_w
