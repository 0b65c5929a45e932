"""Linear steps: the step changes in proportion to the state."""

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
    geometric_sum,
)

if TYPE_CHECKING:
    from archsim.hardware.response import Response


class LinearStep(ResponseModel):
    """Up by `step_up * (1 - slope_up * x)`, down by `step_down * (1 + slope_down * x)`.

    `step_up` and `step_down` are the steps in the middle of the range.  A slope of 1 is that of a
    soft bound: no step is left at the bound ahead; a negative slope makes the steps grow towards
    it.  The linear-step device of Rasch et al. (2021), whose presets are stated around weight zero:
    there the slope is `gamma / w_max`.
    """

    kind: Literal["linear"]
    step_up: Annotated[Scalar, Quantity(above=0, maximum=LARGEST_STEP)]
    step_down: Annotated[Scalar, Quantity(above=0, maximum=LARGEST_STEP)]
    slope_up: Annotated[Scalar, Quantity(minimum=-1, maximum=1)]
    slope_down: Annotated[Scalar, Quantity(minimum=-1, maximum=1)]

    def step_size(self, state: ArrayLike, polarity: Polarity) -> States:
        """The step, linear in the state."""
        x = floating(state)
        if polarity is Polarity.UP:
            return self.step_up * (1.0 - self.slope_up * x)
        return self.step_down * (1.0 + self.slope_down * x)

    def after_pulses(self, state: ArrayLike, pulses: ArrayLike, polarity: Polarity) -> States:
        """Closed form: x + step(x) * (1 + q + ... + q^(n-1)), q = 1 - step * slope, then cut."""
        x = floating(state)
        up = polarity is Polarity.UP
        decay = self.step_up * self.slope_up if up else self.step_down * self.slope_down
        distance = self.step_size(x, polarity) * geometric_sum(pulses, decay)
        moved = x + distance if up else x - distance
        return np.clip(moved, LOWER, UPPER).astype(x.dtype, copy=False)

    def mixed(self, residual: Scalar) -> Response:
        """Linear steps that differ by the share `residual`."""
        return mixed_lines(
            (self.step_up, -self.step_up * self.slope_up),
            (self.step_down, self.step_down * self.slope_down),
            residual,
        )


def mixed_lines(
    up: tuple[Scalar, Scalar], down: tuple[Scalar, Scalar], residual: Scalar
) -> LinearStep:
    """Steps (value in the middle, change with the state) drawn towards their mean."""
    mean = tuple(0.5 * (one + other) for one, other in zip(up, down, strict=True))
    near_up = [m + residual * (one - m) for one, m in zip(up, mean, strict=True)]
    near_down = [m + residual * (one - m) for one, m in zip(down, mean, strict=True)]
    return LinearStep.model_construct(
        kind="linear",
        step_up=near_up[0],
        step_down=near_down[0],
        slope_up=-near_up[1] / near_up[0],
        slope_down=near_down[1] / near_down[0],
    )
