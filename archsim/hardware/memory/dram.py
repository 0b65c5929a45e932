"""Off-chip memory and chip-to-chip links."""

from __future__ import annotations

from typing import Annotated, Final

from archsim.fields import Component, Quantity, Scalar

# 1 PiB: no chip has such a memory, in or beside it; what asks for more is a slip of the unit.
LARGEST_MEMORY_BIT: Final = 8.0 * 2**50


class Dram(Component):
    """Off-chip memory: HBM or DDR stacks beside the chip."""

    name: str = ""
    description: str = ""
    capacity_bit: Annotated[Scalar, Quantity("bit", above=0, maximum=LARGEST_MEMORY_BIT)]
    energy_j_per_bit: Annotated[Scalar, Quantity("J/bit", minimum=0, maximum=1e-8)]
    bandwidth_bit_per_s: Annotated[Scalar, Quantity("bit/s", above=0)]
    latency_s: Annotated[Scalar, Quantity("s", minimum=0, maximum=1e-3)]
    static_power_w: Annotated[Scalar, Quantity("W", minimum=0, maximum=1e4)]


class Link(Component):
    """A link between chips, one direction; `area_m2` is that of its port on one chip."""

    name: str = ""
    description: str = ""
    bandwidth_bit_per_s: Annotated[Scalar, Quantity("bit/s", above=0)]
    energy_j_per_bit: Annotated[Scalar, Quantity("J/bit", minimum=0, maximum=1e-8)]
    latency_s: Annotated[Scalar, Quantity("s", minimum=0, maximum=1e-3)]
    static_power_w: Annotated[Scalar, Quantity("W", minimum=0, maximum=1e4)]
    area_m2: Annotated[Scalar, Quantity("m^2", minimum=0, maximum=1e-3)]

    def transfer_s(self, bits: Scalar) -> Scalar:
        """Time of one transfer of `bits`."""
        return self.latency_s + bits / self.bandwidth_bit_per_s

    def transfer_j(self, bits: Scalar) -> Scalar:
        """Energy of one transfer of `bits`."""
        return bits * self.energy_j_per_bit
