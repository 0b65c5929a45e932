"""How the conductance of a device answers to programming pulses: the contract of all models.

The state x of a device is its conductance in units of half the range, x = (2 g - g_min - g_max) /
(g_max - g_min): -1 at the lowest conductance, +1 at the highest.  Steps are changes of x per pulse.
A weight in [-1, 1] is an affine function of the state, so that the models serve both.
"""

from __future__ import annotations

from abc import abstractmethod
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from archsim.fields import Component, Scalar

if TYPE_CHECKING:
    from archsim.hardware.response import Response

States: TypeAlias = NDArray[np.floating[Any]]

LOWER = -1.0
UPPER = 1.0
# A pulse that moves a device by more than a quarter of its range is a switch, not a step.
LARGEST_STEP = 0.5

# States among which a crossing of the two step sizes is looked for, before it is refined.
_SCAN = 1025
_BISECTIONS = 60


class Polarity(StrEnum):
    """Which way a pulse moves the conductance: up (potentiation) or down (depression)."""

    UP = "up"
    DOWN = "down"


class ResponseModel(Component):
    """Base of the models: one gives the size of a step at a state, the rest follows.

    All methods take states of any shape, as float32 or float64, and keep the type; parameters may
    be numbers or arrays of shape [C, 1] (see `archsim.fields.stack`).
    """

    @abstractmethod
    def step_size(self, state: ArrayLike, polarity: Polarity) -> States:
        """Size (>= 0) of one step at `state`, before the bounds of the range cut it."""

    @abstractmethod
    def mixed(self, residual: Scalar) -> Response:
        """The response whose up and down steps differ by the share `residual` in [0, 1] of theirs.

        1 is the response itself; at 0 a pulse up and a pulse down cancel at every state.
        """

    def step(self, state: ArrayLike, polarity: Polarity) -> States:
        """Change of the state by one pulse; never leads out of [-1, 1]."""
        x = floating(state)
        size = self.step_size(x, polarity)
        if polarity is Polarity.UP:
            return np.asarray(np.minimum(size, UPPER - x))
        return np.asarray(-np.minimum(size, x - LOWER))

    def after_pulses(self, state: ArrayLike, pulses: ArrayLike, polarity: Polarity) -> States:
        """The state after `pulses` (whole numbers >= 0) equal pulses.

        Pulse by pulse, hence exact, for models without a closed form: the time grows with the
        largest number of pulses.
        """
        x, count = floating(state), np.asarray(pulses)
        for done in range(int(count.max(initial=0))):
            moved = np.where(done < count, x + self.step(x, polarity), x)
            if np.array_equal(moved, np.broadcast_to(x, moved.shape)):
                break
            x = moved
        return x + np.zeros(count.shape, dtype=x.dtype)

    def asymmetry(self, state: ArrayLike) -> States:
        """Relative difference of the steps, (up - down) / (up + down), in [-1, 1].

        0 where neither moves.
        """
        up, down = self.step_size(state, Polarity.UP), self.step_size(state, Polarity.DOWN)
        total = up + down
        return np.divide(up - down, total, out=np.zeros_like(total), where=total > 0)

    def mean_asymmetry(self) -> float:
        """|up - down| over the mean of the two, averaged over the range; 0 (symmetric) to 2."""
        return float(2.0 * np.mean(np.abs(self.asymmetry(_RANGE))))

    def symmetry_point(self) -> float:
        """The state at which a pulse up and a pulse down cancel; parameters are numbers.

        Alternating pulses lead there from both sides.  A bound, if one direction wins everywhere;
        the middle, 0, if the two are equal everywhere.
        """
        excess = self.step_size(_RANGE, Polarity.UP) - self.step_size(_RANGE, Polarity.DOWN)
        if not np.any(excess):
            return 0.0
        falls = np.nonzero((excess[:-1] >= 0) & (excess[1:] < 0))[0]
        if not falls.size:
            return UPPER if excess[-1] >= 0 else LOWER
        return self._crossing(float(_RANGE[falls[0]]), float(_RANGE[falls[0] + 1]))

    def _crossing(self, low: float, high: float) -> float:
        for _ in range(_BISECTIONS):
            middle = 0.5 * (low + high)
            up = self.step_size(middle, Polarity.UP)
            if np.all(up >= self.step_size(middle, Polarity.DOWN)):
                low = middle
            else:
                high = middle
        return 0.5 * (low + high)


_RANGE = np.linspace(LOWER, UPPER, _SCAN)


def floating(values: ArrayLike) -> States:
    """`values` as an array of floats: float32 and float64 stay, all else becomes float64."""
    array: NDArray[Any] = np.asarray(values)
    if np.issubdtype(array.dtype, np.floating):
        return array
    return array.astype(np.float64)


def geometric_sum(pulses: ArrayLike, decay: Scalar) -> NDArray[np.float64]:
    """1 + q + q^2 + ... of `pulses` terms with q = 1 - decay, for decay < 1 of either sign."""
    n = np.asarray(pulses, dtype=np.float64)
    b = np.asarray(decay, dtype=np.float64)
    # Growth beyond every range is cut before it overflows.
    exponent = np.minimum(n * np.log1p(-b), _LARGEST_EXPONENT)
    flat = np.abs(b) < _FLAT
    return np.where(flat, n, -np.expm1(exponent) / np.where(flat, 1.0, b))


_LARGEST_EXPONENT = 500.0
# Below this decay, n pulses differ from n equal steps by less than rounding, for n up to 10^9.
_FLAT = 1e-25
