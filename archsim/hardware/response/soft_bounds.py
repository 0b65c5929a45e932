"""Soft bounds: the step falls in proportion to the distance from the bound ahead."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from numpy.typing import ArrayLike

from archsim.fields import Quantity, Scalar
from archsim.hardware.response.linear import mixed_lines
from archsim.hardware.response.model import (
    LARGEST_STEP,
    LOWER,
    UPPER,
    Polarity,
    ResponseModel,
    States,
    floating,
)

if TYPE_CHECKING:
    from archsim.hardware.response import Response


class SoftBounds(ResponseModel):
    """Up by `step_up * (1 - x)`, down by `step_down * (1 + x)`; steps are those at mid-range.

    Fusi and Abbott (2007).  Their symmetry point is (up - down) / (up + down).
    """

    kind: Literal["soft_bounds"]
    step_up: Annotated[Scalar, Quantity(above=0, maximum=LARGEST_STEP)]
    step_down: Annotated[Scalar, Quantity(above=0, maximum=LARGEST_STEP)]

    def step_size(self, state: ArrayLike, polarity: Polarity) -> States:
        """The step, none at the bound ahead."""
        x = floating(state)
        if polarity is Polarity.UP:
            return self.step_up * (UPPER - x)
        return self.step_down * (x - LOWER)

    def after_pulses(self, state: ArrayLike, pulses: ArrayLike, polarity: Polarity) -> States:
        """Closed form: the distance to the bound shrinks by the factor (1 - step)^n."""
        x = floating(state)
        n = np.asarray(pulses, dtype=np.float64)
        if polarity is Polarity.UP:
            moved = UPPER - (UPPER - x) * np.exp(n * np.log1p(-np.asarray(self.step_up)))
        else:
            moved = LOWER + (x - LOWER) * np.exp(n * np.log1p(-np.asarray(self.step_down)))
        return np.asarray(np.clip(moved, LOWER, UPPER), dtype=x.dtype)

    def mixed(self, residual: Scalar) -> Response:
        """Linear steps: soft bounds whose mean is taken are soft no longer."""
        return mixed_lines(
            (self.step_up, -self.step_up), (self.step_down, self.step_down), residual
        )
