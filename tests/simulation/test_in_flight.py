"""Samples in flight in the analytic estimate: fewer where what they save would spill."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from archsim.architecture import Architecture
from archsim.simulation.analytic import followed_s
from archsim.simulation.estimate import Estimate, estimate
from archsim.simulation.memory import memory, queue_edges
from archsim.simulation.program import Program
from archsim.simulation.queue_space import most_in_flight
from tests.closeness import close
from tests.networks import Layer, layer_lists
from tests.simulation.architectures import changed
from tests.simulation.test_laws import PROTONIC, program_of

# Numbers of samples that gain less are not priced.
SLACK = 1e-6

PLAIN = changed(
    PROTONIC,
    mapping__replication="none",
    mapping__grouped="block_diagonal",
    schedule__update="immediate",
    schedule__batchnorm="running",
)
layers = layer_lists(most=5, inputs=300, outputs=300, vectors=60, norm=True)
tight = st.builds(
    changed,
    st.just(PLAIN),
    schedule__update=st.sampled_from(["immediate", "immediate", "deferred"]),
    schedule__batchnorm=st.sampled_from(["batch", "running"]),
    dram__bandwidth_bit_per_s=st.sampled_from([1e9, 8e9, 64e9, 3.7e12]),
    activation_buffer__capacity_bit=st.floats(1e3, 1e7),
)
batches = st.integers(1, 100)


def step_s(program: Program, tree: Architecture, batch: int) -> float:
    return float(estimate(program, [tree], [batch]).step_latency_s[0])


@given(layers=layers, tree=tight, batch=batches)
def test_a_pipeline_is_no_slower_than_one_sample_after_the_other_whatever_spills(
    layers: list[Layer], tree: Architecture, batch: int
) -> None:
    program = program_of(layers)
    pipelined = step_s(program, changed(tree, schedule__mode="pipelined"), batch)
    sequential = step_s(program, changed(tree, schedule__mode="sequential"), batch)
    assert pipelined <= sequential * (1 + SLACK)


@pytest.mark.parametrize(
    ("path", "factor"),
    [
        ("activation_buffer__capacity_bit", 1.3),
        ("activation_buffer__capacity_bit", 4.0),
        ("dram__bandwidth_bit_per_s", 2.0),
    ],
)
@given(layers=layers, tree=tight, batch=batches)
def test_more_buffer_or_faster_dram_never_slows_a_step(
    path: str, factor: float, layers: list[Layer], tree: Architecture, batch: int
) -> None:
    program = program_of(layers)
    block, field = path.split("__")
    more = changed(tree, **{path: getattr(getattr(tree, block), field) * factor})
    assert step_s(program, more, batch) <= step_s(program, tree, batch) * (1 + SLACK)


@given(
    layers=layers,
    trees=st.lists(tight, min_size=2, max_size=5),
    batch=batches,
)
@settings(max_examples=20)
def test_configurations_choose_for_themselves(
    layers: list[Layer], trees: list[Architecture], batch: int
) -> None:
    alike = [changed(t, schedule__update="immediate", schedule__batchnorm="running") for t in trees]
    program = program_of(layers)
    together = estimate(program, alike, [batch] * len(alike))
    for row, tree in enumerate(alike):
        alone = estimate(program, [tree], [batch])
        assert together.step_latency_s[row] == close(alone.step_latency_s[0], rel=1e-12)
        assert together.spilled_share[row] == close(alone.spilled_share[0], rel=1e-9)


def in_flight(priced: Estimate) -> float:
    """How many samples are in flight: latency over interval, in the first segment."""
    line = priced.timeline
    return float(line.latency_s[0, 0] / line.interval_s[0, 0])


def test_with_dram_too_slow_to_use_as_many_samples_are_in_flight_as_fit() -> None:
    """One follows another after latency over their number, and nothing spills."""
    program = program_of([Layer(1, 64, 30), *[Layer(64, 64, 30)] * 9])
    slow = changed(PLAIN, dram__bandwidth_bit_per_s=1e9, dram__latency_s=0.0)
    free = estimate(program, [slow], [20])
    assert in_flight(free) > 4.0
    draft = free.timeline
    kept = memory(program, slow, draft, free.batch[:, None], free.mapping.chips)
    each = float(kept.sample_bits.sum())
    latency = float(draft.latency_s[0, 0])
    for number in (1, 2, 3):
        room = changed(slow, activation_buffer__capacity_bit=(number + 0.1) * each)
        priced = estimate(program, [room], [20])
        assert priced.spilled_share[0] == 0.0
        assert in_flight(priced) == close(number, rel=1e-9)
        assert priced.step_latency_s[0] == close(latency * (1 + 19 / number), rel=1e-9)


def test_a_sample_follows_after_the_busiest_unit_or_its_share_of_the_latency() -> None:
    latency, busiest = np.array([[10.0, 3.0]]), np.array([[2.0, 2.0]])
    assert followed_s(latency, busiest, np.array([[2.0]])).tolist() == [[5.0, 2.0]]
    assert followed_s(latency, busiest, np.array([[np.inf, 1.0]])).tolist() == [[2.0, 3.0]]


def waiting_at(program: Program, priced: Estimate, tree: Architecture, at: float) -> float:
    """Bits in queues at one time if one sample passes alone, edge by edge."""
    finish = priced.timeline.finish_s[0]
    start = finish - (priced.costs.main_s + priced.costs.transfer_s)[0]
    edges = np.flatnonzero(queue_edges(program, priced.timeline.segments))
    held = 0.0
    for task in set(program.edge_from[edges].tolist()):
        takers = [int(program.edge_to[e]) for e in edges if program.edge_from[e] == task]
        if start[task] <= at < max(finish[[task, *takers]]):
            held += float(program.output_elements[task]) * float(tree.numbers.activation_bits)
    return held


@given(layers=layers, share=st.floats(0.2, 8.0))
@settings(max_examples=30)
def test_as_many_samples_are_in_flight_as_there_is_space_for_in_queues(
    layers: list[Layer], share: float
) -> None:
    """The peak of one sample, and the mean of each further one, sampled in time."""
    program = program_of(layers)
    priced = estimate(program, [PLAIN], [50])
    line, costs = priced.timeline, priced.costs
    finish = line.finish_s[0]
    start = finish - (costs.main_s + costs.transfer_s)[0]
    times = np.unique(np.concatenate([start, finish]))
    levels = np.array([waiting_at(program, priced, PLAIN, t) for t in times])
    peak, mean = levels.max(), (levels[:-1] * np.diff(times)).sum() / float(line.latency_s[0, 0])
    assume(mean > 0)
    tree = changed(PLAIN, activation_buffer__capacity_bit=share * peak)
    kept = memory(program, tree, line, priced.batch[:, None], priced.mapping.chips)
    most = most_in_flight(program, tree, costs, line, kept, np.full(1, np.inf))
    expected = 1 + max(np.floor((share * peak * (1 + 1e-9) - peak) / mean), 0)
    if most is None:
        assert expected >= kept.samples[0]
    else:
        assert abs(most[0, 0] - expected) <= 1e-6 * expected + (share * peak / mean > 1e6)
