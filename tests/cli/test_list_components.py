"""`archsim list` of the parts that an architecture can be made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from archsim.cli.list import COMPONENTS, folder_of
from archsim.config.references import load_references

Runner = Callable[..., Any]


@pytest.mark.parametrize("what", COMPONENTS)
def test_every_component_that_ships_is_listed_with_its_sources(
    archsim_here: Runner, what: str
) -> None:
    found = archsim_here("list", what, "--json").json
    assert {entry["name"] for entry in found} == {p.stem for p in folder_of(what).glob("*.yaml")}
    known = set(load_references())
    for entry in found:
        assert entry["description"]
        # Counts of cycles, which line is on which axis, and that nothing is in the cell cite nothing.
        plain = what in ("cells", "cycles") or entry["name"] == "voltage"
        assert plain or entry["sources"] or entry["assumed"]
        assert set(entry["sources"]) <= known
    text = archsim_here("list", what).out
    assert all(entry["name"] in text for entry in found)
    assert max(map(len, text.splitlines())) <= 80


def test_converters_are_listed_with_their_spread(archsim_here: Runner) -> None:
    for entry in archsim_here("list", "adcs", "--json").json:
        for figures in (entry["energy_j"], entry["area_m2"]):
            assert 0 < figures["low"] <= figures["typical"] <= figures["high"]
        # Only what is estimated has a spread; a published converter is what it is.
        assert (entry["energy_j"]["low"] < entry["energy_j"]["high"]) == (entry["kind"] == "sar")
