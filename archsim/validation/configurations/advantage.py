"""Two machines that do the same operations, as a publication times them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from archsim.fields import Component, Quantity
from archsim.validation.estimate import ConfigurationKind, Outcome, total


class TimedOperation(Component):
    """One operation: how long it takes on the machine of the publication and on its rival."""

    own_s: Annotated[float, Quantity("s", above=0)]
    rival_s: Annotated[float, Quantity("s", above=0)]


class Advantage(ConfigurationKind):
    """Operations that follow each other, once each.  Rows: `time`, the rival's over the own."""

    kind: Literal["advantage"]
    operations: Annotated[dict[str, TimedOperation], Field(min_length=1)]

    def estimates(self) -> Mapping[str, Outcome]:
        """The ratio of the sums of the times."""
        own_s = sum(operation.own_s for operation in self.operations.values())
        rival_s = sum(operation.rival_s for operation in self.operations.values())
        return {"time": total(rival_s / own_s, "", "ratio", "rollup")}
