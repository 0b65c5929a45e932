"""A measured compute-in-memory macro: throughput, efficiency, energy and area of its parts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal, Self

from pydantic import Field, model_validator

from archsim.errors import did_you_mean
from archsim.hardware.macro.macro import Macro, OperatingPoint, Share
from archsim.validation.estimate import (
    Basis,
    CircuitClass,
    ConfigurationKind,
    Estimate,
    Measure,
    Outcome,
    summed,
)

# Which class a component of a macro belongs to; lines, amplifiers and stated circuits carry names of
# their own.
_CLASSES: Mapping[str, CircuitClass] = {
    "cells": CircuitClass.CELLS,
    "input_registers": CircuitClass.DIGITAL,
    "input_ladders": CircuitClass.DRIVERS,
    "converters": CircuitClass.ADC,
    "input_logic": CircuitClass.DIGITAL,
    "output_logic": CircuitClass.DIGITAL,
}
# An estimate of which this share is stated by the publication itself is no prediction.
STATED_SHARE = 1.0 / 3.0


class MacroKind(ConfigurationKind):
    """A macro at the operating points of its publication.

    `groups` name sets of components as the publication adds them up.  Rows, for each POINT, of the
    whole macro or, with `.GROUP` behind, of a group: `POINT.throughput`, `POINT.efficiency`,
    `POINT.density` (throughput of all units over area), `POINT.energy` (of one array per input
    vector), `POINT.energy_per_output`, `POINT.energy_per_op`, `POINT.power` (of all units); `area`,
    `area.GROUP` of one array, and `total_area` of all units.

    An estimate is a roll-up if a third of it or more is stated by the publication (areas of cells,
    stated circuits), else a prediction.
    """

    kind: Literal["macro"]
    macro: Macro
    points: dict[str, OperatingPoint] = Field(min_length=1)
    groups: dict[str, tuple[str, ...]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _possible_points(self) -> Self:
        for name, point in self.points.items():
            try:
                self.macro.vector_s(point)
            except ValueError as error:
                raise ValueError(f"point '{name}': {error}") from None
            if self.macro.array.outputs(point.weight_bits) < 1:
                raise ValueError(f"point '{name}': a weight has more bits than a row of the array")
        return self

    @model_validator(mode="after")
    def _known_components(self) -> Self:
        point = next(iter(self.points.values()))
        known = set(self.macro.energy_j(point)) | set(self.macro.area_m2())
        for group, members in self.groups.items():
            for member in members:
                if member not in known:
                    raise ValueError(
                        f"group '{group}' names '{member}', which is no component. "
                        f"{did_you_mean(member, known)}"
                    )
        return self

    def estimates(self) -> Mapping[str, Outcome]:
        """All figures at all points."""
        found: dict[str, Outcome] = {}
        areas = self.macro.area_m2()
        for suffix, members in self._suffixes(areas):
            found[f"area{suffix}"] = _sum(areas, members, "m^2", "area")
        found["total_area"] = _sum(areas, tuple(areas), "m^2", "area", self.macro.array.units)
        for name, point in self.points.items():
            found |= {f"{name}.{key}": value for key, value in self._at(point, areas)}
        return found

    def _suffixes(self, shares: Mapping[str, Share]) -> Iterator[tuple[str, tuple[str, ...]]]:
        """The whole and each group that has a share: (row suffix, components)."""
        yield "", tuple(shares)
        for group, members in self.groups.items():
            present = tuple(member for member in members if member in shares)
            if any(shares[member].value > 0 for member in present):
                yield f".{group}", present

    def _at(
        self, point: OperatingPoint, areas: Mapping[str, Share]
    ) -> Iterator[tuple[str, Estimate]]:
        macro = self.macro
        energies, ops = macro.energy_j(point), macro.operations(point)
        per_array = ops / macro.array.units
        time = macro.vector_s(point)
        timing: Basis = "prediction" if macro.timing.modelled(point.supply_v) else "rollup"
        seconds = {CircuitClass.PUBLISHED: time}
        yield "throughput", Estimate(seconds, "OPS", "time", timing, ops, inverse=True)
        for suffix, members in self._suffixes(energies):
            yield (
                f"efficiency{suffix}",
                _sum(energies, members, "OPS/W", "energy", per_array, inverse=True),
            )
            outputs = macro.array.outputs(point.weight_bits)
            for key, scale in (
                ("energy", 1.0),
                ("energy_per_output", 1.0 / outputs),
                ("energy_per_op", 1.0 / per_array),
            ):
                yield f"{key}{suffix}", _sum(energies, members, "J", "energy", scale)
            per_time = macro.array.units / time
            yield f"power{suffix}", _sum(energies, members, "W", "energy", per_time)
        for suffix, members in self._suffixes(areas):
            rate = per_array / time
            yield f"density{suffix}", _sum(areas, members, "OPS/m^2", "area", rate, inverse=True)


def class_of(name: str, share: Share) -> CircuitClass:
    """The class of a component of a macro; what the publication states is a class of its own."""
    if share.stated:
        return CircuitClass.PUBLISHED
    return CircuitClass.ANALOG if share.analog else _CLASSES.get(name, CircuitClass.LINES)


def _sum(
    shares: Mapping[str, Share],
    members: tuple[str, ...],
    unit: str,
    measure: Measure,
    scale: float = 1.0,
    *,
    inverse: bool = False,
) -> Estimate:
    """The sum of some components, as a prediction if little of it is stated."""
    parts = summed((class_of(name, shares[name]), shares[name].value) for name in members)
    total = sum(parts.values())
    stated = parts.get(CircuitClass.PUBLISHED, 0.0)
    basis: Basis = "prediction" if stated < STATED_SHARE * total else "rollup"
    return Estimate(parts, unit, measure, basis, scale, inverse=inverse)
