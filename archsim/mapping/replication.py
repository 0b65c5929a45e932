"""Automatic replication: how many copies of each matrix to keep under an array budget.

With c copies the reads of a sample are shared, so a stage takes `shared / c + fixed` per sample
(updates are in `shared` when copies are averaged, in `fixed` when every copy takes every update).
Keeping copies equal costs `per_copy * (c - 1)` on shared units, and `once` on the arrays of a
matrix as soon as it has more than one copy; both are given per sample, that is divided by the batch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from archsim.fields import FloatArray

# What an error of this many halvings of a price leaves of the budget is spent copy by copy.
_BISECTIONS = 40
# Bisections are made two at once: where arrays are short, calls of numpy take nearly all the time.
_QUARTERS = np.array([0.25, 0.5, 0.75])[:, None, None]
_CANDIDATES = 64
_TINY = float(np.finfo(np.float64).tiny)
# A cost of a copy below this share of a stage asks for a thousand million copies.
_LEAST_COST = 1e-18
# Bounds of `once`, and shares of `per_copy` that count where `once` hides some of it.
_ONCE_BOUNDS = 4
_PER_COPY_SHARES = (0.0, 0.3, 1.0)
# Sums this close to their lower bound are not improved further, others in a few rounds.
_CLOSE_ENOUGH = 0.02
_EXCHANGES = 4
_ROUNDING = 1e-12


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
        """Time per sample of keeping copies equal, [..., C]: shared units, then the slowest arrays.

        `copies` are [..., C, M].
        """
        shared = (self.per_copy_s * (copies - 1.0)).sum(axis=-1)
        once = np.where(copies > 1, self.once_s, 0.0).max(axis=-1, initial=0.0)
        return np.asarray(np.maximum(shared, once))


def balance_bottleneck(stages: Stages) -> FloatArray:
    """Copies [C, M] that minimise the largest stage, plus the cost of keeping copies equal.

    For a bound T each stage needs ceil(shared / (T - fixed)) copies.  The least T within the budget
    is found by bisection; between it and no copies at all, the T of least total time is taken.
    """
    alone = (stages.fixed_s + stages.shared_s).max(axis=1, keepdims=True)
    tight = _least_bound(stages, alone)
    shares = np.linspace(0.0, 1.0, _CANDIDATES)[:, None, None]
    copies = _copies_for(stages, tight ** (1.0 - shares) * alone**shares)
    bottleneck = (stages.shared_s / copies + stages.fixed_s).max(axis=2)
    total = bottleneck + stages.synchronisation_s(copies)
    # Where little is shared, rounding of a bound is worth a copy.
    fits = (copies * stages.arrays).sum(axis=2) <= stages.budget[:, 0]
    total = np.where(fits, total, np.inf)
    rows: NDArray[np.intp] = np.arange(total.shape[1])
    best = total.argmin(axis=0)
    gains = total[best, rows] < alone[:, 0]
    return np.where(gains[:, None], copies[best, rows], 1.0)


def _copies_for(stages: Stages, bound: FloatArray) -> FloatArray:
    room = np.maximum(bound - stages.fixed_s, _TINY)
    # The tolerance keeps an exact quotient from being rounded up by one ulp.
    need = np.ceil(stages.shared_s / room * (1.0 - 1e-12))
    return _clipped(need, stages)


def _least_bound(stages: Stages, high: FloatArray) -> FloatArray:
    low = (stages.fixed_s + stages.shared_s / stages.most).max(axis=1, keepdims=True)
    _, high = _bisected(stages, _copies_for, low, high)
    return np.maximum(high, _TINY)


def _bisected(
    stages: Stages,
    copies_at: Callable[[Stages, FloatArray], FloatArray],
    low: FloatArray,
    high: FloatArray,
) -> tuple[FloatArray, FloatArray]:
    """Where the copies [..., C, M] that `copies_at` [..., C, 1] asks for just keep to the budget.

    They grow fewer from `low` to `high`, [C, 1] each; those at `high` fit.
    """
    for _ in range(_BISECTIONS // 2):
        tried = low + _QUARTERS * (high - low)
        arrays = (copies_at(stages, tried) * stages.arrays).sum(axis=2, keepdims=True)
        fits = arrays <= stages.budget
        high = np.minimum(high, np.where(fits, tried, np.inf).min(axis=0))
        low = np.maximum(low, np.where(fits, -np.inf, tried).max(axis=0))
    return low, high


def minimise_sum(stages: Stages) -> FloatArray:
    """Copies [C, M] that (nearly) minimise the sum of all stages and of keeping copies equal.

    Synchronisation takes `max(sum per_copy * (copies - 1), once of whatever has copies)`.  So
    several problems are solved, in each of which matrices of a larger `once` than some bound keep
    one copy, and a share of `per_copy` counts; the best of them and of no copies at all is taken.
    """
    count = stages.shared_s.shape[0]
    bounds = once_bounds(stages)
    shares = _PER_COPY_SHARES if stages.once_s.any() else (1.0,)
    problems = [(bound, share) for bound in bounds for share in shares]
    every = _repeated(stages, len(problems))
    limit = np.concatenate([bound for bound, _ in problems])
    share = np.repeat([share for _, share in problems], count)[:, None]
    weighed = replace(
        every,
        per_copy_s=every.per_copy_s * share,
        most=np.where(every.once_s <= limit, every.most, 1.0),
    )
    copies, least = least_linear_sum(weighed)
    # Without `once` there is but one problem; others must not win by what they leave to chance.
    real = every.once_s.any(axis=1) | (share[:, 0] == 1.0)
    total = np.where(real, _sum_s(every, copies), np.inf).reshape(len(problems), count)
    # The best problem of each configuration is worked on further.
    best = total.argmin(axis=0) * count + np.arange(count)
    chosen, copies = _rows_of(weighed, best), copies[best]
    exchanged = _exchange(copies, chosen, least[best])
    found, found_s = np.ones_like(copies), _sum_s(stages, np.ones_like(copies))
    for tried in (copies, exchanged):
        tried_s = _sum_s(stages, tried)
        found = np.where((tried_s < found_s)[:, None], tried, found)
        found_s = np.minimum(tried_s, found_s)
    return np.asarray(found)


def _sum_s(stages: Stages, copies: FloatArray) -> FloatArray:
    return np.asarray((stages.shared_s / copies).sum(axis=1) + stages.synchronisation_s(copies))


def _rows_of(stages: Stages, rows: NDArray[np.intp]) -> Stages:
    return Stages(*(getattr(stages, field.name)[rows] for field in fields(Stages)))


def once_bounds(stages: Stages) -> list[FloatArray]:
    """Bounds of `once`, [C, 1] each, above which matrices keep one copy."""
    if not stages.once_s.any():
        return [np.zeros((stages.once_s.shape[0], 1))]
    ranked, last = np.sort(stages.once_s, axis=1), stages.once_s.shape[1] - 1
    places = {round(last * part / (_ONCE_BOUNDS - 1)) for part in range(_ONCE_BOUNDS)}
    return [ranked[:, [place]] for place in sorted(places)]


def _repeated(stages: Stages, times: int) -> Stages:
    return Stages(*(np.tile(getattr(stages, field.name), (times, 1)) for field in fields(Stages)))


def least_linear_sum(stages: Stages) -> tuple[FloatArray, FloatArray]:
    """Copies of nearly the least `sum shared / copies + per_copy * (copies - 1)`, and a lower bound.

    For a price per array each matrix has its best number of copies on its own, the largest c with
    `shared / (c (c - 1)) >= per_copy + price * arrays`; the price that just keeps to the budget is
    found by bisection, and what it leaves of the budget goes, copy by copy, to the matrix that gains
    most per array.
    """
    # At this price no matrix wants a second copy.
    high = (stages.shared_s / stages.arrays).max(axis=1, keepdims=True) + _TINY
    low, high = _bisected(stages, _copies_at, np.zeros_like(high), high)
    copies = _spend_rest(_copies_at(stages, high), stages)
    # No allocation is better than what all matrices choose at any price, less that price's worth
    # of the whole budget.
    cheaper = _copies_at(stages, low)
    spent = (cheaper * stages.arrays).sum(axis=1, keepdims=True)
    bound = _linear_sum(stages, cheaper) + (low * (spent - stages.budget))[:, 0]
    return copies, np.asarray(bound)


def _copies_at(stages: Stages, price: FloatArray) -> FloatArray:
    cost = stages.per_copy_s + price * stages.arrays
    # Below that cost the number of copies is bounded by `most` in any case.
    cost = np.maximum(cost, stages.shared_s * _LEAST_COST + _TINY)
    return _clipped(np.floor(0.5 + np.sqrt(0.25 + stages.shared_s / cost)), stages)


def _clipped(copies: FloatArray, stages: Stages) -> FloatArray:
    # Far faster than np.clip for the few numbers of a network.
    return np.asarray(np.minimum(np.maximum(copies, 1.0), stages.most))


def _linear_sum(stages: Stages, copies: FloatArray) -> FloatArray:
    terms = stages.shared_s / copies + stages.per_copy_s * (copies - 1.0)
    return np.asarray(terms.sum(axis=1))


def _spend_rest(copies: FloatArray, stages: Stages) -> FloatArray:
    """Add copies, the one of most gain per array first, while one fits and gains.

    Every round adds at least one copy to a configuration, so the budget bounds the rounds.
    """
    copies, done = copies.copy(), copies.copy()
    rows: NDArray[np.intp] = np.arange(copies.shape[0])
    while True:
        left = stages.budget - (copies * stages.arrays).sum(axis=1, keepdims=True)
        gain = stages.shared_s / (copies * (copies + 1.0)) - stages.per_copy_s
        gain = gain / stages.arrays
        gain = np.where((stages.arrays <= left) & (copies < stages.most), gain, -1.0)
        best = gain.argmax(axis=1)
        useful = np.flatnonzero(gain[np.arange(rows.size), best] > 0.0)
        if not useful.size:
            return done
        if useful.size < rows.size:
            rows, best, copies = rows[useful], best[useful], copies[useful]
            stages = _rows_of(stages, useful)
        copies[np.arange(rows.size), best] += 1.0
        done[rows] = copies


def _exchange(copies: FloatArray, stages: Stages, bound: FloatArray) -> FloatArray:
    """Give up copies of one matrix, or add one at the cost of others, while that lessens the sum.

    Only configurations more than a small part above their lower bound are worked on.
    """
    best = copies.copy()
    for _ in range(_EXCHANGES):
        total = _linear_sum(stages, best)
        open_rows = np.flatnonzero(total > bound * (1.0 + _CLOSE_ENOUGH))
        if not open_rows.size:
            break
        part = _rows_of(stages, open_rows)
        found, least = best[open_rows], total[open_rows]
        for matrix in range(copies.shape[1]):
            for change in (-1.0, 1.0):
                now = best[open_rows]
                same = np.full(now.shape[0], matrix)
                tried = exchanged(now, part, same, now[:, matrix] + change)
                sums = _linear_sum(part, tried)
                fits = (tried * part.arrays).sum(axis=1) <= part.budget[:, 0]
                better = fits & (sums < least * (1.0 - _ROUNDING))
                found = np.where(better[:, None], tried, found)
                least = np.where(better, sums, least)
        if not (least < total[open_rows]).any():
            break
        best[open_rows] = found
    return best


def exchanged(
    copies: FloatArray, stages: Stages, matrix: NDArray[np.intp], wanted: FloatArray
) -> FloatArray:
    """Copies [C, M] with `wanted` [C] of one `matrix` [C]; others make room, or take what it leaves.

    The others give and take where that costs the sum of all stages least.  Where they cannot make
    room enough, what is given back exceeds the budget.
    """
    rows: NDArray[np.intp] = np.arange(copies.shape[0])
    tried, others = copies.copy(), np.arange(copies.shape[1]) != matrix[:, None]
    tried[rows, matrix] = np.clip(wanted, 1.0, stages.most[rows, matrix])
    while True:
        over = (tried * stages.arrays).sum(axis=1) > stages.budget[:, 0]
        spare = np.maximum(tried - 1.0, 1.0)
        loss = (stages.shared_s / (tried * spare) - stages.per_copy_s) / stages.arrays
        loss = np.where((tried > 1.0) & others, loss, np.inf)
        least = loss.argmin(axis=1)
        gives = over & np.isfinite(loss[rows, least])
        if not gives.any():
            break
        tried[rows[gives], least[gives]] -= 1.0
    kept = replace(stages, most=np.where(others, stages.most, tried))
    return _spend_rest(tried, kept)
