"""Tiles and chip: how many arrays there are and what surrounds them."""

from __future__ import annotations

from typing import Annotated

from archsim.fields import Component, Quantity, Scalar
from archsim.hardware.memory import Buffer


class Tile(Component):
    """`arrays` crossbars with their periphery, a local buffer and a router port."""

    arrays: Annotated[Scalar, Quantity(integer=True, minimum=1, maximum=65536)]
    buffer: Buffer


class Chip(Component):
    """What the whole chip adds.

    `static_power_density_w_per_m2` is leakage of powered logic and converters per area;
    `cooling_limit_w_per_m2` the power density that the package removes.
    """

    static_power_density_w_per_m2: Annotated[Scalar, Quantity("W/m^2", minimum=0)]
    cooling_limit_w_per_m2: Annotated[Scalar, Quantity("W/m^2", above=0)]
