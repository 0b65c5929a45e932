"""Tiles and chip: how many arrays there are and what surrounds them."""

from __future__ import annotations

from typing import Annotated

from archsim.fields import Component, Quantity, Scalar
from archsim.hardware.memory import Buffer


class Tile(Component):
    """`arrays` crossbars with their periphery, a local buffer and a router port.

    `arrays_per_converter_set` neighbouring arrays take turns at one set of converters with its
    digital stages; it divides `arrays`.  With 1, the default, each array has its own.  Integrators
    and sample-and-hold stay with each array, so that arrays of a set integrate together.
    """

    arrays: Annotated[Scalar, Quantity(integer=True, minimum=1, maximum=65536)]
    buffer: Buffer
    arrays_per_converter_set: Annotated[
        Scalar, Quantity(integer=True, minimum=1, maximum=65536)
    ] = 1


class ClockTree(Component):
    """The clock's distribution: C V^2 f of what it charges, over the regulator's efficiency.

    `capacitance_f_per_m2` is per area of clocked logic.  It runs all the time.
    """

    capacitance_f_per_m2: Annotated[Scalar, Quantity("F/m^2", minimum=0, maximum=1.0)]
    supply_v: Annotated[Scalar, Quantity("V", above=0, maximum=5.0)]
    frequency_hz: Annotated[Scalar, Quantity("Hz", minimum=0, maximum=1e11)]
    efficiency: Annotated[Scalar, Quantity(above=0, maximum=1)]

    def power_w(self, clocked_area_m2: Scalar) -> Scalar:
        """Power of the tree over that area of logic."""
        charge = self.capacitance_f_per_m2 * clocked_area_m2 * self.supply_v**2
        return charge * self.frequency_hz / self.efficiency


class PowerGating(Component):
    """Arrays with their periphery are switched off in segments of the schedule without their work.

    `retained_share` of an array's leakage flows on, `wake_energy_j` is spent on each array that is
    switched on, and a segment in which arrays work starts `wake_s` later.
    """

    retained_share: Annotated[Scalar, Quantity(minimum=0, maximum=1)]
    wake_energy_j: Annotated[Scalar, Quantity("J", minimum=0, maximum=1e-3)]
    wake_s: Annotated[Scalar, Quantity("s", minimum=0, maximum=1.0)]


class Chip(Component):
    """What the whole chip adds.

    `static_power_density_w_per_m2` is the leakage of logic per area, for whatever states no leakage
    of its own; `cooling_limit_w_per_m2` the power density that the package removes.

    `power_limit_w` caps what the chip takes at any time, static power included; tasks wait, or are
    slowed, until the rest leaves enough.  `update_power_limit_w` caps what all arrays together take
    while they are updated, averaging of copies included.  Without them (the default) nothing waits
    for power.
    """

    static_power_density_w_per_m2: Annotated[Scalar, Quantity("W/m^2", minimum=0)]
    cooling_limit_w_per_m2: Annotated[Scalar, Quantity("W/m^2", above=0)]
    clock: ClockTree
    power_gating: PowerGating | None = None
    power_limit_w: Annotated[Scalar, Quantity("W", above=0)] | None = None
    update_power_limit_w: Annotated[Scalar, Quantity("W", above=0)] | None = None
