"""Evaluation passes: the forward part of a step, and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.architecture.static_power import static_power
from archsim.simulation.estimate import estimate
from archsim.simulation.evaluation import forward_pass
from archsim.workload.training import TaskKind
from tests.closeness import close
from tests.networks import Layer, layer_lists
from tests.simulation.architectures import changed
from tests.simulation.test_laws import PROTONIC, program_of

PLAIN = changed(
    PROTONIC,
    mapping__replication="none",
    mapping__grouped="block_diagonal",
    activation_buffer__capacity_bit=1e15,
)
layers = layer_lists(most=4, inputs=300, outputs=300, vectors=40, norm=True)


@given(layers=layers, samples=st.integers(1, 30))
@settings(max_examples=30)
def test_a_pass_is_the_forward_chain_of_a_step_without_barriers(
    layers: list[Layer], samples: int
) -> None:
    """Latency is the sum over the chain, the interval the busiest resource, energy the sum."""
    program = program_of(layers)
    priced = estimate(program, [PLAIN], [samples])
    found = forward_pass(priced, PLAIN)
    assert found is not None
    own = [t for t, kind in enumerate(program.kind) if kind is TaskKind.FORWARD]
    costs = priced.costs
    busy = {name: held[0, own].sum() for name, held in costs.shared_s.items()}
    for task in own:
        if program.matrix[task] >= 0:
            name = f"arrays:{program.matrices.names[program.matrix[task]]}"
            busy[name] = busy.get(name, 0.0) + costs.array_s[0, task]
    latency_s = (costs.main_s + costs.transfer_s)[0, own].sum()
    assert found.interval_s == close(max(busy.values()))
    assert busy[found.bottleneck] == close(found.interval_s)
    assert found.latency_s == close(max(latency_s, found.interval_s))
    static_w = sum(static_power(PLAIN).whole_chip_w(PLAIN.arrays_available).values())
    dynamic_j = sum(energy[0, own].sum() for energy in costs.energy_j.values())
    assert found.energy_j == close(dynamic_j + static_w * found.interval_s)
    assert samples * found.interval_s <= priced.step_latency_s[0] * (1 + 1e-12)


def test_what_spills_in_training_does_not_in_evaluation() -> None:
    """Nothing is saved: a tiny buffer changes nothing, though it slows the step down."""
    program = program_of([Layer(200, 200, 40, norm=True), Layer(200, 200, 40, norm=True)])
    tight = changed(PLAIN, activation_buffer__capacity_bit=1e4, dram__bandwidth_bit_per_s=1e9)
    slow, fast = (
        (estimate(program, [tree], [50]), tree)
        for tree in (tight, changed(tight, activation_buffer__capacity_bit=1e15))
    )
    assert slow[0].step_latency_s[0] > 1.5 * fast[0].step_latency_s[0]
    tight_pass, loose_pass = forward_pass(*slow), forward_pass(*fast)
    assert tight_pass is not None
    assert loose_pass is not None
    assert tight_pass.interval_s == close(loose_pass.interval_s)


def test_one_sample_after_the_other_takes_its_latency_each() -> None:
    tree = changed(PLAIN, schedule__mode="sequential")
    found = forward_pass(estimate(program_of([Layer(20, 20), Layer(20, 9)]), [tree], [5]), tree)
    assert found is not None
    assert found.interval_s == pytest.approx(found.latency_s)
