"""Images in blocks of rows: who needs which rows, and what starting early saves."""

from __future__ import annotations

import itertools
from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim.cli.pricing import Job
from archsim.simulation.analytic import schedule, segment_tasks
from archsim.simulation.columns import SHARED_RESOURCES, TaskCosts
from archsim.simulation.cycle.execution import Execution
from archsim.simulation.cycle.fast import simulate_template
from archsim.simulation.cycle.lowering import lower_cycle
from archsim.simulation.cycle.reference import simulate
from archsim.simulation.cycle.run import simulate_step
from archsim.simulation.cycle.template import expand
from archsim.simulation.estimate import estimate
from archsim.simulation.evaluation import forward_pass
from archsim.simulation.image_rows import ImageRows
from archsim.simulation.program import Program, lower
from archsim.simulation.row_blocks import row_blocks
from archsim.workload.graph import RowWindow
from archsim.workload.training import TaskKind, training_graph
from tests.closeness import close
from tests.networks import Layer
from tests.simulation.architectures import changed
from tests.simulation.test_laws import PROTONIC, program_of

PLAIN = changed(PROTONIC, mapping__replication="none", schedule__batchnorm="running")


@lru_cache(maxsize=4)
def program_called(network: str) -> Program:
    found = Job(model=network).read()
    return lower(training_graph(found.workload, found.options))


def reach_of(program: Program, source: str, target: str) -> tuple[float, ...]:
    pairs = [
        (program.names[a], program.names[b])
        for a, b in zip(program.edge_from, program.edge_to, strict=True)
    ]
    return tuple(program.image.reach[pairs.index((source, target))])


def forward_names(network: str) -> list[str]:
    program = program_called(network)
    return [program.names[t] for t in program.select(TaskKind.FORWARD)]


def test_convolutions_and_pooling_of_a_network_need_the_rows_of_their_windows() -> None:
    """LeNet: 5 rows for a row of a convolution, 2 for one of pooling, all for the first dense layer."""
    program, names = program_called("lenet"), forward_names("lenet")
    rows = {program.names[t]: program.image.rows[t] for t in range(program.size)}
    images = [name for name in names if rows[name]]
    reach = {name: reach_of(program, before, name) for before, name in itertools.pairwise(images)}
    windows = {tuple(map(int, r)) for r in reach.values()}
    assert (1, 0, 1) in windows  # an activation: the same row
    assert (2, 1, 1) in windows  # pooling by 2: up to row 2 r + 1
    assert (1, 4, 1) in windows or (1, 2, 1) in windows  # 5 rows, with padding 0 or 2
    last = images[-1]
    after = next(name for name in names[names.index(last) + 1 :])
    assert rows[after] == 0
    assert reach_of(program, last, after) == (0, 0, 0)


windows = st.builds(
    RowWindow, extent=st.integers(1, 7), stride=st.integers(1, 4), before=st.integers(0, 3)
)


@given(window=windows, height=st.integers(1, 40), count=st.integers(1, 8))
def test_blocks_need_exactly_the_blocks_that_their_rows_reach(
    window: RowWindow, height: int, count: int
) -> None:
    """Against a plain loop over rows, forward and for the gradient."""
    out = (height + 2 * window.before - window.extent) // window.stride + 1
    if out < 1:
        return
    program = program_of([Layer(4, 4), Layer(4, 4)])
    tasks = program.edge_from[0], program.edge_to[0]
    inside = {
        r: [window.stride * r - window.before + i for i in range(window.extent)] for r in range(out)
    }
    inside = {r: [i for i in needed if 0 <= i < height] for r, needed in inside.items()}
    users = {i: [r for r, needed in inside.items() if i in needed] for i in range(height)}
    cases = [
        (height, out, (window.stride, window.extent - 1 - window.before, 1), inside),
        (out, height, (1, window.before, window.stride), users),
    ]
    for there, here, reach, needs in cases:
        rows = np.zeros(program.size)
        rows[[*tasks]] = there, here
        table = np.zeros((program.edge_from.size, 3))
        table[0] = reach
        found = row_blocks(replace(program, image=ImageRows(rows, table)), count)
        block_of = [
            min(b for b in range(count) if np.ceil((b + 1) * there / count) > r)
            for r in range(there)
        ]
        for b in range(count):
            mine = range(int(np.ceil((b + 1) * here / count)))
            least = max((block_of[i] for r in mine for i in needs[r]), default=0)
            # A gap between windows (stride above extent) may be waited for as well.
            assert found.needed[0, b] >= least
            if window.stride <= window.extent:
                assert found.needed[0, b] == least
        assert found.share[tasks[1]].sum() == close(1.0)


def chain_program(stages: int, height: int) -> tuple[Program, np.ndarray]:
    """Forward stages that pass images on row by row, and the edges between them."""
    program = program_of([Layer(4, 4)] * stages)
    own = program.select(TaskKind.FORWARD)
    rows = np.zeros(program.size)
    rows[own] = height
    reach = np.zeros((program.edge_from.size, 3))
    inside = np.isin(program.edge_from, own) & np.isin(program.edge_to, own)
    reach[inside] = (1, 0, 1)
    return replace(program, image=ImageRows(rows, reach)), own


