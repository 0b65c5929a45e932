"""The result contract: everything in it adds up, for any network and architecture."""

from __future__ import annotations

import json
from dataclasses import replace

import jsonschema
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim.architecture import Architecture
from archsim.config.loading import Loaded, load
from archsim.config.overriding import override
from archsim.errors import InputError
from archsim.hardware.response.model import Polarity
from archsim.mapping import DoesNotFit
from archsim.resources import data_folder
from archsim.result.energy import total_by
from archsim.result.evaluate import Evaluation, evaluate
from archsim.result.schema import result_schema
from archsim.simulation.program import lower
from archsim.workload.training import TrainingOptions, training_graph
from tests.closeness import close
from tests.networks import Layer, chain, layer_lists
from tests.simulation.architectures import changed

VALIDATOR = jsonschema.Draft202012Validator(result_schema())
LOADED = load("protonic_256", Architecture, data_folder("arch_configs"))


def evaluated(layers: list[Layer], architecture: Loaded[Architecture], batch: int) -> Evaluation:
    graph = training_graph(chain(layers), TrainingOptions(loss="mse"))
    return evaluate(graph, lower(graph), architecture, batch)


layers = layer_lists(most=4, inputs=300, outputs=300, vectors=200, blocks=(1, 1, 8), norm=True)
architectures = st.builds(
    changed,
    st.just(LOADED.value),
    schedule__mode=st.sampled_from(["pipelined", "sequential"]),
    schedule__update=st.sampled_from(["immediate", "deferred"]),
    schedule__batchnorm=st.sampled_from(["batch", "running"]),
    mapping__replication=st.sampled_from(["auto", "none"]),
    mapping__grouped=st.sampled_from(["auto", "digital"]),
    vector_unit__units=st.sampled_from([1, 256]),
    activation_buffer__capacity_bit=st.floats(1e3, 1e9),
)


@given(layers=layers, architecture=architectures, batch=st.integers(1, 64))
def test_layers_phases_components_and_static_energy_all_sum_to_the_step(
    layers: list[Layer], architecture: Architecture, batch: int
) -> None:
    done = evaluated(layers, replace(LOADED, value=architecture), batch)
    machine = done.result["accelerator"]
    total = machine["step_energy_j"]
    assert total == close(float(done.estimate.step_energy_j[0]), rel=1e-9)
    for field in ("layer", "phase", "component"):
        assert sum(total_by(done.energy_rows, field).values()) == close(total, rel=1e-9)
    assert sum(machine["energy_by_phase_j"].values()) == close(total, rel=1e-9)
    assert sum(machine["energy_by_component_j"].values()) == close(total, rel=1e-9)
    assert sum(row["energy_j"] for row in done.result["layers"]) == close(total, rel=1e-9)


@given(layers=layers, architecture=architectures, batch=st.integers(1, 64))
def test_phases_and_limits_of_time_each_sum_to_the_step(
    layers: list[Layer], architecture: Architecture, batch: int
) -> None:
    done = evaluated(layers, replace(LOADED, value=architecture), batch)
    machine = done.result["accelerator"]
    step = machine["step_latency_s"]
    assert sum(machine["latency_by_phase_s"].values()) == close(step, rel=1e-9)
    assert sum(machine["latency_by_limit_s"].values()) == close(step, rel=1e-9)
    assert all(0 <= (row["utilisation"] or 0) <= 1 for row in done.result["layers"])
    assert all(0 <= row["busy"] <= 1 for row in done.result["layers"])
    assert 0 <= machine["array_utilisation"] <= 1
    assert sum(machine["area_by_component_m2"].values()) == close(machine["area_m2"], rel=1e-12)


def test_every_assumption_of_the_shipped_architecture_has_a_source_or_says_assumed() -> None:
    done = evaluated([Layer(8, 8)], LOADED, 1)
    found = {item["path"]: item for item in done.result["assumptions"]}
    assert found["device.pulse_up"]["source"] == "onen22.v_pot"
    assert found["mesh.side"]["source"] == "assumed"
    assert all(item["source"] for item in found.values())


def test_a_network_that_does_not_fit_says_what_it_needs_and_three_ways_out() -> None:
    small = replace(LOADED, value=changed(LOADED.value, mesh__side=1, tile__arrays=2))
    with pytest.raises(DoesNotFit) as caught:
        evaluated([Layer(1000, 1000)], small, 1)
    message = str(caught.value)
    assert "needs 32 arrays of 256 x 256" in message
    assert "the chip has 2" in message
    for remedy in ("mesh.side: 4", "tile.arrays: 32", "array.rows: 1024 and array.cols: 1024"):
        assert remedy in message


