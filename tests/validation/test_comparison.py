"""Rows, their errors, and medians per system first."""

from __future__ import annotations

from typing import Any

import pytest

from archsim.errors import InputError
from archsim.units import parse_quantity
from archsim.validation.comparison import compare, relative_error
from archsim.validation.published import PublishedSystem
from tests.closeness import close


def system(name: str, estimates: list[float], **fields: Any) -> PublishedSystem:
    """A system that published 1 W for each part, of which archsim adds up `estimates`."""
    parts = {f"p{i}": {"circuit": "adc", "power": value} for i, value in enumerate(estimates)}
    rows = [
        {
            "id": f"a{i}.power",
            "quantity": "power",
            "value": 1.0,
            "unit": "W",
            "evidence": "seen",
            **fields.get("row", {}),
        }
        for i in range(len(estimates))
    ]
    return PublishedSystem.model_validate(
        {
            "name": name,
            "title": name,
            "family": fields.get("family", ""),
            "configuration": {
                "kind": "rollup",
                "parts": parts,
                "assemblies": {f"a{i}": {f"p{i}": 1} for i in range(len(estimates))},
            },
            "published": rows,
        }
    )


def test_medians_are_taken_per_system_first() -> None:
    """A table with many rows counts as much as one with a single row."""
    many = system("many", [1.5] * 9)
    one, other = system("one", [1.1]), system("other", [1.2])
    found = compare([many, one, other]).seen
    assert (found.rows, found.systems) == (11, 3)
    assert found.median == pytest.approx(0.2), "not the 0.5 of most rows"


def test_publications_of_one_family_are_one_system() -> None:
    twice = [system("a", [1.5], family="chip"), system("b", [1.5], family="chip")]
    found = compare([*twice, system("c", [1.1])]).seen
    assert found.systems == 2
    assert found.median == pytest.approx(0.3)


def test_recalled_values_and_rollups_do_not_enter_the_seen_predictions() -> None:
    recalled = system("a", [1.5], row={"evidence": "recalled"})
    found = compare([recalled, system("b", [1.1])])
    assert found.seen.rows == 1
    assert found.predictions.rows == 0
    assert found.predictions.median is None
    assert found.predictions.missed == ()


def test_an_error_is_relative_to_what_was_published() -> None:
    row = compare([system("a", [1.5])]).rows[0]
    assert (row.published, row.estimate) == (1.0, 1.5)
    assert row.relative_error == pytest.approx(0.5)
    assert row.calibrated_relative_error == row.relative_error, "a roll-up is never calibrated"


@pytest.mark.parametrize(
    ("estimate", "error"), [(40.0, 0.0), (100.0, 0.0), (20.0, -0.5), (210.0, 0.5)]
)
def test_inside_a_published_range_there_is_no_error(estimate: float, error: float) -> None:
    assert relative_error(estimate, (40.0, 140.0)) == pytest.approx(error)


def test_rows_that_are_not_modelled_have_a_cause_and_no_error() -> None:
    found = compare([system("a", [1.5], row={"not_modelled": "no such unit"})])
    row = found.rows[0]
    assert (row.row_class, row.cause) == ("not_modelled", "no such unit")
    assert row.estimate is row.relative_error is row.calibrated_relative_error is None
    assert found.share("not_modelled") == 1.0
    assert found.seen.systems == 0


def test_a_row_that_nothing_estimates_is_refused_with_the_nearest() -> None:
    with pytest.raises(InputError, match=r"row 'tile.powr'.*Did you mean 'a0.power'") as caught:
        compare([system("a", [1.0], row={"id": "tile.powr", "estimated_by": "a0.powr"})])
    assert "not_modelled" in str(caught.value)


def test_a_row_in_another_dimension_is_refused() -> None:
    with pytest.raises(InputError, match="published in 'J', but the estimate is in 'W'"):
        compare([system("a", [1.0], row={"unit": "J"})])


def test_units_are_converted_before_they_are_compared() -> None:
    row = compare([system("a", [0.002], row={"value": 2.0, "unit": "mW"})]).rows[0]
    assert row.estimate == pytest.approx(2.0)
    assert row.relative_error == pytest.approx(0.0)


def test_a_bar_is_missed_only_above_it() -> None:
    assert compare([system("a", [1.099])]).seen.missed == ()
    assert compare([system("a", [1.12])]).seen.missed == ("calibrated",)
    assert compare([system("a", [1.5])]).seen.missed == ("uncalibrated", "calibrated")


def test_keeping_some_rows_changes_no_number() -> None:
    systems = [system("a", [1.5, 1.1]), system("b", [1.2])]
    kept = compare(systems, lambda row: row.id == "a.a1.power").rows
    assert kept == tuple(row for row in compare(systems).rows if row.id == "a.a1.power")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"value": None}, "exactly one of"),
        ({"minimum": 1.0}, "exactly one of"),
        ({"statement": "large"}, "exactly one of"),
        ({"value": 0.0}, "states 0"),
        ({"value": None, "statement": "large"}, "needs `not_modelled"),
        ({"unit": "furlong"}, "not a unit"),
    ],
)
def test_a_row_states_one_result(row: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        system("a", [1.0], row=row)


def test_two_rows_of_one_id_are_refused() -> None:
    with pytest.raises(ValueError, match=r"two rows have the id 'a0\.power'"):
        system("a", [1.0, 1.0], row={"id": "a0.power"})


@pytest.mark.parametrize(
    ("unit", "si", "value"),
    [
        ("TOPS/W", "OPS/W", 1e12),
        ("GOPS/mm^2", "OPS/m^2", 1e15),
        ("fJ/MAC", "J", 1e-15),
        ("%", "", 0.01),
    ],
)
def test_units_of_the_field_are_understood(unit: str, si: str, value: float) -> None:
    assert parse_quantity(f"1 {unit}", si) == close(value)
