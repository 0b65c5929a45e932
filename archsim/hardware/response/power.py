"""Power steps: the step falls with a power of the distance from the bound ahead."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

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


class PowerStep(ResponseModel):
    """Up by `step_up * (1 - x)^exponent_up`, down by `step_down * (1 + x)^exponent_down`.

    `step_up` and `step_down` are the steps in the middle of the range.  An exponent of 0 is a
    constant step, of 1 a soft bound.  No closed form for n pulses: pulse by pulse.
    """

    kind: Literal["power"]
    step_up: Annotated[Scalar, Quantity(above=0, maximum=LARGEST_STEP)]
    step_down: Annotated[Scalar, Quantity(above=0, maximum=LARGEST_STEP)]
    exponent_up: Annotated[Scalar, Quantity(minimum=0, maximum=10)]
    exponent_down: Annotated[Scalar, Quantity(minimum=0, maximum=10)]

    def step_size(self, state: ArrayLike, polarity: Polarity) -> States:
        """The step, none at the bound ahead unless the exponent is 0."""
        x = floating(state)
        if polarity is Polarity.UP:
            return self.step_up * (UPPER - x) ** self.exponent_up
        return self.step_down * (x - LOWER) ** self.exponent_down

    def mixed(self, residual: Scalar) -> Response:
        """Steps drawn towards their mean, which no power describes."""
        from archsim.hardware.response.blended import BlendedStep

        return BlendedStep.model_construct(kind="blended", base=self, residual=residual)
