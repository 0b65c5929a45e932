"""Analog-to-digital converters: one kind per file, chosen by `kind` in YAML.

A new published converter is one YAML file of `kind: entered`; a new kind is one file here with a
`Converter`, and its name in `Adc`.
"""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import Discriminator

from archsim.hardware.adc.converter import Converter, SharedConverter
from archsim.hardware.adc.entered import EnteredAdc
from archsim.hardware.adc.flash import FlashAdc
from archsim.hardware.adc.ramp import RampAdc
from archsim.hardware.adc.sar import SarAdc
from archsim.hardware.adc.survey import (
    SPREADS,
    Spread,
    spread_energy_j,
    survey_area_m2,
    survey_energy_j,
)

Adc: TypeAlias = Annotated[SarAdc | RampAdc | FlashAdc | EnteredAdc, Discriminator("kind")]

__all__ = [
    "SPREADS",
    "Adc",
    "Converter",
    "EnteredAdc",
    "FlashAdc",
    "RampAdc",
    "SarAdc",
    "SharedConverter",
    "Spread",
    "spread_energy_j",
    "survey_area_m2",
    "survey_energy_j",
]
