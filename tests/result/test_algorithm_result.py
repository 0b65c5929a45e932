"""What a result says of update algorithms: arrays by role, state, wear, phases, refusals."""

from __future__ import annotations

from typing import Any

import pytest

from archsim.architecture import Architecture
from archsim.config.loading import Loaded, load
from archsim.config.overriding import override
from archsim.errors import InputError
from archsim.mapping import DoesNotFit
from archsim.resources import data_folder
from archsim.result.evaluate import evaluate
from archsim.result.fidelity import Fidelity
from archsim.simulation.program import lower
from archsim.workload.training import TrainingGraph, TrainingOptions, training_graph
from tests.algorithms import KINDS
from tests.closeness import close
from tests.networks import Layer, chain


@pytest.fixture(scope="module")
def base() -> Loaded[Architecture]:
    return load("protonic_256", Architecture, data_folder("arch_configs"))


@pytest.fixture(scope="module")
def graph() -> TrainingGraph:
    return training_graph(
        chain([Layer(300, 200, 6), Layer(200, 40, 6)]), TrainingOptions(loss="mse")
    )


def result_of(
    graph: TrainingGraph,
    base: Loaded[Architecture],
    changes: dict[str, Any],
    fidelity: Fidelity = "analytic",
) -> dict[str, Any]:
    return evaluate(graph, lower(graph), override(base, changes), batch=8, fidelity=fidelity).result


@pytest.mark.parametrize("fidelity", ["analytic", "cycle"])
@pytest.mark.parametrize("kind", KINDS)
def test_parts_of_a_result_add_up(
    base: Loaded[Architecture], graph: TrainingGraph, kind: str, fidelity: Fidelity
) -> None:
    """Phases to the step in time and energy, roles to the arrays, layers to the energy."""
    found = result_of(graph, base, {"algorithm.kind": kind}, fidelity)
    chip, accelerator = found["architecture"], found["accelerator"]
    assert sum(chip["arrays_by_role"].values()) == chip["arrays_used"]
    step_s, step_j = accelerator["step_latency_s"], accelerator["step_energy_j"]
    assert sum(accelerator["latency_by_phase_s"].values()) == close(step_s, rel=1e-9)
    assert sum(accelerator["energy_by_phase_j"].values()) == close(step_j, rel=1e-9)
    assert sum(row["energy_j"] for row in found["layers"]) == close(step_j, rel=1e-9)
    assert accelerator["algorithm"]["kind"] == chip["algorithm"] == kind


def test_transfers_belong_to_their_phase(base: Loaded[Architecture], graph: TrainingGraph) -> None:
    """They add to `transfer` in time and energy, and what is left of updates is the plain ones'."""
    plain, other = (
        result_of(graph, base, {"algorithm.kind": kind, "mapping.replication": "none"})
        for kind in ("sgd", "chopped_tiki_taka_v2")
    )
    phases = [found["accelerator"]["energy_by_phase_j"] for found in (plain, other)]
    assert phases[1]["update"] == close(phases[0]["update"], rel=1e-9)
    assert phases[1]["transfer"] > phases[0]["transfer"]
    times = [found["accelerator"]["latency_by_phase_s"] for found in (plain, other)]
    assert times[1]["update"] == close(times[0]["update"], rel=1e-9)
    longer = other["accelerator"]["step_latency_s"] - plain["accelerator"]["step_latency_s"]
    assert times[1]["transfer"] - times[0]["transfer"] == close(longer, rel=1e-6)


def test_wear_is_that_of_the_fast_array(base: Loaded[Architecture], graph: TrainingGraph) -> None:
    found = result_of(graph, base, {"algorithm.kind": "tiki_taka_v2"})
    wear = found["accelerator"]["algorithm"]["steps_to_wear_out_by_role"]
    assert wear["reference"] is None
    assert wear["fast"] < wear["slow"]
    assert found["accelerator"]["endurance"]["steps_to_wear_out"] == close(wear["fast"], rel=1e-12)
    said = [w["message"] for w in found["warnings"] if w["code"] == "endurance"]
    assert len(said) == 1
    assert "of the fast array" in said[0]


def test_state_that_goes_to_dram_is_warned_about(
    base: Loaded[Architecture], graph: TrainingGraph
) -> None:
    changes = {"algorithm.kind": "agad", "activation_buffer.capacity": "300 kB"}
    found = result_of(graph, base, changes)
    stated = found["accelerator"]["algorithm"]
    assert 0 < stated["state_bytes_off_chip"] < stated["state_bytes"]
    said = [w["message"] for w in found["warnings"] if w["code"] == "algorithm_state"]
    assert len(said) == 1
    assert "goes to DRAM" in said[0]
    roomy = result_of(graph, base, {"algorithm.kind": "agad"})
    assert "algorithm_state" not in {w["code"] for w in roomy["warnings"]}
    assert roomy["accelerator"]["algorithm"]["state_bytes_off_chip"] == 0
    assert found["accelerator"]["step_energy_j"] > 0


def test_state_beyond_all_memory_is_refused(
    base: Loaded[Architecture], graph: TrainingGraph
) -> None:
    changes = {
        "algorithm.kind": "agad",
        "activation_buffer.capacity": "30 kB",
        "dram.capacity": "100 kB",
    }
    with pytest.raises(InputError, match=r"algorithm 'agad' keeps .* of digital state"):
        result_of(graph, base, changes)


def test_a_network_that_does_not_fit_names_the_arrays_of_the_algorithm(
    base: Loaded[Architecture], graph: TrainingGraph
) -> None:
    changes = {"algorithm.kind": "tiki_taka_v2", "mesh.side": 1, "tile.arrays": 8}
    with pytest.raises(DoesNotFit, match="3 arrays each for algorithm 'tiki_taka_v2'"):
        result_of(graph, base, changes)
    result_of(graph, base, {**changes, "algorithm.kind": "sgd"})


def test_copies_that_are_written_alike_are_not_averaged(
    base: Loaded[Architecture],
) -> None:
    """Mixed precision computes pulses for all copies; the others say that copies train apart."""
    graph = training_graph(chain([Layer(27, 16, 5000)] * 2), TrainingOptions(loss="mse"))
    for kind, averaged in (("sgd", True), ("agad", True), ("mixed_precision", False)):
        found = result_of(graph, base, {"algorithm.kind": kind, "mapping.sync": "average"})
        assert max(found["architecture"]["replication"]["copies"].values()) > 1
        assert ("copies_averaged" in {w["code"] for w in found["warnings"]}) == averaged
