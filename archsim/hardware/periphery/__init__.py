"""Circuits around an array: drivers, supplies, sensing, sample-and-hold, pulse generation."""

from __future__ import annotations

from typing import Literal

from archsim.fields import Component
from archsim.hardware.periphery.input_driver import InputDriver
from archsim.hardware.periphery.line_registers import LineRegisters
from archsim.hardware.periphery.pulse_driver import PulseDriver
from archsim.hardware.periphery.pulse_generator import PulseGenerator
from archsim.hardware.periphery.readout import Multiplexer, OutputDigital, SampleHold
from archsim.hardware.periphery.sensing import Sensing
from archsim.hardware.periphery.supply import Supply


class Periphery(Component):
    """Everything around one array but its converters.

    Forward and transposed reads need drivers and converters on both sides.  `sides: doubled` builds
    both; `sides: shared` builds the larger one once and switches it.
    `subtract_before_adc`: the two columns of a differential pair are subtracted in the analog
    domain, so that a pair takes one conversion.
    `registers` hold codes and results beside an array; null: lines hold nothing, as if the tile's buffer
    could feed and take all of them at once.
    """

    sides: Literal["doubled", "shared"]
    subtract_before_adc: bool
    input_driver: InputDriver
    pulse_driver: PulseDriver
    pulse_generator: PulseGenerator
    supply: Supply
    sensing: Sensing
    sample_hold: SampleHold
    multiplexer: Multiplexer
    output_digital: OutputDigital
    registers: LineRegisters | None = None


__all__ = [
    "InputDriver",
    "LineRegisters",
    "Multiplexer",
    "OutputDigital",
    "Periphery",
    "PulseDriver",
    "PulseGenerator",
    "SampleHold",
    "Sensing",
    "Supply",
]
