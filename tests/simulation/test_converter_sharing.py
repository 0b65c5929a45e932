"""Converters that arrays of a tile share: less area, and waiting where several convert at once."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.architecture import Architecture
from archsim.config.loading import load
from archsim.config.overriding import override
from archsim.errors import InputError
from archsim.hardware.crossbar import Direction, Placement
from archsim.resources import data_folder
from archsim.result.cycle import analyse, attribute_path
from archsim.simulation.columns import CONVERTERS
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
    mapping__grouped="block_diagonal",
    schedule__batchnorm="running",
)
# One bank for both directions, in which conversions outlast the integration four times.
SLOW = changed(PLAIN, periphery__sides="shared", adc__outputs_per_adc=128)
layers = st.lists(
    st.builds(Layer, st.integers(1, 900), st.integers(1, 600), st.integers(1, 50)),
    min_size=1,
    max_size=4,
)


def sharing(tree: Architecture, arrays: int) -> Architecture:
    return changed(tree, tile__arrays_per_converter_set=arrays)


@pytest.mark.parametrize("sides", ["doubled", "shared"])
@pytest.mark.parametrize("double_buffered", [True, False])
def test_arrays_of_a_set_convert_in_turn(sides: str, double_buffered: bool) -> None:
    """The interval of a read by hand: k conversions beside, or after, one integration."""
    hold = PLAIN.periphery.sample_hold.model_copy(update={"double_buffered": double_buffered})
    tree = changed(PLAIN, periphery__sides=sides, periphery__sample_hold=hold)
    place = Placement(600.0, 100.0, 1.0, 1.0, 3.0, 1.0)
    for direction in Direction:
        alone = tree.crossbar.read_cost(place, direction)
        for arrays, in_turn in ((1, 1), (2, 2), (4, 3), (16, 3)):
            cost = sharing(tree, arrays).crossbar.read_cost(place, direction)
            parts = float(alone.integration_s), in_turn * float(alone.conversion_s)
            assert float(cost.conversion_s) == close(parts[1])
            assert float(cost.interval_s) == close(max(parts) if double_buffered else sum(parts))
            later_s = (in_turn - 1) * float(alone.conversion_s)
            assert float(cost.latency_s) == close(float(alone.latency_s) + later_s)
            assert cost.energy_j["adc"] == close(float(alone.energy_j["adc"]))


def test_area_and_leakage_of_converters_are_divided_by_the_arrays_of_a_set() -> None:
    """All else stays, but switches that lead every line to the shared bank."""
    tree = changed(PLAIN, adc__outputs_per_adc=4)
    own, leaks = tree.crossbar.area_by_component_m2(), tree.crossbar.leakage_by_component_w(1.0)
    before = np.inf
    for arrays in (1, 2, 4, 8, 16):
        crossbar = sharing(tree, arrays).crossbar
        area, leakage = crossbar.area_by_component_m2(), crossbar.leakage_by_component_w(1.0)
        for found, whole in ((area, own), (leakage, leaks)):
            for name, value in found.items():
                shared = arrays if name in ("adc", "output_digital") else 1
                assert value == close(float(np.asarray(whole[name])) / shared)
        total = sum(sharing(tree, arrays).area_by_component_m2().values())
        assert total < before
        before = total


def test_lines_without_a_multiplexer_get_one_when_arrays_share_their_converters() -> None:
    tree = changed(PLAIN, adc__outputs_per_adc=1)
    areas = [sharing(tree, n).crossbar.area_by_component_m2()["multiplexers"] for n in (1, 2)]
    lines = sum(tree.crossbar.bank_outputs(direction) for direction in Direction)
    assert [float(area) for area in areas] == close(
        [0.0, float(lines * tree.periphery.multiplexer.area_m2)]
    )


@given(layers=layers, batch=st.integers(1, 40), mode=st.sampled_from(["pipelined", "sequential"]))
@settings(max_examples=20)
def test_sharing_more_never_speeds_a_step_up(layers: list[Layer], batch: int, mode: str) -> None:
    """Sets that consist of smaller ones: the analytic step grows with them, its area falls.

    Several configurations at once cost what each costs alone.
    """
    program = program_of(layers)
    trees = [sharing(changed(SLOW, schedule__mode=mode), n) for n in (1, 2, 4, 16)]
    found = estimate(program, trees, [batch] * 4)
    assert (np.diff(found.step_latency_s) >= -1e-12 * found.step_latency_s[0]).all()
    assert (np.diff(found.area_m2) < 0).all()
    for index, tree in enumerate(trees):
        alone = estimate(program, [tree], [batch])
        assert found.step_latency_s[index] == close(float(alone.step_latency_s[0]), rel=1e-12)
        assert found.step_energy_j[index] == close(float(alone.step_energy_j[0]), rel=1e-12)


def test_copies_do_not_depend_on_what_is_priced_beside_them() -> None:
    """Alone no set of converters is known; beside an architecture with sets there are some of one."""
    sizes = [(25, 6, 576), (150, 16, 64), (256, 120, 1), (120, 84, 1), (84, 10, 1)]
    program = program_of([Layer(*size) for size in sizes])
    auto = changed(SLOW, mapping__replication="auto", mesh__side=2)
    trees = [sharing(auto, n) for n in (1, 4)]
    found = estimate(program, trees, [4, 4])
    for index, tree in enumerate(trees):
        alone = estimate(program, [tree], [4])
        assert found.mapping.copies[index].tolist() == alone.mapping.copies[0].tolist()
        assert found.step_latency_s[index] == close(float(alone.step_latency_s[0]), rel=1e-12)


def test_a_set_of_one_array_is_no_sharing() -> None:
    """To the bit, and without a resource of that name; nor does an only array wait for itself.

    Data travel less far on a smaller chip.
    """
    program = program_of([Layer(200, 100, 7)])
    plain = estimate(program, [SLOW], [5])
    assert plain.costs.sharing is None
    assert CONVERTERS not in plain.timeline.resources
    for arrays in (1, 2, 16):
        found = estimate(program, [sharing(SLOW, arrays)], [5])
        assert found.step_latency_s[0] == plain.step_latency_s[0]
        assert found.costs.energy_j.keys() == plain.costs.energy_j.keys()
        for name in plain.costs.energy_j.keys() - {"mesh"}:
            assert np.array_equal(found.costs.energy_j[name], plain.costs.energy_j[name])


@given(
    layer=st.builds(Layer, st.integers(1, 2000), st.integers(1, 900), st.integers(1, 30)),
    arrays=st.sampled_from([1, 2, 4, 8, 16]),
    batch=st.integers(1, 30),
)
@settings(max_examples=20)
def test_fidelities_agree_where_sets_serve_one_matrix(
    layer: Layer, arrays: int, batch: int
) -> None:
    """A single layer on wide memories and links: its read and update, sample by sample, in both."""
    tree = changed(
        sharing(SLOW, arrays),
        mesh__link_bit_per_s=1e18,
        activation_buffer__bandwidth_bit_per_s=1e18,
    )
    priced = estimate(program_of([layer]), [tree], [batch])
    run = simulate_step(priced, tree)
    held_s = priced.costs.array_s[0].sum() * batch
    assert run.makespan_s >= held_s * (1 - 1e-9)
    tail_s = (priced.costs.main_s + priced.costs.transfer_s - priced.costs.array_s)[0].sum()
    assert run.makespan_s == pytest.approx(float(priced.step_latency_s[0]), abs=2 * tail_s + 1e-12)


def test_matrices_on_one_set_wait_for_each_other_by_name() -> None:
    """Three layers of one array: their conversions, one after the other, bound the step in both."""
    program = program_of([Layer(100, 100, 50)] * 3)
    batch, tree = 40, sharing(SLOW, 4)
    name = f"{CONVERTERS}:w0 + w1 + w2"
    free, priced = (estimate(program, [t], [batch]) for t in (SLOW, tree))
    assert priced.costs.sharing is not None
    assert priced.costs.sharing.names[0] == (name,)
    reads = program.select(TaskKind.FORWARD, TaskKind.INPUT_GRADIENT)
    reads = reads[program.matrix[reads] >= 0]
    converting_s = batch * float(priced.costs.shared_s[CONVERTERS][0, reads].sum())
    busy = dict(zip(priced.timeline.resources, priced.timeline.resource_s[0], strict=True))
    assert busy[CONVERTERS] == close(converting_s)
    assert priced.timeline.resources[priced.timeline.bottleneck[0, 0]] == CONVERTERS
    assert np.array_equal(priced.costs.array_s, free.costs.array_s)
    found = analyse(simulate_step(priced, tree))
    schedule = found.run.schedule
    place = schedule.tasks.resources.names.index(name)
    assert schedule.busy[place] * found.run.tick_s == pytest.approx(converting_s, abs=1e-12)
    assert found.stalls.resource == name
    assert found.run.makespan_s >= converting_s
    limits = attribute_path(priced, found).by_limit_s
    assert max(limits, key=limits.__getitem__) == CONVERTERS
    assert simulate_step(free, SLOW).makespan_s < converting_s


def test_both_directions_of_doubled_sides_have_sets_of_their_own() -> None:
    """Only reads of one direction share a bank: the set is busy for the longer of the two."""
    program = program_of([Layer(100, 100, 50), Layer(100, 100, 50)])
    tree = sharing(changed(SLOW, periphery__sides="doubled"), 2)
    priced = estimate(program, [tree], [4])
    assert priced.costs.sharing is not None
    names = (f"{CONVERTERS}:w0 + w1", f"{CONVERTERS}:w0 + w1, transposed")
    assert priced.costs.sharing.names[0] == names
    held_s = priced.costs.shared_s[CONVERTERS]
    by_set = priced.costs.sharing.held_by_set_s(held_s, 0)
    for transposed, taken in enumerate(by_set):
        assert taken == close(np.where(program.transposed == bool(transposed), held_s[0], 0.0))


@given(layers=layers, arrays=st.sampled_from([2, 4, 16]), batch=st.integers(1, 9))
@settings(max_examples=20)
def test_sets_are_busy_for_the_arrays_that_they_serve(
    layers: list[Layer], arrays: int, batch: int
) -> None:
    """By a plain loop over tasks; no set is busy for longer than its arrays together."""
    tree = sharing(SLOW, arrays)
    priced = estimate(program_of(layers), [tree], [batch])
    program, shared = priced.program, priced.costs.sharing
    assert shared is not None
    segment = priced.timeline.segments.segment
    held_s = priced.costs.shared_s[CONVERTERS]
    busy = shared.busy_s(held_s, segment, priced.timeline.segments.count, 0)
    plain = np.zeros_like(busy)
    for task, matrix in enumerate(program.matrix.tolist()):
        for number in range(plain.shape[1]):
            served = shared.arrays[0][number, matrix] if matrix >= 0 else 0.0
            plain[segment[task], number] += served * held_s[0, task]
            assert served * held_s[0, task] <= priced.costs.array_s[0, task] * (1 + 1e-12)
    assert busy == close(plain)


def test_a_number_that_does_not_divide_the_arrays_of_a_tile_is_refused() -> None:
    loaded = load("protonic_256", Architecture, data_folder("arch_configs"))
    with pytest.raises(InputError, match=r"is 6, .* 16; the nearest number that does is [48]"):
        override(loaded, {"tile.arrays_per_converter_set": 6})
