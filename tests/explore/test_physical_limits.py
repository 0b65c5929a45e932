"""A sweep knows the physical limits that `archsim run` warns about."""

from __future__ import annotations

from typing import Any

import pytest

from archsim.architecture import Architecture
from archsim.config.loading import Loaded, load
from archsim.config.overriding import override
from archsim.explore.headline import HEADLINES, WARNING_CODES, Goal
from archsim.explore.limits import parse_limit
from archsim.explore.physical import limit_columns
from archsim.explore.space import Axis
from archsim.explore.sweep import SweepWorkload, sweep
from archsim.resources import data_folder
from archsim.result import evaluate
from archsim.simulation.estimate import estimate
from archsim.simulation.program import lower
from archsim.workload.onnx_reader import workload_from_model
from archsim.workload.spec import WORKLOAD_MODEL
from archsim.workload.training import TrainingGraph, training_graph
from tests.closeness import close

OBJECTIVES = {"step_latency_s": Goal.MIN}
# Each setting brings at least one warning that the example chip does not give, or takes one away.
CASES: dict[str, dict[str, Any]] = {
    "as shipped": {},
    "louder read": {"read.voltage": "0.4 V"},
    "broadcast": {"mapping.sync": "broadcast"},
    "running": {"schedule.batchnorm": "running"},
    "immediate": {"schedule.update": "immediate"},
    "one pulse": {"update.train_length": 1, "update.pulses_per_sample": 100},
    "long lines": {"array.rows": 4096, "array.cols": 4096, "mesh.side": 2},
    "fast pulses": {"read.time_step": "0.01 ps"},
    "fine node": {"adc.node": "7 nm"},
    "faults": {"array.faults": {"device": 1e-4}, "array.spare_cols": 2},
    "large chip": {"mesh.side": 40},
    "hot chip": {"chip.cooling_limit": "1 W/m^2"},
    "small pumps": {
        "periphery.supply": {"extends": "supplies/pump", "firing_share": 0.001},
    },
    "no room": {"activation_buffer.capacity": "1 kB"},
    "state in DRAM": {
        "activation_buffer.capacity": "1 kB",
        "algorithm": {"kind": "tiki_taka_v2", "reference": "zero"},
    },
    "two chips": {
        "mesh.side": 3,
        "mapping.overflow": "multi_chip",
        "system": {"link": {"extends": "links/ucie"}, "max_chips": 100},
    },
    "rounds": {"mesh.side": 3, "mapping.overflow": "reprogram"},
    "shared": {"mapping.packing": "shared_arrays", "mapping.replication": "none"},
    "long life": {"device.endurance_pulses": "1e12"},
    "steep field law": {"device.field_law.hop_distance": "5 nm"},
    "forgetful": {"device.retention.per_decade": 0.5, "device.retention.start": "1 us"},
}


@pytest.fixture(scope="module")
def base() -> Loaded[Architecture]:
    """The example chip."""
    return load("protonic_256", Architecture, data_folder("arch_configs"))


@pytest.fixture(scope="module")
def graph() -> TrainingGraph:
    """A small network with minibatch normalisation."""
    model = load("resnet18", WORKLOAD_MODEL, data_folder("workloads")).value.build()
    return training_graph(workload_from_model(model, name="resnet18", dims={}, batch=1))


def codes(columns: dict[str, Any], point: int = 0) -> set[str]:
    """The warnings of one configuration."""
    return {code for code in WARNING_CODES if columns[f"warnings.{code}"][point] == 1}


