"""Roll-ups are sums, and ISAAC's come out as the paper states them."""

from __future__ import annotations

from typing import Any

import pytest

from archsim.validation.comparison import compare
from archsim.validation.configurations.rollup import Rollup
from archsim.validation.estimate import Estimate
from archsim.validation.published import load_system
from tests.closeness import close

# Component table of ISAAC-CE: mW and mm^2 of one unit, of a tile without its units, of the links.
IMA = [
    (16, 9.6e-3),
    (4, 1.7e-4),
    (0.01, 4e-5),
    (2.4, 2e-4),
    (0.2, 2.4e-4),
    (1.24, 2.1e-3),
    (0.23, 7.7e-4),
]
TILE = [
    (20.7, 0.083),
    (7, 0.09),
    (10.5, 0.038),
    (0.52, 6e-4),
    (0.05, 6e-5),
    (0.4, 2.4e-4),
    (1.68, 3.2e-3),
]
LINKS = (10400, 22.88)


def isaac_sums(column: int) -> dict[str, float]:
    """The assemblies of ISAAC added up by hand, in mW or mm^2."""
    ima = sum(part[column] for part in IMA)
    other = sum(part[column] for part in TILE)
    tile = 12 * ima + other
    return {
        "ima": ima,
        "imas": 12 * ima,
        "tile_other": other,
        "tile": tile,
        "tiles": 168 * tile,
        "chip": 168 * tile + LINKS[column],
    }


def estimates(name: str) -> dict[str, float]:
    found = load_system(name).value.configuration.estimates()
    return {key: e.value() for key, e in found.items() if isinstance(e, Estimate)}


@pytest.mark.parametrize(("quantity", "column", "scale"), [("power", 0, 1e3), ("area", 1, 1e6)])
def test_isaac_sums_are_those_of_the_table(quantity: str, column: int, scale: float) -> None:
    found = estimates("isaac_ce")
    for name, value in isaac_sums(column).items():
        assert found[f"{name}.{quantity}"] * scale == close(value, rel=1e-12)


def test_isaac_is_reproduced_to_the_rounding_of_the_paper() -> None:
    """No row is off by more than a percent, and the peak throughput by less than 0.5 %."""
    rows = {row.id: row for row in compare([load_system("isaac_ce").value]).rows}
    assert max(abs(row.relative_error or 0) for row in rows.values()) < 0.01
    assert abs(rows["isaac_ce.peak.throughput"].relative_error or 0) < 0.005


def test_peak_throughput_is_operations_over_time() -> None:
    by_hand = 168 * 12 * 8 * (128 * 128 / 8) * 2 / 1.6e-6
    assert estimates("isaac_ce")["peak.throughput"] == pytest.approx(by_hand, rel=1e-12)


ONE = {
    "parts": {"a": {"circuit": "adc", "power": "2 mW"}, "b": {"circuit": "cells", "area": "3 um^2"}}
}


def rollup(assemblies: dict[str, Any], peak: dict[str, Any] | None = None) -> Rollup:
    return Rollup.model_validate({"kind": "rollup", **ONE, "assemblies": assemblies, "peak": peak})


def test_assemblies_multiply_through() -> None:
    found = rollup({"x": {"a": 2, "b": 1}, "y": {"x": 3, "a": 1}}).estimates()["y.power"]
    assert isinstance(found, Estimate)
    assert found.value() == pytest.approx(7 * 2e-3)
    assert found.basis == "rollup"


@pytest.mark.parametrize(
    ("assemblies", "peak", "message"),
    [
        ({"x": {"aa": 1}}, None, "neither a part nor an assembly above it. Did you mean 'a'"),
        ({"x": {"y": 1}, "y": {"a": 1}}, None, "made of 'y'"),
        ({"x": {"a": 0}}, None, "above 0"),
        ({}, None, "at least 1"),
        (
            {"x": {"a": 1}},
            {
                "assembly": "z",
                "arrays": 1,
                "rows": 1,
                "cols": 1,
                "cols_per_weight": 1,
                "product": "1 s",
                "macs_as_ops": 2,
            },
            "the peak is that of 'z'",
        ),
    ],
)
def test_wrong_assemblies_are_refused(
    assemblies: dict[str, Any], peak: dict[str, Any] | None, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        rollup(assemblies, peak)
