"""Plain YAML scalars by the YAML 1.2 core schema, strictly.

YAML 1.1 readers take `1e-9` for text, `off` for a boolean, `12:30` for 750 and `017` for 15.  Here
`1e-9` and `1_000` are numbers, only true and false are booleans, times and dates are text, and what
two readers could read differently (`017`, `0o17`) is refused.
"""

from __future__ import annotations

import math
import re
from typing import TypeAlias

Atom: TypeAlias = str | int | float | bool | None

_WORDS: dict[str, Atom] = {
    "null": None,
    "Null": None,
    "NULL": None,
    "~": None,
    "true": True,
    "True": True,
    "TRUE": True,
    "false": False,
    "False": False,
    "FALSE": False,
}
_INTEGER = re.compile(r"[-+]?[0-9]+(?:_[0-9]+)*\Z")
_REAL = re.compile(
    r"[-+]?(?:\.[0-9]+|[0-9]+(?:_[0-9]+)*(?:\.(?:[0-9]+(?:_[0-9]+)*)?)?)(?:[eE][-+]?[0-9]+)?\Z"
)
_AMBIGUOUS = re.compile(r"[-+]?0[0-9_]+\Z|[-+]?0o[0-7_]+\Z")
_HEXADECIMAL = re.compile(r"0x[0-9a-fA-F]+\Z")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)\Z|\.(?:nan|NaN|NAN)\Z")
_NUMBER_STARTS = frozenset("0123456789+-.")
# Longer ones are not numbers that anyone meant, and conversion takes quadratic time.
_LONGEST_NUMBER = 300


class ScalarError(ValueError):
    """A plain scalar that archsim refuses to interpret."""


def read_scalar(text: str) -> Atom:
    """The value of an unquoted scalar; raises `ScalarError` for ambiguous or infinite numbers."""
    if text in _WORDS:
        return _WORDS[text]
    if not text or text[0] not in _NUMBER_STARTS:
        return text
    if _AMBIGUOUS.match(text):
        raise ScalarError(
            f"'{text}' is read as octal by some programs and as decimal by others; "
            "write the decimal number, or quotes around text"
        )
    if _NOT_FINITE.match(text):
        raise ScalarError(f"'{text}' is not a finite number; write a number, or quotes around text")
    if _HEXADECIMAL.match(text) and len(text) <= _LONGEST_NUMBER:
        return int(text, 16)
    if not _REAL.match(text):
        return text
    return _number(text)


def _number(text: str) -> int | float:
    """A decimal number, refused if a float cannot hold its magnitude."""
    digits = text.replace("_", "")
    real = float(digits) if len(digits) <= _LONGEST_NUMBER else math.inf
    if not math.isfinite(real):
        shown = text if len(text) < 40 else f"{text[:37]}..."
        raise ScalarError(f"'{shown}' is too large a number")
    return int(digits) if _INTEGER.match(text) else real
