"""`archsim list adcs`: the converters that ship, with energy and area over their spread."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from archsim.cli.console import literal_row, plain_table, show, write_json
from archsim.config.extending import Extender
from archsim.config.loading import library
from archsim.config.shapes import kinds_of
from archsim.fields import Component
from archsim.hardware.adc import SPREADS, Adc, Converter

if TYPE_CHECKING:
    from archsim.cli.list import Entry

PICOJOULE, SQUARE_MICROMETRE, MEGAHERTZ = 1e-12, 1e-12, 1e6

# Lines of a bank that uses whatever its converters share to the full.
_FULL_BANK = 65536.0


class _File(Component):
    """A file that holds a converter."""

    adc: Adc


@dataclass(frozen=True, slots=True)
class Figures:
    """One converter: energy of a conversion and area of a converter, by point of the spread.

    A converter without a spread has the same figures at all three points.
    """

    kind: str
    bits: float
    rate_hz: float
    energy_j: dict[str, float]
    area_m2: dict[str, float]


def figures(adc: Converter) -> Figures:
    """Energy and area of a converter; kinds made from the survey show its spread."""
    points = {spread: adc.at_spread(spread) for spread in SPREADS}
    return Figures(
        kind=kinds_of(type(adc))[0],
        bits=_number(adc.bits),
        rate_hz=1.0 / _number(adc.round_s()),
        energy_j={name: _number(point.conversion_energy_j()) for name, point in points.items()},
        area_m2={name: _unit_area_m2(point) for name, point in points.items()},
    )


def _unit_area_m2(adc: Converter) -> float:
    """Area of one converter with its share of what a full bank has in common."""
    return _number(adc.bank_area_m2(_FULL_BANK)) / _number(adc.count(_FULL_BANK))


def _number(value: object) -> float:
    return float(np.asarray(value))


def list_converters(folder: Path, entries: list[Entry], *, as_json: bool) -> None:
    """Print every converter of `folder`, whose `entries` say what stands behind it."""
    found = [(entry, figures(_load(folder, entry.name))) for entry in entries]
    if as_json:
        write_json([{**asdict(entry), **asdict(of)} for entry, of in found])
        return
    columns = ("name", "kind", "bits", "MS/s", "pJ low", "typical", "high", "um^2")
    table = plain_table(*columns, right=columns[2:], tight=True)
    for entry, of in found:
        literal_row(
            table,
            entry.name,
            of.kind,
            f"{of.bits:.0f}",
            f"{of.rate_hz / MEGAHERTZ:.4g}",
            *(f"{of.energy_j[spread] / PICOJOULE:.3g}" for spread in SPREADS),
            f"{of.area_m2['typical'] / SQUARE_MICROMETRE:,.0f}",
        )
    show(
        table,
        "",
        "Energy of one conversion at full rate, leakage included; area of one converter.  Converters "
        "of kind sar follow the survey of published designs: low is its best fifth, typical its "
        "median, high about its worst tenth.  Others are as published.",
    )


def _load(folder: Path, name: str) -> Converter:
    block = Extender(library(folder)).file(folder / f"{name}.yaml")
    return _File.model_validate({"adc": block.plain()}, by_alias=True, by_name=False).adc
