"""Minibatches that share one update."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.algorithm import MixedPrecision, OneSided, TikiTaka
from archsim.architecture.policy import StatedCopies
from archsim.simulation.cycle.run import simulate_step
from archsim.simulation.estimate import estimate
from archsim.workload.training import TaskKind
from tests.closeness import close
from tests.networks import Layer
from tests.simulation.architectures import changed
from tests.simulation.test_laws import PROTONIC, program_of

PLAIN = changed(
    PROTONIC,
    mapping__replication="none",
    mapping__grouped="digital",
    activation_buffer__capacity_bit=1e15,
)
KINDS = {MixedPrecision: "mixed_precision", TikiTaka: "tiki_taka", OneSided: "one_sided"}
# Blocks that are held digitally have a digital step, normalisations parameters with an optimizer.
LAYERS = [Layer(30, 20, 5, norm=True), Layer(4, 4, 5, blocks=5), Layer(20, 10, 5)]


@given(
    n=st.integers(2, 50),
    samples=st.integers(1, 30),
    mode=st.sampled_from(["pipelined", "sequential"]),
)
@settings(max_examples=20)
def test_what_happens_once_per_step_is_divided_by_the_minibatches(
    n: int, samples: int, mode: str
) -> None:
    """Time and energy of everything else stay."""
    program = program_of(LAYERS)
    tree = changed(PLAIN, schedule__mode=mode)
    one, many = (
        estimate(program, [changed(tree, schedule__accumulate=k)], [samples]) for k in (1, n)
    )
    once = program.per_step
    assert one.costs.main_s[0, once].sum() > 0
    assert many.costs.main_s[0, once] == close(one.costs.main_s[0, once] / n)
    assert many.costs.main_s[0, ~once] == close(one.costs.main_s[0, ~once])
    for name, energy in one.costs.energy_j.items():
        assert many.costs.energy_j[name][0, once] == close(energy[0, once] / n)
    # The last segment is what happens once per step; each of its times shrinks by the same factor.
    last = one.timeline.segments.per_step
    saved = one.timeline.latency_s[0, last].sum() * (1 - 1 / n)
    assert one.step_latency_s[0] - many.step_latency_s[0] == close(saved, rel=1e-6)


def test_deferred_updates_keep_what_they_need_of_all_minibatches() -> None:
    """Inputs and errors of the layers; what only the backward pass reads is kept for one."""
    program = program_of([Layer(30, 20, 5), Layer(20, 10, 5)])
    trees = [changed(PLAIN, schedule__accumulate=k, schedule__batchnorm="running") for k in (1, 7)]
    one, many = (estimate(program, [tree], [4]) for tree in trees)
    updates = program.select(TaskKind.WEIGHT_GRADIENT)
    per_sample = float((program.input_elements[updates]).sum()) * 16
    assert one.stored_bits[0] == close(4 * per_sample)
    assert many.stored_bits[0] == close(7 * 4 * per_sample)
    now = [changed(tree, schedule__update="immediate") for tree in trees]
    stored = [estimate(program, [tree], [4]).stored_bits[0] for tree in now]
    assert stored[0] == stored[1]


@pytest.mark.parametrize("kind", [MixedPrecision, TikiTaka, OneSided])
def test_transfers_that_wait_for_minibatches_come_once_for_all(
    kind: type[MixedPrecision | TikiTaka | OneSided],
) -> None:
    """Their part of a task stays within it, their state is moved once, and the pulses stay as many."""
    program = program_of(LAYERS)
    tree = changed(PLAIN, algorithm=kind.model_validate({"kind": KINDS[kind]}))
    n = 7
    one, many = (estimate(program, [changed(tree, schedule__accumulate=k)], [4]) for k in (1, n))
    once = program.per_step
    for found in (one, many):
        costs = found.costs
        assert costs.transfers_s is not None
        assert (costs.transfers_s <= costs.main_s * (1 + 1e-12)).all()
    first, last = one.costs.state_bits, many.costs.state_bits
    assert first is not None
    assert last is not None
    assert last[0, once] == close(first[0, once] / n)
    for role, taken in one.pulses_by_role.items():
        assert many.pulses_by_role[role][0] == close(taken[0])


def test_both_fidelities_spread_alike() -> None:
    """One sample after the other, both gain the same by sharing."""
    program = program_of(LAYERS)
    steps = []
    for n in (1, 9):
        tree = changed(PLAIN, schedule__mode="sequential", schedule__accumulate=n)
        found = estimate(program, [tree], [3])
        steps.append((float(found.step_latency_s[0]), simulate_step(found, tree).makespan_s))
    gained = [one - many for one, many in zip(*steps, strict=True)]
    assert gained[0] > 0
    assert gained[1] == pytest.approx(gained[0], abs=1e-13)


def test_copies_that_are_averaged_less_often_drift_further() -> None:
    """By the root of the minibatches in pulses, so that a step takes that many times fewer of them.

    Where reads have no noise, trains are long, and parts of pulses are few beside the pulses.
    """
    program = program_of([Layer(64, 64, 50)])
    stated = (StatedCopies(matrix="w0", number=4),)
    tree = changed(
        PROTONIC,
        mapping__replication="stated",
        mapping__copies=stated,
        mapping__sync="average",
        read__voltage_v=1e4,
        read__output_bound=1e-9,
        update__train_length=1000,
        update__pulses_per_sample=100.0,
    )
    one, many = (estimate(program, [changed(tree, schedule__accumulate=n)], [4]) for n in (1, 16))
    assert one.mapping.copies[0, 0] == many.mapping.copies[0, 0] == 4
    alone = changed(tree, mapping__replication="none", mapping__copies=())
    trained = estimate(program, [alone], [4]).pulses_per_step
    drift = [float((found.pulses_per_step - trained)[0, 0]) for found in (one, many)]
    assert drift[0] > 0
    assert drift[1] == close(drift[0] / 4, rel=1e-3)
