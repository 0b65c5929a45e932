"""The steps of many devices at once: every device with a scale and bounds of its own.

A law answers one question: at these weights, how far does one pulse go up and down, and how does
that change with the weight.  It answers with the local straight line of each step (`LocalSteps`),
which is exact for constant, linear and soft-bounds devices and a tangent for all others.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from archsim.hardware.response import Polarity, ResponseModel
from archsim.tile_kernel.arrays import F32, part

Where: TypeAlias = slice | NDArray[np.intp]

# Nothing is divided by less.
TINY: np.float32 = np.finfo(np.float32).tiny
# A line so steep that one pulse would pass the bound; the step itself is kept, and cut there.
_STEEPEST = 0.999
# Half width, in states, of the difference quotient that gives the slope of a curved response.
_QUOTIENT = 0.01
# Intervals of the table of a curved response: its tangents miss by curvature / 4e7.
_NODES = 4096
# Steps are not raised to a power below this share of the step at weight zero.
_SMALLEST_RATIO = 1e-6


class LocalSteps(NamedTuple):
    """Steps at some weights as rates: n pulses move w by (1 - exp(-n * fall)) * rate / fall.

    `up_rate` and `down_rate` (>= 0, weight per pulse) hold at the weights asked for; `up_fall` is
    what one unit of weight takes off `up_rate`, `down_fall` what it adds to `down_rate`.
    """

    up_rate: F32
    up_fall: F32
    down_rate: F32
    down_fall: F32


class Bounds(NamedTuple):
    """Lower and upper bounds of some devices, one entry each or one for all."""

    lower: F32
    upper: F32


class StepLaw(ABC):
    """How the devices of an array answer to pulses; frozen, with arrays per device inside."""

    @abstractmethod
    def at(self, weights: F32, where: Where, bounds: Bounds) -> LocalSteps:
        """Steps of the devices `where` (of the flattened array), which hold `weights`.

        `bounds` are those of these devices.
        """

    @property
    @abstractmethod
    def straight(self) -> bool:
        """Whether the local lines hold at every weight, so that one evaluation is enough."""


@dataclass(frozen=True, slots=True)
class StraightLaw(StepLaw):
    """Steps that are straight lines of the weight; build with `straight_law`.

    All fields are rates (see `LocalSteps`) at weight zero, of shape [tile, row, col] or [1, 1, 1].
    Without falls the lines end at the bounds of each device, wherever those are (but not at zero).
    """

    up: F32
    up_fall: F32 | None
    down: F32
    down_fall: F32 | None

    def at(self, weights: F32, where: Where, bounds: Bounds) -> LocalSteps:
        """The lines at these weights."""
        up, down = part(self.up, where), part(self.down, where)
        if self.up_fall is None or self.down_fall is None:
            up_fall = up / bounds.upper
            down_fall = down / bounds.lower
            down_fall = np.negative(down_fall, out=down_fall if down_fall.ndim else None)
        else:
            up_fall, down_fall = part(self.up_fall, where), part(self.down_fall, where)
        up_rate, down_rate = up_fall * weights, down_fall * weights
        np.subtract(up, up_rate, out=up_rate)
        down_rate += down
        return LocalSteps(up_rate, up_fall, down_rate, down_fall)

    @property
    def straight(self) -> bool:
        """True."""
        return True


def straight_law(up: F32, up_fall: F32, down: F32, down_fall: F32) -> StraightLaw:
    """A law from the steps of single pulses: up - up_fall * w, and down + down_fall * w.

    A pulse of a falling step takes the share `fall` off the distance to where the step ends, n
    pulses leave (1 - fall)^n of it; as a rate that is exp(-n * r) with r = -ln(1 - fall).
    """
    gains = _gain(up_fall), _gain(down_fall)
    scaled = (up * gains[0], up_fall * gains[0], down * gains[1], down_fall * gains[1])
    return StraightLaw(*(np.atleast_3d(np.asarray(one, dtype=np.float32)) for one in scaled))


def ending_law(up: F32, down: F32, bounds: Bounds) -> StraightLaw:
    """Soft bounds: steps of single pulses at weight zero, which end at the bounds of each device.

    Rates are taken for `bounds`, from which the present ones may wander a little.
    """
    up_gain = _gain(up / _positive(bounds.upper))
    down_gain = _gain(down / _positive(-bounds.lower))
    scaled = (up * up_gain, down * down_gain)
    up_rate, down_rate = (np.atleast_3d(np.asarray(one, dtype=np.float32)) for one in scaled)
    return StraightLaw(up_rate, None, down_rate, None)


def _positive(values: F32) -> F32:
    """The values, none of them zero or below."""
    positive: F32 = np.maximum(values, TINY)
    return positive


def _gain(fall: F32) -> NDArray[np.float64]:
    """-ln(1 - fall) / fall; lines too steep are scaled as a whole, so that they keep their zero."""
    capped = np.minimum(np.asarray(fall, dtype=np.float64), _STEEPEST)
    flat = np.abs(capped) < TINY
    return np.asarray(np.where(flat, 1.0, -np.log1p(-capped) / np.where(flat, 1.0, capped)))


@dataclass(frozen=True, slots=True)
class CurvedLaw(StepLaw):
    """Any response model, stretched over the range of each device, its steps scaled.

    `up_scale` and `down_scale` multiply the steps of `response`, whose states -1 and 1 are the bounds
    of each device.  `up_power` and `down_power`, if given, are powers of the step relative to that
    at `middle`, the state of weight zero.
    """

    response: ResponseModel
    up_scale: F32
    down_scale: F32
    up_power: F32 | None = None
    down_power: F32 | None = None
    middle: float = 0.0

    def at(self, weights: F32, where: Where, bounds: Bounds) -> LocalSteps:
        """Steps and their tangents at the nearest of 4097 states, inside the range."""
        span = _positive(bounds.upper - bounds.lower)
        per_weight = np.float32(2.0) / span
        place = np.clip((weights - bounds.lower) * per_weight, 0, 2)
        place *= np.float32(_NODES / 2)
        nearest = np.rint(place)
        place -= nearest
        node = nearest.astype(np.intp)
        up, up_slope = self._line(node, place, Polarity.UP, where)
        down, down_slope = self._line(node, place, Polarity.DOWN, where)
        return LocalSteps(up, up_slope * -per_weight, down, down_slope * per_weight)

    def _line(
        self, node: NDArray[np.intp], off: F32, polarity: Polarity, where: Where
    ) -> tuple[F32, F32]:
        """Step, and its change per state; `off` is the distance from the node in nodes."""
        rising = polarity is Polarity.UP
        table = _table(self.response, polarity)
        slope = table.slope.take(node)
        size = slope * off
        size *= np.float32(2 / _NODES)
        size += table.size.take(node)
        np.maximum(size, 0, out=size)
        power = self.up_power if rising else self.down_power
        if power is not None:
            exponent = part(power, where)
            middle = max(float(self.response.step_size(self.middle, polarity)), _SMALLEST_RATIO)
            ratio = np.maximum(size / np.float32(middle), np.float32(_SMALLEST_RATIO))
            ratio **= exponent - np.float32(1.0)
            size *= ratio
            slope *= ratio * exponent
        scale = part(self.up_scale if rising else self.down_scale, where)
        size *= scale
        slope *= scale
        return size, slope

    @property
    def straight(self) -> bool:
        """False."""
        return False


class _Table(NamedTuple):
    """Steps of a response and their slopes at evenly spaced states, float32 [nodes + 1]."""

    size: F32
    slope: F32


@lru_cache(maxsize=64)
def _table(response: ResponseModel, polarity: Polarity) -> _Table:
    state = np.linspace(-1.0, 1.0, _NODES + 1)
    high, low = np.minimum(state + _QUOTIENT, 1.0), np.maximum(state - _QUOTIENT, -1.0)
    above, below = response.step_size(high, polarity), response.step_size(low, polarity)
    columns = (response.step_size(state, polarity), (above - below) / (high - low))
    return _Table(*(np.asarray(column, dtype=np.float32) for column in columns))
