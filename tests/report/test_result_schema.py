"""The schema of `result.json` accepts a result and refuses one that lacks or bends a key."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest

from archsim.result.schema import SCHEMA_VERSION, result_schema

Result = dict[str, Any]
VALIDATOR = jsonschema.Draft202012Validator(result_schema())


def branches(schema: Any) -> Iterator[dict[str, Any]]:
    """The alternatives of a schema that are objects with required keys."""
    for branch in schema.get("anyOf", [schema]):
        if branch.get("required"):
            yield branch


def required(schema: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Path of every required key, through objects and into the first entry of lists."""
    for key in schema.get("required", ()):
        yield (*path, key)
    for key, child in schema.get("properties", {}).items():
        for branch in branches(child.get("items", child)):
            yield from required(branch, (*path, key))


REQUIRED = sorted(required(result_schema()))


def parent_of(result: Result, path: tuple[str, ...]) -> Any:
    """The object that holds the last key of `path`."""
    value: Any = result
    for key in path[:-1]:
        value = value[key]
        value = value[0] if isinstance(value, list) else value
    return value


def test_the_schema_is_a_schema() -> None:
    """It is valid itself, and can be written as JSON."""
    jsonschema.Draft202012Validator.check_schema(result_schema())
    assert json.loads(json.dumps(result_schema())) == result_schema()


def test_a_result_obeys_the_schema(result: Result) -> None:
    """A full result, one without GPU, and one without ranges or arrays limit are valid."""
    assert result["schema_version"] == SCHEMA_VERSION
    VALIDATOR.validate(json.loads(json.dumps(result)))
    result.update(baseline=None, ratios=None)
    result["architecture"]["arrays_available"] = None
    VALIDATOR.validate(result)


def test_the_contract_names_the_keys_that_users_read() -> None:
    """The list below is what is promised; the schema may require more."""
    promised = {
        ("workload", "onnx_sha256"),
        ("workload", "forward_macs"),
        ("architecture", "arrays_used"),
        ("accelerator", "step_latency_s"),
        ("accelerator", "energy_by_component_j"),
        ("accelerator", "endurance", "pulses_per_device_per_step"),
        ("baseline", "best_batch"),
        ("ratios", "speedup", "low"),
        ("fidelity", "other_step_latency_s"),
        ("layers", "utilisation"),
        ("assumptions", "source"),
        ("warnings", "code"),
        ("accuracy",),
    }
    assert promised <= set(REQUIRED)


@pytest.mark.parametrize("path", REQUIRED, ids=".".join)
def test_a_missing_key_is_refused(result: Result, path: tuple[str, ...]) -> None:
    """Every required key is looked for."""
    del parent_of(result, path)[path[-1]]
    assert not VALIDATOR.is_valid(result)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("schema_version",), 2),
        (("workload", "forward_macs"), 4.5),
        (("workload", "batch"), 0),
        (("accelerator", "step_energy_j"), -1.0),
        (("accelerator", "array_utilisation"), 1.01),
        (("accelerator", "energy_by_component_j"), {"adc": "much"}),
        (("ratios", "speedup", "value"), 0),
        (("layers", "phase"), "backward"),
        (("baseline", "calibrated"), "yes"),
        (("fidelity", "mode"), "exact"),
    ],
)
def test_a_bent_value_is_refused(result: Result, path: tuple[str, ...], value: object) -> None:
    """Types and ranges are part of the contract."""
    parent_of(result, path)[path[-1]] = value
    assert not VALIDATOR.is_valid(result)


def test_additions_are_allowed(result: Result) -> None:
    """A newer version may add keys at every level."""
    grown = copy.deepcopy(result)
    for path in REQUIRED:
        parent_of(grown, path)["added_later"] = {"x": [1]}
    # The maps by phase and component hold numbers only.
    VALIDATOR.validate(grown)
