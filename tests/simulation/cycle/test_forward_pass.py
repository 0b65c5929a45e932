"""Evaluation passes that queue for what they need: no faster than what works, as fast as it lets them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.architecture import Architecture
from archsim.cli.pricing import Job
from archsim.simulation.converter_sharing import on_own_sets
from archsim.simulation.cycle.execution import Execution
from archsim.simulation.cycle.forward import simulate_forward
from archsim.simulation.cycle.lowering import lower_cycle
from archsim.simulation.cycle.placed import PlacedMesh, place_on_mesh
from archsim.simulation.cycle.reference import simulate
from archsim.simulation.cycle.template import expand
from archsim.simulation.estimate import Estimate, estimate
from archsim.simulation.evaluation import ForwardPass, forward_estimate, forward_pass
from archsim.simulation.program import Program, lower
from archsim.workload.training import TaskKind, training_graph
from tests.closeness import close
from tests.networks import Layer, layer_lists
from tests.simulation.architectures import changed
from tests.simulation.test_laws import PROTONIC, program_of

ROOMY = changed(PROTONIC, activation_buffer__capacity_bit=1e15)
layers = layer_lists(most=4, inputs=300, outputs=300, vectors=40, norm=True)


def network(name: str) -> Program:
    found = Job(model=name).read()
    return lower(training_graph(found.workload, found.options))


def long_run_s(priced: Estimate, tree: Architecture, samples: int, in_flight: int) -> float:
    """The pace of the middle of many forward passes, by the plain engine, at a mean distance."""
    found = forward_estimate(priced, tree, samples)
    assert found is not None
    execution = Execution(samples, "pipelined", "immediate", False, in_flight)
    costs = on_own_sets(found.priced.costs)
    lowered = lower_cycle(found.priced.program, costs, execution)
    template = lowered.template
    finish = simulate(expand(template)).finish
    every = [t for t in range(template.size) if not template.once[t]]
    offsets = template.offsets
    done = np.max([finish[offsets[t] : offsets[t] + samples] for t in every], axis=0)
    first, last = samples // 4, samples - 1 - samples // 4
    return float(done[last] - done[first]) * template.tick_s / (last - first)


@settings(max_examples=25)
@given(
    layers=layers,
    mode=st.sampled_from(["pipelined", "sequential"]),
    units=st.sampled_from([1, 256]),
    bits=st.floats(1e3, 1e9),
)
def test_a_pass_is_no_faster_than_its_busiest_resource_and_no_slower_than_alone(
    layers: list[Layer], mode: str, units: int, bits: float
) -> None:
    """Busy times are summed over the step's forward tasks; a chain alone takes its sum, or spills."""
    tree = changed(
        PROTONIC,
        schedule__mode=mode,
        vector_unit__units=units,
        activation_buffer__capacity_bit=bits,
    )
    program = program_of(layers)
    priced = estimate(program, [tree], [3])
    found, closed = simulate_forward(priced, tree, None), forward_pass(priced, tree)
    assert found is not None
    assert closed is not None
    rounding = 1e-15 * 4 * program.size
    assert found.latency_s >= closed.latency_s - rounding
    assert found.interval_s >= closed.bottleneck_s - rounding
    assert found.interval_s <= found.latency_s + rounding
    if mode == "sequential":
        assert found.interval_s == pytest.approx(found.latency_s, rel=1e-4)
    assert found.samples_in_flight is not None
    # By Little's law: a pipeline has no more on its way than it admits.
    assert found.interval_s * found.samples_in_flight >= closed.latency_s * 0.5 - rounding
    assert found.energy_j >= closed.energy_j * (1 - 1e-9)


@settings(max_examples=8)
@given(layers=layers, units=st.sampled_from([1, 256]))
def test_with_room_the_pace_is_that_of_the_busiest_resource(
    layers: list[Layer], units: int
) -> None:
    """As in closed form, where data travel a mean distance; so it is in the long run."""
    tree = changed(ROOMY, vector_unit__units=units)
    program = program_of(layers)
    priced = estimate(program, [tree], [3])
    found, closed = simulate_forward(priced, tree, None), forward_pass(priced, tree)
    assert found is not None
    assert closed is not None
    assert found.interval_s == pytest.approx(closed.interval_s, rel=0.02)
    assert found.latency_s == pytest.approx(closed.latency_s, rel=1e-3)
    assert found.samples_in_flight is not None
    slow = long_run_s(priced, tree, 6 * found.samples_in_flight, found.samples_in_flight)
    assert found.interval_s == pytest.approx(slow, rel=0.02)


