"""A chip as a list of published components and what is built of how many of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from archsim.errors import did_you_mean
from archsim.fields import Component, Quantity
from archsim.validation.estimate import (
    CircuitClass,
    ConfigurationKind,
    Estimate,
    Measure,
    Outcome,
    summed,
)


class Part(Component):
    """One published component: its power when active and its area, either of them 0 if not stated."""

    circuit: CircuitClass
    power_w: Annotated[float, Quantity("W", minimum=0)] = 0.0
    area_m2: Annotated[float, Quantity("m^2", minimum=0)] = 0.0


class Peak(Component):
    """Peak throughput of an assembly: `arrays` busy arrays, each one product per `product_s`.

    `cols_per_weight` physical columns hold one weight.  `macs_as_ops` is the number of operations
    that the publication counts for one multiply-accumulate.
    """

    assembly: str
    arrays: Annotated[float, Quantity(above=0)]
    rows: Annotated[float, Quantity(above=0)]
    cols: Annotated[float, Quantity(above=0)]
    cols_per_weight: Annotated[float, Quantity(above=0)]
    product_s: Annotated[float, Quantity("s", above=0)]
    macs_as_ops: Annotated[float, Quantity(minimum=1, maximum=2)]

    @property
    def operations_hz(self) -> float:
        """Operations per second."""
        macs = self.arrays * self.rows * self.cols / self.cols_per_weight
        return self.macs_as_ops * macs / self.product_s


class Rollup(ConfigurationKind):
    """Sums of published components: power and area of each assembly, and peak figures.

    An assembly is a number of parts and of assemblies that are listed before it.  Rows:
    `ASSEMBLY.power`, `ASSEMBLY.area`, and, with a `peak`, `peak.throughput`, `peak.efficiency`,
    `peak.density`.
    """

    kind: Literal["rollup"]
    parts: dict[str, Part]
    assemblies: dict[str, dict[str, Annotated[float, Quantity(above=0)]]] = Field(min_length=1)
    peak: Peak | None = None

    @model_validator(mode="after")
    def _known_members(self) -> Self:
        known = set(self.parts)
        for name, members in self.assemblies.items():
            for member in members:
                if member not in known:
                    raise ValueError(
                        f"assembly '{name}' is made of '{member}', which is neither a part nor an "
                        f"assembly above it. {did_you_mean(member, known)}"
                    )
            known.add(name)
        if self.peak is not None and self.peak.assembly not in known:
            raise ValueError(
                f"the peak is that of '{self.peak.assembly}', which is no assembly. "
                f"{did_you_mean(self.peak.assembly, self.assemblies)}"
            )
        return self

    def estimates(self) -> Mapping[str, Outcome]:
        """Power and area of every assembly; peak throughput, efficiency and density."""
        found: dict[str, Outcome] = {}
        for name in self.assemblies:
            found[f"{name}.power"] = self._sum(name, "energy")
            found[f"{name}.area"] = self._sum(name, "area")
        return found if self.peak is None else found | self._peak(self.peak)

    def _sum(self, name: str, measure: Measure, *, scale: float = 1.0, unit: str = "") -> Estimate:
        """The sum over an assembly, or `scale` over it."""
        parts = summed(
            (part.circuit, count * (part.power_w if measure == "energy" else part.area_m2))
            for part, count in self._members(name, 1.0)
        )
        own = "W" if measure == "energy" else "m^2"
        return Estimate(parts, unit or own, measure, "rollup", scale, inverse=bool(unit))

    def _members(self, name: str, count: float) -> Iterator[tuple[Part, float]]:
        if name in self.parts:
            yield self.parts[name], count
            return
        for member, each in self.assemblies[name].items():
            yield from self._members(member, count * each)

    def _peak(self, peak: Peak) -> dict[str, Outcome]:
        rate = peak.operations_hz
        period = Estimate(
            {CircuitClass.PUBLISHED: 1.0 / rate}, "OPS", "time", "rollup", inverse=True
        )
        return {
            "peak.throughput": period,
            "peak.efficiency": self._sum(peak.assembly, "energy", scale=rate, unit="OPS/W"),
            "peak.density": self._sum(peak.assembly, "area", scale=rate, unit="OPS/m^2"),
        }
