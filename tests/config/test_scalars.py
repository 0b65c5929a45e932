"""Plain scalars follow the YAML 1.2 core schema, and ambiguous ones are refused."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim.config.scalars import ScalarError, read_scalar


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-9", 1e-9),
        ("5e3", 5000.0),
        (".5", 0.5),
        ("5.", 5.0),
        ("-.5E+2", -50.0),
        ("1_000", 1000),
        ("1_000.25", 1000.25),
        ("+7", 7),
        ("0", 0),
        ("-0", 0),
        ("0.10", 0.1),
        ("0x1F", 31),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
    ],
)
def test_core_schema(text: str, value: object) -> None:
    """Numbers, booleans and null are those of YAML 1.2, with underscores between digits."""
    found = read_scalar(text)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    "text",
    [
        "off",
        "on",
        "yes",
        "no",
        "y",
        "N",
        "12:30",
        "2026-01-02",
        "1.2.3",
        "5 ns",
        "1__0",
        "_1",
        "1_",
        "e5",
        ".",
        "-",
        "+",
        "0x",
        "infinity",
        "nan",
        "tRUE",
        "1e",
        "1e5.0",
        "v1",
        "7nm",
    ],
)
def test_everything_else_is_text(text: str) -> None:
    """What YAML 1.1 took for booleans, times and dates is text."""
    assert read_scalar(text) == text


@pytest.mark.parametrize(
    "text", ["017", "-01", "00", "0o17", ".inf", "-.Inf", ".NaN", "1e400", "9" * 400, "-1e999"]
)
def test_ambiguous_and_infinite_numbers_are_refused(text: str) -> None:
    """A number that two readers read differently, or that no float holds, is refused."""
    with pytest.raises(ScalarError):
        read_scalar(text)


@given(st.one_of(st.integers(), st.floats(allow_nan=False, allow_infinity=False)))
def test_agrees_with_json_on_json_numbers(number: float) -> None:
    """Every JSON number is read to the same value as by a JSON parser."""
    text = json.dumps(number)
    assert read_scalar(text) == json.loads(text)


@given(st.text(alphabet="0123456789+-._eExonaif", max_size=12))
def test_never_another_exception(text: str) -> None:
    """Any text gives a finite atom or a ScalarError."""
    try:
        value = read_scalar(text)
    except ScalarError:
        return
    assert not isinstance(value, float) or math.isfinite(value)
