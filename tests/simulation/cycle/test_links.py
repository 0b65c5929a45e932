"""Links as resources: those left out would change no time, and those kept queue as any other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.architecture import Architecture
from archsim.mapping.routing import Heading
from archsim.simulation.columns import TaskCosts
from archsim.simulation.cycle.delaying import without_idle_links
from archsim.simulation.cycle.execution import Execution
from archsim.simulation.cycle.fast import TemplateSchedule, simulate_template
from archsim.simulation.cycle.links import LinkTimes, contending, link_name, link_times
from archsim.simulation.cycle.lowering import lower_cycle
from archsim.simulation.cycle.placed import (
    PlacedMesh,
    over_links,
    place_on_mesh,
)
from archsim.simulation.cycle.reference import simulate
from archsim.simulation.cycle.replay import replay
from archsim.simulation.cycle.run import simulate_step
from archsim.simulation.cycle.template import Template, expand
from archsim.simulation.estimate import Estimate, estimate
from archsim.simulation.program import Program
from tests.closeness import close
from tests.networks import Layer, layer_lists
from tests.simulation.architectures import changed
from tests.simulation.cycle.simpy_oracle import Oracle
from tests.simulation.test_laws import PROTONIC, program_of

networks = layer_lists(most=4, inputs=200, outputs=200, vectors=20, norm=True)
# From links that hold everything up to links that hardly matter.
chips = st.builds(
    changed,
    st.just(PROTONIC),
    schedule__mode=st.sampled_from(["pipelined", "sequential"]),
    schedule__update=st.sampled_from(["immediate", "deferred"]),
    schedule__batchnorm=st.sampled_from(["batch", "running"]),
    mapping__sync=st.sampled_from(["average", "broadcast"]),
    mapping__placement=st.sampled_from(["snake", "improved"]),
    mapping__max_copies=st.sampled_from([1, 4]),
    mesh__side=st.just(12),
    mesh__link_bit_per_s=st.sampled_from([1e9, 1e10, 1e11, 1e12]),
    tile__arrays=st.sampled_from([1, 4]),
    array__rows=st.sampled_from([32, 64]),
)


def placed(
    program: Program, architecture: Architecture, samples: int
) -> tuple[Estimate, PlacedMesh]:
    priced = estimate(program, [architecture], [samples])
    found = place_on_mesh(priced, architecture)
    assert found is not None
    return priced, found


def execution_of(architecture: Architecture, program: Program, samples: int) -> Execution:
    policy = architecture.schedule
    barriers = policy.batchnorm == "batch" and bool(program.barrier.any())
    return Execution(samples, policy.mode, policy.update, barriers)


def every_link(found: PlacedMesh) -> TaskCosts:
    """The same costs with every link that carries data as a resource of its own."""
    links = link_times(found.routes, found.link_bit_per_s, found.once)
    names = [name for name in found.costs.shared_s if name.startswith("mesh:")]
    bare = {name: held for name, held in found.costs.shared_s.items() if name not in names}
    return over_links(replace(found.costs, shared_s=bare), links, found.routes.placement.side)


def template_of(
    program: Program, architecture: Architecture, costs: TaskCosts, samples: int
) -> Template:
    return lower_cycle(program, costs, execution_of(architecture, program, samples)).template


def same_times(one: TemplateSchedule, other: TemplateSchedule) -> bool:
    return all(
        np.array_equal(a, b)
        for a, b in (
            (one.claim, other.claim),
            (one.start, other.start),
            (one.finish, other.finish),
        )
    )


@settings(max_examples=40)
@given(layers=networks, architecture=chips, samples=st.integers(1, 9))
def test_links_left_out_change_no_time(
    layers: list[Layer], architecture: Architecture, samples: int
) -> None:
    """Every task of every sample, to the tick: all links, those that may delay, those that do."""
    program = program_of(layers)
    _, found = placed(program, architecture, samples)
    full = template_of(program, architecture, every_link(found), samples)
    some = template_of(program, architecture, found.costs, samples)
    expected, reduced = simulate_template(full), simulate_template(some)
    assert full.tick_s == some.tick_s
    assert same_times(expected, reduced)
    trimmed = without_idle_links(reduced)
    names = trimmed.template.resources.names
    assert set(names) <= set(some.resources.names) <= set(full.resources.names)
    assert same_times(expected, simulate_template(trimmed.template))
    assert same_times(expected, trimmed)


@settings(max_examples=10)
@given(layers=networks, architecture=chips)
def test_simpy_agrees_with_links(layers: list[Layer], architecture: Architecture) -> None:
    program = program_of(layers)
    _, found = placed(program, architecture, 4)
    tasks = expand(template_of(program, architecture, found.costs, 4))
    expected, schedule = Oracle(tasks).run(), simulate(tasks)
    assert schedule.start.tolist() == expected.start.tolist()
    assert schedule.finish.tolist() == expected.finish.tolist()


@settings(max_examples=20)
@given(layers=networks, architecture=chips, factor=st.floats(1.0, 50.0))
def test_faster_links_slow_nothing_in_a_fixed_order(
    layers: list[Layer], architecture: Architecture, factor: float
) -> None:
    """Every task of a schedule that keeps its order; a FIFO that reorders may differ."""
    program = program_of(layers)
    _, found = placed(program, architecture, 4)
    tasks = expand(template_of(program, architecture, every_link(found), 4))
    links = np.array([kind == "link" for kind in tasks.resources.kind])[tasks.holds.item]
    ticks = np.where(links, (tasks.hold_ticks / factor).astype(np.int64), tasks.hold_ticks)
    before = simulate(tasks)
    after = replay(replace(tasks, hold_ticks=ticks), before.rank)
    assert (after.finish <= before.finish).all()


def test_fast_links_are_no_links() -> None:
    """Data that take no time on links and no time for hops leave the times of everything else."""
    program = program_of([Layer(90, 80, 12), Layer(80, 70, 12), Layer(70, 60, 12)])
    architecture = changed(
        PROTONIC, mesh__link_bit_per_s=1e30, mesh__hop_latency_s=0.0, array__rows=32
    )
    priced, found = placed(program, architecture, 6)
    bare = {name: held for name, held in priced.costs.shared_s.items() if name != "mesh"}
    costs = replace(priced.costs, shared_s=bare)
    one, other = (
        simulate_template(template_of(program, architecture, c, 6)) for c in (found.costs, costs)
    )
    assert one.makespan == other.makespan
    assert same_times(one, other)


def test_one_tile_has_no_link_and_agrees_with_the_analytic_estimate() -> None:
    """A sequential run of one sample: nothing queues; a hop's latency is all that differs."""
    program = program_of([Layer(60, 50, 7), Layer(50, 40, 7)])
    architecture = changed(
        PROTONIC,
        schedule__mode="sequential",
        mesh__side=1,
        mesh__hop_latency_s=0.0,
        mesh__link_bit_per_s=1e15,
        mapping__max_copies=1,
    )
    priced = estimate(program, [architecture], [1])
    run = simulate_step(priced, architecture)
    assert run.placed is not None
    assert run.placed.routes.bits.size == 0
    assert not any(kind == "link" for kind in run.schedule.tasks.resources.kind)
    assert run.makespan_s == close(float(priced.step_latency_s[0]), rel=1e-6)


