"""Messages are placed where the user wrote what made them necessary."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

import pytest
from pydantic import model_validator

from archsim.config.loading import Loaded, load
from archsim.config.overriding import override
from archsim.errors import InputError
from archsim.fields import Component, Quantity, Scalar


class Range(Component):
    """Three numbers of which one must lie between the others."""

    g_max: Annotated[Scalar, Quantity()]
    g_min: Annotated[Scalar, Quantity()]
    g_reference: Annotated[Scalar, Quantity()]
    slope: Annotated[Scalar, Quantity()]

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.g_min >= self.g_max:
            raise ValueError("g_max must be above g_min")
        if not self.g_min <= self.g_reference <= self.g_max:
            raise ValueError("g_reference must lie inside the range")
        return self


class Chip(Component):
    """A component that holds the range."""

    range: Range


BASE = "range:\n  g_max: 9\n  g_min: 1\n  g_reference: 5\n  slope: 2\n"


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Loaded[Chip]:
    """The file that the others extend."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "base.yaml").write_text(BASE)
    return load("base.yaml", Chip, tmp_path)


@pytest.mark.parametrize(
    ("mine", "place"),
    [
        # The rule names g_max first, but it is g_min that is mine.
        ("range:\n  g_min: 10\n", "mine.yaml:3:10: range: g_max must be above g_min"),
        # The rule names g_reference only; g_max is of its family.
        ("range:\n  slope: 1\n  g_max: 4\n", "mine.yaml:4:10: range: g_reference must lie inside"),
        ("range:\n  g_reference: 10\n", "mine.yaml:3:16: range: g_reference must lie inside"),
    ],
)
def test_a_rule_over_two_values_blames_the_one_that_changed(
    base: Loaded[Chip], tmp_path: Path, mine: str, place: str
) -> None:
    """The inherited value was fine until the file of the user changed the other one."""
    (tmp_path / "mine.yaml").write_text(f"extends: base.yaml\n{mine}")
    with pytest.raises(InputError) as caught:
        load("mine.yaml", Chip, tmp_path)
    assert str(caught.value).startswith(place)


def test_an_override_is_blamed_before_the_file(base: Loaded[Chip], tmp_path: Path) -> None:
    """With `--set`, the value on the command line is the one that changed."""
    for path, value in (("range.g_min", 10), ("range.g_max", 4)):
        with pytest.raises(InputError) as caught:
            override(base, {path: value, "range.slope": 3})
        assert str(caught.value).startswith(f"override of '{path}': range: g_")


def test_a_rule_within_one_file_is_placed_where_it_says(tmp_path: Path) -> None:
    """Where all values are from one file, the value that the rule names first has the place."""
    (tmp_path / "bad.yaml").write_text(BASE.replace("g_min: 1", "g_min: 10"))
    with pytest.raises(InputError, match=r"bad\.yaml:2:10: range: g_max must be above"):
        load(tmp_path / "bad.yaml", Chip, tmp_path)


def test_a_misspelt_key_is_reported_before_its_citation(base: Loaded[Chip], tmp_path: Path) -> None:
    """That there is nothing to cite is the consequence of the misspelling."""
    text = "extends: base.yaml\nrange:\n  slop: 3\nsources:\n  range.sloop: assumed\n"
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(InputError) as caught:
        load("mine.yaml", Chip, tmp_path)
    assert "unknown key 'slop'" in str(caught.value)
    assert "sources" not in str(caught.value)
    (tmp_path / "mine.yaml").write_text(text.replace("slop:", "slope:"))
    with pytest.raises(InputError, match=r"sources: there is no value 'range\.sloop'"):
        load("mine.yaml", Chip, tmp_path)
