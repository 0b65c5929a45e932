"""The read scheme: how an input vector is turned into line signals."""

from __future__ import annotations

from typing import Annotated, Literal, Self

import numpy as np
from pydantic import model_validator

from archsim.fields import Component, Quantity, Scalar


class ReadScheme(Component):
    """Input encoding of forward and transposed reads.

    `pulse_width`: an input of `input_bits` bits is a pulse of up to 2^bits time steps.
    `bit_serial`: one time step per bit, outputs converted per bit and shifted and added.
    `amplitude`: one time step, a voltage per line.
    `mean_abs_input` and `mean_square_input` are E|x| and E[x^2] of inputs scaled to full range.
    `repeats` is the mean number of reads per vector (noise and bound management).
    `output_bound` is the largest output that is converted, in units of weight 1 times input 1, and
    `output_swing_v` the voltage that stands for it on the integrating capacitor.  `supply_v` is the
    supply from which a linear regulator, follower or current mirror makes the read voltage; without
    it the read voltage is a supply of its own, made without loss.
    """

    encoding: Literal["pulse_width", "bit_serial", "amplitude"]
    input_bits: Annotated[Scalar, Quantity(integer=True, minimum=1, maximum=16)]
    time_step_s: Annotated[Scalar, Quantity("s", above=0, maximum=1e-3)]
    voltage_v: Annotated[Scalar, Quantity("V", above=0, maximum=10.0)]
    mean_abs_input: Annotated[Scalar, Quantity(minimum=0, maximum=1)]
    mean_square_input: Annotated[Scalar, Quantity(minimum=0, maximum=1)]
    repeats: Annotated[Scalar, Quantity(minimum=1, maximum=100)]
    output_bound: Annotated[Scalar, Quantity(above=0, maximum=1e6)]
    output_swing_v: Annotated[Scalar, Quantity("V", above=0, maximum=10.0)]
    supply_v: Annotated[Scalar, Quantity("V", above=0, maximum=10.0)] | None = None

    @model_validator(mode="after")
    def _supply_reaches_read_voltage(self) -> Self:
        if self.supply_v is not None and np.any(np.less(self.supply_v, self.voltage_v)):
            raise ValueError("the supply of a read must not lie below the read voltage")
        return self

    @property
    def volts_drawn_v(self) -> Scalar:
        """Voltage from which the charge of a read is drawn."""
        return self.voltage_v if self.supply_v is None else self.supply_v

    def integration_s(self) -> Scalar:
        """Time during which the array integrates one input vector."""
        if self.encoding == "pulse_width":
            return 2.0**self.input_bits * self.time_step_s
        if self.encoding == "bit_serial":
            return self.input_bits * self.time_step_s
        return self.time_step_s

    @property
    def slot_s(self) -> Scalar:
        """Time that is integrated before each conversion: one step if inputs are fed bit by bit."""
        return self.time_step_s if self.encoding == "bit_serial" else self.integration_s()

    def conversions_per_output(self) -> Scalar:
        """Conversions that one output needs: one per bit when inputs are fed serially."""
        return self.input_bits if self.encoding == "bit_serial" else 1.0

    def pipelined_s(self, integration_s: Scalar, conversion_s: Scalar) -> Scalar:
        """From the start of a read to its last conversion with double-buffered sample-and-hold.

        A sample-and-hold keeps one value, so what is fed serially is converted slot by slot: n slots
        of t_i = integration / n and t_c = conversion / n take t_i + t_c + (n - 1) * max(t_i, t_c).
        """
        slots = self.conversions_per_output()
        longer_s = np.maximum(integration_s, conversion_s)
        return (integration_s + conversion_s + (slots - 1.0) * longer_s) / slots

    def device_energy_j(self, conductance_siemens: Scalar) -> Scalar:
        """Mean energy of one device during one read: v * g * t from its supply, by the input.

        Width-coded inputs conduct at full voltage for E|x| of the time; amplitude-coded ones with
        E[x^2] of full power; bit-serial inputs conduct in every second slot (an even bit).
        """
        watts = self.voltage_v * self.volts_drawn_v * conductance_siemens
        full = watts * self.integration_s()
        if self.encoding == "pulse_width":
            return full * self.mean_abs_input
        if self.encoding == "amplitude":
            return full * self.mean_square_input
        return full * 0.5

    def line_charges(self) -> Scalar:
        """Times that an active line is charged to the read voltage per vector."""
        return 0.5 * self.input_bits if self.encoding == "bit_serial" else 1.0
