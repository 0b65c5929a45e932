"""The space of a study: for each dotted path of the architecture, the values it may take.

An axis is written as a list of choices, or as one of

* `{integer: [a, b]}`: every whole number from a to b, or with `step: n` every n-th;
* `{linear: [a, b], points: n}`: n values at equal distances, both ends included;
* `{log: [a, b], points: n}`: n values at equal ratios, both ends included.

Ends may carry units (`{log: [10 ns, 1 us], points: 5}`); the values keep the unit of the low end.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from archsim.errors import InputError
from archsim.units import UnitError, parse_quantity, parse_unit

AxisValue: TypeAlias = str | int | float | bool | None

MAX_GRID_POINTS = 1_000_000
_NUMBER_THEN_UNIT = re.compile(r"\s*([+-]?(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*(.*?)\s*\Z")


@dataclass(frozen=True, slots=True)
class Axis:
    """One dotted path of the architecture and the values that it takes, in order."""

    path: str
    values: tuple[AxisValue, ...]


def read_axis(path: str, written: object) -> Axis:
    """The axis that a study writes at `space.<path>`; raises `InputError` if it is none."""
    if isinstance(written, Mapping):
        values = _range_values(path, written)
    elif isinstance(written, Sequence) and not isinstance(written, str):
        values = tuple(_choice(path, value) for value in written)
    else:
        raise _refusal(path, f"found {written!r}, which is one value.")
    if not values:
        raise _refusal(path, "the list of choices is empty.")
    if len(set(map(repr, values))) < len(values):
        raise _refusal(path, "a choice is given twice.")
    return Axis(path, values)


def grid_size(axes: Sequence[Axis]) -> int:
    """The number of points of the full grid (1 without axes)."""
    return math.prod(len(axis.values) for axis in axes)


def grid(axes: Sequence[Axis]) -> Iterator[dict[str, AxisValue]]:
    """Every combination of the axes' values, the last axis fastest: path -> value.

    Raises `InputError` for more than `MAX_GRID_POINTS` combinations.
    """
    size = grid_size(axes)
    if size > MAX_GRID_POINTS:
        raise InputError(
            f"the grid has {size:,} points, more than {MAX_GRID_POINTS:,}.",
            place="space",
            remedy="Give fewer values or fewer axes.",
        )
    paths = [axis.path for axis in axes]
    for combination in itertools.product(*(axis.values for axis in axes)):
        yield dict(zip(paths, combination, strict=True))


def _refusal(path: str, finding: str) -> InputError:
    return InputError(
        finding,
        place=f"space.{path}",
        remedy=(
            "Expected a list of choices, {integer: [a, b]}, {linear: [a, b], points: n} "
            "or {log: [a, b], points: n}."
        ),
    )


def _choice(path: str, value: object) -> AxisValue:
    if value is None or isinstance(value, (str, int, float)):
        return value
    raise _refusal(path, f"the choice {value!r} is neither a number nor a word.")


def _range_values(path: str, written: Mapping[object, object]) -> tuple[AxisValue, ...]:
    kinds = [kind for kind in ("integer", "linear", "log") if kind in written]
    if len(kinds) != 1:
        raise _refusal(path, f"found the keys {_names(written)}.")
    kind = kinds[0]
    extra = "step" if kind == "integer" else "points"
    unknown = set(map(str, written)) - {kind, extra}
    if unknown:
        raise _refusal(path, f"'{min(unknown)}' does not belong to a {kind} range.")
    low, high, unit = _ends(path, kind, written[kind])
    if kind == "integer":
        if unit:
            raise _refusal(path, f"an integer range is of plain numbers, found '{unit}'.")
        return _integers(path, low, high, _count(path, written, extra, 1, default=1))
    count = _count(path, written, extra, 2, default=None)
    if kind == "log" and low <= 0:
        raise _refusal(path, "a log range needs ends above zero.")
    spread = np.geomspace if kind == "log" else np.linspace
    numbers = [float(number) for number in spread(low, high, count)]
    # The ends are exact whatever the rounding of the spread.
    numbers[0], numbers[-1] = low, high
    if unit:
        return tuple(f"{number:.12g} {unit}" for number in numbers)
    return tuple(float(f"{number:.12g}") for number in numbers)


def _names(written: Mapping[object, object]) -> str:
    return ", ".join(f"'{key}'" for key in written) or "none"


def _ends(path: str, kind: str, written: object) -> tuple[float, float, str]:
    """Both ends as numbers in the unit of the low one, and that unit as written."""
    if not isinstance(written, Sequence) or isinstance(written, str) or len(written) != 2:
        raise _refusal(path, f"{kind} needs two ends, found {written!r}.")
    match = _NUMBER_THEN_UNIT.match(str(written[0]))
    if match is None or isinstance(written[0], bool) or isinstance(written[1], bool):
        raise _refusal(path, f"{written[0]!r} is not a number with a unit.")
    unit = match.group(2)
    try:
        parse_unit(unit)
        low = float(match.group(1).replace("_", ""))
        high = parse_quantity(str(written[1]), unit)
    except UnitError as error:
        raise _refusal(path, f"{error}.") from None
    if unit and _NUMBER_THEN_UNIT.sub(r"\2", str(written[1])) == "":
        raise _refusal(path, f"the end {written[1]!r} lacks a unit (the other has '{unit}').")
    if not (math.isfinite(low) and low < high):
        raise _refusal(path, f"the ends {written[0]} and {written[1]} are not in rising order.")
    return low, high, unit


def _integers(path: str, low: float, high: float, step: int) -> tuple[AxisValue, ...]:
    if not (low.is_integer() and high.is_integer()):
        raise _refusal(path, "an integer range needs whole ends.")
    if (high - low) / step > MAX_GRID_POINTS:
        raise _refusal(path, f"the range holds more than {MAX_GRID_POINTS:,} numbers.")
    return tuple(range(int(low), int(high) + 1, step))


def _count(
    path: str, written: Mapping[object, object], key: str, least: int, *, default: int | None
) -> int:
    count = written.get(key, default)
    if isinstance(count, bool) or not isinstance(count, int) or count < least:
        found = "it is missing" if count is None else f"found {count!r}"
        raise _refusal(path, f"'{key}' must be a whole number, at least {least}; {found}.")
    if count > MAX_GRID_POINTS:
        raise _refusal(path, f"'{key}' is more than {MAX_GRID_POINTS:,}.")
    return count
