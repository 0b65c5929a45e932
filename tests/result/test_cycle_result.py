"""A step that is timed cycle by cycle: everything in the result is that schedule's, and adds up."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import jsonschema
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.architecture import Architecture
from archsim.config.loading import Loaded, load
from archsim.config.overriding import override
from archsim.errors import InputError
from archsim.resources import data_folder
from archsim.result.energy import total_by
from archsim.result.evaluate import Evaluation, evaluate
from archsim.result.fidelity import Fidelity
from archsim.result.schema import result_schema
from archsim.simulation.cycle.reference import simulate
from archsim.simulation.program import lower
from archsim.workload.training import TaskKind, TrainingOptions, training_graph
from tests.closeness import close
from tests.networks import Layer, chain, layer_lists
from tests.simulation.architectures import changed

VALIDATOR = jsonschema.Draft202012Validator(result_schema())
LOADED = load("protonic_256", Architecture, data_folder("arch_configs"))


def evaluated(
    layers: list[Layer], architecture: Loaded[Architecture], batch: int, fidelity: Fidelity
) -> Evaluation:
    graph = training_graph(chain(layers), TrainingOptions(loss="mse"))
    return evaluate(graph, lower(graph), architecture, batch, fidelity=fidelity)


def both(
    layers: list[Layer], architecture: Loaded[Architecture], batch: int
) -> tuple[Evaluation, Evaluation]:
    """The step by the cycle fidelity, and by the analytic one."""
    cycle = evaluated(layers, architecture, batch, "cycle")
    return cycle, evaluated(layers, architecture, batch, "analytic")


def with_changes(settings: Mapping[str, Any]) -> Loaded[Architecture]:
    return override(LOADED, dict(settings))


networks = layer_lists(most=3, inputs=300, outputs=300, vectors=100, norm=True)
architectures = st.builds(
    changed,
    st.just(LOADED.value),
    schedule__mode=st.sampled_from(["pipelined", "sequential"]),
    schedule__update=st.sampled_from(["immediate", "deferred"]),
    schedule__batchnorm=st.sampled_from(["batch", "running"]),
    mapping__replication=st.sampled_from(["auto", "none"]),
    vector_unit__units=st.sampled_from([1, 256]),
    activation_buffer__capacity_bit=st.floats(1e3, 1e9),
)


@settings(max_examples=30)
@given(layers=networks, architecture=architectures, batch=st.integers(1, 24))
def test_every_part_of_a_cycle_result_adds_up(
    layers: list[Layer], architecture: Architecture, batch: int
) -> None:
    """Time by phase, limit, stall and reason; energy by layer, phase and component; the difference."""
    done, analytic = both(layers, replace(LOADED, value=architecture), batch)
    machine, cycle = done.result["accelerator"], done.result["cycle"]
    step = machine["step_latency_s"]
    assert done.cycle is not None
    assert step == close(done.cycle.run.makespan_s, rel=1e-12)
    for parts in (
        machine["latency_by_phase_s"],
        machine["latency_by_limit_s"],
        cycle["stalls"]["seconds"],
        cycle["critical_path"]["waited_for_s"],
    ):
        assert sum(parts.values()) == close(step, rel=1e-9)
        assert min(parts.values()) >= 0
    for field in ("layer", "phase", "component"):
        total = sum(total_by(done.energy_rows, field).values())
        assert total == close(machine["step_energy_j"], rel=1e-9)
    fidelity = done.result["fidelity"]
    other = analytic.result["accelerator"]["step_latency_s"]
    if cycle["copies_tried"] == 1:  # else it is the estimate of the copies that are reported
        assert fidelity["other_step_latency_s"] == close(other, rel=1e-9)
    other = fidelity["other_step_latency_s"]
    difference = fidelity["difference"]
    assert sum(difference["by_limit_s"].values()) == pytest.approx(step - other, abs=1e-9 * step)
    assert difference["relative"] == pytest.approx(step / other - 1, abs=1e-9)
    VALIDATOR.validate(json.loads(json.dumps(done.result, allow_nan=False)))


@settings(max_examples=20)
@given(layers=networks, architecture=architectures, batch=st.integers(1, 24))
def test_the_same_work_is_done_by_both_fidelities(
    layers: list[Layer], architecture: Architecture, batch: int
) -> None:
    """Busy times agree to ticks; energies differ by the way of data and by static power's time.

    The mesh is as busy as its busiest link.  What waits in queues takes space, so that DRAM may have
    more to do, and that takes energy by the bit.
    """
    done, analytic = both(layers, replace(LOADED, value=architecture), batch)
    ours, theirs = done.result["accelerator"], analytic.result["accelerator"]
    # A tick for each task, which takes at least one where it takes time at all.
    rounding = 2e-15 * done.result["cycle"]["tasks"]
    mesh = done.result["cycle"]["mesh"]
    for name, busy in theirs["latency_by_resource_s"].items():
        if name == "mesh":
            continue
        if name == "dram":
            assert ours["latency_by_resource_s"][name] >= busy - rounding
            continue
        assert ours["latency_by_resource_s"][name] == pytest.approx(busy, abs=rounding)
        assert ours["step_latency_s"] >= busy - rounding
    change_s = ours["step_latency_s"] - theirs["step_latency_s"]
    power_w = sum(float(p[0]) for p in analytic.estimate.static_power_w.values())
    saved_j = mesh["mean_distance"]["energy_per_sample_j"] - mesh["energy_per_sample_j"]
    expected = theirs["step_energy_j"] + power_w * change_s - batch * saved_j
    dram_s = ours["latency_by_resource_s"]["dram"] - theirs["latency_by_resource_s"]["dram"]
    bit_j = float(architecture.dram.energy_j_per_bit)
    expected += dram_s * float(architecture.dram.bandwidth_bit_per_s) * bit_j
    # DRAM's time is counted in ticks.
    assert ours["step_energy_j"] == close(expected, rel=1e-8)
    share = sum(row["utilisation"] for row in mesh["busiest"][:1])
    busiest_s = ours["latency_by_resource_s"]["mesh"]
    assert share * ours["step_latency_s"] == close(busiest_s)
    assert 0 <= ours["array_utilisation"] <= 1
    assert all(0 <= row["busy"] <= 1 for row in done.result["layers"])


@pytest.mark.parametrize("update", ["immediate", "deferred"])
@pytest.mark.parametrize("gating", [None, {"extends": "power_gating/idle_arrays", "wake": "1 us"}])
@pytest.mark.parametrize("batch", [1, 7])
def test_fidelities_agree_on_one_sample_after_the_other(
    update: str, gating: dict[str, str] | None, batch: int
) -> None:
    """A multilayer perceptron in sequence: nothing queues, so times and energies are equal.

    The way of its data aside, which is shorter than a mean distance: hops that cost nothing.
    """
    changes: dict[str, Any] = {"schedule.mode": "sequential", "schedule.update": update}
    changes |= {"mesh.hop_latency": "0 s", "mesh.hop_energy": "0 J/bit"}
    changes |= {"mesh.wire_energy": "0 J/bit/m"}
    changes |= {} if gating is None else {"chip.power_gating": gating}
    layers = [Layer(784, 256), Layer(256, 128), Layer(128, 10)]
    done, analytic = both(layers, with_changes(changes), batch)
    ours, theirs = done.result["accelerator"], analytic.result["accelerator"]
    for key in ("step_latency_s", "step_energy_j", "array_utilisation"):
        assert ours[key] == close(theirs[key], rel=1e-6)
    # Switching on is no phase; the analytic fidelity spreads it within segments, the other overall.
    if gating is None:
        step_s = theirs["step_latency_s"]
        for name, seconds in theirs["latency_by_phase_s"].items():
            assert ours["latency_by_phase_s"][name] == pytest.approx(seconds, abs=1e-6 * step_s)
    assert done.result["fidelity"]["difference"]["resource"] is None
    assert analytic.result["fidelity"]["difference"] is None
    assert analytic.result["cycle"] is None


def test_one_layer_agrees_in_a_pipeline_too() -> None:
    """Forward read and update of one sample share the only array: no pipeline is left."""
    changes = {"schedule.mode": "pipelined", "schedule.update": "immediate"}
    done, analytic = both([Layer(64, 64)], with_changes(changes), 50)
    ours, theirs = (e.result["accelerator"]["step_latency_s"] for e in (done, analytic))
    first = float(analytic.estimate.timeline.latency_s[0, 0])
    assert theirs - first <= ours <= theirs * (1 + 1e-9)


def test_switching_arrays_on_takes_the_same_time_in_a_pipeline_with_barriers() -> None:
    gating = {"extends": "power_gating/idle_arrays", "wake": "3 us"}
    layers = [Layer(64, 64, norm=True), Layer(64, 32)]
    awake = evaluated(layers, LOADED, 5, "cycle").result["accelerator"]["step_latency_s"]
    gated = evaluated(layers, with_changes({"chip.power_gating": gating}), 5, "cycle")
    waits = (gated.result["accelerator"]["step_latency_s"] - awake) / 3e-6
    assert waits == pytest.approx(round(waits), abs=1e-4)
    assert round(waits) >= 1


@pytest.mark.parametrize("batch", [1, 2, 9])
def test_staleness_counts_the_samples_that_read_before_an_update(batch: int) -> None:
    """Against a loop over all pairs of samples, on the reference engine's schedule."""
    changes = {"schedule.update": "immediate", "schedule.mode": "pipelined"}
    layers = [Layer(200, 200, 9), Layer(200, 100, 9), Layer(100, 50, 9)]
    done = evaluated(layers, with_changes(changes), batch, "cycle")
    assert done.cycle is not None
    run, program = done.cycle.run, done.estimate.program
    found = simulate(run.schedule.tasks)
    offsets = run.lowered.template.offsets
    place = {int(t): i for i, t in enumerate(run.lowered.program_task) if t >= 0}
    worst = 0
    for matrix in range(len(program.matrices.names)):
        of_matrix = program.matrix == matrix
        (read,) = [t for t in program.select(TaskKind.FORWARD) if of_matrix[t]]
        (update,) = [t for t in program.select(TaskKind.WEIGHT_GRADIENT) if of_matrix[t]]
        for s in range(batch):
            end = found.finish[offsets[place[update]] + s]
            later = [found.start[offsets[place[read]] + o] for o in range(s + 1, batch)]
            worst = max(worst, int(np.sum(np.array(later) < end)))
    assert done.result["accelerator"]["staleness_samples"] == worst
    assert worst == 0 if batch == 1 else worst > 0


