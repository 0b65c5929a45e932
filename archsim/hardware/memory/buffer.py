"""On-chip buffers: entered number by number, or an SRAM of a capacity and node."""

from __future__ import annotations

from abc import abstractmethod
from typing import Annotated, Literal, Self, TypeAlias

from pydantic import Discriminator, model_validator

from archsim.fields import Component, Quantity, Scalar
from archsim.hardware.memory import sram
from archsim.hardware.memory.dram import LARGEST_MEMORY_BIT

_Capacity = Quantity("bit", above=0, maximum=LARGEST_MEMORY_BIT)


class OnChipMemory(Component):
    """An on-chip memory of `capacity_bit` bits.

    The YAML key is `capacity`, in bytes with a unit (`64 KiB`), held in bits.
    """

    name: str = ""
    description: str = ""
    capacity_bit: Annotated[Scalar, _Capacity]

    @property
    @abstractmethod
    def area_m2(self) -> Scalar:
        """Area of the whole memory."""

    @property
    @abstractmethod
    def leakage_w(self) -> Scalar:
        """Static power of the whole memory."""


class EnteredBuffer(OnChipMemory):
    """A memory (SRAM, eDRAM) whose energy, area and leakage are given by bit."""

    kind: Literal["entered"]
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


class SramBuffer(OnChipMemory):
    """Low-power SRAM in `banks` equal banks, each with a port of `port_bit` bits at `clock_hz`.

    Energy per bit is that of one bank, from a table of CACTI results (`archsim.hardware.memory.sram`);
    a bank holds 1 KiB to 1 MiB, at 22 to 45 nm; down to 7 nm the table is scaled.
    """

    kind: Literal["sram"]
    node_m: Annotated[Scalar, Quantity("m", minimum=7e-9, maximum=45e-9)]
    banks: Annotated[Scalar, Quantity(integer=True, minimum=1, maximum=1_000_000)] = 1
    port_bit: Annotated[Scalar, Quantity("bit", above=0, maximum=65536)] = 256
    clock_hz: Annotated[Scalar, Quantity("Hz", above=0, maximum=1e10)] = 1e9

    @model_validator(mode="after")
    def _tabulated(self) -> Self:
        bank = self.capacity_bit / self.banks
        if not sram.LEAST_BANK_BIT <= bank <= sram.LARGEST_BANK_BIT:
            raise ValueError(
                f"a bank of this SRAM holds {bank / 8192:g} KiB, but the table of energies covers "
                "1 KiB to 1 MiB; change banks, or use kind: entered"
            )
        return self

    @property
    def _bank_bit(self) -> Scalar:
        return self.capacity_bit / self.banks

    @property
    def read_energy_j_per_bit(self) -> Scalar:
        """Energy of reading a bit."""
        return sram.read_energy_j_per_bit(self._bank_bit, self.node_m)

    @property
    def write_energy_j_per_bit(self) -> Scalar:
        """Energy of writing a bit."""
        return sram.write_energy_j_per_bit(self._bank_bit, self.node_m)

    @property
    def bandwidth_bit_per_s(self) -> Scalar:
        """Bits per second through the ports of all banks."""
        return self.banks * self.port_bit * self.clock_hz

    @property
    def area_m2(self) -> Scalar:
        """Area of the whole memory."""
        return self.capacity_bit * sram.area_m2_per_bit(self.node_m)

    @property
    def leakage_w(self) -> Scalar:
        """Static power of the whole memory."""
        return self.capacity_bit * sram.leakage_w_per_bit(self.node_m)


Buffer: TypeAlias = Annotated[EnteredBuffer | SramBuffer, Discriminator("kind")]
