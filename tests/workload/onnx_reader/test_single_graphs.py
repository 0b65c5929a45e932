"""One-trap graphs: parameters, multiply-accumulates, matrices and uses in closed form."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from archsim.cli.counts import forward_macs, weight_matrices, weight_uses
from archsim.errors import InputError
from archsim.workload.onnx_reader import read_workload

FOLDER = Path(__file__).parents[2] / "data" / "single"
EXPECTED: dict[str, dict[str, Any]] = json.loads((FOLDER / "expected.json").read_text())
# Their trip counts are known only when they run.
TRIPS = {"loop_dynamic": {"Loop_0": 1}}


def bindings(entry: dict[str, Any]) -> dict[str, Any]:
    dims = (text.split("=") for text in entry.get("dim", "").split())
    shapes = (text.split(":") for text in entry.get("shape", "").split())
    return {
        "dims": {name: int(size) for name, size in dims},
        "shapes": {name: tuple(map(int, size.split("x"))) for name, size in shapes},
    }


def test_every_graph_has_an_expectation() -> None:
    assert {path.stem for path in FOLDER.glob("*.onnx")} == set(EXPECTED)
    assert len(EXPECTED) > 50


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_counts_of_a_graph_with_one_trap_are_those_in_closed_form(name: str) -> None:
    """Parameters, products by kind, separate stored matrices, and how often they are used."""
    entry = EXPECTED[name]
    path = FOLDER / f"{name}.onnx"
    workload = read_workload(path, **bindings(entry), trip_counts=TRIPS.get(name, {}))
    macs = forward_macs(workload)
    assert {
        "params": workload.parameter_count,
        "macs_conv": macs["convolution"],
        "macs_linear": macs["linear"],
        "macs_dynamic": macs["dynamic"],
        "crossbars": weight_matrices(workload),
        "uses": weight_uses(workload),
    } == {key: entry[key] for key in entry if key not in ("note", "dim", "shape")}


def test_a_loop_that_the_data_end_asks_for_its_trip_count() -> None:
    with pytest.raises(InputError, match=r"Loop_0.*--trip-count Loop_0=N"):
        read_workload(FOLDER / "loop_dynamic.onnx")
    for trips in (1, 2, 5):
        workload = read_workload(FOLDER / "loop_dynamic.onnx", trip_counts={"Loop_0": trips})
        assert forward_macs(workload)["linear"] == 1024 * trips
        assert workload.parameter_count == 256


def test_a_trip_count_for_no_loop_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(InputError, match="Did you mean 'Loop_0'"):
        read_workload(FOLDER / "loop_dynamic.onnx", trip_counts={"Loop_0": 1, "Loop_1": 1})