@pytest.mark.parametrize("norm", [False, True])
def test_both_fidelities_count_the_same_staleness_in_sequence(norm: bool) -> None:
    """Sample by sample nothing is stale, unless a barrier makes all samples read first."""
    changes = {"schedule.update": "immediate", "schedule.mode": "sequential"}
    layers = [Layer(64, 64, norm=norm), Layer(64, 32)]
    found = [
        evaluated(layers, with_changes(changes), 5, fidelity).result["accelerator"]
        for fidelity in ("analytic", "cycle")
    ]
    assert [one["staleness_samples"] for one in found] == [4.0 * norm] * 2


def test_the_critical_path_is_listed_from_the_start_and_by_length() -> None:
    layers = [Layer(300, 300, 50), Layer(300, 300, 50)]
    done = evaluated(layers, LOADED, 16, "cycle")
    path = done.result["cycle"]["critical_path"]
    first, longest = path["first"], path["longest"]
    assert first[0]["begin_s"] == 0
    assert first[0]["waited_for"] == "start"
    for step, then in itertools.pairwise(first):
        assert then["begin_s"] == pytest.approx(step["begin_s"] + step["seconds"])
    lengths = [step["seconds"] for step in longest]
    assert lengths == sorted(lengths, reverse=True)
    assert lengths[0] >= max(step["seconds"] for step in first)
    step_s = done.result["accelerator"]["step_latency_s"]
    assert sum(task["seconds"] for task in path["tasks"]) <= step_s * (1 + 1e-9)
    assert sum(path["queues_s"].values()) <= step_s * (1 + 1e-9)


