"""A measured digital compute-in-memory macro with an adder in every cell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from archsim.fields import Component, Quantity
from archsim.hardware.macro.adder_array import AdderArray
from archsim.validation.estimate import (
    Basis,
    CircuitClass,
    ConfigurationKind,
    Estimate,
    Outcome,
    summed,
)

_CLASSES: Mapping[str, CircuitClass] = {
    "cells": CircuitClass.DIGITAL,
    "input_lines": CircuitClass.LINES,
    "registers": CircuitClass.DIGITAL,
}


class DigitalPoint(Component):
    """Precision, registers per column, and supply of a published result."""

    input_bits: Annotated[int, Quantity(integer=True, minimum=1, maximum=32)]
    weight_bits: Annotated[int, Quantity(integer=True, minimum=1, maximum=32)]
    registers: Annotated[int, Quantity(integer=True, minimum=1, maximum=65536)]
    supply_v: Annotated[float, Quantity("V", above=0, maximum=20)]


class DigitalMacroKind(ConfigurationKind):
    """A digital macro at the operating points of its publication.

    Rows for each POINT: `POINT.throughput` (input bits pipelined), `POINT.latency` (not pipelined),
    `POINT.energy_per_mac`, that of a component as `POINT.energy_per_mac.COMPONENT`, `POINT.area`,
    `POINT.area.COMPONENT`.  Delays are the publication's at its own supply (roll-ups), and scaled
    at others (predictions).
    """

    kind: Literal["digital_macro"]
    macro: AdderArray
    points: dict[str, DigitalPoint] = Field(min_length=1)

    @model_validator(mode="after")
    def _possible_points(self) -> Self:
        for name, point in self.points.items():
            if point.supply_v <= self.macro.threshold_v:
                raise ValueError(f"point '{name}': the supply must lie above the threshold voltage")
            if self.macro.outputs(point.weight_bits) < 1:
                raise ValueError(f"point '{name}': a weight takes more columns than there are")
        return self

    def estimates(self) -> Mapping[str, Outcome]:
        """All figures at all points."""
        return {
            f"{name}.{key}": value
            for name, point in self.points.items()
            for key, value in (self._times(point) | self._costs(point)).items()
        }

    def _times(self, point: DigitalPoint) -> dict[str, Outcome]:
        macro = self.macro
        basis: Basis = "rollup" if point.supply_v == macro.delay_supply_v else "prediction"
        pipelined, alone = (
            macro.vector_s(
                point.input_bits, point.weight_bits, point.registers, point.supply_v, pipelined=how
            )
            for how in (True, False)
        )
        ops = macro.operations(point.weight_bits)
        published = CircuitClass.PUBLISHED
        return {
            "throughput": Estimate({published: pipelined}, "OPS", "time", basis, ops, inverse=True),
            "latency": Estimate({published: alone}, "s", "time", basis),
        }

    def _costs(self, point: DigitalPoint) -> dict[str, Outcome]:
        macro = self.macro
        energies = macro.energy_j(point.input_bits, point.registers, point.supply_v)
        areas = macro.area_m2(point.registers)
        per_mac = 2.0 / macro.operations(point.weight_bits)
        found: dict[str, Outcome] = {
            "energy_per_mac": Estimate(_classed(energies), "J", "energy", "prediction", per_mac),
            "area": Estimate(_classed(areas), "m^2", "area", "prediction"),
        }
        for name in energies:
            part = _classed({name: energies[name]})
            found[f"energy_per_mac.{name}"] = Estimate(part, "J", "energy", "prediction", per_mac)
            place = _classed({name: areas[name]})
            found[f"area.{name}"] = Estimate(place, "m^2", "area", "prediction")
        return found


def _classed(values: Mapping[str, float]) -> dict[CircuitClass, float]:
    return summed((_CLASSES[name], value) for name, value in values.items())
