"""Standard normal numbers by table: several times as fast as an exact generator.

Sixteen random bits choose one of 65,536 values of equal probability: the medians of as many equal
slices of the normal distribution, scaled to unit variance.  Mean and skewness are exactly 0, the
variance is 1, the excess kurtosis -0.0008; no value lies beyond 4.33 standard deviations.
"""

from __future__ import annotations

from functools import cache
from statistics import NormalDist

import numpy as np

from archsim.tile_kernel.arrays import F32

_VALUES = 65536
_PER_WORD = 4


def normals(rng: np.random.Generator, size: int) -> F32:
    """`size` independent standard normal numbers, float32, flat."""
    words = rng.integers(0, 2**64 - 1, size=-(-size // _PER_WORD), dtype=np.uint64, endpoint=True)
    # Every word is an index, so that none need be checked.
    return _table().take(words.view(np.uint16)[:size], mode="wrap")


@cache
def _table() -> F32:
    inverse = NormalDist().inv_cdf
    half = np.array([inverse((k + 0.5) / _VALUES) for k in range(_VALUES // 2)])
    both = np.concatenate([half, -half[::-1]])
    both /= np.sqrt(np.mean(both * both))
    table = both.astype(np.float32)
    table.flags.writeable = False
    return table
