"""Typed access to a stored result.

A result is JSON: additions are allowed and older files lack the newer keys, so what is not there
reads as None (or empty) and the page shows a dash for it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from archsim.report.rows import ResultMapping


def section(result: ResultMapping, *path: str) -> Mapping[str, Any]:
    """The object at `path`; empty if it is absent, null or no object."""
    value = _at(result, path)
    return value if isinstance(value, Mapping) else {}


def number(result: ResultMapping, *path: str) -> float | None:
    """The finite number at `path`, or None."""
    value = _at(result, path)
    return value if _is_number(value) else None


def text(result: ResultMapping, *path: str) -> str:
    """The text at `path`; a number as digits; empty if absent."""
    value = _at(result, path)
    return str(value) if isinstance(value, (str, int, float)) else ""


def rows(result: ResultMapping, *path: str) -> Sequence[Mapping[str, Any]]:
    """The list of objects at `path`; empty if absent."""
    value = _at(result, path)
    return [row for row in value if isinstance(row, Mapping)] if isinstance(value, list) else []


def setting(result: ResultMapping, path: str) -> str:
    """The value of a number of the architecture, as its file writes it; empty if not listed."""
    values = (text(row, "value") for row in rows(result, "assumptions") if row.get("path") == path)
    return next(values, "")


def numbers(result: ResultMapping, *path: str) -> dict[str, float]:
    """The numeric entries of the object at `path`, in their order."""
    return {str(k): float(v) for k, v in section(result, *path).items() if _is_number(v)}


def _at(value: Any, path: Sequence[str]) -> Any:
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def quotient(numerator: float | None, denominator: float | None) -> float | None:
    """`numerator / denominator`, or None if either is missing or the denominator is zero."""
    if numerator is None or not denominator:
        return None
    return numerator / denominator
