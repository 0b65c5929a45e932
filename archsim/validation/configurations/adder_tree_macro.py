"""A measured digital compute-in-memory macro with trees of adders."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from archsim.fields import Component, Quantity
from archsim.hardware.macro.adder_tree import AdderTreeMacro
from archsim.validation.estimate import (
    CircuitClass,
    ConfigurationKind,
    Estimate,
    Outcome,
    summed,
)

# What is not named is digital.
_CLASSES: Mapping[str, CircuitClass] = {"cells": CircuitClass.CELLS}


class AdderTreePoint(Component):
    """Precision, supply, clock and data of a published result.

    Without a `clock` there is no throughput, without `input_toggle` and `weight_ones` (probability that
    an input bit changes from cycle to cycle, share of ones in weights) no energy.
    """

    supply_v: Annotated[float, Quantity("V", above=0, maximum=20)]
    input_bits: Annotated[int, Quantity(integer=True, minimum=1, maximum=32)]
    clock_hz: Annotated[float, Quantity("Hz", above=0)] | None = None
    input_toggle: Annotated[float, Quantity(minimum=0, maximum=1)] | None = None
    weight_ones: Annotated[float, Quantity(minimum=0, maximum=1)] | None = None

    @model_validator(mode="after")
    def _whole_data(self) -> Self:
        if (self.input_toggle is None) != (self.weight_ones is None):
            raise ValueError("`input_toggle` and `weight_ones` are stated together or not at all")
        return self


class AdderTreeMacroKind(ConfigurationKind):
    """A macro with adder trees at the operating points of its publication.

    Rows for each POINT: `POINT.clock` (the highest that carries allow), `POINT.throughput` at the stated
    clock (a roll-up), `POINT.efficiency`, `POINT.energy_per_mac`, that of a component as
    `POINT.energy_per_mac.COMPONENT`; `area`, `area.COMPONENT` of all macros.
    """

    kind: Literal["adder_tree_macro"]
    macro: AdderTreeMacro
    points: dict[str, AdderTreePoint] = Field(min_length=1)

    @model_validator(mode="after")
    def _possible_points(self) -> Self:
        for name, point in self.points.items():
            if point.supply_v <= self.macro.threshold_v:
                raise ValueError(f"point '{name}': the supply must lie above the threshold voltage")
        return self

    def estimates(self) -> Mapping[str, Outcome]:
        """All figures at all points."""
        areas = self.macro.area_m2()
        found: dict[str, Outcome] = {"area": Estimate(_classed(areas), "m^2", "area", "prediction")}
        for name, value in areas.items():
            found[f"area.{name}"] = Estimate(_classed({name: value}), "m^2", "area", "prediction")
        for name, point in self.points.items():
            figures = self._times(point) | self._energies(point)
            found |= {f"{name}.{key}": value for key, value in figures.items()}
        return found

    def _times(self, point: AdderTreePoint) -> dict[str, Outcome]:
        period = {CircuitClass.DIGITAL: self.macro.period_s(point.supply_v)}
        found: dict[str, Outcome] = {
            "clock": Estimate(period, "Hz", "time", "prediction", inverse=True)
        }
        if point.clock_hz is not None:
            seconds = {CircuitClass.PUBLISHED: self.macro.cycles(point.input_bits) / point.clock_hz}
            ops = self.macro.operations
            found["throughput"] = Estimate(seconds, "OPS", "time", "rollup", ops, inverse=True)
        return found

    def _energies(self, point: AdderTreePoint) -> dict[str, Outcome]:
        if point.input_toggle is None or point.weight_ones is None:
            return {}
        energies = self.macro.energy_j(
            point.input_bits, point.supply_v, point.input_toggle, point.weight_ones
        )
        ops = self.macro.operations
        whole = _classed(energies)
        found: dict[str, Outcome] = {
            "efficiency": Estimate(whole, "OPS/W", "energy", "prediction", ops, inverse=True),
            "energy_per_mac": Estimate(whole, "J", "energy", "prediction", 2.0 / ops),
        }
        for name, value in energies.items():
            part = _classed({name: value})
            found[f"energy_per_mac.{name}"] = Estimate(part, "J", "energy", "prediction", 2.0 / ops)
        return found


def _classed(values: Mapping[str, float]) -> dict[CircuitClass, float]:
    return summed(
        (_CLASSES.get(name, CircuitClass.DIGITAL), value) for name, value in values.items()
    )
