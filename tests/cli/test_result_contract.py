"""`result.json` is what its schema and its documentation say."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from archsim.explore.headline import HEADLINES, WARNING_CODES
from archsim.report.rows import LAYER_COLUMNS
from archsim.result.energy import EnergyRow

Runner = Callable[..., Any]
REFERENCE = Path(__file__).parents[2] / "docs" / "reference"
# Objects whose keys are names of this network or chip, or are listed in the text of their entry.
OPEN = {
    "architecture.replication.copies",
    "architecture.system.chips_of",
    "architecture.rounds.round_of",
    "accelerator.update",
    "baseline.best_batch",
    "baseline.usual_optimizer",
    "workload.notes[]",
    "fidelity.difference.by_limit_s",
    "fidelity.difference.by_component_j",
    "cycle.mesh.busiest[].tasks",
    "cycle.mesh.tiles[].arrays",
    "cycle.stalls.seconds",
    "cycle.critical_path.waited_for_s",
    "cycle.critical_path.queues_s",
    "cycle.utilisation.units",
    "cycle.utilisation.arrays",
    "cycle.utilisation.mesh_links.busiest",
}


@pytest.fixture
def result(archsim_here: Runner) -> dict[str, Any]:
    """A result with a GPU, copies, notes, warnings, and timed by both fidelities."""
    given = ("--arch", "protonic_256", "--gpu", "h100", "--fidelity", "cycle", "--json")
    found = archsim_here("run", "lenet", *given)
    assert found.code == 0, found.err
    content: dict[str, Any] = found.json
    return content


# Architectures whose results have keys that others lack.
RARE = (
    ("protonic_256_system", "--set", "mesh.side=1", "--set", "tile.arrays=2"),
    (
        *("protonic_256", "--set", "mesh.side=1", "--set", "tile.arrays=2"),
        *("--set", "mapping.overflow=reprogram"),
    ),
    ("protonic_256", "--set", "mapping.packing=shared_arrays"),
    (
        *("protonic_256", "--set", "mesh.side=1", "--set", "tile.arrays=2", "--fidelity", "cycle"),
        *("--set", "mapping.overflow=reprogram", "--set", "mapping.packing=shared_arrays"),
    ),
    (
        *("protonic_256_system", "--set", "mesh.side=1", "--set", "tile.arrays=2"),
        *("--set", "mapping.packing=shared_arrays", "--fidelity", "cycle"),
    ),
)


@pytest.fixture
def rare_results(archsim_here: Runner) -> list[dict[str, Any]]:
    """Results of a network over several chips, written in rounds, and in shared arrays."""
    found = [archsim_here("run", "lenet", "--arch", *given, "--json") for given in RARE]
    assert [run.code for run in found] == [0] * len(RARE)
    return [run.json for run in found]


def paths(value: Any, path: str) -> Iterator[str]:
    """The documented paths of everything in a result."""
    opened = path in OPEN or re.search(r"_by_\w+$", path)
    if isinstance(value, dict) and not opened:
        for key, inner in value.items():
            yield from paths(inner, f"{path}.{key}" if path else key)
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        yield from (p for row in value for p in paths(row, f"{path}[]"))
    else:
        yield path.removesuffix("[]") if path in OPEN else path


def test_every_key_of_a_result_is_documented(
    result: dict[str, Any], rare_results: list[dict[str, Any]]
) -> None:
    """The reference explains each key that a run writes, and none that it does not."""
    text = (REFERENCE / "result.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"^\| `([\w.\[\]]+)` \|", text, re.MULTILINE))
    documented -= {name for name in documented if name.startswith("differences[]")}
    documented -= {name for name in documented if name in HEADLINES}
    files = {"result.json", "layers.csv", "energy.csv", "architecture.yaml", "report.html"}
    files |= {"timeline.json"}
    written = {path for found in (result, *rare_results) for path in paths(found, "")}
    # What is null or empty in one result has keys of its own in another.
    written -= {
        path
        for path in written
        if any(key.startswith((f"{path}.", f"{path}[]")) for key in written)
    }
    assert documented - files == written


def test_the_columns_of_the_tables_are_documented(result: dict[str, Any]) -> None:
    """What heads a column of a CSV file is a word of the reference."""
    text = (REFERENCE / "result.md").read_text(encoding="utf-8")
    for column in LAYER_COLUMNS:
        assert f"`layers[].{column}`" in text
    assert {*LAYER_COLUMNS, "busy"} == set(result["layers"][0])
    for column in EnergyRow._fields:
        assert f"`{column}`" in text
    for name in HEADLINES.keys() - {f"warnings.{code}" for code in WARNING_CODES}:
        assert f"`{name}`" in text
    for code in WARNING_CODES:
        assert f"`{code}`" in text


def test_the_stored_schema_is_the_one_that_is_printed(archsim_here: Runner) -> None:
    """`archsim schema result` gives the file of the reference, to the byte."""
    printed = archsim_here("schema", "result")
    assert printed.code == 0
    stored = (REFERENCE / "result.schema.json").read_text(encoding="utf-8")
    assert printed.out == stored, (
        "write it anew: archsim schema result > docs/reference/result.schema.json"
    )


def test_a_result_keeps_its_schema(archsim_here: Runner, result: dict[str, Any]) -> None:
    """What a run writes is valid by the printed schema; without a required key it is not."""
    schema = archsim_here("schema", "result").json
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    assert [error.message for error in validator.iter_errors(result)] == []
    broken = json.loads(json.dumps(result))
    del broken["accelerator"]["step_latency_s"]
    assert not validator.is_valid(broken)
