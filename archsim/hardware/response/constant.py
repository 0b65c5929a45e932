"""Constant steps: the same change at every state, until the bound."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from numpy.typing import ArrayLike

from archsim.fields import Quantity, Scalar
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


class ConstantStep(ResponseModel):
    """Up by `step_up`, down by `step_down`, hard bounds.

    The device of the RPU specification (Gokmen and Vlasov 2016).  Steps are in units of half the
    conductance range.
    """

    kind: Literal["constant"]
    step_up: Annotated[Scalar, Quantity(above=0, maximum=LARGEST_STEP)]
    step_down: Annotated[Scalar, Quantity(above=0, maximum=LARGEST_STEP)]

    def step_size(self, state: ArrayLike, polarity: Polarity) -> States:
        """`step_up` or `step_down`."""
        x = floating(state)
        size = self.step_up if polarity is Polarity.UP else self.step_down
        return np.zeros_like(x) + size

    def after_pulses(self, state: ArrayLike, pulses: ArrayLike, polarity: Polarity) -> States:
        """Closed form: x + n * step, cut at the bound."""
        x = floating(state)
        change = np.asarray(pulses) * (
            self.step_up if polarity is Polarity.UP else -np.asarray(self.step_down)
        )
        return np.clip(x + change, LOWER, UPPER).astype(x.dtype, copy=False)

    def mixed(self, residual: Scalar) -> Response:
        """Constant steps that differ by the share `residual`."""
        mean = 0.5 * (self.step_up + self.step_down)
        return ConstantStep.model_construct(
            kind="constant",
            step_up=mean + residual * (self.step_up - mean),
            step_down=mean + residual * (self.step_down - mean),
        )
