"""Line circuits around an array: drivers, integrators, sample-and-hold, pulse generation."""

from __future__ import annotations

from typing import Annotated, Literal

from archsim.fields import Component, Quantity, Scalar


class InputDriver(Component):
    """Per-line read driver with its digital-to-time (or amplitude) converter."""

    energy_j: Annotated[Scalar, Quantity("J", minimum=0, maximum=1e-6)]
    area_m2: Annotated[Scalar, Quantity("m^2", minimum=0, maximum=1e-6)]


class PulseDriver(Component):
    """Per-line high-voltage update driver and its stochastic pulse generator.

    `generator_energy_j` is spent per line and slot (random number and comparison);
    `driver_energy_j` is the level shifter's own energy per fired pulse.
    """

    generator_energy_j: Annotated[Scalar, Quantity("J", minimum=0, maximum=1e-6)]
    driver_energy_j: Annotated[Scalar, Quantity("J", minimum=0, maximum=1e-6)]
    area_m2: Annotated[Scalar, Quantity("m^2", minimum=0, maximum=1e-6)]


class Integrator(Component):
    """Per-line current integrator: powered while the array integrates."""

    power_w: Annotated[Scalar, Quantity("W", minimum=0, maximum=1.0)]
    area_m2: Annotated[Scalar, Quantity("m^2", minimum=0, maximum=1e-6)]


class SampleHold(Component):
    """Per-line sample-and-hold, powered during integration and conversion.

    With `double_buffered` hold capacitors the next vector integrates while the last one is
    converted.
    """

    double_buffered: bool
    power_w: Annotated[Scalar, Quantity("W", minimum=0, maximum=1.0)]
    area_m2: Annotated[Scalar, Quantity("m^2", minimum=0, maximum=1e-6)]


class OutputDigital(Component):
    """Digital stage behind each converter: scaling, shift-and-add, partial sums."""

    latency_s: Annotated[Scalar, Quantity("s", minimum=0, maximum=1e-3)]
    energy_j: Annotated[Scalar, Quantity("J", minimum=0, maximum=1e-6)]
    partial_sum_energy_j: Annotated[Scalar, Quantity("J", minimum=0, maximum=1e-6)]
    area_m2: Annotated[Scalar, Quantity("m^2", minimum=0, maximum=1e-6)]


class Periphery(Component):
    """Everything around one array.

    Forward and transposed reads need drivers and converters on both sides.  `sides: doubled` builds
    both; `sides: shared` builds the larger one once and switches it.
    `subtract_before_adc`: the two columns of a differential pair are subtracted in the analog
    domain, so that a pair takes one conversion.
    """

    sides: Literal["doubled", "shared"]
    subtract_before_adc: bool
    input_driver: InputDriver
    pulse_driver: PulseDriver
    integrator: Integrator
    sample_hold: SampleHold
    output_digital: OutputDigital
