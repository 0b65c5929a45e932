"""Dimensional sanity: in other units of length, mass, time and current every chip is the same chip.

Each number of an architecture is multiplied by what a change of units makes of its dimension.  Prices
must follow theirs: a formula that adds joules to watts, or holds a constant with a unit, does not.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.config.shapes import field_quantity, fields_of
from archsim.fields import Component
from archsim.hardware.periphery import PulseGenerator
from archsim.simulation.estimate import estimate
from archsim.simulation.programming import programming
from archsim.units import parse_unit
from tests.closeness import close
from tests.hardware.chips import CHANGES, chip
from tests.hardware.test_circuit_library import PROGRAM

# Converters from the survey are a fit in nanometres and hertz, registers a table of logic by node.
NO_TABLES: dict[str, Any] = {"periphery.registers": None}
ENTERED = NO_TABLES | {"adc": {"extends": "adcs/haensch_9b"}}
TABULATED = {"adcs/sar_9b", "wide registers", "digital tables"}
CHIPS = [name for name in CHANGES if name not in TABULATED]
TIME, ENERGY, POWER, AREA = "s", "J", "W", "m^2"

Units = tuple[float, float, float, float]


def factor(unit: str, units: Units) -> float:
    """What a number of that unit is multiplied by."""
    dimension = parse_unit(unit).dimension[:4] if unit else (0, 0, 0, 0)
    return float(np.prod([u**power for u, power in zip(units, dimension, strict=True)]))


def converted(component: Any, units: Units) -> Any:
    """The component in other units."""
    update: dict[str, Any] = {}
    model = type(component)
    for key, name in zip(fields_of(model), model.model_fields, strict=True):
        value, quantity = getattr(component, name), field_quantity(model, key)
        if isinstance(value, Component):
            update[name] = converted(value, units)
        elif quantity is not None and isinstance(value, (int, float)):
            update[name] = value * factor(quantity.unit, units)
    return component.model_copy(update=update)


scales = st.floats(0.5, 2.0)


@pytest.mark.parametrize("name", CHIPS)
@settings(max_examples=6)
@given(units=st.tuples(scales, scales, scales, scales))
def test_prices_follow_a_change_of_units(name: str, units: Units) -> None:
    one = chip(name, **(NO_TABLES if name.startswith("adcs/") else ENTERED))
    other = converted(one, units)
    here, there = (estimate(PROGRAM, [tree], [3]) for tree in (one, other))
    assert there.step_latency_s == close(here.step_latency_s * factor(TIME, units))
    assert there.step_energy_j == close(here.step_energy_j * factor(ENERGY, units))
    for component, joules in here.costs.energy_j.items():
        expected = joules.sum() * factor(ENERGY, units)
        assert there.costs.energy_j[component].sum() == close(expected), component
    for component, watts in here.static_power_w.items():
        expected = watts * factor(POWER, units)
        assert there.static_power_w[component] == close(expected), component
    for component, square_metres in here.area_by_component_m2.items():
        expected = square_metres * factor(AREA, units)
        assert there.area_by_component_m2[component] == close(expected), component
    once = [programming(tree, here.mapping) for tree in (one, other)]
    assert once[1].seconds == close(once[0].seconds * factor(TIME, units))
    assert once[1].calibration_j == close(once[0].calibration_j * factor(ENERGY, units))


def test_a_constant_with_a_unit_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The check can fail: a femtojoule of nowhere does not follow the units."""
    units = (1.0, 1.5, 1.0, 1.0)
    honest = PulseGenerator.slot_energy_j.fget
    assert honest is not None
    monkeypatch.setattr(
        PulseGenerator, "slot_energy_j", property(lambda self: honest(self) + 1e-15)
    )
    one = chip("as shipped", **ENTERED)
    here, there = (estimate(PROGRAM, [tree], [3]) for tree in (one, converted(one, units)))
    name = "pulse_generators"
    spent = here.costs.energy_j[name].sum() * factor(ENERGY, units)
    assert there.costs.energy_j[name].sum() != close(spent)
