"""Automatic replication: how many copies of each matrix to keep under an array budget.

With c copies the reads of a sample are shared, so a stage takes `shared / c + fixed` per sample
(updates are in `shared` when copies are averaged, in `fixed` when every copy takes every update).
Keeping copies equal costs `per_copy * (c - 1)` on shared units, and `once` on the arrays of a
matrix as soon as it has more than one copy; both are given per sample, that is divided by the batch.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from archsim.fields import FloatArray

_BISECTIONS = 60
_CANDIDATES = 64
# Share of the rounded continuous optimum from which single copies are added by their gain: rounding
# down decides wrongly between small numbers of copies.
_START = 0.7


@dataclass(frozen=True, slots=True)
class Stages:
    """Stage times per sample and what copies cost, all [C, M]; `budget` is [C, 1] arrays."""

    shared_s: FloatArray
    fixed_s: FloatArray
    per_copy_s: FloatArray
    once_s: FloatArray
    arrays: FloatArray
    most: FloatArray
    budget: FloatArray

    def synchronisation_s(self, copies: FloatArray) -> FloatArray:
        """Time per sample of keeping copies equal, [C]: shared units, then the slowest arrays."""
        shared = (self.per_copy_s * (copies - 1.0)).sum(axis=1)
        once = np.where(copies > 1, self.once_s, 0.0).max(axis=1, initial=0.0)
        return np.asarray(np.maximum(shared, once))


def balance_bottleneck(stages: Stages) -> FloatArray:
    """Copies [C, M] that minimise the largest stage, plus the cost of keeping copies equal.

    For a bound T each stage needs ceil(shared / (T - fixed)) copies.  The least T within the budget
    is found by bisection; between it and no copies at all, the T of least total time is taken.
    """
    alone = (stages.fixed_s + stages.shared_s).max(axis=1, keepdims=True)
    tight = _least_bound(stages, alone)
    best = np.ones_like(stages.shared_s)
    best_s = alone[:, 0]
    for share in np.linspace(0.0, 1.0, _CANDIDATES):
        copies = _copies_for(stages, tight ** (1.0 - share) * alone**share)
        bottleneck = (stages.shared_s / copies + stages.fixed_s).max(axis=1)
        total = bottleneck + stages.synchronisation_s(copies)
        better = total < best_s
        best = np.where(better[:, None], copies, best)
        best_s = np.where(better, total, best_s)
    return best


def _copies_for(stages: Stages, bound: FloatArray) -> FloatArray:
    room = np.maximum(bound - stages.fixed_s, np.finfo(np.float64).tiny)
    # The tolerance keeps an exact quotient from being rounded up by one ulp.
    need = np.ceil(stages.shared_s / room * (1.0 - 1e-12))
    return np.asarray(np.clip(need, 1.0, stages.most))


def _least_bound(stages: Stages, high: FloatArray) -> FloatArray:
    low = (stages.fixed_s + stages.shared_s / stages.most).max(axis=1, keepdims=True)
    for _ in range(_BISECTIONS):
        middle = 0.5 * (low + high)
        arrays = (_copies_for(stages, middle) * stages.arrays).sum(axis=1, keepdims=True)
        fits = arrays <= stages.budget
        high = np.where(fits, middle, high)
        low = np.where(fits, low, middle)
    return np.maximum(high, np.finfo(np.float64).tiny)


def minimise_sum(stages: Stages) -> FloatArray:
    """Copies [C, M] that (nearly) minimise the sum of all stages and of keeping copies equal.

    The continuous optimum has copies = sqrt(shared / (per_copy + price * arrays)); the price of an
    array that just uses up the budget is found by bisection; from somewhat fewer copies than that,
    the rest of the budget goes, copy by copy, to the matrix that gains most per array.  No copies at
    all are kept where synchronising them would cost more than they gain.
    """
    tiny = np.finfo(np.float64).tiny
    # At this price no matrix wants a second copy.
    high = (stages.shared_s / stages.arrays).max(axis=1, keepdims=True) + tiny
    low = np.zeros_like(high)

    def copies_for(price: FloatArray) -> FloatArray:
        cost = np.maximum(stages.per_copy_s + price * stages.arrays, tiny)
        wanted = np.floor(np.sqrt(stages.shared_s / cost))
        return np.asarray(np.clip(wanted, 1.0, stages.most))

    for _ in range(_BISECTIONS):
        middle = 0.5 * (low + high)
        arrays = (copies_for(middle) * stages.arrays).sum(axis=1, keepdims=True)
        fits = arrays <= stages.budget
        high = np.where(fits, middle, high)
        low = np.where(fits, low, middle)
    start = np.maximum(np.floor(_START * copies_for(high)), 1.0)
    copies = _spend_rest(start, stages)
    ones = np.ones_like(copies)
    with_copies = (stages.shared_s / copies).sum(axis=1) + stages.synchronisation_s(copies)
    better = with_copies < stages.shared_s.sum(axis=1)
    return np.where(better[:, None], copies, ones)


def _spend_rest(copies: FloatArray, stages: Stages) -> FloatArray:
    """Add copies, the one of most gain per array first, while one fits and gains.

    Every round adds at least one copy to a configuration, so the budget bounds the rounds.
    """
    rows: NDArray[np.intp] = np.arange(copies.shape[0])
    copies = copies.copy()
    while True:
        left = stages.budget - (copies * stages.arrays).sum(axis=1, keepdims=True)
        gain = stages.shared_s / (copies * (copies + 1.0)) - stages.per_copy_s
        gain = gain / stages.arrays
        gain = np.where((stages.arrays <= left) & (copies < stages.most), gain, -1.0)
        best = gain.argmax(axis=1)
        useful = gain[rows, best] > 0.0
        if not useful.any():
            return copies
        copies[rows[useful], best[useful]] += 1.0
