"""Where the programming voltage comes from."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Discriminator

from archsim.fields import Component, Quantity, Scalar


class ExternalSupply(Component):
    """A rail from outside the chip: its converter loses energy, and takes no area of the chip."""

    kind: Literal["external"]
    efficiency: Annotated[Scalar, Quantity(above=0, maximum=1)]

    def pump_area_m2(self, peak_w: Scalar) -> Scalar:
        """Area on the chip for one array that asks for `peak_w`: none."""
        return 0.0 * peak_w

    def sustained_share(self) -> Scalar:
        """Largest share of an array's lines that may fire in one slot: all."""
        return 1.0


class PumpSupply(Component):
    """A charge pump beside each array.

    It delivers `power_density_w_per_m2` per area, and is built for slots in which `firing_share` of
    the lines fire at once.
    """

    kind: Literal["pump"]
    efficiency: Annotated[Scalar, Quantity(above=0, maximum=1)]
    power_density_w_per_m2: Annotated[Scalar, Quantity("W/m^2", above=0)]
    firing_share: Annotated[Scalar, Quantity(above=0, maximum=1)]

    def pump_area_m2(self, peak_w: Scalar) -> Scalar:
        """Area of the pump of one array that asks for `peak_w`."""
        return peak_w / self.power_density_w_per_m2

    def sustained_share(self) -> Scalar:
        """Largest share of an array's lines that may fire in one slot."""
        return self.firing_share


Supply: TypeAlias = Annotated[ExternalSupply | PumpSupply, Discriminator("kind")]
