"""Bounds that wander from cycle to cycle: a slow random walk of each bound about its own mean."""

from __future__ import annotations

import numpy as np

from archsim.tile_kernel.state import DeviceArray
from archsim.tile_kernel.step_law import TINY

# Bounds are drawn anew when devices have gone through this part of a cycle on average.
_PART_OF_A_CYCLE = 0.02


def wander(devices: DeviceArray, rng: np.random.Generator) -> None:
    """Let the bounds follow the pulses taken since the last call, in place.

    Each bound is an Ornstein-Uhlenbeck process in the pulses of its device: after n pulses
    exp(-n / cycle) of its deviation from its mean is left, and noise keeps the standard deviation,
    so that bounds of successive full cycles are nearly independent, and those within a cycle nearly
    equal.  Exact for any interval; nothing happens before devices took 2 % of a cycle on average.
    No bound crosses weight zero.  Weights beyond a bound stay until their next pulse.
    """
    held = devices.wander
    if held is None:
        return
    taken = devices.pulses - held.seen
    if taken.mean() < _PART_OF_A_CYCLE * held.cycle_pulses:
        return
    held.seen[...] = devices.pulses
    keep = np.exp(-taken / held.cycle_pulses).astype(np.float32)
    fresh = np.sqrt(np.maximum(1 - keep * keep, 0)) * np.float32(held.deviation)
    for bound, mean, inside, nearest in (
        (devices.lower, held.lower, np.minimum, -TINY),
        (devices.upper, held.upper, np.maximum, TINY),
    ):
        drawn = rng.standard_normal(devices.shape, dtype=np.float32)
        moved = mean + keep * (bound - mean) + fresh * drawn
        inside(moved, nearest, out=bound)
