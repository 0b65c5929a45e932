"""How many samples are admitted at once: as many as make the step shortest."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from archsim.architecture import Architecture
from archsim.simulation.cycle.admission import shortest
from archsim.simulation.cycle.run import CycleRun, simulate_step
from archsim.simulation.cycle.settling import Step, settled
from archsim.simulation.cycle.space import demand, fewer, first_space
from archsim.simulation.estimate import estimate
from archsim.simulation.program import Program
from tests.closeness import close
from tests.networks import Layer, layer_lists
from tests.simulation.architectures import changed
from tests.simulation.test_laws import PROTONIC, program_of

# What a search may leave: it stops where no number of samples can gain a hundredth.
SLACK = 0.01
# List scheduling has anomalies.  Of random steps a larger buffer or faster DRAM slowed one in a hundred, by
# 6.7 % at most.
ANOMALY = 0.07

PLAIN = changed(
    PROTONIC,
    mapping__replication="none",
    mapping__grouped="block_diagonal",
    schedule__mode="pipelined",
    schedule__update="immediate",
    schedule__batchnorm="running",
)
layers = layer_lists(most=4, inputs=200, outputs=200, vectors=30, norm=True)
small = st.builds(
    changed,
    st.just(PLAIN),
    dram__bandwidth_bit_per_s=st.sampled_from([1e9, 8e9, 64e9, 3.7e12]),
    activation_buffer__capacity_bit=st.floats(2e4, 2e6),
)


def stepped(program: Program, tree: Architecture, samples: int) -> CycleRun:
    return simulate_step(estimate(program, [tree], [samples]), tree)


@given(layers=layers, tree=small, samples=st.integers(2, 8))
@settings(max_examples=15)
def test_no_number_of_samples_makes_a_shorter_step_than_the_one_that_is_chosen(
    layers: list[Layer], tree: Architecture, samples: int
) -> None:
    """Where something spills: all of them simulated one by one."""
    program = program_of(layers)
    priced = estimate(program, [tree], [samples])
    run = simulate_step(priced, tree)
    asked = demand(priced, tree)
    base = priced.costs if run.placed is None else run.placed.costs
    step = Step(priced, tree, base, asked, None)
    first = settled(step, first_space(priced, tree, asked))
    assume(first.space.spilled_share > 0.0)
    wide = first_space(priced, tree, asked, sparing=False)
    each = [
        settled(step, fewer(asked, wide, most), afresh=True).makespan_s
        for most in range(1, max(wide.samples) + 1)
    ]
    assert run.makespan_s <= min(each) * (1 + SLACK)


@given(layers=layers, tree=small, samples=st.integers(1, 12))
@settings(max_examples=15)
def test_a_pipeline_that_spills_is_no_slower_than_one_sample_after_the_other(
    layers: list[Layer], tree: Architecture, samples: int
) -> None:
    program = program_of(layers)
    pipelined = stepped(program, tree, samples).makespan_s
    sequential = stepped(program, changed(tree, schedule__mode="sequential"), samples).makespan_s
    assert pipelined <= sequential * (1 + SLACK)


@pytest.mark.parametrize(
    ("path", "factor", "slack"),
    [
        ("activation_buffer__capacity_bit", 1.5, ANOMALY),
        ("dram__bandwidth_bit_per_s", 2.0, ANOMALY),
    ],
)
@given(layers=layers, tree=small, samples=st.integers(2, 10))
@settings(max_examples=15)
def test_more_buffer_or_faster_dram_never_slows_a_step_beyond_anomalies(
    path: str,
    factor: float,
    slack: float,
    layers: list[Layer],
    tree: Architecture,
    samples: int,
) -> None:
    program = program_of(layers)
    block, field = path.split("__")
    more = changed(tree, **{path: getattr(getattr(tree, block), field) * factor})
    before = stepped(program, tree, samples).makespan_s
    assert stepped(program, more, samples).makespan_s <= before * (1 + slack)


def test_few_samples_that_fit_are_let_in_where_spills_take_longer() -> None:
    """Slow DRAM and room for what two samples save: one or two are let in, and nothing spills."""
    program = program_of([Layer(64, 64, 30)] * 4)
    slow = changed(PLAIN, dram__bandwidth_bit_per_s=1e9)
    plenty = stepped(program, slow, 16)
    held = float(plenty.asked.saved.max()) * 2.9
    tight = stepped(program, changed(slow, activation_buffer__capacity_bit=held), 16)
    assert 1 <= max(tight.space.samples) <= 2
    assert max(plenty.space.samples) > 2
    assert tight.space.spilled_share == 0.0
    assert tight.wanted == plenty.space.samples
    assert (tight.costs.energy_j["dram"]).sum() == close((plenty.costs.energy_j["dram"]).sum())


def valley(best: int, fall: float, rise: float) -> Callable[[int], float]:
    return lambda most: fall / most if most <= best else fall / best + rise * (most - best)


@given(
    widest=st.integers(1, 60),
    best=st.integers(1, 60),
    fall=st.floats(1.0, 100.0),
    rise=st.floats(0.1, 10.0),
)
def test_the_search_finds_the_least_of_a_valley_and_simulates_few(
    widest: int, best: int, fall: float, rise: float
) -> None:
    time_s = valley(best, fall, rise)
    asked: list[int] = []

    def counted(most: int) -> float:
        asked.append(most)
        return time_s(most)

    found = shortest(widest, counted, lambda most: 0.0)
    assert found is not None
    assert len(asked) == len(set(asked)) <= 12
    least = min(map(time_s, range(1, widest + 1)))
    if widest <= 8:
        assert time_s(found) == least
    assert time_s(found) <= 1.1 * least


@given(st.lists(st.floats(1.0, 9.0), min_size=1, max_size=8), st.floats(0.0, 1.0))
def test_a_true_lower_bound_changes_nothing_of_what_is_found(
    times: list[float], part: float
) -> None:
    free = shortest(len(times), lambda most: times[most - 1], lambda most: 0.0)
    bound = shortest(len(times), lambda most: times[most - 1], lambda most: part * times[most - 1])
    assert free is not None
    assert bound is not None
    assert times[free - 1] == times[bound - 1] == min(times)


def test_nothing_is_found_where_all_take_longer_than_what_is_known() -> None:
    assert shortest(8, lambda most: 2.0, lambda most: 0.0, 1.0) is None
