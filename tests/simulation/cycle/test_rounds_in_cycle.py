"""Arrays that are written anew within a step, in the cycle fidelity."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from archsim.architecture import Architecture
from archsim.hardware.chip import PowerGating
from archsim.result.cycle import analyse, attribute_path
from archsim.result.latency import WRITING
from archsim.result.mesh import mesh_section
from archsim.simulation.cycle.links import link_name
from archsim.simulation.cycle.placed import PlacedMesh
from archsim.simulation.cycle.reference import simulate
from archsim.simulation.cycle.replay import replay
from archsim.simulation.cycle.repricing import timed_by_cycle
from archsim.simulation.cycle.run import CycleRun, simulate_step
from archsim.simulation.estimate import Estimate, estimate
from archsim.simulation.program import Program, lower
from archsim.simulation.rounds import phases_of
from archsim.workload.training import TaskKind, TrainingOptions, training_graph
from tests.closeness import close
from tests.networks import Layer, chain
from tests.simulation.architectures import changed
from tests.simulation.cycle.simpy_oracle import Oracle
from tests.simulation.test_laws import PROTONIC, program_of
from tests.simulation.test_rounds_of_writing import SMALL

GATING = PowerGating(wake_s=1e-6, wake_energy_j=1e-12, retained_share=0.1)
# Two arrays each, of which there are four.
any_layers = st.lists(
    st.builds(
        Layer,
        st.sampled_from([16, 64]),
        st.sampled_from([40, 64]),
        vectors=st.integers(1, 40),
        norm=st.booleans(),
    ),
    min_size=3,
    max_size=6,
)
trees = st.builds(
    changed,
    st.sampled_from([SMALL, changed(SMALL, mesh__side=2, tile__arrays=1)]),
    schedule__mode=st.sampled_from(["pipelined", "sequential"]),
    schedule__update=st.sampled_from(["immediate", "deferred"]),
    schedule__batchnorm=st.sampled_from(["batch", "running"]),
    schedule__row_blocks=st.integers(1, 3),
    activation_buffer__capacity_bit=st.floats(1e4, 1e8),
    dram__bandwidth_bit_per_s=st.sampled_from([1e9, 1e12]),
    mesh__link_bit_per_s=st.sampled_from([1e9, 5e11]),
    chip__power_gating=st.sampled_from([None, GATING]),
)
# Distance takes neither time nor energy: places and routes do not matter.
NEAR = {
    "mesh__link_bit_per_s": 1e20,
    "mesh__hop_latency_s": 0.0,
    "mesh__hop_energy_j_per_bit": 0.0,
    "mesh__wire_energy_j_per_bit_m": 0.0,
}


def rounds(priced: Estimate) -> int:
    assert priced.mapping.round_of is not None
    return int(priced.mapping.round_of.max()) + 1


def own_span(run: CycleRun, task: int) -> tuple[int, int]:
    """First start and last finish over all samples of a task of the program."""
    template = run.lowered.template
    numbers = np.flatnonzero(run.lowered.program_task == task)
    spans = [slice(*template.offsets[n : n + 2]) for n in numbers]
    start = min(int(run.schedule.start[own].min()) for own in spans)
    return start, max(int(run.schedule.finish[own].max()) for own in spans)


@given(layers=any_layers, tree=trees, samples=st.integers(1, 6))
@settings(max_examples=15)
def test_simpy_times_rounds_alike_and_no_resource_is_busier_than_the_step(
    layers: list[Layer], tree: Architecture, samples: int
) -> None:
    priced = estimate(program_of(layers), [tree], [samples])
    run = simulate_step(priced, tree)
    tasks = run.schedule.tasks
    oracle = Oracle(tasks).run()
    assert np.array_equal(run.schedule.start, oracle.start)
    assert np.array_equal(run.schedule.finish, oracle.finish)
    assert np.array_equal(simulate(tasks).finish, oracle.finish)
    assert run.schedule.makespan >= (run.schedule.busy / tasks.resources.capacity).max()
    # Writing alone is a lower bound: nothing works meanwhile.
    near = estimate(priced.program, [changed(tree, **NEAR)], [samples])
    assert run.makespan_s >= near.timeline.writing_s.sum() * (1 - 1e-9)


@given(
    layers=any_layers,
    tree=trees.map(lambda tree: changed(tree, schedule__mode="sequential", schedule__row_blocks=1)),
    samples=st.integers(1, 4),
)
@settings(max_examples=15)
def test_both_fidelities_agree_where_nothing_contends(
    layers: list[Layer], tree: Architecture, samples: int
) -> None:
    """One sample at a time through a chain, updates after all reads: no two tasks work at once."""
    tree = changed(tree, schedule__update="deferred", activation_buffer__capacity_bit=1e9, **NEAR)
    priced = estimate(program_of(layers), [tree], [samples])
    run = simulate_step(priced, tree)
    # Every task rounds to a tick, and takes one where a sample leaves a segment.
    rounding = run.schedule.tasks.size * run.tick_s
    assert abs(run.makespan_s - priced.step_latency_s[0]) <= rounding
    timed = timed_by_cycle(priced, tree, run)
    assert (np.abs(timed.timeline.resource_s - priced.timeline.resource_s) <= rounding).all()
    assert timed.step_energy_j[0] == close(priced.step_energy_j[0], rel=1e-4)


@pytest.mark.parametrize("update", ["immediate", "deferred"])
@pytest.mark.parametrize("bandwidth", [1e8, 1e12])
def test_a_phase_begins_when_all_samples_have_passed_the_one_before_and_arrays_are_written(
    update: str, bandwidth: float
) -> None:
    tree = changed(SMALL, schedule__update=update, dram__bandwidth_bit_per_s=bandwidth)
    program = program_of([Layer(64, 64, 3, norm=True)] * 6)
    priced = estimate(program, [tree], [5])
    run = simulate_step(priced, tree)
    phase = phases_of(program, priced.mapping)
    assert phase is not None
    tasks = np.flatnonzero(~program.per_step)
    spans = np.array([own_span(run, int(t)) for t in tasks])
    segment = priced.timeline.segments.segment
    waited_s = priced.timeline.writing_s[0]
    for number in range(1, int(phase.max()) + 1):
        begin = spans[phase[tasks] == number, 0].min()
        end = spans[phase[tasks] == number - 1, 1].max()
        first = segment[tasks][phase[tasks] == number].min()
        assert waited_s[first] > 0
        assert (begin - end) * run.tick_s == close(waited_s[first], rel=1e-6)
    split = attribute_path(priced, analyse(run))
    assert split.by_limit_s[WRITING] == close(waited_s.sum(), rel=1e-6)
    assert sum(split.by_limit_s.values()) == close(run.makespan_s)


def test_arrays_that_are_written_do_nothing_else() -> None:
    """Each array is taken for its rows, and memory and mesh for every bit of its weights."""
    tree = changed(SMALL, mesh__side=2, tile__arrays=1)
    program = program_of([Layer(64, 64, 3)] * 6)
    priced = estimate(program, [tree], [5])
    assert rounds(priced) == 3
    run = simulate_step(priced, tree)
    weights = 64 * 64
    # Rounds 0, 1, 2, 1, 0: six of eight pairs of matrices come, and each pair is read back once.
    moved_bits = 2 * weights * 32.0 * (4 + 3)
    energy = priced.costs.energy_j
    assert float(energy["dram"][0, program.closing].sum()) == close(
        moved_bits * tree.dram.energy_j_per_bit
    )
    # Two tiles of four are one hop apart on the mean, 2 (2 - 1/2) / 3.
    hop_j = tree.mesh.energy_j(moved_bits * 1.0, tree.hop_m)
    assert float(energy["mesh"][0, program.closing].sum()) == close(float(hop_j))
    named = [name for name in run.lowered.template.names if name.endswith(": written")]
    assert len(named) == 8
    assert sorted(named)[:3] == ["w0: written", "w1: written", "w2: written"]


def test_rounds_of_frozen_layers_are_not_visited_again() -> None:
    """Only the first is written once more, for the next step; nothing of them is read back."""
    program = lower(
        training_graph(
            chain([Layer(64, 64, 3)] * 8),
            TrainingOptions(loss="mse", frozen=("w0", "w1", "w2", "w3")),
        )
    )
    tree = SMALL
    priced = estimate(program, [tree], [5])
    assert rounds(priced) == 4
    phase = phases_of(program, priced.mapping)
    assert phase is not None
    # Forward through four rounds, backward to round 2.
    backward = program.select(TaskKind.WEIGHT_GRADIENT)
    assert sorted(set(phase[backward].tolist())) == [3, 4]
    trained = estimate(program_of([Layer(64, 64, 3)] * 8), [tree], [5])
    assert priced.timeline.writing_s.sum() < trained.timeline.writing_s.sum()
    run = simulate_step(priced, tree)
    names = run.lowered.template.names
    written = [name for name in names if name.endswith(": written")]
    # 1, 2, 3, 2, and 0 in the end.
    assert sorted(written) == sorted(f"w{m}: written" for m in (2, 3, 4, 5, 6, 7, 4, 5, 0, 1))
    assert {name for name in names if name.endswith(": read back")} == {
        f"w{m}: read back" for m in (4, 5, 6, 7)
    }
    assert run.makespan_s >= priced.timeline.writing_s.sum()


def test_a_network_in_one_round_runs_as_without_rounds() -> None:
    program: Program = program_of([Layer(64, 64, 3)] * 3)
    runs = []
    for overflow in ("error", "reprogram"):
        tree = changed(PROTONIC, mapping__overflow=overflow, mapping__replication="none")
        runs.append(simulate_step(estimate(program, [tree], [5]), tree))
    assert runs[0].lowered.template.names == runs[1].lowered.template.names
    assert runs[0].schedule.finish.tolist() == runs[1].schedule.finish.tolist()


@given(
    layers=st.lists(
        st.builds(
            Layer,
            st.sampled_from([16, 64, 100]),
            st.sampled_from([20, 40, 130]),
            vectors=st.sampled_from([1, 4]),
        ),
        min_size=4,
        max_size=6,
    ),
    tree=st.builds(
        changed,
        st.just(changed(SMALL, schedule__batchnorm="running", programming__pulses=10.0)),
        mesh__side=st.sampled_from([2, 3]),
        tile__arrays=st.sampled_from([1, 2]),
        mesh__link_bit_per_s=st.sampled_from([1e9, 1e10, 1e11]),
        dram__bandwidth_bit_per_s=st.sampled_from([1e9, 1e10, 1e12]),
    ),
)
@settings(max_examples=40)
def test_links_left_out_change_no_time_in_rounds(layers: list[Layer], tree: Architecture) -> None:
    """With every link as a resource all tasks end at the same ticks, those that move weights as well."""
    priced = estimate(program_of(layers), [tree], [2])
    assume(priced.fits.all())
    assume(rounds(priced) > 1)
    run = simulate_step(priced, tree)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("archsim.simulation.cycle.placed.contending", lambda links, *_: links)
        full = simulate_step(priced, tree)
    assert full.tick_s == run.tick_s
    assert full.schedule.finish.tolist() == run.schedule.finish.tolist()


@pytest.mark.parametrize("bandwidth", [1e7, 1e9])
def test_links_are_busy_for_the_data_and_the_weights_that_pass_them(bandwidth: float) -> None:
    """Slow links, all in the record: each is busy for its bits of all samples and of all rounds."""
    tree = changed(SMALL, mesh__side=2, tile__arrays=1, mesh__link_bit_per_s=bandwidth)
    program = program_of([Layer(64, 64, 3)] * 6)
    priced = estimate(program, [tree], [5])
    run = simulate_step(priced, tree)
    placed = run.placed
    assert isinstance(placed, PlacedMesh)
    assert placed.weights is not None
    side = placed.routes.placement.side
    expected = {
        link_name(link, side): 5 * float(seconds)
        for link, seconds in enumerate(placed.load_s.tolist())
        if seconds
    }
    resources = run.schedule.tasks.resources
    busy = dict(zip(resources.names, (run.schedule.busy * run.tick_s).tolist(), strict=True))
    links = [name for name in resources.names if name.startswith("mesh:")]
    assert len(links) >= 2
    for name in links:
        assert busy[name] == close(expected[name], rel=1e-6), name
    assert run.makespan_s >= 5 * placed.busiest_s * (1 - 1e-6)
    # The links that weights enter by hold both.
    weights = placed.weights
    assert {link_name(int(link), side) for link in weights.link} & set(links)
    # Every link carries as much in the result as in the schedule.
    section = mesh_section(priced, tree, run)
    for row in section["busiest"]:
        assert row["bits_per_sample"] * 5 / bandwidth == close(expected[row["link"]])
        assert sum(row["tasks"].values()) <= row["bits_per_sample"] * (1 + 1e-12)
    assert section["bit_hops_per_sample"] == close(float(placed.load_s.sum()) * bandwidth)
    assert section["energy_per_sample_j"] == close(
        float(np.asarray(tree.mesh.energy_j(placed.bit_hops, tree.hop_m)))
    )
    # Four tiles of an array each, which have twelve in turn.
    tiles = section["tiles"]
    assert sorted((row["x"], row["y"]) for row in tiles) == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert section["tiles_used"] == 4
    assert sum(sum(row["arrays"].values()) for row in tiles) == 12


def test_too_many_arrays_in_all_rounds_travel_a_mean_distance(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Then both fidelities agree about slow meshes too, where nothing contends."""
    monkeypatch.setattr("archsim.simulation.cycle.placed.MOST_ARRAYS", 11)
    tree = changed(
        SMALL,
        mesh__side=2,
        tile__arrays=1,
        mesh__link_bit_per_s=1e8,
        schedule__mode="sequential",
        schedule__update="deferred",
    )
    priced = estimate(program_of([Layer(64, 64, 3)] * 6), [tree], [3])
    run = simulate_step(priced, tree)
    assert run.placed is None
    assert "mesh" in run.schedule.tasks.resources.names
    rounding = run.schedule.tasks.size * run.tick_s
    assert abs(run.makespan_s - priced.step_latency_s[0]) <= rounding


@given(
    layers=any_layers,
    tree=trees.map(lambda tree: changed(tree, mesh__side=2, tile__arrays=1)),
    factor=st.floats(1.0, 50.0),
)
@settings(max_examples=10)
def test_faster_links_slow_nothing_in_a_fixed_order_of_rounds(
    layers: list[Layer], tree: Architecture, factor: float
) -> None:
    """Every task of a schedule that keeps its order; a FIFO that reorders may differ."""
    priced = estimate(program_of(layers), [tree], [3])
    schedule = simulate_step(priced, tree).schedule
    tasks = schedule.tasks
    links = np.array([name.startswith("mesh:") for name in tasks.resources.names], dtype=bool)
    held = np.where(
        links[tasks.holds.item], (tasks.hold_ticks / factor).astype(np.int64), tasks.hold_ticks
    )
    after = replay(replace(tasks, hold_ticks=held), schedule.rank)
    assert (after.finish <= schedule.finish).all()
