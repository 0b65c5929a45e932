"""Half-select disturb: what an update does to devices on one fired line only.

A row that fires in a slot does so in one phase per sign of the error, a column in one per sign of
the input; each time, the devices on it that are not crossed by a fired line of the other side see
a part of a pulse of that phase's polarity.  The field law says what step that gives.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from archsim.tile_kernel.arrays import F32
from archsim.tile_kernel.coincidences import Drawn, PulseCounts
from archsim.tile_kernel.pulsing import PartialPulses
from archsim.tile_kernel.trains import Disturb, TileTrains


def half_selects(drawn: Drawn, trains: TileTrains) -> Iterator[tuple[PulseCounts, PulseCounts]]:
    """Every block of counts, which must hold all its devices, with its half-selects in slots.

    A coincidence is a half-select neither for its row nor for its column.
    """
    column_up, column_down = _by_polarity(drawn.error, trains.sign_error, trains.sign_x)
    for block in drawn.blocks:
        x, sign = drawn.x[:, block.rows], trains.sign_x[:, block.rows]
        row_up, row_down = _by_polarity(x, sign, trains.sign_error)
        up = (row_up[:, np.newaxis] + column_up).reshape(-1) - 2 * block.up
        down = (row_down[:, np.newaxis] + column_down).reshape(-1) - 2 * block.down
        np.maximum(up, 0, out=up)
        np.maximum(down, 0, out=down)
        yield block, PulseCounts(block.rows, block.where, up, down, None)


def partial_pulses(disturb: Disturb | None, halves: PulseCounts | None) -> PartialPulses | None:
    """Half-selects as the parts of pulses that they are."""
    if disturb is None or halves is None:
        return None
    return PartialPulses(
        halves.up * np.float32(disturb.up),
        halves.down * np.float32(disturb.down),
        halves.up + halves.down,
    )


def _by_polarity(ones: F32, sign: F32, other: F32) -> tuple[F32, F32]:
    """Slots in which each line fired, [line], in phases of pulses up and of pulses down.

    Lines of one sign fire in a phase per sign that the other side has; opposite signs go up.
    """
    plus = np.any(other > 0, axis=1, keepdims=True)
    minus = np.any(other < 0, axis=1, keepdims=True)
    up = ones * np.where(sign > 0, minus, plus)
    down = ones * np.where(sign > 0, plus, minus)
    return up.sum(axis=0, dtype=np.float32), down.sum(axis=0, dtype=np.float32)
