"""The steps of another model, drawn towards their mean: what a compensating circuit leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

from numpy.typing import ArrayLike
from pydantic import Field

from archsim.fields import Quantity, Scalar
from archsim.hardware.response.exponential import ExponentialStep
from archsim.hardware.response.model import Polarity, ResponseModel, States
from archsim.hardware.response.power import PowerStep

if TYPE_CHECKING:
    from archsim.hardware.response import Response

Blendable: TypeAlias = Annotated[PowerStep | ExponentialStep, Field(discriminator="kind")]


class BlendedStep(ResponseModel):
    """The mean of the base's steps up and down, plus the share `residual` of their deviation.

    For models whose mean is none of their own kind.  No closed form for n pulses.
    """

    kind: Literal["blended"]
    base: Blendable
    residual: Annotated[Scalar, Quantity(minimum=0, maximum=1)]

    def step_size(self, state: ArrayLike, polarity: Polarity) -> States:
        """The step between the mean of both directions (residual 0) and its own (1)."""
        up = self.base.step_size(state, Polarity.UP)
        down = self.base.step_size(state, Polarity.DOWN)
        own = up if polarity is Polarity.UP else down
        mean = 0.5 * (up + down)
        return mean + self.residual * (own - mean)

    def mixed(self, residual: Scalar) -> Response:
        """The shares multiply."""
        share = self.residual * residual
        return BlendedStep.model_construct(kind="blended", base=self.base, residual=share)