@pytest.mark.parametrize("name", CASES)
def test_a_sweep_warns_of_what_a_run_warns_of(
    base: Loaded[Architecture], graph: TrainingGraph, name: str
) -> None:
    """The 0/1 columns are the codes of the result's warnings, notes on the network left out."""
    chip, program = override(base, CASES[name]), lower(graph)
    found = evaluate(graph, program, chip, batch=2)
    warned = {w["code"] for w in found.result["warnings"]}
    warned -= {note.code for note in graph.workload.notes} | {note.code for note in graph.notes}
    priced = estimate(program, [chip.value], [2])
    columns = limit_columns(priced, [chip.value])
    assert codes(columns) == warned
    accelerator = found.result["accelerator"]
    spilled = accelerator["saved_activation_bytes_spilled"]
    for column, value in (
        ("steps_to_wear_out", accelerator["endurance"]["steps_to_wear_out"]),
        ("power_density_w_per_m2", accelerator["power_density_w_per_m2"]),
        ("dram_bytes", spilled),
        (
            "spilled_share",
            spilled / (spilled + accelerator["saved_activation_bytes_on_chip"]),
        ),
    ):
        assert columns[column][0] == pytest.approx(value, rel=1e-9)


def test_the_cases_bring_every_warning(base: Loaded[Architecture], graph: TrainingGraph) -> None:
    """No column is always 0 or always 1 over the cases, so that the agreement above says something."""
    program = lower(graph)
    seen = []
    for settings in CASES.values():
        chip = override(base, settings).value
        seen.append(codes(limit_columns(estimate(program, [chip], [2]), [chip])))
    for code in WARNING_CODES:
        assert any(code in found for found in seen), code
        assert not all(code in found for found in seen), code


def test_limits_of_many_points_are_those_of_each(base: Loaded[Architecture]) -> None:
    """Vectorised over configurations, the columns are those of one configuration at a time."""
    model = load("mlp", WORKLOAD_MODEL, data_folder("workloads")).value.build()
    program = lower(training_graph(workload_from_model(model, name="mlp")))
    axes = [
        Axis("array.rows", (64, 256, 1024)),
        Axis("read.voltage", ("0.1 V", "0.4 V")),
        Axis("schedule.update", ("deferred", "immediate")),
    ]
    workload = SweepWorkload("mlp", program, batch=16, weight=1.0, gpu=None)
    points = sweep(base, axes, [workload], (), OBJECTIVES)
    for index, settings in enumerate(points.settings):
        chip = override(base, settings).value
        alone = limit_columns(estimate(program, [chip], [16]), [chip])
        for name, values in alone.items():
            assert points.columns[name][index] == close(values[0], rel=1e-12), name
    assert set(alone) <= set(HEADLINES)


def test_the_front_keeps_physical_constraints(base: Loaded[Architecture]) -> None:
    """The constraint of the manual leaves only points whose read noise is below the limit."""
    model = load("mlp", WORKLOAD_MODEL, data_folder("workloads")).value.build()
    program = lower(training_graph(workload_from_model(model, name="mlp")))
    workload = SweepWorkload("mlp", program, batch=16, weight=1.0, gpu=None)
    axes = [Axis("read.voltage", ("0.1 V", "0.2 V", "0.4 V"))]
    limit = parse_limit("warnings.read_noise == 0")
    points = sweep(base, axes, [workload], [limit], OBJECTIVES)
    quiet = points.columns["read_noise"] <= 0.06
    assert points.feasible.tolist() == quiet.tolist() == points.kept[limit.text].tolist()
    assert quiet.any()
    assert not quiet.all()
    assert not (points.pareto & ~quiet).any()


def test_a_batch_beyond_all_memory_fails_alone(base: Loaded[Architecture]) -> None:
    """What exceeds buffer and DRAM is a failure that names the network and what it keeps."""
    model = load("resnet18", WORKLOAD_MODEL, data_folder("workloads")).value.build()
    program = lower(training_graph(workload_from_model(model, name="resnet18", batch=1)))
    workload = SweepWorkload("resnet18", program, batch=64, weight=1.0, gpu=None)
    axes = [Axis("dram.capacity", ("10 MB", "64 GB"))]
    points = sweep(base, axes, [workload], (), OBJECTIVES)
    assert points.feasible.tolist() == [False, True]
    (failure,) = points.failures
    assert (failure.point, failure.workload) == (0, "resnet18")
    assert "buffer and DRAM" in failure.reason
