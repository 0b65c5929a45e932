"""How far two machines are apart over seeds, and how sure that is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Mean:
    """Mean over seeds; `deviation` (n - 1), `low` and `high` are None for one seed."""

    mean: float
    deviation: float | None
    low: float | None
    high: float | None


def mean_of(values: Sequence[float], level: float = LEVEL) -> Mean:
    """Mean of `values` with its two-sided interval by Student's t, for normal differences.

    Of paired differences it is the paired interval: seeds share initial weights and data order, so
    what both have in common drops out.
    """
    data = np.asarray(values, dtype=np.float64)
    mean = float(data.mean())
    if data.size < 2:
        return Mean(mean, None, None, None)
    deviation = float(data.std(ddof=1))
    half = student_t(data.size - 1, level) * deviation / math.sqrt(data.size)
    return Mean(mean, deviation, mean - half, mean + half)


def student_t(freedom: int, level: float) -> float:
    """The t that holds `level` of Student's distribution between -t and t."""
    from scipy.special import stdtrit  # type: ignore[import-untyped]

    return float(stdtrit(freedom, 0.5 + 0.5 * level))
