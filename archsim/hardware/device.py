"""The programmable resistor: what a pulse and a read of one device take."""

from __future__ import annotations

from typing import Annotated, Literal, Self

import numpy as np
from numpy.typing import ArrayLike
from pydantic import model_validator

from archsim.fields import Component, Quantity, Scalar
from archsim.hardware.drive import Drive
from archsim.hardware.field_law import FieldLaw
from archsim.hardware.response import Polarity, Response
from archsim.hardware.response.model import LOWER, UPPER, States, floating
from archsim.hardware.retention import Retention
from archsim.hardware.spread import Spread

ROOM_TEMPERATURE_K = 300.0


class Device(Component):
    """A programmable resistor, its conductance range and its programming pulse.

    A `three_terminal` device is programmed through a gate stack of capacitance `gate_capacitance_f`
    that carries no direct current; each pulse that moves the conductance transfers charge worth
    `transfer_energy_j`.  A `two_terminal` device conducts while it is programmed.
    Pulses longer than `pulse_width_max_s` damage the device and are refused.

    `response` says how the conductance moves when driven by voltage, `drive` how it is driven, and
    `effective_response` what comes of both.  `field_law` is the step at part of the voltage.
    `endurance_pulses` counts programming pulses.  Where full cycles were published, they are kept
    beside it: `endurance_cycles` of `endurance_cycle_pulses` pulses each; `endurance_published`
    says which of the two is the measurement, or that neither is.
    `spread` and `retention` are null where they are unknown.
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
    endurance_published: Literal["pulses", "cycles", "none"]
    endurance_cycles: Annotated[Scalar, Quantity(minimum=1)] | None = None
    endurance_cycle_pulses: Annotated[Scalar, Quantity(minimum=1)] | None = None
    response: Response
    drive: Drive
    field_law: FieldLaw
    spread: Spread | None
    retention: Retention | None

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
        if self.pulse_down_v == 0:
            raise ValueError(
                "pulse_down is 0 V, which moves nothing; give the amplitude of depression, negative "
                "where its polarity is the other one"
            )
        if self.terminals == "two_terminal" and self.drive.kind != "voltage":
            raise ValueError(
                f"drive.kind is '{self.drive.kind}', which needs a gate apart from the channel; "
                "a two_terminal device takes 'voltage'"
            )
        cycles = (self.endurance_cycles, self.endurance_cycle_pulses)
        if (cycles[0] is None) != (cycles[1] is None):
            raise ValueError("give endurance_cycles and endurance_cycle_pulses both, or neither")
        if self.endurance_published == "cycles" and cycles[0] is None:
            raise ValueError(
                "endurance_published is 'cycles', so endurance_cycles and endurance_cycle_pulses "
                "are needed"
            )
        return self

    @property
    def effective_response(self) -> Response:
        """The response as driven: as measured under voltage, more symmetric under other drives."""
        if self.drive.kind == "voltage":
            return self.response
        return self.response.mixed(self.drive.residual_asymmetry)

    @property
    def half_range_siemens(self) -> Scalar:
        """Half the conductance range: the unit of states and steps."""
        return 0.5 * (self.conductance_max_siemens - self.conductance_min_siemens)

    def state(self, conductance_siemens: ArrayLike) -> States:
        """The state in [-1, 1] of a conductance inside the range."""
        middle = 0.5 * (self.conductance_max_siemens + self.conductance_min_siemens)
        return (floating(conductance_siemens) - middle) / self.half_range_siemens

    def conductance_siemens(self, state: ArrayLike) -> States:
        """The conductance of a state in [-1, 1]."""
        middle = 0.5 * (self.conductance_max_siemens + self.conductance_min_siemens)
        return middle + self.half_range_siemens * floating(state)

    def step_siemens(self, conductance_siemens: ArrayLike, polarity: Polarity) -> States:
        """Change of the conductance by one pulse, as driven."""
        # Rounding may put a conductance at the bound a little outside.
        state = np.clip(self.state(conductance_siemens), LOWER, UPPER)
        return self.half_range_siemens * self.effective_response.step(state, polarity)

    def half_select_step_fraction(
        self, voltage_fraction: Scalar, temperature_k: Scalar = ROOM_TEMPERATURE_K
    ) -> Scalar:
        """Step at a fraction (0 to 1) of the full voltage, relative to the full step.

        Mean of the two polarities, whose full voltages differ.
        """
        up = self.field_law.step_fraction(voltage_fraction, self.pulse_up_v, temperature_k)
        down = self.field_law.step_fraction(voltage_fraction, self.pulse_down_v, temperature_k)
        return np.asarray(0.5 * (np.asarray(up) + np.asarray(down)))

    @property
    def conductance_mean_siemens(self) -> Scalar:
        """Mean conductance of a trained array: weights spread around the reference device.

        Trained weights are centred on zero, that is on the reference conductance (the symmetry
        point), so the mean device conductance is the reference.
        """
        return self.conductance_reference_siemens
