"""Between sensing and the digital side: sample-and-hold, multiplexer, output stage."""

from __future__ import annotations

from typing import Annotated

from archsim.fields import Quantity, Scalar
from archsim.hardware.periphery.circuit import Circuit

_Energy = Quantity("J", minimum=0, maximum=1e-6)
_Area = Quantity("m^2", minimum=0, maximum=1e-6)


class SampleHold(Circuit):
    """Per-line sample-and-hold, powered during integration and conversion.

    With `double_buffered` hold capacitors the next vector integrates while the last one is
    converted.
    """

    double_buffered: bool
    power_w: Annotated[Scalar, Quantity("W", minimum=0, maximum=1.0)]
    area_m2: Annotated[Scalar, _Area]


class Multiplexer(Circuit):
    """Connects the lines that share a converter to it, one after the other.

    `energy_j` is that of selecting one line, `area_m2` that of one line's switch.  Converters with
    a line of their own need none.
    """

    energy_j: Annotated[Scalar, _Energy]
    area_m2: Annotated[Scalar, _Area]


class OutputDigital(Circuit):
    """Digital stage behind each converter: scaling, shift-and-add, partial sums."""

    latency_s: Annotated[Scalar, Quantity("s", minimum=0, maximum=1e-3)]
    energy_j: Annotated[Scalar, _Energy]
    partial_sum_energy_j: Annotated[Scalar, _Energy]
    area_m2: Annotated[Scalar, _Area]
