"""Faulty devices and lines of an array, and what spare lines repair of them."""

from __future__ import annotations

from collections.abc import Callable
from math import exp, lgamma, log, log1p
from typing import TYPE_CHECKING, Annotated

import numpy as np

from archsim.fields import Component, FloatArray, Quantity, Scalar

if TYPE_CHECKING:
    from archsim.hardware.array import Array

_Share = Quantity(minimum=0, maximum=1)
# As many spare lines as an array may have.
_MOST_SPARES = 65536


class Faults(Component):
    """Shares of devices, row lines and column lines that do not work, independently of each other.

    A column line is replaced if it is broken, or if more than `tolerated` of its devices are stuck
    (training bears a few); a row line if it is broken.
    """

    device: Annotated[Scalar, _Share] = 0.0
    row: Annotated[Scalar, _Share] = 0.0
    column: Annotated[Scalar, _Share] = 0.0
    tolerated: Annotated[Scalar, Quantity(integer=True, minimum=0, maximum=65536)] = 0


def at_most(count: float, trials: float, chance: float) -> float:
    """Probability that at most `count` of `trials` independent events of that chance happen.

    The binomial sum, term by term in logarithms; whole numbers, `chance` from 0 to 1.
    """
    if count >= trials or chance <= 0.0:
        return 1.0
    if chance >= 1.0:
        return 0.0
    odds, nothing = log(chance) - log1p(-chance), trials * log1p(-chance)
    ways = lgamma(trials + 1.0)
    terms = (
        exp(nothing + k * odds + ways - lgamma(k + 1.0) - lgamma(trials - k + 1.0))
        for k in range(int(count) + 1)
    )
    return min(1.0, sum(terms))


_at_most: Callable[[Scalar, Scalar, Scalar], FloatArray] = np.vectorize(
    at_most, otypes=[np.float64]
)


def row_yield(array: Array) -> Scalar:
    """Share of arrays in which as many rows work as are needed, spare ones included."""
    if array.faults is None:
        return 1.0
    return _at_most(array.spare_rows, array.physical_rows, array.faults.row)


def column_fails(array: Array) -> Scalar:
    """Chance that a column has to be replaced: judged by the `rows` that are in use."""
    faults = array.faults
    if faults is None:
        return 0.0
    sound = _at_most(faults.tolerated, array.rows, faults.device)
    return np.asarray(1.0 - (1.0 - np.asarray(faults.column)) * sound)


def array_yield(array: Array) -> Scalar:
    """Share of arrays that are whole once spare lines have replaced faulty ones; 1 without `faults`.

    Which rows are in use does not depend on the devices, so that rows and columns are independent.
    """
    columns = _at_most(array.spare_cols, array.physical_cols, column_fails(array))
    return np.asarray(row_yield(array) * columns)


def spares_for(lines: int, fails: float, wanted: float) -> int | None:
    """Fewest spares with which `lines` (> 0) good lines are found with the probability `wanted`.

    Lines fail with the chance `fails`; None if no number of spares will do.  Doubling, then
    bisection: more spares never make good lines fewer.
    """

    def enough(spares: int) -> bool:
        return at_most(spares, lines + spares, fails) >= wanted

    if enough(0):
        return 0
    high = 1
    while not enough(high):
        high *= 2
        if high > _MOST_SPARES:
            return None
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high
