"""Which points of a set are Pareto-optimal."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from archsim.fields import FloatArray

# Points compared at once against the front; bounds the memory of the comparison.
_BLOCK = 2048


def pareto_mask(costs: FloatArray) -> NDArray[np.bool_]:
    """True for every point that no other point dominates.

    `costs` has shape [points, objectives], and less is better in each column (negate what is to be
    maximised).  A point dominates another if it is nowhere worse and somewhere better, so equal
    points are kept together.  A point with a nan or an infinite cost is never on the front.
    Shape of the result: [points].  Time: O(points log points + points * front).
    """
    if costs.ndim != 2 or costs.shape[1] == 0:
        raise ValueError("costs must have the shape [points, objectives], at least one objective")
    mask = np.zeros(len(costs), dtype=bool)
    finite = np.flatnonzero(np.isfinite(costs).all(axis=1))
    # In lexicographic order a point can only be dominated by one before it.
    order = finite[np.lexsort(costs[finite].T[::-1])]
    front = np.empty((0, costs.shape[1]))
    for start in range(0, len(order), _BLOCK):
        block = order[start : start + _BLOCK]
        alive = block[~_dominated(costs[block], front)]
        inside = costs[alive]
        kept = alive[~_dominated(inside, inside)]
        mask[kept] = True
        front = np.concatenate([front, costs[kept]])
    return mask


def near_mask(costs: FloatArray, hoped: FloatArray) -> NDArray[np.bool_]:
    """True for every point that no other would dominate if it alone cost what is `hoped`.

    Both are [points, objectives]; `hoped` is nowhere above `costs`, so that the front is near.
    """
    finite = np.isfinite(costs).all(axis=1)
    front = costs[pareto_mask(costs)]
    found = np.zeros(len(costs), dtype=bool)
    found[finite] = ~_dominated(hoped[finite], front)
    return found


def _dominated(points: FloatArray, others: FloatArray) -> NDArray[np.bool_]:
    """True for each of `points` that one of `others` dominates; shapes [P, M] and [Q, M] -> [P]."""
    result: NDArray[np.bool_] = np.zeros(len(points), dtype=np.bool_)
    for start in range(0, len(others), 256):
        chunk = others[None, start : start + 256, :]
        rest = np.flatnonzero(~result)
        mine = points[rest, None, :]
        nowhere_worse = np.all(chunk <= mine, axis=2)
        somewhere_better = np.any(chunk < mine, axis=2)
        result[rest] = np.any(nowhere_worse & somewhere_better, axis=1)
    return result
