"""Copies by the times of the cycle fidelity, where links hold a step up."""

from __future__ import annotations

import itertools

import numpy as np

from archsim.architecture import Architecture
from archsim.architecture.policy import StatedCopies
from archsim.config.loading import load
from archsim.resources import data_folder
from archsim.simulation.cycle.best_copies import TimedCopies, simulate_best_copies
from archsim.simulation.cycle.run import simulate_step
from archsim.simulation.estimate import estimate
from archsim.simulation.program import lower
from archsim.workload.training import TrainingOptions, training_graph
from tests.closeness import close
from tests.networks import Layer, chain
from tests.simulation.architectures import changed

PROTONIC = load("protonic_256", Architecture, data_folder("arch_configs")).value
# On a mesh of nine tiles the copies of both matrices share a few links.
CROWDED = changed(
    PROTONIC,
    mesh__side=3,
    mesh__link_bit_per_s=8e8,
    tile__arrays=1,
    mapping__grouped="block_diagonal",
    mapping__max_copies=3,
    schedule__batchnorm="running",
)
PROGRAM = lower(
    training_graph(
        chain([Layer(72, 40, vectors=36), Layer(40, 100, vectors=36)]), TrainingOptions(loss="mse")
    )
)
BATCH = 8


def best(chip: Architecture) -> TimedCopies:
    return simulate_best_copies(estimate(PROGRAM, [chip], [BATCH]), chip)


def stated_s(chip: Architecture, copies: tuple[int, ...]) -> float:
    """The step with stated copies, by the cycle fidelity."""
    stated = tuple(
        StatedCopies(matrix=name, number=number)
        for name, number in zip(PROGRAM.matrices.names, copies, strict=True)
    )
    chip = changed(chip, mapping__replication="stated", mapping__copies=stated)
    return simulate_step(estimate(PROGRAM, [chip], [BATCH]), chip).makespan_s


def test_on_crowded_links_copies_are_faster_than_the_estimates_and_near_the_best_of_all() -> None:
    priced = estimate(PROGRAM, [CROWDED], [BATCH])
    chosen = simulate_step(priced, CROWDED).makespan_s
    found = best(CROWDED)
    every = itertools.product(range(1, 4), repeat=2)
    arrays = priced.mapping.arrays_needed[0]
    fitting = [c for c in every if np.dot(c, arrays) <= CROWDED.arrays_available]
    fastest = min(stated_s(CROWDED, copies) for copies in fitting)
    assert chosen > 1.05 * fastest
    assert found.tried > 1
    assert found.run.makespan_s <= 1.05 * fastest


def test_the_run_is_that_of_the_copies_that_are_reported() -> None:
    found = best(CROWDED)
    copies = tuple(int(number) for number in found.priced.mapping.copies[0])
    assert found.run.makespan_s == close(stated_s(CROWDED, copies))


def test_copies_stay_as_the_estimate_has_them_where_links_are_fast_or_copies_are_stated() -> None:
    fast = changed(CROWDED, mesh__link_bit_per_s=8e12)
    none = changed(CROWDED, mapping__replication="none")
    for chip in (fast, none):
        priced = estimate(PROGRAM, [chip], [BATCH])
        found = best(chip)
        assert found.tried == 1
        assert found.priced.mapping.copies.tolist() == priced.mapping.copies.tolist()
        assert found.run.makespan_s == simulate_step(priced, chip).makespan_s
