"""Piecewise linear steps: step sizes at a few states, as read from a measured curve."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, Self, TypeAlias

import numpy as np
from numpy.typing import ArrayLike
from pydantic import Field, model_validator

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

MOST_NODES = 100
_State: TypeAlias = Annotated[float, Quantity(minimum=LOWER, maximum=UPPER)]
_Size: TypeAlias = Annotated[float, Quantity(minimum=0, maximum=LARGEST_STEP)]
Nodes: TypeAlias = Annotated[tuple[_State, ...], Field(min_length=2, max_length=MOST_NODES)]
Sizes: TypeAlias = Annotated[tuple[_Size, ...], Field(min_length=2, max_length=MOST_NODES)]


class PiecewiseStep(ResponseModel):
    """Steps `steps_up` and `steps_down` at `states`, linear between them.

    `states` rise from -1 to 1.  No closed form for n pulses: pulse by pulse.
    """

    kind: Literal["piecewise"]
    states: Nodes
    steps_up: Sizes
    steps_down: Sizes

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if not len(self.states) == len(self.steps_up) == len(self.steps_down):
            raise ValueError(
                f"states has {len(self.states)} entries, steps_up {len(self.steps_up)} and "
                f"steps_down {len(self.steps_down)}; give one step of each kind per state"
            )
        if (self.states[0], self.states[-1]) != (LOWER, UPPER):
            raise ValueError("states must begin with -1 and end with 1, the bounds of the range")
        if any(np.diff(self.states) <= 0):
            raise ValueError("states must rise from one to the next")
        return self

    def step_size(self, state: ArrayLike, polarity: Polarity) -> States:
        """The interpolated step."""
        x = floating(state)
        sizes = self.steps_up if polarity is Polarity.UP else self.steps_down
        return np.asarray(np.interp(x, self.states, sizes), dtype=x.dtype)

    def mixed(self, residual: Scalar) -> Response:
        """Steps that differ by the share `residual` at every node.

        A residual per configuration is refused by numpy: nodes are not stacked.
        """
        up, down = np.asarray(self.steps_up), np.asarray(self.steps_down)
        mean, share = 0.5 * (up + down), float(residual)
        return PiecewiseStep.model_construct(
            kind="piecewise",
            states=self.states,
            steps_up=tuple((mean + share * (up - mean)).tolist()),
            steps_down=tuple((mean + share * (down - mean)).tolist()),
        )
