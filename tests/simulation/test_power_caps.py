"""Power caps: what draws too much waits or takes turns, and both fidelities pay the same for it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.architecture import Architecture
from archsim.architecture.static_power import static_power
from archsim.errors import InputError
from archsim.simulation.analytic import schedule, segment_tasks
from archsim.simulation.columns import (
    CHIP_POWER,
    SHARED_RESOURCES,
    UPDATE_POWER,
    PowerDraw,
    TaskCosts,
)
from archsim.simulation.cycle.execution import Execution
from archsim.simulation.cycle.fast import simulate_template
from archsim.simulation.cycle.lowering import lower_cycle
from archsim.simulation.cycle.power import PARTS
from archsim.simulation.cycle.reference import simulate
from archsim.simulation.cycle.template import expand
from archsim.simulation.estimate import Estimate, estimate
from archsim.workload.training import TaskKind
from tests.closeness import close
from tests.networks import Layer, layer_lists
from tests.simulation.architectures import changed
from tests.simulation.test_laws import PROTONIC, program_of

PLAIN = changed(
    PROTONIC,
    mapping__replication="none",
    mapping__grouped="block_diagonal",
    schedule__batchnorm="running",
)
layers = layer_lists(most=4, inputs=600, outputs=600, vectors=50)


def update_energy_j(found: Estimate) -> float:
    """Energy of a step's updates in arrays, component by component."""
    program = found.program
    updates = [t for t, kind in enumerate(program.kind) if kind is TaskKind.WEIGHT_GRADIENT]
    names = ("update_lines", "update_devices", "update_channels", "update_supply_loss")
    parts = (*names, "input_registers", "pulse_drivers", "pulse_generators")
    return float(sum(found.costs.energy_j[n][0, updates].sum() for n in parts) * found.batch[0])


def array_power_w(found: Estimate) -> float:
    """Mean power of the first update of one sample."""
    update = int(found.program.select(TaskKind.WEIGHT_GRADIENT)[0])
    return update_energy_j(found) / float(found.batch[0] * found.costs.array_s[0, update])


@given(layers=layers, samples=st.integers(1, 20), loose=st.floats(1.0, 30.0))
@settings(max_examples=25)
def test_no_step_is_shorter_than_the_energy_of_its_updates_over_their_cap(
    layers: list[Layer], samples: int, loose: float
) -> None:
    """In both fidelities, and energy stays: the same work is done."""
    program = program_of(layers)
    free = estimate(program, [PLAIN], [samples])
    largest_w = 0.01  # no single array of this chip takes more
    cap_w = largest_w * loose
    tree = changed(PLAIN, chip__update_power_limit_w=cap_w)
    capped = estimate(program, [tree], [samples])
    least_s = update_energy_j(free) / cap_w
    assert capped.step_latency_s[0] >= least_s * (1 - 1e-9)
    assert capped.step_latency_s[0] >= free.step_latency_s[0] * (1 - 1e-12)
    assert update_energy_j(capped) == close(update_energy_j(free))
    for mode in ("pipelined", "sequential"):
        lowered = lower_cycle(program, capped.costs, Execution(samples, mode, "deferred", False))
        found = simulate(expand(lowered.template))
        assert np.array_equal(simulate_template(lowered.template).finish, found.finish)
        assert found.makespan_s >= least_s * (1 - 1e-6)
        assert (found.utilisation <= 1.0).all()
        busy = dict(zip(capped.timeline.resources, capped.timeline.resource_s[0], strict=True))
        units = found.busy[-1] / PARTS * lowered.template.tick_s
        assert units == close(busy[UPDATE_POWER], rel=1e-6)


@given(layers=layers, samples=st.integers(1, 20), caps=st.tuples(*[st.floats(0.01, 1.0)] * 2))
@settings(max_examples=25)
def test_a_looser_cap_never_slows_a_step_down(
    layers: list[Layer], samples: int, caps: tuple[float, float]
) -> None:
    program = program_of(layers)
    step_s = [
        estimate(program, [changed(PLAIN, chip__update_power_limit_w=w)], [samples]).step_latency_s
        for w in sorted(caps)
    ]
    assert step_s[1] <= step_s[0] * (1 + 1e-12)


@pytest.mark.parametrize("at_once", [1, 2, 4])
def test_equal_updates_under_a_cap_follow_each_other_in_both_fidelities(at_once: int) -> None:
    """Four layers, of which the cap lets 1, 2 or 4 update at once: exactly that many times slower."""
    program = program_of([Layer(8, 8)] * 4)
    updates = program.select(TaskKind.WEIGHT_GRADIENT)
    zero = np.zeros((1, program.size))
    held_s, share = zero.copy(), zero.copy()
    held_s[0, updates] = 3e-9
    share[0, updates] = 1.0 / at_once
    shared = dict.fromkeys(SHARED_RESOURCES, zero)
    costs = TaskCosts(
        held_s, zero, held_s, shared, {}, {UPDATE_POWER: PowerDraw(share, held_s, 1.0)}
    )
    samples = 12
    segments = segment_tasks(program, batch_barriers=False, deferred=True)
    batch = np.array([[float(samples)]])
    expected = 4 / at_once * samples * 3e-9
    timeline = schedule(program, costs, segments, batch, pipelined=True)
    assert timeline.makespan_s[0] == close(expected)
    lowered = lower_cycle(program, costs, Execution(samples, "pipelined", "deferred", False))
    assert simulate(expand(lowered.template)).makespan_s == close(expected)
    assert simulate_template(lowered.template).makespan * lowered.template.tick_s == close(expected)