def test_a_slow_link_sets_the_pace_of_passes_as_of_steps() -> None:
    """The bits that forward tasks send over the busiest link, over its bandwidth; no other data."""
    tree = changed(ROOMY, mesh__link_bit_per_s=4e8)
    program = network("lenet")
    priced = estimate(program, [tree], [32])
    placed = place_on_mesh(priced, tree)
    assert isinstance(placed, PlacedMesh)
    found, closed = simulate_forward(priced, tree, placed), forward_pass(priced, tree)
    assert found is not None
    assert closed is not None
    forward = np.array([kind is TaskKind.FORWARD for kind in program.kind])
    on_link = np.zeros(4 * placed.routes.placement.side**2)
    for task, link, bits in zip(
        placed.routes.task.tolist(),
        placed.routes.link.tolist(),
        placed.routes.bits.tolist(),
        strict=True,
    ):
        on_link[link] += bits * forward[task]
    assert found.interval_s == close(on_link.max() / 4e8)
    assert found.bottleneck.startswith("mesh:")
    assert found.interval_s > 2 * closed.interval_s
    assert found.bottleneck_s == close(found.interval_s)


def test_energy_of_data_is_that_of_their_ways_on_the_mesh() -> None:
    """Passes at equal pace differ by the bits times hops of forward tasks, and nothing else."""
    program = network("vgg8")
    priced = estimate(program, [ROOMY], [32])
    placed = place_on_mesh(priced, ROOMY)
    assert isinstance(placed, PlacedMesh)
    found, closed = simulate_forward(priced, ROOMY, placed), forward_pass(priced, ROOMY)
    assert found is not None
    assert closed is not None
    assert found.interval_s == close(closed.interval_s)
    forward = np.array([kind is TaskKind.FORWARD for kind in program.kind])
    ways = placed.costs.energy_j["mesh"][0, forward].sum()
    mean = priced.costs.energy_j["mesh"][0, forward].sum()
    assert found.energy_j - closed.energy_j == pytest.approx(ways - mean, rel=1e-6)


def tight_pass(*, dram_bit_per_s: float) -> tuple[ForwardPass, ForwardPass]:
    """A pass in a buffer of two and a half outputs, and one in a large buffer."""
    program = program_of([Layer(200, 200, 40), Layer(200, 200, 40), Layer(200, 200, 40)])
    found = []
    for bits in (3e5, 1e15):
        tree = changed(
            PROTONIC,
            mapping__replication="none",
            dram__bandwidth_bit_per_s=dram_bit_per_s,
            activation_buffer__capacity_bit=bits,
        )
        passed = simulate_forward(estimate(program, [tree], [9]), tree, None)
        assert passed is not None
        found.append(passed)
    return found[0], found[1]


def test_what_waits_goes_to_dram_where_that_is_fast() -> None:
    """All samples are let in, and the pace is that of a large buffer."""
    tight, wide = tight_pass(dram_bit_per_s=1e13)
    assert tight.interval_s == close(wide.interval_s)
    assert tight.samples_in_flight == wide.samples_in_flight


def test_samples_are_held_back_where_dram_is_slow() -> None:
    """Sent to DRAM, they would wait for it longer than for each other."""
    tight, wide = tight_pass(dram_bit_per_s=5e10)
    assert tight.interval_s > 1.5 * wide.interval_s
    assert tight.interval_s <= tight.latency_s
    assert tight.latency_s == close(wide.latency_s)


def test_the_batch_of_the_step_does_not_matter() -> None:
    """Samples follow each other without end, however few a step has."""
    program = network("lenet")
    trees = [estimate(program, [ROOMY], [batch]) for batch in (1, 64)]
    same = replace(trees[0], mapping=trees[1].mapping)
    passes = [simulate_forward(priced, ROOMY, None) for priced in (same, trees[1])]
    assert passes[0] == passes[1]


def test_few_samples_of_a_large_network_give_nearly_the_pace_of_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of a network with few places; and never a pace above that of the busiest resource."""
    program = network("vgg8")
    priced = estimate(program, [ROOMY], [4])
    many = simulate_forward(priced, ROOMY, None)
    assert many is not None
    for tasks in (1, 400):
        monkeypatch.setattr("archsim.simulation.cycle.forward._MOST_TASKS", tasks)
        few = simulate_forward(priced, ROOMY, None)
        assert few is not None
        assert few.interval_s >= many.bottleneck_s * (1 - 1e-9)
        assert few.interval_s == pytest.approx(many.interval_s, rel=0.1)
