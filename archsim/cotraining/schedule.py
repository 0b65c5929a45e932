"""Learning rates over the epochs of a training."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Field

from archsim.fields import Component, Quantity

Rate = Annotated[float, Quantity(above=0, maximum=1e3)]
Count = Annotated[int, Quantity(integer=True, minimum=1, maximum=1e6)]


class ConstantRate(Component):
    """One rate throughout."""

    kind: Literal["constant"]
    rate: Rate

    def at(self, epoch: int, epochs: int) -> float:
        """The rate of `epoch` (from 0) of `epochs`."""
        return self.rate


class StepRates(Component):
    """The `rates` one after the other, each for `epochs_each` epochs, the last to the end."""

    kind: Literal["steps"]
    rates: Annotated[tuple[Rate, ...], Field(min_length=1)]
    epochs_each: Count

    def at(self, epoch: int, epochs: int) -> float:
        """The rate of `epoch` (from 0) of `epochs`."""
        return self.rates[min(epoch // self.epochs_each, len(self.rates) - 1)]


class CosineRate(Component):
    """Half a cosine from `rate` in the first epoch to `end_share` of it in the last."""

    kind: Literal["cosine"]
    rate: Rate
    end_share: Annotated[float, Quantity(minimum=0, maximum=1)] = 0.0

    def at(self, epoch: int, epochs: int) -> float:
        """The rate of `epoch` (from 0) of `epochs`."""
        done = epoch / max(epochs - 1, 1)
        share = 0.5 * (1.0 + math.cos(math.pi * min(done, 1.0)))
        return self.rate * (self.end_share + (1.0 - self.end_share) * share)


LearningRate = Annotated[ConstantRate | StepRates | CosineRate, Field(discriminator="kind")]
