"""Quantities with units, parsed once at the YAML edge.

Inside archsim every number is a float in SI units and carries its unit in its name.  Users write
`5 ns`, `2.5 fJ`, `0.1 um^2`, `43 fJ/bit`; this module turns such a text into an SI float and refuses
a text of another dimension.

The grammar is `NUMBER UNIT`, where UNIT is a product of SI-prefixed symbols with integer powers,
at most one `/` before each denominator symbol: `ns`, `um^2`, `fF/um`, `pJ/bit/mm`, `GB/s`.
A `/` divides by the one symbol after it.  A byte is 8 bits; `kB` is 1000 bytes and `KiB` 1024.
`5 ns` is exactly the float 5e-9: decimal prefixes are applied in decimal.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import lru_cache

# Exponents of (length, mass, time, current, temperature, information in bits).
Dimension = tuple[int, int, int, int, int, int]

DIMENSIONLESS: Dimension = (0, 0, 0, 0, 0, 0)

_BASE: dict[str, tuple[float, Dimension]] = {
    "m": (1.0, (1, 0, 0, 0, 0, 0)),
    "g": (1e-3, (0, 1, 0, 0, 0, 0)),
    "s": (1.0, (0, 0, 1, 0, 0, 0)),
    "min": (60.0, (0, 0, 1, 0, 0, 0)),
    "h": (3600.0, (0, 0, 1, 0, 0, 0)),
    "A": (1.0, (0, 0, 0, 1, 0, 0)),
    "K": (1.0, (0, 0, 0, 0, 1, 0)),
    "bit": (1.0, (0, 0, 0, 0, 0, 1)),
    "b": (1.0, (0, 0, 0, 0, 0, 1)),
    "B": (8.0, (0, 0, 0, 0, 0, 1)),
    "Hz": (1.0, (0, 0, -1, 0, 0, 0)),
    "J": (1.0, (2, 1, -2, 0, 0, 0)),
    "W": (1.0, (2, 1, -3, 0, 0, 0)),
    "V": (1.0, (2, 1, -3, -1, 0, 0)),
    "C": (1.0, (0, 0, 1, 1, 0, 0)),
    "F": (1.0, (-2, -1, 4, 2, 0, 0)),
    "S": (1.0, (-2, -1, 3, 2, 0, 0)),
    "Ohm": (1.0, (2, 1, -3, -2, 0, 0)),
    "ohm": (1.0, (2, 1, -3, -2, 0, 0)),
    "\N{GREEK CAPITAL LETTER OMEGA}": (1.0, (2, 1, -3, -2, 0, 0)),
    "\N{OHM SIGN}": (1.0, (2, 1, -3, -2, 0, 0)),
    "%": (0.01, DIMENSIONLESS),
    "FLOP": (1.0, DIMENSIONLESS),
    "MAC": (1.0, DIMENSIONLESS),
    "OPS": (1.0, (0, 0, -1, 0, 0, 0)),
}
_PREFIX: dict[str, float] = {
    "a": 1e-18,
    "f": 1e-15,
    "p": 1e-12,
    "n": 1e-9,
    "u": 1e-6,
    "\N{MICRO SIGN}": 1e-6,
    "\N{GREEK SMALL LETTER MU}": 1e-6,
    "m": 1e-3,
    "c": 1e-2,
    "k": 1e3,
    "M": 1e6,
    "G": 1e9,
    "T": 1e12,
    "P": 1e15,
    "Ki": 2.0**10,
    "Mi": 2.0**20,
    "Gi": 2.0**30,
    "Ti": 2.0**40,
}
# A prefix on these would be read as something else (`min`, `h`, `%`) or is not used.
_NO_PREFIX = {"min", "h", "%"}
_BINARY_BASES = {"bit", "b", "B"}
_LARGEST_POWER = 9
# Longer texts are no quantities; the bound keeps hostile ones from costing time.
_LONGEST = 80
_SUPERSCRIPTS = {0xB2: "^2", 0xB3: "^3"}

_NUMBER = re.compile(
    r"\s*([+-]?(?:[0-9]+(?:_[0-9]+)*(?:\.[0-9]*)?|\.[0-9]+))(?:[eE]([+-]?[0-9]+))?\s*(.*?)\s*\Z",
    re.DOTALL,
)
_SYMBOL = re.compile(r"([*/\N{MIDDLE DOT} ]?)\s*([^\s*/^\N{MIDDLE DOT}0-9]+)(?:\^?(-?[0-9]+))?\s*")


class UnitError(ValueError):
    """A text that is no quantity, or a quantity of the wrong dimension."""


@dataclass(frozen=True, slots=True)
class Unit:
    """A scale to SI (bits for information) and the dimension of a unit expression."""

    scale: float
    dimension: Dimension


def _symbol(text: str) -> Unit:
    if text in _BASE:
        scale, dimension = _BASE[text]
        return Unit(scale, dimension)
    for length in (2, 1):
        prefix, base = text[:length], text[length:]
        if prefix not in _PREFIX or base not in _BASE or base in _NO_PREFIX:
            continue
        if length == 1 or base in _BINARY_BASES:
            scale, dimension = _BASE[base]
            return Unit(_PREFIX[prefix] * scale, dimension)
    raise UnitError(f"'{text}' is not a unit that archsim knows")


@lru_cache(maxsize=512)
def parse_unit(text: str) -> Unit:
    """The unit named by `text`, such as `fF/um`; raises `UnitError` if it is none."""
    scale = 1.0
    dimension = list(DIMENSIONLESS)
    position = 0
    text = text.strip().translate(_SUPERSCRIPTS)
    # `1/s` and the like: a leading 1 is an empty numerator.
    if text.startswith("1/"):
        position = 1
    while position < len(text):
        match = _SYMBOL.match(text, position)
        if match is None or (position == 0 and match.group(1) not in ("", "/")):
            raise UnitError(f"'{text}' is not a unit that archsim knows")
        operator, symbol, power_text = match.groups()
        unit = _symbol(symbol)
        power = int(power_text) if power_text else 1
        if abs(power) > _LARGEST_POWER:
            raise UnitError(f"'{text}' has a power beyond {_LARGEST_POWER}")
        if operator == "/":
            power = -power
        scale *= unit.scale**power
        dimension = [d + power * u for d, u in zip(dimension, unit.dimension, strict=True)]
        position = match.end()
    a, b, c, d, e, f = dimension
    return Unit(scale, (a, b, c, d, e, f))


def parse_quantity(text: str, unit: str) -> float:
    """`text` as a float in SI units of the dimension of `unit` (bits count as bits).

    `parse_quantity("5 ns", "s")` is 5e-9.  A bare number is taken to be in `unit` itself.
    Raises `UnitError` with a readable sentence for anything else, also for inf and nan.
    """
    match = _NUMBER.match(text) if len(text) <= _LONGEST else None
    if match is None:
        shown = text if len(text) <= _LONGEST else f"{text[:40]}..."
        raise UnitError(f"'{shown}' is not a number with a unit")
    mantissa, exponent, written = match.groups()
    ratio, decades = _conversion(written, unit) if written else (1.0, 0)
    if ratio == 0:
        wanted = f"a quantity in {unit}" if unit else "a plain number"
        raise UnitError(f"'{text}' has the unit '{written}', but {wanted} is needed")
    mantissa = mantissa.replace("_", "")
    value = float(f"{mantissa}e{int(exponent or 0) + decades}") * ratio
    if not math.isfinite(value):
        raise UnitError(f"'{text}' is too large to be represented")
    if value == 0 and float(mantissa) != 0:
        raise UnitError(f"'{text}' is too small to be represented")
    return value


@lru_cache(maxsize=2048)
def _conversion(written: str, unit: str) -> tuple[float, int]:
    """Factor and power of ten that take `written` to `unit`; factor 0 if dimensions differ.

    A purely decimal conversion has the factor 1, so that it does not round twice.
    """
    found, target = parse_unit(written), parse_unit(unit)
    if found.dimension != target.dimension:
        return 0.0, 0
    ratio = found.scale / target.scale
    decades = round(math.log10(ratio))
    if math.isclose(ratio, float(f"1e{decades}"), rel_tol=1e-12):
        return 1.0, decades
    return ratio, 0


_STEPS = (
    (1e15, "P"),
    (1e12, "T"),
    (1e9, "G"),
    (1e6, "M"),
    (1e3, "k"),
    (1.0, ""),
    (1e-3, "m"),
    (1e-6, "u"),
    (1e-9, "n"),
    (1e-12, "p"),
    (1e-15, "f"),
    (1e-18, "a"),
)


# Areas from here on are shown in square metres: chips by the hundred.
_WHOLE_SQUARE_METRES = 0.1


def format_quantity(value: float, unit: str, digits: int = 3) -> str:
    """`value` (SI) with an engineering prefix: `format_quantity(5e-9, "s")` is `5 ns`.

    Areas (`m^2`) are shown in m^2, mm^2 or um^2, since prefixes apply before the power; less than a
    byte (`B`) in bits, which have no parts.
    """
    if not math.isfinite(value):
        return f"{value} {unit}"
    if unit == "B" and 0 < abs(value) < 1:
        return f"{value * 8:.{digits}g} bit"
    if unit == "m^2":
        if abs(value) >= _WHOLE_SQUARE_METRES:
            return f"{_round(value, digits)} m^2"
        scale, name = (1e-6, "mm^2") if abs(value) >= 1e-8 or value == 0 else (1e-12, "um^2")
        return f"{_round(value / scale, digits)} {name}"
    if value == 0 or not _takes_prefix(unit):
        return f"{value:.{digits}g} {unit}".rstrip()
    # What rounds up to 1000 of a prefix is 1 of the next.
    least = abs(value) / (1 - 0.5 * 10.0**-digits)
    scale, prefix = next((step for step in _STEPS if least >= step[0]), _STEPS[-1])
    return f"{_round(value / scale, digits)} {prefix}{unit}".rstrip()


def _round(number: float, digits: int) -> str:
    """`number` to `digits` significant digits, in full where it has more before the point."""
    return f"{number:.{digits}g}" if abs(number) < 10**digits else f"{number:.0f}"


def _takes_prefix(unit: str) -> bool:
    """Whether a prefix before `unit` scales it by itself (`1/s`, `m^3` and `min` do not)."""
    match = _SYMBOL.match(unit)
    if match is None:
        return not unit
    operator, symbol, power = match.groups()
    return not operator and power is None and symbol in _BASE and symbol not in _NO_PREFIX
