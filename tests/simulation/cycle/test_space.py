"""Space in the activation buffer: nothing waits where there is none, and what does not fit spills."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.architecture import Architecture
from archsim.simulation.cycle.execution import Execution
from archsim.simulation.cycle.fast import simulate_template
from archsim.simulation.cycle.lowering import lower_cycle
from archsim.simulation.cycle.reference import simulate
from archsim.simulation.cycle.run import CycleRun, simulate_step
from archsim.simulation.cycle.space import DOUBLE_BUFFERING
from archsim.simulation.cycle.template import expand
from archsim.simulation.estimate import estimate
from archsim.simulation.memory import live_samples
from archsim.simulation.program import Program
from archsim.workload.training import TaskKind
from tests.closeness import close
from tests.networks import Layer, layer_lists
from tests.simulation.architectures import changed
from tests.simulation.test_laws import PROTONIC, program_of

PLAIN = changed(PROTONIC, mapping__replication="none", mapping__grouped="block_diagonal")
layers = layer_lists(most=4, inputs=200, outputs=200, vectors=30, norm=True)
architectures = st.builds(
    changed,
    st.just(PLAIN),
    schedule__mode=st.sampled_from(["pipelined", "pipelined", "sequential"]),
    schedule__update=st.sampled_from(["immediate", "deferred"]),
    schedule__batchnorm=st.sampled_from(["batch", "running"]),
    activation_buffer__capacity_bit=st.floats(1e3, 1e7),
)


def stepped(program: Program, tree: Architecture, samples: int) -> CycleRun:
    return simulate_step(estimate(program, [tree], [samples]), tree)


def waiting_bits(program: Program, run: CycleRun) -> float:
    """The most that waits at once, instance by instance, from the rules alone."""
    template, schedule = run.lowered.template, run.schedule
    place = {int(task): t for t, task in enumerate(run.lowered.program_task) if task >= 0}
    asked_of: dict[int, list[int]] = {}
    for source, target in zip(*run.asked.taken_by, strict=True):
        asked_of.setdefault(int(source), []).append(int(target))
    intervals = []
    for task, takers in asked_of.items():
        for s in range(template.samples):
            begin = schedule.start[template.offsets[place[task]] + s]
            ends = [schedule.finish[template.offsets[place[t]] + s] for t in takers]
            waits = run.asked.passing[task] > 0  # others pass through DRAM as a whole
            intervals.append((int(begin), int(max(ends)), waits * program.output_elements[task]))
    level = [sum(b for a, e, b in intervals if a <= at < e) for at, _, _ in intervals]
    return 16 * max(level, default=0.0)


@given(layers=layers, tree=architectures, samples=st.integers(1, 12))
@settings(max_examples=40)
def test_what_waits_and_what_is_kept_never_exceeds_the_buffer(
    layers: list[Layer], tree: Architecture, samples: int
) -> None:
    """Less what goes to DRAM: all of it is accounted for, in every mode."""
    program = program_of(layers)
    run = stepped(program, tree, samples)
    peak = waiting_bits(program, run)
    assert run.peak.bits == pytest.approx(peak, rel=1e-9)
    assert run.asked.passing.max() <= tree.activation_buffer.capacity_bit
    kept = run.asked.minibatch + float((np.array(run.space.samples) * run.asked.saved).max())
    room = float(tree.activation_buffer.capacity_bit)
    on_chip = kept * (1 - run.space.spilled_share) + peak * (1 - run.space.overflow_share)
    assert on_chip <= room * (1 + 1e-6)
    assert 0.0 <= run.space.overflow_share <= 1.0
    assert min(run.space.samples) >= 1
    found = simulate(run.schedule.tasks)
    assert np.array_equal(found.finish, run.schedule.finish)


@given(layers=layers, samples=st.integers(1, 12))
@settings(max_examples=20)
def test_a_buffer_with_room_for_all_lets_double_buffering_alone_decide(
    layers: list[Layer], samples: int
) -> None:
    tree = changed(PLAIN, schedule__batchnorm="running", activation_buffer__capacity_bit=1e12)
    program = program_of(layers)
    priced = estimate(program, [tree], [samples])
    run = simulate_step(priced, tree)
    live = int(np.ceil(live_samples(priced.timeline, priced.batch[:, None])[0, 0]))
    assert run.space.samples[0] <= min(DOUBLE_BUFFERING * live, samples)
    assert run.space.spilled_share == 0.0
    assert not run.space.outputs
    assert run.costs.energy_j["dram"] == close(priced.costs.energy_j["dram"])
    bound = Execution(samples, "pipelined", "deferred", False, run.space.samples[0])
    expected = simulate_template(lower_cycle(program, run.costs, bound).template)
    assert run.schedule.makespan == expected.makespan


def test_what_one_sample_has_on_its_way_beyond_the_whole_buffer_goes_to_dram_and_back() -> None:
    """A single vector of 400 outputs of 16 bit, and a buffer that holds little more."""
    program = program_of([Layer(10, 400), Layer(400, 10)])
    tree = changed(
        PLAIN,
        schedule__update="immediate",
        schedule__mode="sequential",
        activation_buffer__capacity_bit=6410.0,
        dram__bandwidth_bit_per_s=1e6,  # so slow that as little as possible goes there
    )
    priced = estimate(program, [tree], [3])
    run = simulate_step(priced, tree)
    assert run.space.spilled_share == 1.0
    assert run.space.overflow_share == close(1.0 - 6410.0 / run.peak.bits)
    more = (run.costs.energy_j["dram"] - priced.costs.energy_j["dram"]).sum()
    kept = 1.0 - float(priced.spilled_share[0])
    saved = float(run.asked.saved.sum() + run.asked.minibatch / 3) * 2 * kept
    passing = 2.0 * run.asked.passing.sum() * run.space.overflow_share
    assert more == close((saved + passing) * float(tree.dram.energy_j_per_bit), rel=1e-6)


def in_segment(run: CycleRun, name: str) -> int:
    """The most samples at once between the start of a window's entry and the finish of its exit."""
    template, schedule = run.lowered.template, run.schedule
    window = next(w for w in template.windows if w.name == name)
    offsets = template.offsets
    starts = schedule.start[offsets[window.entry] : offsets[window.entry + 1]]
    ends = schedule.finish[offsets[window.exit] : offsets[window.exit + 1]]
    return max(int(((starts <= at) & (ends > at)).sum()) for at in starts)


