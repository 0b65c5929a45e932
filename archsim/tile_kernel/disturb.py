"""Disturb: what an update does to devices that are not at a crossing of two fired lines.

A row that fires in a slot does so in one phase per sign of the error, a column in one per sign of
the input; each time, the devices on it that are not crossed by a fired line of the other side see
a part of a pulse of that phase's polarity.  Where idle lines are biased too, the devices on none
that fires see a part of the other polarity.  The field law says what step that gives.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from archsim.tile_kernel.arrays import F32
from archsim.tile_kernel.coincidences import Drawn, PulseCounts
from archsim.tile_kernel.pulsing import PartialPulses
from archsim.tile_kernel.trains import Disturb, TileTrains


@dataclass(frozen=True, slots=True)
class Exposure:
    """Slots in which devices see a part of a pulse, flat float32, by the polarity of the phase.

    `up` and `down` are slots on one fired line only, `idle_up` and `idle_down` those on none; both
    are None where idle lines are at rest.
    """

    up: F32
    down: F32
    idle_up: F32 | None = None
    idle_down: F32 | None = None

    def only_up(self) -> Self:
        """The phases up alone."""
        nothing = np.zeros_like(self.up)
        return type(self)(self.up, nothing, self.idle_up, self._none(self.idle_up))

    def down_as_up(self) -> Self:
        """The phases down alone, as they are for devices that are pulsed up in them."""
        nothing = np.zeros_like(self.up)
        return type(self)(self.down, nothing, self.idle_down, self._none(self.idle_down))

    @staticmethod
    def _none(like: F32 | None) -> F32 | None:
        return None if like is None else np.zeros_like(like)


def exposures(
    drawn: Drawn, trains: TileTrains, *, idle: bool
) -> Iterator[tuple[PulseCounts, Exposure]]:
    """Every block of counts, which must hold all its devices, with what it sees of pulses.

    A coincidence is a half-select neither for its row nor for its column.  Slots on idle lines are
    counted with `idle`.
    """
    column_up, column_down = _by_polarity(drawn.error, trains.sign_error, trains.sign_x)
    for block in drawn.blocks:
        x, sign = drawn.x[:, block.rows], trains.sign_x[:, block.rows]
        row_up, row_down = _by_polarity(x, sign, trains.sign_error)
        fired_up = (row_up[:, np.newaxis] + column_up).reshape(-1)
        fired_down = (row_down[:, np.newaxis] + column_down).reshape(-1)
        seen = Exposure(
            _not_negative(fired_up - 2 * block.up), _not_negative(fired_down - 2 * block.down)
        )
        if idle:
            slots_up, slots_down = _slots(trains)
            seen = Exposure(
                seen.up,
                seen.down,
                _not_negative(np.float32(slots_up) - fired_up + block.up),
                _not_negative(np.float32(slots_down) - fired_down + block.down),
            )
        yield block, seen


def partial_pulses(disturb: Disturb | None, seen: Exposure | None) -> PartialPulses | None:
    """Slots of exposure as the parts of pulses that they are.

    The counter of half-selects holds those on one fired line only.
    """
    if disturb is None or seen is None:
        return None
    up, down = seen.up * np.float32(disturb.up), seen.down * np.float32(disturb.down)
    if seen.idle_up is not None and seen.idle_down is not None:
        up += seen.idle_down * np.float32(disturb.idle_up)
        down += seen.idle_up * np.float32(disturb.idle_down)
    # A coincidence is a half-select less for its row and for its column, and, where it is counted
    # from the fired lines, an idle slot more of its phase, in which the other polarity is seen.
    idle = seen.idle_up is not None
    return PartialPulses(
        up,
        down,
        seen.up + seen.down,
        up_lost=2 * disturb.up,
        down_lost=2 * disturb.down,
        up_against=disturb.idle_down if idle else 0.0,
        down_against=disturb.idle_up if idle else 0.0,
    )


def _not_negative(counts: F32) -> F32:
    """Counts that are means may lie a hair below zero; overwrites `counts`."""
    return np.maximum(counts, 0, out=counts)


def _by_polarity(ones: F32, sign: F32, other: F32) -> tuple[F32, F32]:
    """Slots in which each line fired, [line], in phases of pulses up and of pulses down.

    Lines of one sign fire in a phase per sign that the other side has; opposite signs go up.
    """
    plus, minus = _signs(other)
    up = ones * np.where(sign > 0, minus, plus)
    down = ones * np.where(sign > 0, plus, minus)
    return up.sum(axis=0, dtype=np.float32), down.sum(axis=0, dtype=np.float32)


def _slots(trains: TileTrains) -> tuple[float, float]:
    """Slots of all phases of pulses up, and of pulses down, over the minibatch."""
    plus_x, minus_x = _signs(trains.sign_x)
    plus_e, minus_e = _signs(trains.sign_error)
    phases_up = (plus_x & minus_e).astype(np.int64) + (minus_x & plus_e)
    phases_down = (plus_x & plus_e).astype(np.int64) + (minus_x & minus_e)
    length = trains.length[:, np.newaxis]
    return float((phases_up * length).sum()), float((phases_down * length).sum())


def _signs(sign: F32) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Whether a side has lines of positive, and of negative, sign in each update, [batch, 1]."""
    return np.any(sign > 0, axis=1, keepdims=True), np.any(sign < 0, axis=1, keepdims=True)
