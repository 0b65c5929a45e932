"""Reading a measured curve: which column is what, and what the numbers must be."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from archsim.errors import InputError, did_you_mean
from archsim.fitting.curve import Branch, Counts, Curve, Floats
from archsim.fitting.table import Row, read_rows
from archsim.fitting.turning import find_turn
from archsim.hardware.response import Polarity
from archsim.units import UnitError, parse_quantity

MOST_POINTS = 100_000
MOST_PULSES = 200_000
# The simplest model has two steps, a start and the size of the errors; one point must be left over.
FEWEST_POINTS = 6
# Nothing that is programmed pulse by pulse conducts more, and nothing less can be read.
_HIGHEST_SIEMENS = 1.0
_LOWEST_SIEMENS = 1e-15

_PULSE = re.compile(r"pulses?([ _]?(number|count|index|no\.?))?|number|n|#|index")
_CONDUCTANCE = re.compile(r"g|conductance|mean")
_DIRECTION = re.compile(r"direction|polarity|branch|sign")
# `G (nS)`, `conductance [uS]`, `G / nS`, `conductance_nS`
_WITH_UNIT = re.compile(r"(?P<name>.*?)\s*[(\[/_]\s*(?P<unit>[a-zµμ]+)\s*[)\]]?", re.IGNORECASE)
_WORDS = {
    **dict.fromkeys(("up", "potentiation", "pot", "ltp", "set", "+", "+1", "1"), Polarity.UP),
    **dict.fromkeys(("down", "depression", "dep", "ltd", "reset", "-", "-1"), Polarity.DOWN),
}


@dataclass(frozen=True, slots=True)
class _Columns:
    """Where the columns are (None: there is none) and the unit that the header names."""

    pulse: int
    conductance: int
    direction: int | None
    unit: str | None


def read_curve(path: Path, unit: str | None = None, turn: int | None = None) -> Curve:
    """The curve in the text file `path`: columns of pulse number, conductance, maybe direction.

    The unit of conductance is `unit`, or stands in the header (`conductance (nS)`).  Branches are
    told by a column `direction` (up or down, of the pulses before the point), by the pulse number
    `turn` after which the polarity changes, or by the turning point of the data.

    Raises `InputError` with one sentence for everything that is no such curve.
    """
    name = str(path)
    rows = read_rows(path)
    headed = not _is_number(rows[0].cells[0]) or len(rows[0].cells[0]) == 0
    columns = _columns(name, rows[0], headed=headed)
    body = rows[1:] if headed else rows
    _check_size(name, len(body))
    scale = _scale(name, unit or columns.unit)
    pulses = _pulses(name, body, columns.pulse)
    conductances = _conductances(name, body, columns.conductance, scale)
    if np.ptp(conductances) == 0:
        raise InputError("all conductances are equal: no pulse moved the device.", place=name)
    if columns.direction is not None:
        branches = _told(name, body, columns.direction, pulses)
    else:
        branches = find_turn(name, pulses, conductances, turn)
    return Curve(name, pulses - pulses[0], conductances, branches)


def _check_size(name: str, points: int) -> None:
    if points < FEWEST_POINTS:
        raise InputError(
            f"found {points} points, expected at least {FEWEST_POINTS} (pulse number, conductance).",
            place=name,
        )
    if points > MOST_POINTS:
        raise InputError(
            f"found {points} points, expected at most {MOST_POINTS}.",
            place=name,
            remedy="Keep every tenth or hundredth one.",
        )


def _columns(name: str, first: Row, *, headed: bool) -> _Columns:
    """The columns by their names, or the first two where there is no header."""
    width = len(first.cells)
    if width < 2:
        raise InputError(
            f"found one column ('{first.cells[0][:40]}'), expected pulse number and conductance.",
            place=f"{name}:{first.line}",
        )
    if not headed:
        return _Columns(0, 1, None, None)
    pulse = conductance = direction = None
    unit = None
    for index, cell in enumerate(first.cells):
        found = _WITH_UNIT.fullmatch(cell)
        plain = (found["name"] if found else cell).strip().lower()
        whole = cell.strip().lower()
        if pulse is None and (_PULSE.fullmatch(whole) or _PULSE.fullmatch(plain)):
            pulse = index
        elif conductance is None and (
            _CONDUCTANCE.fullmatch(whole) or _CONDUCTANCE.fullmatch(plain)
        ):
            conductance = index
            unit = found["unit"] if found and not _CONDUCTANCE.fullmatch(whole) else None
        elif direction is None and _DIRECTION.fullmatch(whole):
            direction = index
    missing = [
        wanted
        for wanted, place in (("pulse", pulse), ("conductance", conductance))
        if place is None
    ]
    if pulse is None or conductance is None:
        raise InputError(
            f"no column is called '{missing[0]}'; found "
            f"{', '.join(repr(cell[:40]) for cell in first.cells[:6])}.",
            place=f"{name}:{first.line}",
            remedy="Name the columns `pulse` and `conductance (nS)`, with their unit.",
        )
    return _Columns(pulse, conductance, direction, unit)


def _scale(name: str, unit: str | None) -> float:
    """Siemens per unit of the file."""
    if unit is None:
        raise InputError(
            "the unit of conductance is not given.",
            place=name,
            remedy="Write it in the header, `conductance (nS)`, or give --unit nS.",
        )
    try:
        return parse_quantity(f"1 {unit}", "S")
    except UnitError:
        raise InputError(
            f"'{unit}' is no unit of conductance; expected S, mS, uS, nS or pS.", place=name
        ) from None


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _number(name: str, row: Row, column: int, what: str) -> float:
    """The cell as a finite number."""
    text = row.cells[column] if column < len(row.cells) else ""
    if not _is_number(text) or not math.isfinite(float(text)):
        found = f"'{text[:40]}'" if text else "nothing"
        raise InputError(f"found {found}, expected a {what}.", place=f"{name}:{row.line}")
    return float(text)


def _pulses(name: str, body: Sequence[Row], column: int) -> Counts:
    """Whole pulse numbers that rise from row to row."""
    values = [_number(name, row, column, "pulse number") for row in body]
    for row, value in zip(body, values, strict=True):
        if not value.is_integer() or abs(value) > 1e15:
            raise InputError(
                f"found the pulse number {value:g}, expected a whole number.",
                place=f"{name}:{row.line}",
            )
    for (_, before), (row, after) in pairwise(zip(body, values, strict=True)):
        if after <= before:
            raise InputError(
                f"pulse number {after:g} follows {before:g}, expected numbers that rise.",
                place=f"{name}:{row.line}",
                remedy="Number the pulses on through all branches.",
            )
    if values[-1] - values[0] > MOST_PULSES:
        raise InputError(
            f"the curve has {values[-1] - values[0]:g} pulses, expected at most {MOST_PULSES}.",
            place=name,
            remedy="Take several pulses as one: divide the pulse numbers.",
        )
    return np.asarray(values, dtype=np.int64)


def _conductances(name: str, body: Sequence[Row], column: int, scale: float) -> Floats:
    """Positive conductances in siemens."""
    values = np.asarray([_number(name, row, column, "conductance") for row in body]) * scale
    for row, value in zip(body, values, strict=True):
        if not _LOWEST_SIEMENS <= value <= _HIGHEST_SIEMENS:
            found = row.cells[column]
            why = "a positive number" if value <= 0 else "between 1 fS and 1 S; check the unit"
            raise InputError(
                f"found the conductance {found[:40]}, expected {why}.", place=f"{name}:{row.line}"
            )
    return values


def _told(name: str, body: Sequence[Row], column: int, pulses: Counts) -> tuple[Branch, ...]:
    """Branches from a column that says the polarity of the pulses before each point."""
    runs: list[Branch] = []
    for row, pulse, before in zip(body[1:], pulses[1:], pulses[:-1], strict=True):
        polarity = _polarity(name, row, column)
        pulses_before = runs.pop().pulses if runs and runs[-1].polarity is polarity else 0
        runs.append(Branch(polarity, pulses_before + int(pulse - before)))
    branches = tuple(runs)
    if len({branch.polarity for branch in branches}) < 2:
        only = branches[0].polarity.value
        raise InputError(f"all pulses go {only}; expected potentiation and depression.", place=name)
    return branches


def _polarity(name: str, row: Row, column: int) -> Polarity:
    text = row.cells[column].strip().lower() if column < len(row.cells) else ""
    key = text.removesuffix(".0")
    if key not in _WORDS:
        raise InputError(
            f"found the direction '{text[:40]}', expected up or down.",
            place=f"{name}:{row.line}",
            remedy=did_you_mean(key, _WORDS),
        )
    return _WORDS[key]