def costs_of(program: Program, own: np.ndarray, times: list[float]) -> TaskCosts:
    main_s = np.zeros((1, program.size))
    main_s[0, own] = times
    zero = np.zeros_like(main_s)
    return TaskCosts(main_s, zero, main_s, dict.fromkeys(SHARED_RESOURCES, zero), {})


def both(program: Program, costs: TaskCosts, samples: int, blocks: int, mode: str) -> list[float]:
    """The step by the analytic fidelity, and by the cycle one with both engines."""
    segments = segment_tasks(program, batch_barriers=False, deferred=True)
    batch = np.array([[float(samples)]])
    line = schedule(
        program, costs, segments, batch, pipelined=mode == "pipelined", blocks=float(blocks)
    )
    execution = Execution(samples, mode, "deferred", False, row_blocks=blocks)  # type: ignore[arg-type]
    lowered = lower_cycle(program, costs, execution)
    found = simulate(expand(lowered.template))
    assert np.array_equal(found.finish, simulate_template(lowered.template).finish)
    return [float(line.makespan_s[0]), found.makespan_s]


@pytest.mark.parametrize("blocks", [1, 2, 3, 4, 12])
@pytest.mark.parametrize("samples", [1, 5])
def test_equal_stages_take_blocks_and_stages_less_one_over_blocks(
    blocks: int, samples: int
) -> None:
    """Of a stage's time; every further sample of a pipeline takes the time of a stage."""
    stages = 5
    program, own = chain_program(stages, 12)
    costs = costs_of(program, own, [6e-9] * stages)
    expected = 6e-9 * ((blocks + stages - 1) / blocks + samples - 1)
    # Windows of one sample take a tick each to be free again.
    ticks = 3e-15 * samples
    for mode, step_s in (
        ("pipelined", expected),
        ("sequential", 6e-9 * (blocks + stages - 1) / blocks * samples),
    ):
        for found in both(program, costs, samples, blocks, mode):
            assert found == pytest.approx(step_s, abs=ticks, rel=1e-12)


@given(
    times=st.lists(st.integers(1, 50), min_size=1, max_size=5),
    height=st.integers(1, 9),
    blocks=st.integers(1, 6),
)
def test_fidelities_agree_on_chains_of_unequal_stages(
    times: list[int], height: int, blocks: int
) -> None:
    program, own = chain_program(len(times), height)
    costs = costs_of(program, own, [60e-9 * t for t in times])
    analytic_s, cycle_s = both(program, costs, 1, blocks, "sequential")
    assert cycle_s == pytest.approx(analytic_s, abs=1e-13)


@given(
    times=st.lists(st.floats(1e-9, 1e-6), min_size=1, max_size=5),
    height=st.integers(1, 50),
    blocks=st.integers(1, 4),
    factor=st.integers(2, 4),
)
def test_cutting_blocks_further_never_slows_a_sample_down(
    times: list[float], height: int, blocks: int, factor: int
) -> None:
    program, own = chain_program(len(times), height)
    costs = costs_of(program, own, times)
    segments = segment_tasks(program, batch_barriers=False, deferred=True)
    coarse, fine = (
        schedule(
            program, costs, segments, np.ones((1, 1)), pipelined=True, blocks=float(count)
        ).latency_s[0, 0]
        for count in (blocks, blocks * factor)
    )
    assert fine <= coarse * (1 + 1e-12)
    assert fine >= max(times) * (1 - 1e-12)


@pytest.mark.parametrize(("network", "saved"), [("vgg8", 0.03), ("resnet18", 0.2)])
def test_networks_of_images_are_faster_in_blocks_and_do_the_same_work(
    network: str, saved: float
) -> None:
    program = program_called(network)
    whole, cut = (changed(PLAIN, schedule__row_blocks=n) for n in (1, 4))
    before, after = (estimate(program, [tree], [1]) for tree in (whole, cut))
    passes = [forward_pass(found, tree) for found, tree in ((before, whole), (after, cut))]
    assert passes[0] is not None
    assert passes[1] is not None
    assert passes[1].latency_s < (1 - saved) * passes[0].latency_s
    assert after.step_latency_s[0] < before.step_latency_s[0]
    assert after.dynamic_energy_j[0] == close(before.dynamic_energy_j[0])
    assert after.timeline.resource_s[0] == close(before.timeline.resource_s[0])
    run = simulate_step(estimate(program, [cut], [3]), cut)
    found = simulate(run.schedule.tasks)
    assert np.array_equal(found.finish, run.schedule.finish)
    assert (found.utilisation <= 1.0).all()


def test_configurations_of_different_blocks_are_priced_together() -> None:
    """As each would be alone."""
    program = program_called("lenet")
    trees = [changed(PLAIN, schedule__row_blocks=n) for n in (1, 4, 1, 7)]
    together = estimate(program, trees, [2] * 4).step_latency_s
    alone = [float(estimate(program, [tree], [2]).step_latency_s[0]) for tree in trees]
    assert together == close(np.array(alone), rel=1e-12)


def test_networks_without_images_are_not_cut() -> None:
    program = program_called("mlp")
    assert not program.image.rows.any()
    whole, cut = (changed(PLAIN, schedule__row_blocks=n) for n in (1, 8))
    times = [estimate(program, [tree], [9]).step_latency_s[0] for tree in (whole, cut)]
    assert times[0] == times[1]
