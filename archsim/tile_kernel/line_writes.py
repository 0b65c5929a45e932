"""Writes of an array line by line: transfers, refreshes, and what keeps copies equal.

A line is written in two phases, up and down.  In each its row fires as often as the device that takes
most pulses asks for, and every column as often as its own device does.  So the other devices of the
row, and all other rows of these columns, are half-selected, as they are in a parallel update.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from archsim.tile_kernel.arrays import F32
from archsim.tile_kernel.disturb import Exposure, partial_pulses
from archsim.tile_kernel.pulsing import apply_pulses
from archsim.tile_kernel.state import DeviceArray
from archsim.tile_kernel.trains import Disturb, UpdateParameters


def write_pulses(
    devices: DeviceArray, pulses: F32, disturb: Disturb | None, rng: np.random.Generator
) -> None:
    """Give every device its `pulses` [tile, row, col], whole numbers, negative ones down; in place.

    Lines without pulses do not fire.  With `disturb` the devices that are not meant move too.
    """
    where = np.flatnonzero(pulses)
    write_some(devices, where, pulses.reshape(-1)[where], disturb, rng)


def write_some(
    devices: DeviceArray,
    where: NDArray[np.intp],
    pulses: F32,
    disturb: Disturb | None,
    rng: np.random.Generator,
) -> None:
    """`write_pulses` for the devices `where` of the flattened array, with one entry for each."""
    if disturb is None:
        apply_pulses(devices, where, np.maximum(pulses, 0), np.maximum(-pulses, 0), rng)
        return
    if not where.size:
        return
    every = np.zeros(devices.shape, dtype=np.float32)
    every.reshape(-1)[where] = pulses
    up, down = np.maximum(every, 0), np.maximum(-every, 0)
    seen = _exposure(up, down, idle=disturb.of_idle_lines)
    partial = partial_pulses(disturb, seen)
    everywhere = slice(0, every.size)
    apply_pulses(devices, everywhere, up.reshape(-1), down.reshape(-1), rng, partial=partial)


def _exposure(up: F32, down: F32, *, idle: bool) -> Exposure:
    """Slots in which devices see a part of a pulse while all lines are written in turn."""
    fired_up, slots_up = _fired(up)
    fired_down, slots_down = _fired(down)
    alone = [(fired_up - 2 * up).reshape(-1), (fired_down - 2 * down).reshape(-1)]
    if not idle:
        return Exposure(*alone)
    rest = [(slots_up - fired_up + up).reshape(-1), (slots_down - fired_down + down).reshape(-1)]
    return Exposure(*alone, *rest)


def _fired(pulses: F32) -> tuple[F32, F32]:
    """Slots in which row and column of each device fire, summed, and those of all lines.

    [tile, row, col] and [tile, 1, 1].
    """
    rows = pulses.max(axis=2, keepdims=True)
    columns = pulses.sum(axis=1, keepdims=True, dtype=np.float32)
    return rows + columns, rows.sum(axis=1, keepdims=True, dtype=np.float32)


def write_change(
    devices: DeviceArray, change: F32, parameters: UpdateParameters, rng: np.random.Generator
) -> float:
    """Write `change` [tile, row, col] of the weights in pulses of the mean step; returns the pulses.

    Parts of a pulse are one by chance, so that the mean is right; no device takes more than
    `train_length` pulses.
    """
    wanted = change / np.float32(devices.step)
    pulses = np.floor(wanted + rng.random(wanted.shape, dtype=np.float32))
    pulses = np.clip(pulses, -parameters.train_length, parameters.train_length)
    write_pulses(devices, pulses, parameters.disturb, rng)
    return float(np.abs(pulses).sum(dtype=np.float64))
