"""Time as whole ticks: sums of integers have no rounding, so ties are ties in every engine.

Pulses, settling and converters of an analog array do not keep to the clock of the digital side, so
the tick is much finer than any clock: a femtosecond, which changes a pulse of 5 ns by at most one
part in ten million.  Where a schedule is too long for that, the tick grows by powers of ten.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from archsim.errors import InputError
from archsim.fields import FloatArray

TickArray = NDArray[np.int64]

FINEST_TICK_S = 1e-15
# No schedule is longer than all its tasks one after the other; sums of two must fit int64 as well.
LONGEST_TICKS = 2**61


def choose_tick_s(serial_s: float) -> float:
    """The finest tick in which `serial_s`, all tasks one after the other, can be counted."""
    ticks = serial_s / FINEST_TICK_S
    if ticks < LONGEST_TICKS:
        return FINEST_TICK_S
    return float(FINEST_TICK_S * 10.0 ** math.ceil(math.log10(ticks / LONGEST_TICKS)))


def to_ticks(seconds: FloatArray, tick_s: float) -> TickArray:
    """Nearest whole ticks; a time that is not zero takes at least one tick.

    Raises `InputError` for times that are negative or not finite.
    """
    if not np.isfinite(seconds).all() or (seconds < 0).any():
        wrong = seconds[~(np.isfinite(seconds) & (seconds >= 0))].flat[0]
        raise InputError(
            f"a task takes {wrong} s, which is no time",
            remedy="Durations are finite and not negative.",
        )
    ticks = np.rint(seconds / tick_s)
    return np.maximum(ticks, seconds > 0).astype(np.int64)
