"""What every kind of published configuration owes, on everything that ships."""

from __future__ import annotations

import math

import pytest

from archsim.config.shapes import components_of, kinds_of
from archsim.units import parse_unit
from archsim.validation.configurations.kinds import Configuration
from archsim.validation.estimate import ConfigurationKind, Estimate, NotModelled
from archsim.validation.published import load_system, published_names

SYSTEMS = {name: load_system(name).value for name in published_names()}


def test_every_kind_is_used_by_a_published_system() -> None:
    kinds = {kind for model in components_of(Configuration) for kind in kinds_of(model)}
    assert {system.configuration.kind for system in SYSTEMS.values()} == kinds


@pytest.mark.parametrize("name", SYSTEMS)
def test_estimates_are_positive_numbers_made_of_parts(name: str) -> None:
    """Each is finite, in a known unit, and no part is negative."""
    configuration = SYSTEMS[name].configuration
    assert isinstance(configuration, ConfigurationKind)
    for key, outcome in configuration.estimates().items():
        if isinstance(outcome, NotModelled):
            assert outcome.cause, key
            continue
        assert isinstance(outcome, Estimate)
        assert 0.0 < outcome.value() < math.inf or not outcome.parts, key
        assert all(part >= 0.0 for part in outcome.parts.values()), key
        parse_unit(outcome.unit)
