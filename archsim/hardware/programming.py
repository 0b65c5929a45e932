"""Initial programming: what is done once, before the first step."""

from __future__ import annotations

from typing import Annotated

from archsim.fields import Component, Quantity, Scalar


class ProgrammingScheme(Component):
    """Setting the reference devices, then writing every weight, row by row.

    A device takes `pulses` pulses on average, in `passes` passes of which each reads the row first
    (write and verify).  Before that, reference devices (the shared column, or one device of each
    pair) take `calibration_pulses` pulses of alternating sign, which lead to the symmetry point.
    With `calibration_interval_s` the calibration is repeated, as relaxation asks: it starts once in
    every interval, nothing else is done meanwhile, and training steps bear its time and energy.
    """

    pulses: Annotated[Scalar, Quantity(minimum=0, maximum=1e9)]
    passes: Annotated[Scalar, Quantity(minimum=1, maximum=1000)]
    calibration_pulses: Annotated[Scalar, Quantity(minimum=0, maximum=1e9)]
    calibration_interval_s: Annotated[Scalar, Quantity("s", above=0)] | None = None
