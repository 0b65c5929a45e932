"""How a device is programmed: by voltage, by current, or by voltage with compensation per device."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from archsim.fields import Component, Quantity, Scalar


class VoltageDrive(Component):
    """Equal voltage pulses for all devices of a line: no circuit per cell.

    An electrochemical device then answers as measured: its open-circuit potential depends on its
    state and adds to the pulse, so that steps up and down differ.
    """

    kind: Literal["voltage"]

    @property
    def energy_j(self) -> Scalar:
        """Energy of the circuit per programming pulse and device: there is none."""
        return 0.0

    @property
    def area_m2(self) -> Scalar:
        """Area of the circuit per cell: there is none."""
        return 0.0

    @property
    def residual_asymmetry(self) -> Scalar:
        """The share of the measured asymmetry that remains: all of it."""
        return 1.0


class CurrentDrive(Component):
    """A current source per cell, or per line and shared by its cells: each pulse is a charge.

    The charge, and with it the step, does not depend on the open-circuit potential.
    `energy_j` is what the source takes per programming pulse and device, beyond the pulse itself;
    `area_m2` its area per cell; `residual_asymmetry` the share of the asymmetry measured under
    voltage that the mismatch of sources leaves.
    """

    kind: Literal["current"]
    energy_j: Annotated[Scalar, Quantity("J", minimum=0, maximum=1e-6)]
    area_m2: Annotated[Scalar, Quantity("m^2", minimum=0, maximum=1e-8)]
    residual_asymmetry: Annotated[Scalar, Quantity(minimum=0, maximum=1)]


class CompensatedDrive(Component):
    """Voltage pulses, with the open-circuit potential of each device taken off at its own gate.

    The compensating voltage is held in each cell and follows the state of the device.
    `energy_j` is what that takes per programming pulse and device, `area_m2` its area per cell,
    `residual_asymmetry` the share of the measured asymmetry that it leaves.
    """

    kind: Literal["compensated"]
    energy_j: Annotated[Scalar, Quantity("J", minimum=0, maximum=1e-6)]
    area_m2: Annotated[Scalar, Quantity("m^2", minimum=0, maximum=1e-8)]
    residual_asymmetry: Annotated[Scalar, Quantity(minimum=0, maximum=1)]


Drive: TypeAlias = Annotated[
    VoltageDrive | CurrentDrive | CompensatedDrive, Field(discriminator="kind")
]
