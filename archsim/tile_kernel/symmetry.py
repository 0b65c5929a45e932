"""The symmetry point of every device: the weight at which a step up and a step down are equal."""

from __future__ import annotations

import numpy as np

from archsim.tile_kernel.arrays import F32
from archsim.tile_kernel.state import DeviceArray

_BISECTIONS = 30


def symmetry_points(devices: DeviceArray) -> F32:
    """The weight [tile, row, col] to which alternating pulses lead each device, inside its bounds.

    Found by bisection of up(w) - down(w) between the bounds, which falls there for all devices
    whose symmetry point is stable; where one direction wins everywhere it is that bound, where
    both are equal at weight zero it is zero.
    """
    low = np.broadcast_to(devices.lower, devices.shape).reshape(-1).astype(np.float32)
    high = np.broadcast_to(devices.upper, devices.shape).reshape(-1).astype(np.float32)
    middle = np.zeros_like(low)
    at_zero = _excess(devices, middle)
    for _ in range(_BISECTIONS):
        rising = _excess(devices, middle) > 0
        low = np.where(rising, middle, low)
        high = np.where(rising, high, middle)
        middle = np.float32(0.5) * (low + high)
    middle[at_zero == 0] = 0
    return middle.reshape(devices.shape)


def _excess(devices: DeviceArray, weights: F32) -> F32:
    steps = devices.steps(weights)
    return np.asarray(steps.up_rate - steps.down_rate, dtype=np.float32)