def test_a_slow_link_is_what_the_step_waits_for() -> None:
    """One array to a tile and a link of 1 Mbit/s: the largest load on it times the samples."""
    program = program_of([Layer(30, 20, 5), Layer(20, 30, 5)])
    architecture = changed(
        PROTONIC,
        tile__arrays=1,
        mesh__side=2,
        mesh__link_bit_per_s=1e6,
        array__rows=32,
        array__cols=64,
        mapping__max_copies=1,
        mapping__placement="snake",
        schedule__mode="pipelined",
        schedule__update="immediate",
    )
    priced = estimate(program, [architecture], [20])
    run = simulate_step(priced, architecture)
    assert run.placed is not None
    busiest = 20 * run.placed.busiest_s
    assert busiest <= run.makespan_s <= 1.2 * busiest
    used = dict(zip(run.schedule.tasks.resources.names, run.schedule.utilisation, strict=True))
    assert used["mesh:0,0->1,0"] == close(busiest / run.makespan_s, rel=1e-6)


@given(
    held=st.lists(st.lists(st.integers(0, 3), min_size=4, max_size=4), min_size=1, max_size=12),
    slower=st.lists(st.lists(st.integers(0, 3), min_size=4, max_size=4), min_size=1, max_size=3),
)
def test_what_is_left_out_is_within_something_that_stays(
    held: list[list[int]], slower: list[list[int]]
) -> None:
    """And of what stays, nothing is within another."""
    times, others = np.array(held, dtype=float), np.array(slower, dtype=float)
    times = times[np.argsort(-times.sum(axis=1), kind="stable")]
    found = contending(LinkTimes(np.arange(len(times)), times), others, 1)
    assert found.left_out == 0
    stay = [*found.held_s, *others]
    for number, row in enumerate(times):
        assert number in found.link or any((other >= row).all() for other in stay)
    for i, row in enumerate(found.held_s):
        rest = [*found.held_s[:i], *found.held_s[i + 1 :], *others]
        assert not any((other >= row).all() for other in rest)


def test_of_too_many_links_those_of_the_largest_load_stay(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No more claims in a step than are allowed, and what is left out is counted."""
    times = np.diag([5.0, 4.0, 3.0, 2.0])
    monkeypatch.setattr("archsim.simulation.cycle.links.MOST_CLAIMS", 20)
    found = contending(LinkTimes(np.arange(4), times), np.zeros((1, 4)), 10)
    assert found.link.tolist() == [0, 1]
    assert found.left_out == 2
    monkeypatch.setattr("archsim.simulation.cycle.links.MOST_LINKS", 1)
    found = contending(LinkTimes(np.arange(4), times), np.zeros((1, 4)), 1)
    assert found.link.tolist() == [0]
    assert found.left_out == 3


@given(side=st.integers(2, 9), data=st.data())
def test_names_of_links_join_neighbours(side: int, data: st.DataObject) -> None:
    heading = data.draw(st.sampled_from(list(Heading)))
    tile = data.draw(st.integers(0, side * side - 1))
    ends = link_name(heading * side * side + tile, side).removeprefix("mesh:").split("->")
    (x, y), (to_x, to_y) = (map(int, end.split(",")) for end in ends)
    assert y * side + x == tile
    right, down = {"EAST": (1, 0), "WEST": (-1, 0), "SOUTH": (0, 1), "NORTH": (0, -1)}[heading.name]
    assert (to_x - x, to_y - y) == (right, down)


def test_too_many_arrays_travel_a_mean_distance(monkeypatch: pytest.MonkeyPatch) -> None:
    """The mesh is then one resource, as in the analytic estimate."""
    monkeypatch.setattr("archsim.simulation.cycle.placed.MOST_ARRAYS", 1)
    program = program_of([Layer(300, 300)])
    run = simulate_step(estimate(program, [PROTONIC], [4]), PROTONIC)
    assert run.placed is None
    assert "mesh" in run.schedule.tasks.resources.names
