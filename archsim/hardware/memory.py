"""Buffers and DRAM: capacity, bandwidth, energy per bit, static power."""

from __future__ import annotations

from typing import Annotated

from archsim.fields import Component, Quantity, Scalar


class Buffer(Component):
    """An on-chip memory (SRAM or eDRAM) of `capacity_bit` bits.

    The YAML key is `capacity`, in bytes with a unit (`64 KiB`), held in bits.
    """

    capacity_bit: Annotated[Scalar, Quantity("bit", above=0)]
    read_energy_j_per_bit: Annotated[Scalar, Quantity("J/bit", minimum=0, maximum=1e-9)]
    write_energy_j_per_bit: Annotated[Scalar, Quantity("J/bit", minimum=0, maximum=1e-9)]
    bandwidth_bit_per_s: Annotated[Scalar, Quantity("bit/s", above=0)]
    leakage_w_per_bit: Annotated[Scalar, Quantity("W/bit", minimum=0, maximum=1e-6)]
    area_m2_per_bit: Annotated[Scalar, Quantity("m^2/bit", minimum=0, maximum=1e-9)]

    @property
    def area_m2(self) -> Scalar:
        """Area of the whole memory."""
        return self.capacity_bit * self.area_m2_per_bit

    @property
    def leakage_w(self) -> Scalar:
        """Static power of the whole memory."""
        return self.capacity_bit * self.leakage_w_per_bit


class Dram(Component):
    """Off-chip memory: HBM or DDR stacks beside the chip."""

    capacity_bit: Annotated[Scalar, Quantity("bit", above=0)]
    energy_j_per_bit: Annotated[Scalar, Quantity("J/bit", minimum=0, maximum=1e-8)]
    bandwidth_bit_per_s: Annotated[Scalar, Quantity("bit/s", above=0)]
    latency_s: Annotated[Scalar, Quantity("s", minimum=0, maximum=1e-3)]
    static_power_w: Annotated[Scalar, Quantity("W", minimum=0, maximum=1e4)]
