"""Editors check files by a JSON Schema that agrees with the loader."""

from __future__ import annotations

from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from archsim.config.json_schema import json_schema
from archsim.config.reader import read_file


@pytest.fixture
def validator(load_toy) -> Draft202012Validator:
    schema = json_schema(type(load_toy().value), "Toy")
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def test_the_files_that_load_satisfy_the_schema(validator, folder: Path, load_toy) -> None:
    """Whole files, and files that leave the rest to `extends`."""
    load_toy("partial", "extends: base\ndevice: {extends: devices/soft}\nsources: {adc: [a, b]}\n")
    for name in ("base", "partial"):
        assert validator.is_valid(read_file(folder / f"{name}.yaml").plain())


@pytest.mark.parametrize(
    ("value", "valid"),
    [
        ({}, True),
        ({"adc": {"bits": 3}}, True),
        ({"adc": {"rate": "5 MHz"}}, True),
        ({"device": {"kind": "soft", "bound": 1}}, True),
        ({"device": {"extends": "x", "kind": "linear"}}, True),
        ({"sources": {"a": {"ref": ["x"], "note": "y"}, "b": {"assumed": "z"}}}, True),
        ({"adc": {"rate_hz": 5}}, False),
        ({"adc": {"bits": 0}}, False),
        ({"adc": {"bits": "three"}}, False),
        ({"adc": {"coding": "other"}}, False),
        ({"adc": {"sources": {}}}, False),
        ({"device": {"kind": "hard"}}, False),
        ({"device": {"kind": "soft", "range": 1}}, False),
        ({"devise": {}}, False),
        ({"extends": 5}, False),
        ({"sources": {"a": 5}}, False),
        ({"sources": {"a": {"note": "y"}}}, False),
    ],
)
def test_keys_kinds_and_ranges_are_checked(validator, value: object, valid: bool) -> None:
    """Unknown keys, kinds, choices and ranges are found; missing keys may come from `extends`."""
    assert validator.is_valid(value) is valid


def test_the_schema_says_what_it_is(validator) -> None:
    """Draft and title are given, and quantities describe their unit and range."""
    schema = validator.schema
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["title"] == "Toy"
    rate = schema["$defs"]["Adc"]["properties"]["rate"]
    assert rate["description"] == "a number in Hz (such as 100 MHz), above 0"
