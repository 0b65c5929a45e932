"""The programmable resistor: what a pulse and a read of one device take."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import model_validator

from archsim.fields import Component, Quantity, Scalar

Positive = Quantity(above=0)


class Device(Component):
    """A programmable resistor, its conductance range and its programming pulse.

    A `three_terminal` device is programmed through a gate stack of capacitance `gate_capacitance_f`
    that carries no direct current; each pulse that moves the conductance transfers charge worth
    `transfer_energy_j`.  A `two_terminal` device conducts while it is programmed.
    Pulses longer than `pulse_width_max_s` damage the device and are refused.
    """

    name: str
    description: str = ""
    terminals: Literal["two_terminal", "three_terminal"]
    conductance_min_siemens: Annotated[Scalar, Quantity("S", above=0, maximum=1.0)]
    conductance_max_siemens: Annotated[Scalar, Quantity("S", above=0, maximum=1.0)]
    conductance_reference_siemens: Annotated[Scalar, Quantity("S", above=0, maximum=1.0)]
    pulse_width_s: Annotated[Scalar, Quantity("s", above=0, maximum=10.0)]
    pulse_width_max_s: Annotated[Scalar, Quantity("s", above=0)]
    pulse_up_v: Annotated[Scalar, Quantity("V", above=0, maximum=100.0)]
    pulse_down_v: Annotated[Scalar, Quantity("V", minimum=-100.0, maximum=100.0)]
    gate_capacitance_f: Annotated[Scalar, Quantity("F", minimum=0, maximum=1e-9)]
    transfer_energy_j: Annotated[Scalar, Quantity("J", minimum=0, maximum=1e-6)]
    pulses_full_range: Annotated[Scalar, Quantity(minimum=1)]
    endurance_pulses: Annotated[Scalar, Quantity(minimum=1)]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.conductance_max_siemens <= self.conductance_min_siemens:
            raise ValueError("conductance_max must be above conductance_min")
        if not (
            self.conductance_min_siemens
            <= self.conductance_reference_siemens
            <= self.conductance_max_siemens
        ):
            raise ValueError("conductance_reference must lie inside the conductance range")
        if self.pulse_width_s > self.pulse_width_max_s:
            raise ValueError(
                "pulse_width exceeds pulse_width_max, the longest pulse the device survives"
            )
        return self

    @property
    def conductance_mean_siemens(self) -> Scalar:
        """Mean conductance of a trained array: weights spread around the reference device.

        Trained weights are centred on zero, that is on the reference conductance (the symmetry
        point), so the mean device conductance is the reference.
        """
        return self.conductance_reference_siemens

    @property
    def mean_square_half_bias_v2(self) -> Scalar:
        """(V/2)^2 averaged over the two polarities of a half-biased pulse, in V^2."""
        return (self.pulse_up_v**2 + self.pulse_down_v**2) / 8.0

    def coincidence_energy_j(self) -> Scalar:
        """Energy of one full-amplitude pulse on one device beyond what its lines were charged with.

        Three terminals: with row and column at V/2 each, the gate stack draws C*V^2 when they
        coincide, of which the two line terms at V/2 already hold C*V^2/2; what remains is
        C*V^2/2 plus the transferred charge.  Two terminals: V^2 * g * t of conduction.
        Averaged over both polarities.
        """
        mean_v2 = 4.0 * self.mean_square_half_bias_v2
        if self.terminals == "three_terminal":
            return 0.5 * self.gate_capacitance_f * mean_v2 + self.transfer_energy_j
        return mean_v2 * self.conductance_mean_siemens * self.pulse_width_s + (
            self.transfer_energy_j
        )

    def half_select_energy_j(self) -> Scalar:
        """Conduction energy of a device that sees V/2 for one pulse (two terminals only)."""
        if self.terminals == "three_terminal":
            return 0.0
        return self.mean_square_half_bias_v2 * self.conductance_mean_siemens * self.pulse_width_s
