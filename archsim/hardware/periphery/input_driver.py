"""What puts an input on a line in a read: one kind for each encoding."""

from __future__ import annotations

from abc import abstractmethod
from typing import Annotated, Literal, TypeAlias

from pydantic import Discriminator

from archsim.fields import Quantity, Scalar
from archsim.hardware.periphery.circuit import Circuit

_Energy = Quantity("J", minimum=0, maximum=1e-6)
_Area = Quantity("m^2", minimum=0, maximum=1e-6)


class InputCircuit(Circuit):
    """The read driver of one line with its converter from digital."""

    @abstractmethod
    def vector_energy_j(self, bits: Scalar) -> Scalar:
        """Energy of one input of `bits` bits, beyond charging the line."""

    @abstractmethod
    def line_area_m2(self, bits: Scalar) -> Scalar:
        """Area for one line."""


class PulseWidthDriver(InputCircuit):
    """Digital-to-time converter: counts up to 2^bits time steps of `step_energy_j` each."""

    kind: Literal["pulse_width"]
    step_energy_j: Annotated[Scalar, _Energy]
    area_m2: Annotated[Scalar, _Area]

    def vector_energy_j(self, bits: Scalar) -> Scalar:
        """Energy of one input: the time steps of its window."""
        return 2.0**bits * self.step_energy_j

    def line_area_m2(self, bits: Scalar) -> Scalar:
        """Area for one line."""
        return self.area_m2 + 0.0 * bits


class BitSerialDriver(InputCircuit):
    """One-bit driver, fed a bit at a time."""

    kind: Literal["bit_serial"]
    bit_energy_j: Annotated[Scalar, _Energy]
    area_m2: Annotated[Scalar, _Area]

    def vector_energy_j(self, bits: Scalar) -> Scalar:
        """Energy of one input: its bits one after the other."""
        return bits * self.bit_energy_j

    def line_area_m2(self, bits: Scalar) -> Scalar:
        """Area for one line."""
        return self.area_m2 + 0.0 * bits


class AmplitudeDriver(InputCircuit):
    """Digital-to-analog converter of 2^bits unit elements and a switch per bit."""

    kind: Literal["amplitude"]
    unit_energy_j: Annotated[Scalar, _Energy]
    bit_energy_j: Annotated[Scalar, _Energy]
    unit_area_m2: Annotated[Scalar, _Area]
    bit_area_m2: Annotated[Scalar, _Area]

    def vector_energy_j(self, bits: Scalar) -> Scalar:
        """Energy of one input."""
        return 2.0**bits * self.unit_energy_j + bits * self.bit_energy_j

    def line_area_m2(self, bits: Scalar) -> Scalar:
        """Area for one line."""
        return 2.0**bits * self.unit_area_m2 + bits * self.bit_area_m2


InputDriver: TypeAlias = Annotated[
    PulseWidthDriver | BitSerialDriver | AmplitudeDriver, Discriminator("kind")
]
