"""How long a macro takes for one input vector."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from archsim.fields import Component, Quantity
from archsim.hardware.macro.delay import delay_ratio
from archsim.hardware.macro.encoding import Counts


class ClockedTiming(Component):
    """A pass takes `cycles` of the clock that the operating point states."""

    kind: Literal["clocked"]
    cycles: Annotated[float, Quantity(above=0)]

    def vector_s(self, counts: Counts, supply_v: float, clock_hz: float | None) -> float:
        """Time of all passes; raises `ValueError` for an operating point without a clock."""
        del supply_v
        if clock_hz is None:
            raise ValueError("an operating point of a clocked macro needs a clock")
        return counts.passes * self.cycles / clock_hz

    def modelled(self, supply_v: float) -> bool:
        """Clocks are stated."""
        del supply_v
        return False


class AnchoredTiming(Component):
    """A pass takes `interval` at `supply`, and scales with gate delay at other supplies."""

    kind: Literal["anchored"]
    interval_s: Annotated[float, Quantity("s", above=0)]
    supply_v: Annotated[float, Quantity("V", above=0)]
    threshold_v: Annotated[float, Quantity("V", minimum=0)]

    def vector_s(self, counts: Counts, supply_v: float, clock_hz: float | None) -> float:
        """Time of all passes; raises `ValueError` below the threshold voltage."""
        del clock_hz
        scale = float(delay_ratio(supply_v, self.supply_v, self.threshold_v))
        return counts.passes * self.interval_s * scale

    def modelled(self, supply_v: float) -> bool:
        """Whether the supply differs from that at which the interval is stated."""
        return supply_v != self.supply_v


class SteppedTiming(Component):
    """Stated times of an integration step, a conversion step, and the pause of each phase."""

    kind: Literal["stepped"]
    integration_s: Annotated[float, Quantity("s", minimum=0)]
    conversion_s: Annotated[float, Quantity("s", minimum=0)]
    phase_s: Annotated[float, Quantity("s", minimum=0)]

    def vector_s(self, counts: Counts, supply_v: float, clock_hz: float | None) -> float:
        """Sum over steps and phases."""
        del supply_v, clock_hz
        return (
            counts.integration_steps * self.integration_s
            + counts.conversion_steps * self.conversion_s
            + counts.phases * self.phase_s
        )

    def modelled(self, supply_v: float) -> bool:
        """Steps are stated."""
        del supply_v
        return False


Timing: TypeAlias = Annotated[
    ClockedTiming | AnchoredTiming | SteppedTiming, Field(discriminator="kind")
]
