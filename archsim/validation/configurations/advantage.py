"""Two machines that do the same operations, as a publication times and prices them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from archsim.fields import Component, Quantity
from archsim.validation.estimate import ConfigurationKind, Outcome, total


class ComparedOperation(Component):
    """One operation: what it takes on the machine of the publication and on its rival.

    Energies are stated for both machines or for neither.
    """

    own_s: Annotated[float, Quantity("s", above=0)]
    rival_s: Annotated[float, Quantity("s", above=0)]
    own_energy_j: Annotated[float, Quantity("J", above=0)] | None = None
    rival_energy_j: Annotated[float, Quantity("J", above=0)] | None = None

    @model_validator(mode="after")
    def _both_energies(self) -> Self:
        if (self.own_energy_j is None) != (self.rival_energy_j is None):
            missing = "own_energy" if self.own_energy_j is None else "rival_energy"
            raise ValueError(f"an energy of one machine alone has no ratio; '{missing}' is missing")
        return self


class Advantage(ConfigurationKind):
    """Operations that follow each other, once each.

    Rows: `time`, the rival's over the own, and `energy` likewise if all operations state theirs.
    """

    kind: Literal["advantage"]
    operations: Annotated[dict[str, ComparedOperation], Field(min_length=1)]

    def estimates(self) -> Mapping[str, Outcome]:
        """The ratios of the sums of the times, and of the energies."""
        operations = self.operations.values()
        own_s = sum(operation.own_s for operation in operations)
        rival_s = sum(operation.rival_s for operation in operations)
        found: dict[str, Outcome] = {"time": total(rival_s / own_s, "", "ratio", "rollup")}
        own_j = [
            operation.own_energy_j for operation in operations if operation.own_energy_j is not None
        ]
        rival_j = [
            operation.rival_energy_j
            for operation in operations
            if operation.rival_energy_j is not None
        ]
        if len(own_j) == len(operations):
            found["energy"] = total(sum(rival_j) / sum(own_j), "", "ratio", "rollup")
        return found