def test_update_pulses_beyond_endurance_are_warned_about_by_layer() -> None:
    done = evaluated([Layer(64, 64, vectors=9)], LOADED, 64)
    wear = done.result["accelerator"]["endurance"]
    # One pulse per device and sample; a single copy has no write-back.
    copies = done.result["architecture"]["replication"]["copies"]["w0"]
    # A train cuts off what drift of the copies and noise of two read-outs ask for, drawn here.
    device, noise = LOADED.value.device, done.result["limits"][0]["read_noise"]
    step = device.step_siemens(device.conductance_reference_siemens, Polarity.UP)
    variance = (1 - 1 / copies) * (64 + 2 * (noise * device.half_range_siemens / step) ** 2)
    wanted = np.random.default_rng(0).normal(0, np.sqrt(variance), 100_000)
    written = np.minimum(np.abs(wanted), LOADED.value.update.train_length).mean()
    assert wear["pulses_per_device_per_step"] == pytest.approx(64 + written, rel=1e-3)
    assert wear["steps_to_wear_out"] == close(1e5 / wear["pulses_per_device_per_step"])
    codes = {w["code"]: w for w in done.result["warnings"]}
    assert codes["endurance"]["layer"] == "w0"
    assert "read_noise" in codes


@given(layers=layers, architecture=architectures, batch=st.integers(1, 64))
def test_every_result_obeys_the_published_schema(
    layers: list[Layer], architecture: Architecture, batch: int
) -> None:
    done = evaluated(layers, replace(LOADED, value=architecture), batch)
    plain = json.loads(json.dumps(done.result, allow_nan=False))
    VALIDATOR.validate(plain)


def test_the_larger_arrays_that_an_error_recommends_do_fit() -> None:
    small = changed(LOADED.value, mesh__side=1, tile__arrays=2, array__rows=1024, array__cols=1024)
    done = evaluated([Layer(1000, 1000)], replace(LOADED, value=small), 1)
    assert done.result["architecture"]["arrays_used"] <= 2


def test_a_batch_that_no_memory_holds_is_refused_with_the_largest_that_fits() -> None:
    poor = changed(LOADED.value, dram__capacity_bit=1e6, activation_buffer__capacity_bit=1e5)
    layers = [Layer(64, 64, vectors=50, norm=True), Layer(64, 64, vectors=50)]
    with pytest.raises(InputError, match="at most") as caught:
        evaluated(layers, replace(LOADED, value=poor), 1000)
    most = int(str(caught.value).split("at most ")[1].split(",")[0])
    evaluated(layers, replace(LOADED, value=poor), most)


def test_the_converters_spread_is_that_of_running_with_other_converters() -> None:
    """Scaling the energy of one point gives what a chip at the other points takes."""
    graph = training_graph(chain([Layer(64, 64), Layer(64, 32)]), TrainingOptions(loss="mse"))
    program = lower(graph)
    results = {
        spread: evaluate(graph, program, override(LOADED, {"adc.spread": spread}), batch=2).result
        for spread in ("low", "typical", "high")
    }
    claimed = results["typical"]["accelerator"]["adc_energy_j"]
    for spread, result in results.items():
        by_component = result["accelerator"]["energy_by_component_j"]
        assert claimed[spread] == pytest.approx(by_component["adc"] + by_component["static_adc"])
    assert claimed["low"] < claimed["typical"] < claimed["high"]


@pytest.mark.parametrize("mode", ["pipelined", "sequential"])
def test_time_to_wake_arrays_is_attributed_like_the_rest(mode: str) -> None:
    """With power gating the parts of the time still add up to the step."""
    gated = override(
        LOADED,
        {
            "schedule.mode": mode,
            "chip.power_gating": {"extends": "power_gating/idle_arrays", "wake": "1 us"},
        },
    )
    machine = evaluated([Layer(64, 64, norm=True), Layer(64, 32)], gated, 5).result["accelerator"]
    for split in ("latency_by_phase_s", "latency_by_limit_s"):
        assert sum(machine[split].values()) == close(machine["step_latency_s"], rel=1e-9)
    awake = evaluated(
        [Layer(64, 64, norm=True), Layer(64, 32)],
        override(LOADED, {"schedule.mode": mode}),
        5,
    ).result["accelerator"]
    waits = (machine["step_latency_s"] - awake["step_latency_s"]) / 1e-6
    assert waits == pytest.approx(round(waits), abs=1e-4)
    assert round(waits) >= 1
