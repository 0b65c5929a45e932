"""Protonic steps: a proton count per pulse, a conductance per proton, an open-circuit potential."""

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


class ProtonicStep(ResponseModel):
    """Proton insertion (up) and extraction (down) in a tungsten-oxide channel.

    With u = (1 + x) / 2, the part of the range that is filled:

    * the conductance that one proton adds changes with the state, m = 1 + mobility * x, alike in
      both directions;
    * a pulse up inserts the same number of protons at every state: step = step_up * m;
    * a pulse down extracts in proportion to theta = u / (u + filling), the occupancy of an
      adsorption isotherm (Langmuir) with half occupancy at `filling`: few protons are left to take
      at the bottom of the range.  step = step_down * m * (theta(u) / theta(1/2))^potential_share.

    ln theta is the state-dependent part of the open-circuit potential in units of the slope of the
    pulse law; `potential_share` is the part of it that acts: 1 for devices driven by voltage, less
    under current drive or compensation.  `step_up` and `step_down` are the steps in the middle of
    the range.  The form was chosen among seven of four to six parameters for the digitised curve
    of Onen et al. (2022), where it leaves the smallest residual (see docs/reference/devices.md);
    it is a description of that curve and no theory of the device.  No closed form for n pulses.
    """

    kind: Literal["protonic"]
    step_up: Annotated[Scalar, Quantity(above=0, maximum=LARGEST_STEP)]
    step_down: Annotated[Scalar, Quantity(above=0, maximum=LARGEST_STEP)]
    mobility: Annotated[Scalar, Quantity(minimum=-1, maximum=1)]
    filling: Annotated[Scalar, Quantity(above=0, maximum=100)]
    potential_share: Annotated[Scalar, Quantity(minimum=0, maximum=1)] = 1.0

    def step_size(self, state: ArrayLike, polarity: Polarity) -> States:
        """The step; a step down ends at the bottom of the range, where no protons are left."""
        x = floating(state)
        gain = 1.0 + self.mobility * x
        if polarity is Polarity.UP:
            return self.step_up * gain
        filled = 0.5 * (1.0 + x)
        occupancy = filled * (1.0 + 2.0 * self.filling) / (filled + self.filling)
        return self.step_down * gain * occupancy**self.potential_share

    def mixed(self, residual: Scalar) -> Response:
        """The same protons with the share `residual` of the open-circuit potential.

        The symmetry point and the steps there stay; at 0, extraction equals insertion everywhere.
        """
        return ProtonicStep.model_construct(
            kind="protonic",
            step_up=self.step_up,
            step_down=np.power(self.step_up, 1.0 - residual) * np.power(self.step_down, residual),
            mobility=self.mobility,
            filling=self.filling,
            potential_share=self.potential_share * residual,
        )