def test_samples_between_barriers_wait_at_the_entry_of_a_segment_that_is_full() -> None:
    """And no more of them are ever inside than there is space for."""
    program = program_of([Layer(64, 64, 30, norm=True), Layer(64, 64, 30), Layer(64, 64, 30)])
    tree = changed(PLAIN, activation_buffer__capacity_bit=200_000.0, dram__bandwidth_bit_per_s=1e9)
    run = stepped(program, tree, 16)
    bounded = [w for w in run.lowered.template.windows if w.samples < 16]
    assert bounded
    for window in bounded:
        if window.name.startswith("activation buffer"):
            assert in_segment(run, window.name) <= window.samples


def test_output_that_may_wait_for_one_sample_makes_its_maker_wait() -> None:
    """A fast first layer starts with a sample when the slow second has taken the one before."""
    program = program_of([Layer(8, 8, 1), Layer(8, 8, 50)])
    priced = estimate(program, [changed(PLAIN, schedule__batchnorm="running")], [6])
    first, second = (int(t) for t in program.select(TaskKind.FORWARD)[:2])

    def starts(most: int) -> tuple[np.ndarray, np.ndarray]:
        bounds = ((first, (second,), most),)
        execution = Execution(6, "pipelined", "deferred", False, waiting_outputs=bounds)
        lowered = lower_cycle(program, priced.costs, execution)
        tasks = expand(lowered.template)
        run = simulate(tasks)
        assert np.array_equal(simulate_template(lowered.template).finish, run.finish)
        place = {int(task): t for t, task in enumerate(lowered.program_task)}
        offsets = lowered.template.offsets
        makers, takers = (slice(offsets[place[t]], offsets[place[t] + 1]) for t in (first, second))
        return run.start[makers], run.finish[takers]

    for most in (1, 2, 3):
        made, taken = starts(most)
        assert (made[most:] >= taken[:-most]).all()
        assert (made[most:] == taken[:-most]).any()
