"""The steps of many devices at once: every device with a scale and bounds of its own.

A law answers one question: at these weights, how far does one pulse go up and down, and how does
that change with the weight.  It answers with the local straight line of each step (`LocalSteps`),
which is exact for constant, linear and soft-bounds devices and a tangent for all others.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from archsim.hardware.response import Polarity, ResponseModel
from archsim.tile_kernel.arrays import F32, part

Where: TypeAlias = slice | NDArray[np.intp]

# A line so steep that one pulse would pass the bound; the step itself is kept, and cut there.
_STEEPEST = 0.999
# Half width, in states, of the difference quotient that gives the slope of a curved response.
_QUOTIENT = np.float32(0.01)


class LocalSteps(NamedTuple):
    """Steps at some weights as rates: n pulses move w by (1 - exp(-n * fall)) * rate / fall.

    `up_rate` and `down_rate` (>= 0, weight per pulse) hold at the weights asked for; `up_fall` is
    what one unit of weight takes off `up_rate`, `down_fall` what it adds to `down_rate`.
    """

    up_rate: F32
    up_fall: F32
    down_rate: F32
    down_fall: F32


class StepLaw(ABC):
    """How the devices of an array answer to pulses; frozen, with arrays per device inside."""

    @abstractmethod
    def at(self, weights: F32, where: Where) -> LocalSteps:
        """Steps of the devices `where` (of the flattened array), which hold `weights`."""

    @property
    @abstractmethod
    def straight(self) -> bool:
        """Whether the local lines hold at every weight, so that one evaluation is enough."""


@dataclass(frozen=True, slots=True)
class StraightLaw(StepLaw):
    """Steps that are straight lines of the weight; build with `straight_law`.

    All fields are rates (see `LocalSteps`) at weight zero, of shape [tile, row, col] or [1, 1, 1].
    """

    up: F32
    up_fall: F32
    down: F32
    down_fall: F32

    def at(self, weights: F32, where: Where) -> LocalSteps:
        """The lines at these weights."""
        up_fall, down_fall = part(self.up_fall, where), part(self.down_fall, where)
        up = part(self.up, where) - up_fall * weights
        down = part(self.down, where) + down_fall * weights
        return LocalSteps(up, up_fall, down, down_fall)

    @property
    def straight(self) -> bool:
        """True."""
        return True


def straight_law(up: F32, up_fall: F32, down: F32, down_fall: F32) -> StraightLaw:
    """A law from the steps of single pulses: up - up_fall * w, and down + down_fall * w.

    A pulse of a falling step takes the share `fall` off the distance to where the step ends, n
    pulses leave (1 - fall)^n of it; as a rate that is exp(-n * r) with r = -ln(1 - fall).
    """
    up_rates = _rates(up, up_fall)
    down_rates = _rates(down, down_fall)
    return StraightLaw(*up_rates, *down_rates)


def _rates(step: F32, fall: F32) -> tuple[F32, F32]:
    capped = np.minimum(np.asarray(fall, dtype=np.float64), _STEEPEST)
    rate = -np.log1p(-capped)
    flat = np.abs(capped) < np.finfo(np.float32).tiny
    gain = np.where(flat, 1.0, rate / np.where(flat, 1.0, capped))
    return (
        np.atleast_3d(np.asarray(step * gain, dtype=np.float32)),
        # The line is scaled as a whole, so that it keeps its own zero even where it was capped.
        np.atleast_3d(np.asarray(fall * gain, dtype=np.float32)),
    )


@dataclass(frozen=True, slots=True)
class CurvedLaw(StepLaw):
    """Any response model, stretched over the range of each device, its steps scaled.

    `up_scale` and `down_scale` multiply the steps of `response`; `lower` and `upper` are each
    device's bounds in weights, which stand for its states -1 and 1.
    """

    response: ResponseModel
    up_scale: F32
    down_scale: F32
    lower: F32
    upper: F32

    def at(self, weights: F32, where: Where) -> LocalSteps:
        """Steps and their tangents, from a difference quotient inside the range."""
        lower, upper = part(self.lower, where), part(self.upper, where)
        per_weight = np.float32(2.0) / np.maximum(upper - lower, np.finfo(np.float32).tiny)
        state = np.clip((weights - lower) * per_weight - np.float32(1.0), -1.0, 1.0)
        up, up_slope = self._line(state, Polarity.UP)
        down, down_slope = self._line(state, Polarity.DOWN)
        up_scale, down_scale = part(self.up_scale, where), part(self.down_scale, where)
        return LocalSteps(
            up * up_scale,
            -up_slope * (per_weight * up_scale),
            down * down_scale,
            down_slope * (per_weight * down_scale),
        )

    def _line(self, state: F32, polarity: Polarity) -> tuple[F32, F32]:
        high = np.minimum(state + _QUOTIENT, np.float32(1.0))
        low = np.maximum(state - _QUOTIENT, np.float32(-1.0))
        above = self.response.step_size(high, polarity)
        below = self.response.step_size(low, polarity)
        size = np.asarray(self.response.step_size(state, polarity), dtype=np.float32)
        return size, np.asarray((above - below) / (high - low), dtype=np.float32)

    @property
    def straight(self) -> bool:
        """False."""
        return False
