"""Automatic replication: how many copies of each matrix to keep under an array budget.

With c copies the reads of a sample are shared, so a stage takes `shared / c + fixed` (updates are
in `shared` when copies are averaged, in `fixed` when every copy takes every update).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from archsim.fields import FloatArray

_BISECTIONS = 60


def balance_bottleneck(
    shared_s: FloatArray,
    fixed_s: FloatArray,
    arrays: FloatArray,
    most: FloatArray,
    budget: FloatArray,
) -> FloatArray:
    """Copies [C, M] that minimise the largest `shared/copies + fixed` within `budget` [C, 1].

    For a bound T each stage needs ceil(shared / (T - fixed)) copies; the least feasible T is found
    by bisection, so the result is optimal up to the resolution of T.
    """
    low = (fixed_s + shared_s / most).max(axis=1, keepdims=True)
    high = (fixed_s + shared_s).max(axis=1, keepdims=True)

    def copies_for(bound: FloatArray) -> FloatArray:
        room = np.maximum(bound - fixed_s, np.finfo(np.float64).tiny)
        # The tolerance keeps an exact quotient from being rounded up by one ulp.
        need = np.ceil(shared_s / room * (1.0 - 1e-12))
        return np.asarray(np.clip(need, 1.0, most))

    for _ in range(_BISECTIONS):
        middle = 0.5 * (low + high)
        fits = (copies_for(middle) * arrays).sum(axis=1, keepdims=True) <= budget
        high = np.where(fits, middle, high)
        low = np.where(fits, low, middle)
    return copies_for(high)


def minimise_sum(
    shared_s: FloatArray, arrays: FloatArray, most: FloatArray, budget: FloatArray
) -> FloatArray:
    """Copies [C, M] that (nearly) minimise the sum of `shared/copies` within `budget` [C, 1].

    The continuous optimum has copies proportional to sqrt(shared / arrays); its multiplier is found
    by bisection, the copies are rounded down, and what is left of the budget goes, copy by copy, to
    the matrix that gains most per array.
    """
    weight = np.sqrt(shared_s / arrays)
    top = (weight * arrays).sum(axis=1, keepdims=True) + 1.0
    low = np.zeros_like(top)
    high = budget / np.maximum(weight.min(axis=1, keepdims=True), 1e-300 * top) + 1.0
    high = np.minimum(high, 1e300)

    def copies_for(scale: FloatArray) -> FloatArray:
        return np.asarray(np.clip(np.floor(weight * scale), 1.0, most))

    for _ in range(_BISECTIONS):
        middle = 0.5 * (low + high)
        fits = (copies_for(middle) * arrays).sum(axis=1, keepdims=True) <= budget
        low = np.where(fits, middle, low)
        high = np.where(fits, high, middle)
    return _spend_rest(copies_for(low), shared_s, arrays, most, budget)


def _spend_rest(
    copies: FloatArray,
    shared_s: FloatArray,
    arrays: FloatArray,
    most: FloatArray,
    budget: FloatArray,
) -> FloatArray:
    """Greedily add copies while one fits, at most as many rounds as there are matrices."""
    rows: NDArray[np.intp] = np.arange(copies.shape[0])
    copies = copies.copy()
    for _ in range(copies.shape[1]):
        left = budget - (copies * arrays).sum(axis=1, keepdims=True)
        gain = shared_s / (copies * (copies + 1.0)) / arrays
        gain = np.where((arrays <= left) & (copies < most), gain, -1.0)
        best = gain.argmax(axis=1)
        useful = gain[rows, best] > 0.0
        if not useful.any():
            break
        copies[rows[useful], best[useful]] += 1.0
    return copies