def test_a_queue_is_named_as_the_cause_of_the_difference() -> None:
    """With one slow vector unit, that is what all layers queue for."""
    slow = with_changes({"vector_unit.units": 1, "vector_unit.clock": "1 MHz"})
    layers = [Layer(64, 64, 20), Layer(64, 64, 20), Layer(64, 64, 20)]
    done = evaluated(layers, slow, 8, "cycle")
    assert done.result["cycle"]["stalls"]["resource"] == "vector_unit"
    assert next(iter(done.result["cycle"]["critical_path"]["queues_s"])) == "vector_unit"
    assert done.result["accelerator"]["bottleneck"] == "vector_unit"


def test_where_one_sample_is_too_many_tasks_no_smaller_minibatch_is_recommended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("archsim.simulation.cycle.settling.MOST_TASKS", 3)
    with pytest.raises(InputError, match="at most 3") as caught:
        evaluated([Layer(20, 20), Layer(20, 10)], LOADED, 1, "cycle")
    assert caught.value.remedy == "Use the analytic fidelity."


def test_a_minibatch_of_too_many_tasks_is_refused_with_the_largest_that_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("archsim.simulation.cycle.settling.MOST_TASKS", 500)
    layers = [Layer(20, 20), Layer(20, 10)]
    with pytest.raises(InputError, match="at most 500") as caught:
        evaluated(layers, LOADED, 1000, "cycle")
    most = int(str(caught.value).split("a batch of at most ")[1].split(",")[0])
    evaluated(layers, LOADED, most, "cycle")
    with pytest.raises(InputError):
        evaluated(layers, LOADED, most + 1, "cycle")


def test_no_more_samples_are_in_flight_than_there_are() -> None:
    done = evaluated([Layer(20, 20), Layer(20, 10)], LOADED, 2, "cycle")
    assert done.result["cycle"]["samples_in_flight"] == 2
