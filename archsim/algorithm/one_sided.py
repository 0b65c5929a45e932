"""One-sided updates: two devices per weight, both pulsed up only, and refreshed."""

from __future__ import annotations

import math
from typing import Annotated, ClassVar, Literal, Self

from pydantic import model_validator

from archsim.algorithm.operations import (
    Operations,
    Pulsed,
    Refresh,
    Role,
    RoleArray,
    Unit,
    Work,
)
from archsim.fields import Component, Quantity, Scalar


class OneSided(Component):
    """Two devices per weight, W = G+ - G-: a step up pulses G+, a step down pulses G-.

    Every `refresh_every` minibatches both arrays are read line by line.  Where the larger
    conductance of a pair is above `refresh_upper` of the range and the smaller above
    `refresh_lower`, both are reset to the bottom and the difference is written again by pulses.
    """

    published: ClassVar[str] = "alg.OneSidedPCM"

    kind: Literal["one_sided"]
    refresh_every: Annotated[Scalar, Quantity(integer=True, minimum=1, maximum=1e9)] = 1
    refresh_upper: Annotated[Scalar, Quantity(above=0, maximum=1)] = 0.75
    refresh_lower: Annotated[Scalar, Quantity(minimum=0, maximum=1)] = 0.25

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.refresh_lower >= self.refresh_upper:
            raise ValueError("refresh_lower must be below refresh_upper")
        return self

    def operations(self, inputs: Scalar, outputs: Scalar) -> Operations:
        """One update per vector, shared by the pair; a refresh reads both arrays as a whole."""
        weights = inputs * outputs
        return Operations(
            arrays=(
                RoleArray(Role.UP, Pulsed.SHARED, read=1),
                RoleArray(Role.DOWN, Pulsed.SHARED, read=1),
            ),
            state_words=0.0,
            per_vector=Work(parallel_updates=1.0),
            per_transfer=Work(
                line_reads=2.0 * inputs,
                conversions=2.0 * weights,
                line_writes=2.0 * inputs,
                write_slots=math.inf,
                resets=2.0 * weights,
                digital_macs=weights,
                digital_compares=2.0 * weights,
            ),
            transfer_every=self.refresh_every,
            transfer_unit=Unit.MINIBATCH,
            refresh=Refresh(self.refresh_upper, self.refresh_lower),
        )