def test_arrays_of_one_matrix_take_turns_where_the_cap_lets_only_some_of_them_work() -> None:
    """Six arrays, room for 6, 5, 3, 2, 1: 1, 2, 2, 3, 6 turns."""
    program = program_of([Layer(512, 384)])
    free = estimate(program, [PLAIN], [3])
    update = int(program.select(TaskKind.WEIGHT_GRADIENT)[0])
    assert free.mapping.arrays_per_copy[0, 0] == 6
    one_w = array_power_w(free) / 6
    for room, turns in ((6, 1), (5, 2), (3, 2), (2, 3), (1, 6)):
        tree = changed(PLAIN, chip__update_power_limit_w=one_w * room)
        found = estimate(program, [tree], [3])
        assert found.costs.array_s[0, update] == close(turns * free.costs.array_s[0, update])
        assert found.costs.power[UPDATE_POWER].share[0, update] <= 1.0
        assert found.costs.power[UPDATE_POWER].share[0, update] == close(6 / turns / room)


def test_the_chip_limit_leaves_what_static_power_leaves_and_slows_digital_work() -> None:
    """The step is no shorter than its energy on the chip over what is left."""
    program = program_of([Layer(300, 300, 40, norm=True), Layer(300, 10, 40)])
    free = estimate(program, [PLAIN], [8])
    always = static_power(PLAIN).whole_chip_w(float(np.asarray(PLAIN.arrays_available)))
    static_w = float(sum(w for name, w in always.items() if name != "static_dram"))
    repeats = np.where(program.per_step, 1.0, 8.0)
    spent_j = sum((e[0] * repeats).sum() for n, e in free.costs.energy_j.items() if n != "dram")
    for left_w in (0.2, 1.0, 500.0):
        tree = changed(PLAIN, chip__power_limit_w=static_w + left_w)
        found = estimate(program, [tree], [8])
        assert found.step_latency_s[0] >= spent_j / left_w * (1 - 1e-6)
        assert (found.costs.power[CHIP_POWER].share <= 1.0).all()
        assert found.dynamic_energy_j[0] == close(free.dynamic_energy_j[0])
    assert found.step_latency_s[0] == close(free.step_latency_s[0])


def refused(tree: Architecture) -> str:
    with pytest.raises(InputError) as error:
        estimate(program_of([Layer(300, 300, 5)]), [tree], [4])
    return str(error.value)


def test_caps_that_let_nothing_work_are_refused_by_name() -> None:
    one = refused(changed(PLAIN, chip__update_power_limit_w=1e-6))
    assert "chip.update_power_limit: one array of 'layer0' takes" in one
    assert "Raise the limit" in one
    assert "its static power alone is" in refused(changed(PLAIN, chip__power_limit_w=1.0))


def test_configurations_with_and_without_effect_of_a_cap_are_priced_together() -> None:
    """As each would be alone."""
    program = program_of([Layer(512, 384, 20), Layer(384, 512, 20)])
    trees = [changed(PLAIN, chip__update_power_limit_w=w) for w in (0.02, 0.05, 10.0)]
    together = estimate(program, trees, [5, 5, 5])
    alone = [float(estimate(program, [tree], [5]).step_latency_s[0]) for tree in trees]
    assert together.step_latency_s == close(np.array(alone), rel=1e-12)
    assert alone[0] > alone[1] > alone[2]


def test_power_of_running_tasks_never_exceeds_the_cap() -> None:
    """Added up over every tick at which anything changes."""
    program = program_of([Layer(400, 400, 9)] * 5)
    free = estimate(program, [PLAIN], [6])
    cap_w = 2.3 * array_power_w(free) / 5
    tree = changed(PLAIN, chip__update_power_limit_w=cap_w, schedule__update="immediate")
    found = estimate(program, [tree], [6])
    lowered = lower_cycle(program, found.costs, Execution(6, "pipelined", "immediate", False))
    run = simulate(expand(lowered.template))
    use, holds = run.use(), run.tasks.holds
    mine = use.entries(len(run.tasks.resources.names) - 1)
    assert run.tasks.resources.kind[-1] == "power"
    ticks = np.concatenate([use.granted[mine], use.end[mine]])
    change = np.concatenate([holds.amount[mine], -holds.amount[mine]])
    # At one tick what ends comes before what begins.
    level = np.cumsum(change[np.lexsort((change, ticks))])
    assert level.max() <= PARTS
    assert level.max() > 0.3 * PARTS
