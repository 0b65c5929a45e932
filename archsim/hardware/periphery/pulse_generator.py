"""Random pulse generation: when a line fires."""

from __future__ import annotations

from typing import Annotated

from archsim.fields import Quantity, Scalar
from archsim.hardware.periphery.circuit import Circuit

_Energy = Quantity("J", minimum=0, maximum=1e-6)
_Area = Quantity("m^2", minimum=0, maximum=1e-6)


class PulseGenerator(Circuit):
    """Compares the value of a line with a random number in every slot.

    `lines_per_source` lines share a source of random numbers; their pulses are then correlated, so
    rows and columns need sources of their own.
    """

    comparison_energy_j: Annotated[Scalar, _Energy]
    random_energy_j: Annotated[Scalar, _Energy]
    lines_per_source: Annotated[Scalar, Quantity(minimum=1, maximum=65536)]
    comparator_area_m2: Annotated[Scalar, _Area]
    source_area_m2: Annotated[Scalar, _Area]

    @property
    def slot_energy_j(self) -> Scalar:
        """Energy of one line in one slot."""
        return self.comparison_energy_j + self.random_energy_j / self.lines_per_source

    @property
    def line_area_m2(self) -> Scalar:
        """Area for one line."""
        return self.comparator_area_m2 + self.source_area_m2 / self.lines_per_source
