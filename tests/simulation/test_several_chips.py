"""A network over several chips: what is conserved, what it costs, when it is as fast as one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from archsim.architecture import Architecture
from archsim.architecture.static_power import static_power
from archsim.architecture.system import System
from archsim.hardware.memory import Link
from archsim.mapping import DoesNotFit, check_fit
from archsim.mapping.chips import chips_needed
from archsim.simulation.analytic import schedule, segment_tasks
from archsim.simulation.chip_spread import CHIP_LINK, CHIP_LINKS
from archsim.simulation.chips import homes
from archsim.simulation.columns import UPDATE_POWER
from archsim.simulation.cycle.power import PARTS
from archsim.simulation.cycle.reference import simulate
from archsim.simulation.cycle.run import simulate_step
from archsim.simulation.cycle.schedule import Schedule
from archsim.simulation.estimate import Estimate, estimate
from archsim.simulation.program import Program
from archsim.workload.training import TaskKind
from tests.closeness import close
from tests.networks import Layer, layer_lists
from tests.simulation.architectures import changed
from tests.simulation.test_laws import PROTONIC, architectures, batches, program_of
from tests.simulation.test_laws import layers as any_layers

LINK = Link(
    bandwidth_bit_per_s=1e12,
    energy_j_per_bit=1e-12,
    latency_s=1e-8,
    static_power_w=0.5,
    area_m2=1e-6,
)
SYSTEM = System(link=LINK, max_chips=100_000)
# One tile of four small arrays to a chip, and room for everything that waits.
SMALL = changed(
    PROTONIC,
    array__rows=64,
    array__cols=64,
    tile__arrays=4,
    mesh__side=1,
    mapping__overflow="multi_chip",
    mapping__replication="none",
    mapping__grouped="block_diagonal",
    schedule__batchnorm="running",
    activation_buffer__capacity_bit=1e15,
    system=SYSTEM,
)
layers = layer_lists(most=5, inputs=300, outputs=300, vectors=40)


def with_link(architecture: Architecture, **changes: float) -> Architecture:
    assert architecture.system is not None
    link = architecture.system.link.model_copy(update=changes)
    return architecture.model_copy(
        update={"system": architecture.system.model_copy(update={"link": link})}
    )


@settings(max_examples=12)
@given(layers=any_layers, architecture=architectures, batch=batches)
def test_one_chip_that_holds_all_costs_what_it_costs_without_the_others(
    layers: list[Layer], architecture: Architecture, batch: int
) -> None:
    program = program_of(layers)
    alone = estimate(program, [architecture], [batch])
    assume(alone.fits.all())
    several = changed(architecture, mapping__overflow="multi_chip", system=SYSTEM)
    found = estimate(program, [several], [batch])
    assert found.mapping.chips.tolist() == [1]
    for name in ("step_latency_s", "step_energy_j", "area_m2", "arrays_available", "stored_bits"):
        got, expected = getattr(found, name).tolist(), getattr(alone, name).tolist()
        assert got == expected, name


@settings(max_examples=20)
@given(layers=layers, least=st.integers(1, 12), copies=st.booleans())
def test_arrays_are_conserved_and_no_chip_holds_more_than_it_has(
    layers: list[Layer], least: int, copies: bool
) -> None:
    system = SYSTEM.model_copy(update={"min_chips": least})
    chip = changed(
        SMALL, mapping__replication="auto" if copies else "none", system=system, mesh__side=2
    )
    found = estimate(program_of(layers), [chip], [8])
    spread, mapping = found.costs.chips, found.mapping
    assert mapping.chips[0] >= least
    if spread is None:
        assert mapping.arrays_used[0] <= 16
        return
    held = np.zeros(int(mapping.chips[0]))
    for m, arrays in enumerate(mapping.arrays[0]):
        first, count = spread.matrix_first[0, m], spread.matrix_count[0, m]
        held[first : first + count] += arrays / count
    assert held.sum() == close(mapping.arrays_used[0])
    # Pieces of a cut matrix differ by less than one array.
    assert held.max() < 16 + 1
    assert found.arrays_available[0] == 16 * mapping.chips[0]
    assert mapping.arrays_used[0] <= found.arrays_available[0]


@settings(max_examples=15)
@given(
    layers=layers,
    copies=st.sampled_from(["auto", "none"]),
    slow=st.floats(1e6, 1e13),
    faster=st.floats(1.0, 1e4),
    batch=batches,
)
def test_faster_links_never_make_a_step_longer(
    layers: list[Layer], copies: str, slow: float, faster: float, batch: int
) -> None:
    program = program_of(layers)
    chip = changed(SMALL, mapping__replication=copies)
    step_s = [
        estimate(program, [with_link(chip, bandwidth_bit_per_s=rate)], [batch]).step_latency_s[0]
        for rate in (slow, slow * faster)
    ]
    assert step_s[1] <= step_s[0] * (1 + 1e-12)


def whole(count: int) -> tuple[Program, Estimate]:
    """`count` equal layers, each of which fills a chip, so that every chip has one."""
    program = program_of([Layer(128, 64, 7)] + [Layer(64, 128, 7)] * (count - 1))
    found = estimate(program, [SMALL], [10])
    assert found.mapping.arrays_needed.tolist() == [[4.0] * count]
    return program, found


def bits_between(program: Program, c: int, width: float) -> tuple[float, float]:
    """Bits of a sample that go up and down between chips c and c + 1, by a loop over tasks."""
    home = homes(program)
    up = down = 0.0
    for source in range(program.size):
        takers = {
            int(home[b])
            for a, b, data in zip(
                program.edge_from, program.edge_to, program.edge_data, strict=True
            )
            if a == source and data and home[b] >= 0
        }
        sent = float(program.output_elements[source]) * width
        if home[source] >= 0 and home[source] <= c and max(takers, default=-1) > c:
            up += sent
        if home[source] > c and min(takers, default=c + 1) <= c:
            down += sent
    return up, down


@pytest.mark.parametrize("count", [2, 3, 5])
def test_energy_of_links_is_bits_that_cross_times_energy_by_bit(count: int) -> None:
    program, found = whole(count)
    assert found.mapping.chips.tolist() == [count]
    crossing = [bits_between(program, c, 16.0) for c in range(count - 1)]
    total = sum(up + down for up, down in crossing)
    assert total > 0
    spent = found.costs.energy_j[CHIP_LINKS][0].sum()
    assert spent == close(total * LINK.energy_j_per_bit)
    parts = [energy[0] for energy in found.costs.energy_j.values()]
    repeats = np.where(program.per_step, 1.0, 10.0)
    static_j = sum(float(p[0]) for p in found.static_power_w.values()) * found.step_latency_s[0]
    assert found.step_energy_j[0] == close(
        float((np.sum(parts, axis=0) * repeats).sum()) + static_j
    )
    busiest = max(max(pair) for pair in crossing) / LINK.bandwidth_bit_per_s
    place = found.timeline.resources.index(CHIP_LINK)
    assert found.timeline.resource_s[0, place] == close(10 * busiest)


def test_a_slow_link_is_the_stage_that_sets_the_pace() -> None:
    """(B - 1) intervals of the busiest link, and every sample waits once for each transfer."""
    program, fast = whole(3)
    slow = estimate(program, [with_link(SMALL, bandwidth_bit_per_s=1e6)], [10])
    busiest = max(max(bits_between(program, c, 16.0)) for c in range(2)) / 1e6
    assert slow.timeline.interval_s[0].max() == close(busiest)
    more = estimate(program, [with_link(SMALL, bandwidth_bit_per_s=1e6)], [11])
    assert more.step_latency_s[0] - slow.step_latency_s[0] > busiest * (1 - 1e-9)
    assert fast.timeline.interval_s[0].max() < busiest


def test_area_and_static_power_are_those_of_all_chips_and_their_links() -> None:
    _, found = whole(4)
    chip_m2 = sum(float(np.asarray(a)) for a in SMALL.area_by_component_m2().values())
    assert found.area_m2[0] == close(4 * chip_m2 + 2 * 3 * LINK.area_m2)
    chip_w = sum(static_power(SMALL).whole_chip_w(4.0).values())
    static_w = sum(float(power[0]) for power in found.static_power_w.values())
    assert static_w == close(4 * float(np.asarray(chip_w)) + 2 * 3 * LINK.static_power_w)


def test_a_matrix_larger_than_a_chip_shares_its_digital_work() -> None:
    """Its gradient is summed on the way: all of it passes every link between its pieces."""
    program = program_of([Layer(64, 64, 5), Layer(64, 320, 5)])
    found = estimate(program, [SMALL], [4])
    spread = found.costs.chips
    assert spread is not None
    pieces = int(spread.matrix_count[0, 1])
    assert pieces == 3  # ten arrays, four to a chip
    (gradient,) = program.select(TaskKind.INPUT_GRADIENT)
    use = spread.links[0]
    inside = use.task == gradient
    assert (use.link[inside] % 2 == 1).all()
    assert use.bits[inside].tolist() == [5 * 64 * 16.0] * inside.sum()
    one = estimate(program, [changed(SMALL, mapping__overflow="error", mesh__side=4)], [4])
    digital = [t for t in range(program.size) if spread.count[0, t] == pieces]
    buffer = "activation_buffer"
    for task in digital:
        assert found.costs.shared_s[buffer][0, task] == close(
            one.costs.shared_s[buffer][0, task] / pieces
        )


@settings(max_examples=8, deadline=None)
@given(layers=layers, batch=st.integers(1, 12))
def test_both_fidelities_agree_over_several_chips(layers: list[Layer], batch: int) -> None:
    """One sample alone waits for nobody; several never take less than the busiest unit does."""
    program = program_of(layers)
    chip = changed(SMALL, schedule__mode="sequential")
    found = estimate(program, [chip], [batch])
    assume(found.mapping.chips[0] > 1)
    run = simulate_step(found, chip)
    assert run.makespan_s == close(found.step_latency_s[0], rel=0.02)
    pipelined = estimate(program, [SMALL], [batch])
    ran = simulate_step(pipelined, SMALL)
    assert ran.makespan_s >= pipelined.timeline.resource_s[0].max() * (1 - 1e-6)
    spread = pipelined.costs.chips
    assert spread is not None
    names = ran.lowered.template.resources.names
    links = {name for name in names if name.startswith("chip_link:")}
    assert len(links) == np.unique(spread.links[0].link).size


def test_a_pipeline_over_chips_is_as_long_in_both_fidelities() -> None:
    program, _ = whole(5)
    found = estimate(program, [SMALL], [64])
    run = simulate_step(found, SMALL)
    assert run.makespan_s == close(found.step_latency_s[0], rel=0.05)


@settings(max_examples=60)
@given(sizes=st.lists(st.integers(0, 30), min_size=1, max_size=8), capacity=st.integers(1, 12))
def test_chips_needed_are_filled_in_order(sizes: list[int], capacity: int) -> None:
    """By a plain loop: whole pieces, each onto the present chip if it still fits."""
    pieces = []
    for size in sizes:
        parts = max(-(-size // capacity), 1)
        pieces += [(i + 1) * size // parts - i * size // parts for i in range(parts)]
    chips, held = 1, 0
    for piece in pieces:
        if held + piece > capacity:
            chips, held = chips + 1, 0
        held += piece
    arrays = np.array([sizes], dtype=np.float64)
    assert chips_needed(arrays, float(capacity)).tolist() == [chips]


def test_too_few_chips_are_refused_with_a_remedy() -> None:
    program = program_of([Layer(128, 64, 7)] * 1 + [Layer(64, 128, 7)] * 4)
    chip = changed(SMALL, system=SYSTEM.model_copy(update={"max_chips": 3}))
    found = estimate(program, [chip], [2])
    assert not found.fits.any()
    with pytest.raises(DoesNotFit, match=r"needs 5 chips of 4 arrays.*allows 3") as refused:
        check_fit(chip, program.matrices, found.mapping)
    assert "system.max_chips: 5" in (refused.value.remedy or "")


def test_a_system_of_differing_configurations_is_priced_at_once_as_one_by_one() -> None:
    program = program_of([Layer(200, 100, 9), Layer(100, 300, 9), Layer(300, 64, 9)])
    chips = [changed(SMALL, mesh__side=side) for side in (1, 2, 3, 8)]
    together = estimate(program, chips, [6] * 4)
    assert together.mapping.chips[0] > together.mapping.chips[3] == 1
    for c, chip in enumerate(chips):
        alone = estimate(program, [chip], [6])
        assert together.step_latency_s[c] == close(alone.step_latency_s[0])
        assert together.step_energy_j[c] == close(alone.step_energy_j[0])


def test_the_schedule_is_that_of_the_costs_it_reports() -> None:
    """Timing the reported costs again gives the reported timeline."""
    program, found = whole(3)
    segments = segment_tasks(program, batch_barriers=False, deferred=True)
    again = schedule(program, replace(found.costs), segments, np.array([[10.0]]), pipelined=True)
    assert again.makespan_s.tolist() == found.step_latency_s.tolist()


@settings(max_examples=15)
@given(layers=layers, batch=st.integers(1, 8), tight=st.floats(1.0, 6.0))
def test_every_chip_keeps_its_own_power_cap(layers: list[Layer], batch: int, tight: float) -> None:
    """In the cycle fidelity, at any time, and no later than one sample after the other."""
    program = program_of(layers)
    free = estimate(program, [SMALL], [1])
    assume(int(free.mapping.chips[0]) > 1)
    costs = free.costs
    assert costs.chips is not None
    # What the hungriest array takes while it is updated: a lower cap is refused.
    updates = program.select(TaskKind.WEIGHT_GRADIENT)
    parts = ("update_lines", "update_devices", "update_channels", "update_supply_loss")
    names = (*parts, "pulse_drivers", "pulse_generators", "access_transistors")
    spent = sum(costs.energy_j[n][0, updates] for n in names if n in costs.energy_j)
    cap_w = tight * float((spent / costs.array_s[0, updates]).max())
    tree = changed(SMALL, chip__update_power_limit_w=cap_w)
    priced = estimate(program, [tree], [batch])
    run = simulate_step(priced, tree)
    names_of_caps = [n for n in run.schedule.tasks.resources.names if n.startswith(UPDATE_POWER)]
    assert names_of_caps
    assert all(":chip " in name for name in names_of_caps)
    for name in names_of_caps:
        assert highest_use(run.schedule, name) <= PARTS + run.schedule.tasks.size
    serial = estimate(program, [changed(tree, schedule__mode="sequential")], [batch])
    assert run.makespan_s <= float(serial.step_latency_s[0]) * (1 + 1e-6)
    again = simulate(run.schedule.tasks)
    assert np.array_equal(again.finish, run.schedule.finish)


def highest_use(schedule: Schedule, name: str) -> int:
    """The most units of a resource that are held at one time, from starts and hold times alone."""
    tasks = schedule.tasks
    resource = tasks.resources.names.index(name)
    own = tasks.holds.item == resource
    task = tasks.holds.row[own]
    begin, units = schedule.start[task], tasks.holds.amount[own]
    end = begin + tasks.hold_ticks[own]
    # Ends come before starts of the same tick.
    time = np.concatenate([end, begin])
    change = np.concatenate([-units, units])
    order = np.lexsort((change, time))
    return int(np.cumsum(change[order]).max(initial=0))
