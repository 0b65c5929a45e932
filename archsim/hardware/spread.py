"""How much devices differ from each other, and one pulse from the next."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from archsim.fields import Component, Quantity, Scalar

_Relative: TypeAlias = Annotated[Scalar, Quantity(minimum=0, maximum=100)] | None


class Spread(Component):
    """Standard deviations; null where nobody has published one: unknown is not zero.

    Between devices: of the step relative to its mean (`step_devices`), of either bound relative to
    half the conductance range (`bounds_devices`), and of the difference between up and down step
    relative to their mean (`asymmetry_devices`).
    From pulse to pulse of one device: of the step relative to its mean (`step_cycles`), and of the
    conductance after a write, relative to half the range (`write_noise`), which does not add up.
    From cycle to cycle of one device: of either bound relative to half the range (`bounds_cycles`),
    a slow wander.
    `slope_devices` is that of the nonlinearity between devices, relative to its mean: of the slope
    of linear steps, and of the logarithm of the step relative to the one at weight zero for curved
    ones (of the exponent or rate, where there is one); 0 if not given.  Constant and soft-bounds
    steps have none of their own.
    """

    step_devices: _Relative
    bounds_devices: _Relative
    asymmetry_devices: _Relative
    bounds_cycles: _Relative
    step_cycles: _Relative
    write_noise: _Relative
    slope_devices: _Relative = 0.0
