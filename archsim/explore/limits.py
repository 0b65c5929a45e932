"""Constraints of a study: `area_m2 <= 600 mm^2`, `speedup >= 10`, `warnings.ir_drop == 0`."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archsim.errors import InputError, did_you_mean
from archsim.explore.headline import HEADLINES
from archsim.fields import FloatArray
from archsim.units import UnitError, parse_quantity

_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
}
_BARE = re.compile(r"[+-]?[\d_.]+(?:[eE][+-]?\d+)?\Z")
# The unit in which a designer would state a bound, where it is not the SI unit.
_USUAL = {"m^2": "mm^2", "W/m^2": "W/mm^2"}
_LIMIT = re.compile(r"\s*([A-Za-z_][\w.]*)\s*(<=|>=|==|!=|<|>)\s*(\S.*?)\s*\Z", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Limit:
    """A headline number, a comparison and an SI bound; `text` is what the user wrote."""

    text: str
    quantity: str
    comparison: str
    bound: float

    def holds(self, columns: Mapping[str, FloatArray]) -> NDArray[np.bool_]:
        """True for every point that keeps the limit; a nan keeps none. Shape [points]."""
        values = columns[self.quantity]
        kept = np.asarray(_COMPARE[self.comparison](values, self.bound), dtype=bool)
        return kept & ~np.isnan(values)


def parse_limit(text: str) -> Limit:
    """The limit that a study writes; raises `InputError` for anything else.

    A bound on a quantity with a unit needs one: `area_m2 <= 700` would mean 700 square metres.
    """
    match = _LIMIT.match(text)
    if match is None:
        raise InputError(
            f"'{text}' is no constraint.",
            remedy="Expected a headline number, a comparison and a bound: 'area_m2 <= 600 mm^2'.",
        )
    quantity, comparison, written = match.groups()
    if quantity not in HEADLINES:
        raise InputError(
            f"'{quantity}' in '{text}' is no headline number.",
            remedy=did_you_mean(quantity, HEADLINES),
        )
    unit = HEADLINES[quantity].unit
    try:
        bound = parse_quantity(written, unit)
    except UnitError as error:
        raise InputError(f"'{text}': {error}.") from None
    if bound and unit and _BARE.match(written):
        raise InputError(
            f"'{text}': the bound has no unit.",
            remedy=f"Write '{quantity} {comparison} {written} {_usual(unit)}', or another unit.",
        )
    return Limit(text=text, quantity=quantity, comparison=comparison, bound=bound)


def _usual(unit: str) -> str:
    return _USUAL.get(unit, unit)
