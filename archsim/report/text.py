"""Numbers and names as a reader of a report sees them.

Quantities come from `archsim.units.format_quantity`, set with a no-break space, the micro sign and
superscripts.  Names come from files that others wrote, so characters that could hide or reorder
text are made visible.
"""

from __future__ import annotations

import math
import unicodedata

from archsim.units import format_quantity

NO_VALUE = "–"
_NBSP = "\N{NO-BREAK SPACE}"
_MINUS = "\N{MINUS SIGN}"
_TIMES = "\N{MULTIPLICATION SIGN}"
# Below half a per cent of difference two machines count as equal.
_PARITY = 0.005

_UNIT_OF_SUFFIX = (
    ("_w_per_m2", "W/m^2"),
    ("_per_s", "/s"),
    ("_bytes", "B"),
    ("_m2", "m^2"),
    ("_s", "s"),
    ("_j", "J"),
    ("_w", "W"),
    ("_v", "V"),
)
_ACRONYMS = frozenset(
    {"adc", "dac", "dram", "sram", "hbm", "tia", "lut", "gpu", "mac", "sgd", "ir", "io", "mfu"}
)


def quantity(value: float | None, unit: str, digits: int = 3) -> str:
    """`value` (SI) with an engineering prefix and `unit`; a dash for None.

    >>> quantity(2.5e-6, "J").replace(chr(160), " ")
    '2.5 µJ'
    """
    if value is None:
        return NO_VALUE
    if unit == "W/m^2":
        # Power density is compared with cooling limits, which are stated per square millimetre.
        return f"{format_quantity(value * 1e-6, 'W', digits)}/mm²".replace(" ", _NBSP)
    if unit == "/s":
        return f"{count(value)}{_NBSP}/s"
    number, _, symbol = format_quantity(value, unit, digits).partition(" ")
    if symbol.startswith("u") and not unit.startswith("u"):
        symbol = "µ" + symbol[1:]
    symbol = symbol.replace("^2", "²")
    return f"{number}{_NBSP}{symbol}" if symbol else number


def count(value: float | None) -> str:
    """A count: whole up to 999,999, then with a prefix (`25.6 M`)."""
    if value is None:
        return NO_VALUE
    if abs(value) >= 1e6:
        return quantity(value, "")
    if float(value).is_integer() or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def percent(share: float | None) -> str:
    """A share of 1 in per cent; small ones keep one digit, and only zero is `0 %`."""
    if share is None:
        return NO_VALUE
    value = 100 * share
    if 0 < value < 0.1:
        return f"<{_NBSP}0.1{_NBSP}%"
    text = f"{value:.1f}" if 0 < value < 9.95 else f"{value:.0f}"
    return f"{text}{_NBSP}%"


def resource_words(name: str) -> str:
    """A resource of the cycle fidelity: `arrays of conv1.weight`, `mesh link 3,4→4,4`."""
    kind, colon, which = name.partition(":")
    if not colon:
        return capital(words(kind))
    if kind == "mesh":
        return f"mesh link {which.replace('->', '→')}"
    return f"{kind} of {safe(which)}"


def signed_percent(share: float | None) -> str:
    """A relative change in per cent with its sign; `=` for none."""
    if share is None:
        return NO_VALUE
    if share == 0:
        return "="
    sign = "+" if share > 0 else _MINUS
    shown = percent(abs(share))
    return shown if shown.startswith("<") else f"{sign}{shown}"


def signed(change: float, unit: str) -> str:
    """A difference with its sign; `=` for none."""
    if change == 0:
        return "="
    return f"{'+' if change > 0 else _MINUS}{quantity(abs(change), unit)}"


def times(ratio: float) -> str:
    """A factor to two significant digits: `14 ×`, `1,600 ×`."""
    if ratio <= 0 or not math.isfinite(ratio):
        return f"{ratio:g}{_NBSP}{_TIMES}"
    decimals = max(0, 1 - math.floor(math.log10(ratio)))
    rounded = round(ratio, 1 - math.floor(math.log10(ratio)))
    text = f"{rounded:,.{decimals}f}"
    if decimals and float(text.replace(",", "")) >= 10 ** (2 - decimals):
        # 9.96 rounds up into the next decade and must not gain a digit there.
        text = f"{rounded:,.{decimals - 1}f}"
    return f"{text}{_NBSP}{_TIMES}"


def faster(speedup: float) -> str:
    """A speed ratio in words: `14 × faster`, `3 × slower`, `as fast`."""
    return _in_words(speedup, "faster", "slower", "as fast")


def less_energy(ratio: float) -> str:
    """An energy ratio (theirs over ours) in words: `160 × less energy`."""
    return _in_words(ratio, "less energy", "more energy", "the same energy")


def _in_words(ratio: float, better: str, worse: str, equal: str) -> str:
    if ratio <= 0 or not math.isfinite(ratio):
        return f"{better} by a factor that is not defined"
    if abs(ratio - 1) < _PARITY:
        return equal
    return f"{times(ratio)} {better}" if ratio > 1 else f"{times(1 / ratio)} {worse}"


def interval(low: float | None, high: float | None) -> str:
    """A range of factors, `9.8 to 17 ×`, or the empty text if there is none."""
    if low is None or high is None:
        return ""
    return f"{times(low).removesuffix(_NBSP + _TIMES)} to {times(high)}"


def words(key: str) -> str:
    """A key as words: `input_gradient` is `input gradient`, `adc_read` is `ADC read`."""
    return " ".join(
        part.upper() if part in _ACRONYMS else part for part in safe(key).split("_") if part
    )


def capital(sentence: str) -> str:
    """`sentence` with its first letter in capitals and the rest as it is."""
    return sentence[:1].upper() + sentence[1:]


def quantity_by_name(name: str, value: object) -> tuple[str, str]:
    """Label and text of a named value, its unit taken from the name (`line_energy_j`)."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return capital(words(name)), NO_VALUE if value is None else words(str(value))
    for suffix, unit in _UNIT_OF_SUFFIX:
        if name.endswith(suffix):
            label = name if suffix == "_bytes" else name[: -len(suffix)]
            return capital(words(label)), quantity(value, unit)
    return capital(words(name)), count(value)


def gpu_name(name: str) -> str:
    """A GPU's model number in capitals (`h100` is `H100`); other names as they are."""
    head = name.rstrip("0123456789-_abcdefghijklmnopqrstuvwxyz")
    has_digit = any(character.isdigit() for character in name)
    return name.upper() if not head and has_digit and len(name) <= 16 else safe(name)


def safe(text: str) -> str:
    """`text` with control, bidirectional and unpaired characters replaced by a visible mark."""
    return "".join(
        "\N{REPLACEMENT CHARACTER}" if unicodedata.category(c) in {"Cc", "Cf", "Cs"} else c
        for c in text
    )


def shorten(name: str, limit: int = 48) -> str:
    """`name` cut in the middle to `limit` characters: both ends of a node name tell something."""
    name = safe(name)
    if len(name) <= limit:
        return name
    tail = (limit - 1) * 3 // 5
    return f"{name[: limit - 1 - tail]}…{name[-tail:]}"
