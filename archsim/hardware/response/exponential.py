"""Exponential steps: a constant step less (or plus) an exponential of the state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from numpy.typing import ArrayLike

from archsim.fields import Quantity, Scalar
from archsim.hardware.response.model import (
    LARGEST_STEP,
    Polarity,
    ResponseModel,
    States,
    floating,
)

if TYPE_CHECKING:
    from archsim.hardware.response import Response


class ExponentialStep(ResponseModel):
    """Up by `step_up * (1 - amplitude_up * exp(rate_up * x))`, never below zero.

    Down likewise, mirrored: `step_down * (1 - amplitude_down * exp(-rate_down * x))`.  With a
    positive amplitude and rate the step falls towards the bound ahead and may end before it; a
    negative amplitude makes it grow.  The exponential-step device of Rasch et al. (2021), fitted to
    oxide resistive memories by Gong et al. (2018).  No closed form for n pulses: pulse by pulse.
    """

    kind: Literal["exponential"]
    step_up: Annotated[Scalar, Quantity(above=0, maximum=LARGEST_STEP)]
    step_down: Annotated[Scalar, Quantity(above=0, maximum=LARGEST_STEP)]
    amplitude_up: Annotated[Scalar, Quantity(minimum=-1000, maximum=1000)]
    amplitude_down: Annotated[Scalar, Quantity(minimum=-1000, maximum=1000)]
    rate_up: Annotated[Scalar, Quantity(minimum=-20, maximum=20)]
    rate_down: Annotated[Scalar, Quantity(minimum=-20, maximum=20)]

    def step_size(self, state: ArrayLike, polarity: Polarity) -> States:
        """The step, cut at zero."""
        x = floating(state)
        if polarity is Polarity.UP:
            share = 1.0 - self.amplitude_up * np.exp(self.rate_up * x)
            return self.step_up * np.maximum(share, 0.0)
        share = 1.0 - self.amplitude_down * np.exp(-self.rate_down * x)
        return self.step_down * np.maximum(share, 0.0)

    def mixed(self, residual: Scalar) -> Response:
        """Steps drawn towards their mean, which is not one exponential."""
        from archsim.hardware.response.blended import BlendedStep

        return BlendedStep.model_construct(kind="blended", base=self, residual=residual)
