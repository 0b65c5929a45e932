"""The two fidelities on the built-in networks: close where the analytic one claims to hold."""

from __future__ import annotations

import statistics
from functools import lru_cache
from typing import Any

import pytest

from archsim.architecture import Architecture
from archsim.cli.pricing import Job
from archsim.config.files import names_in
from archsim.config.loading import load
from archsim.config.overriding import override
from archsim.resources import data_folder
from archsim.result.cycle import analyse, queues
from archsim.simulation.cycle.chips import MOST_CHIPS
from archsim.simulation.cycle.links import is_mesh_link
from archsim.simulation.cycle.repricing import timed_by_cycle
from archsim.simulation.cycle.run import CycleRun, simulate_step
from archsim.simulation.estimate import Estimate, estimate
from archsim.simulation.program import Program, lower
from archsim.workload.training import training_graph
from tests.closeness import close

BATCH = 256
CHIPS = [name for name in names_in(data_folder("arch_configs")) if name != "references"]


@lru_cache(maxsize=1)
def program_of(network: str) -> Program:
    found = Job(model=network).read()
    return lower(training_graph(found.workload, found.options))


def chip_of(name: str) -> Architecture:
    return load(name, Architecture, data_folder("arch_configs")).value


def relative_difference(priced: Estimate, chip: Architecture) -> float:
    """Cycle over analytic, less 1; the schedule obeys its bounds on the way."""
    return difference_of(simulate_step(priced, chip), priced)


def difference_of(run: CycleRun, priced: Estimate) -> float:
    rounding = 2e-15 * run.schedule.tasks.size
    names = priced.timeline.resources
    busy = [s for s, n in zip(priced.timeline.resource_s[0], names, strict=True) if n != "mesh"]
    assert run.makespan_s >= max(busy) - rounding
    if run.placed is not None:
        assert run.makespan_s >= run.placed.busiest_s * run.execution.samples - rounding
    assert (run.schedule.utilisation <= 1).all()
    return run.makespan_s / float(priced.step_latency_s[0]) - 1


@pytest.mark.parametrize("network", ["mlp", "lenet", "vgg8", "lstm-ptb"])
@pytest.mark.parametrize("chip", ["protonic_256", "rpu_4096"])
def test_small_networks_are_within_two_per_cent(
    network: str, chip: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where data travel a mean distance in both; on links they may queue as well."""
    tree = chip_of(chip)
    priced = estimate(program_of(network), [tree], [BATCH])
    on_links = relative_difference(priced, tree)
    monkeypatch.setattr("archsim.simulation.cycle.run.place_on_mesh", lambda *_: None)
    spread = relative_difference(priced, tree)
    assert abs(spread) < 0.02
    assert on_links > spread - 0.02


@pytest.mark.parametrize(
    "changes",
    [
        # Of the segments of the schedule one has no task.
        {"mapping.sync": "broadcast", "algorithm.kind": "chopped_tiki_taka_v2", "mesh.side": 3},
        # Samples leave two windows when the forward and backward passes end.
        {
            "schedule.update": "immediate",
            "schedule.batchnorm": "running",
            "activation_buffer.capacity": "1 KiB",
        },
    ],
)
def test_arrays_that_go_on_working_are_switched_on_once(changes: dict[str, Any]) -> None:
    """In both fidelities: arrays do not go off between segments that follow each other at once."""
    gating = {"extends": "power_gating/idle_arrays", "wake_energy": "1 uJ"}
    settings = {"chip.power_gating": gating, **changes}
    loaded = load("protonic_128", Architecture, data_folder("arch_configs"))
    tree = override(loaded, settings).value
    priced = estimate(program_of("lenet"), [tree], [2])
    for found in (priced, timed_by_cycle(priced, tree, simulate_step(priced, tree))):
        spent_j = float(found.static_power_w["power_gating"][0] * found.step_latency_s[0])
        assert spent_j == close(1e-6 * float(priced.mapping.arrays_used[0]))


@pytest.mark.slow
def test_the_median_over_all_networks_and_chips_is_within_ten_per_cent() -> None:
    """And a pair that is further waits for links, which the analytic estimate spreads data over."""
    found = {}
    for network in names_in(data_folder("workloads")):
        for chip in CHIPS:
            tree = chip_of(chip)
            priced = estimate(program_of(network), [tree], [BATCH])
            if priced.fits[0] and priced.mapping.chips[0] <= MOST_CHIPS:
                run = simulate_step(priced, tree)
                found[network, chip] = abs(difference_of(run, priced))
                if found[network, chip] >= 0.10:
                    assert any(map(is_mesh_link, queues(analyse(run)))), (network, chip)
    assert len(found) >= 35
    assert statistics.median(found.values()) < 0.10
