"""The two fidelities on the built-in networks: close where the analytic one claims to hold."""

from __future__ import annotations

import statistics
from functools import lru_cache

import pytest

from archsim.architecture import Architecture
from archsim.cli.pricing import Job
from archsim.config.files import names_in
from archsim.config.loading import load
from archsim.resources import data_folder
from archsim.simulation.cycle.run import simulate_step
from archsim.simulation.estimate import Estimate, estimate
from archsim.simulation.program import Program, lower
from archsim.workload.training import training_graph

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
    run = simulate_step(priced, chip)
    rounding = 2e-15 * run.schedule.tasks.size
    assert run.makespan_s >= priced.timeline.resource_s[0].max() - rounding
    assert (run.schedule.utilisation <= 1).all()
    return run.makespan_s / float(priced.step_latency_s[0]) - 1


@pytest.mark.parametrize("network", ["mlp", "lenet", "vgg8", "lstm-ptb"])
@pytest.mark.parametrize("chip", ["protonic_256", "rpu_4096"])
def test_small_networks_are_within_two_per_cent(network: str, chip: str) -> None:
    tree = chip_of(chip)
    priced = estimate(program_of(network), [tree], [BATCH])
    assert abs(relative_difference(priced, tree)) < 0.02


@pytest.mark.slow
def test_the_median_over_all_networks_and_chips_is_within_ten_per_cent() -> None:
    """And no pair is further than that either."""
    found = {}
    for network in names_in(data_folder("workloads")):
        for chip in CHIPS:
            tree = chip_of(chip)
            priced = estimate(program_of(network), [tree], [BATCH])
            if priced.fits[0]:
                found[network, chip] = abs(relative_difference(priced, tree))
    assert len(found) >= 35
    assert statistics.median(found.values()) < 0.10
    assert max(found.values()) < 0.10, max(found, key=lambda pair: found[pair])
