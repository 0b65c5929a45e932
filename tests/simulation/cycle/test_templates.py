"""Templates: steady states, windows, barriers, and what cannot be expanded."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from archsim.errors import InputError
from archsim.simulation.cycle.certify import is_schedule
from archsim.simulation.cycle.components import components
from archsim.simulation.cycle.events import Edge
from archsim.simulation.cycle.fast import simulate_template
from archsim.simulation.cycle.reference import simulate
from archsim.simulation.cycle.template import Template, expand
from archsim.simulation.cycle.ticks import FINEST_TICK_S, LONGEST_TICKS, choose_tick_s, to_ticks
from tests.simulation.cycle.builders import template

# Forward, backward and update of two layers, each pair of reads on one array.
LOOP = ([(0, 1, 0), (1, 2, 0), (2, 3, 0)], [[(0, 1, 5)], [(1, 1, 4)], [(1, 1, 6)], [(0, 1, 3)]])


def looped(samples: int, window: int) -> Template:
    edges, holds = LOOP
    return template([5, 4, 6, 3], edges, holds, [1, 1], samples=samples, windows=[(0, 3, window)])


def test_steady_state_is_found_and_repeated_to_the_last_sample() -> None:
    """Most of a thousand samples are repeated, and the schedule is that of the reference engine."""
    found = simulate_template(looped(1000, 3))
    expected = simulate(expand(looped(1000, 3)))
    assert np.array_equal(found.finish, expected.finish)
    assert found.repeated > 0.9 * expected.tasks.size
    checked = simulate_template(looped(1000, 3), steady="check")
    assert checked.repeated == found.repeated
    assert np.array_equal(checked.start, expected.start)
    assert simulate_template(looped(1000, 3), steady="ignore").repeated == 0


def test_bottleneck_sets_the_pace_of_a_loop() -> None:
    """The second layer is busy for 4 + 6 ticks per sample, so samples follow each other by 10."""
    finish = simulate_template(looped(400, 3)).finish[-400:]
    assert finish[300] - finish[200] == 100 * 10


def test_equal_stages_take_fill_and_one_interval_per_sample() -> None:
    stages, samples, ticks = 7, 40, 13
    found = simulate_template(
        template(
            [ticks] * stages,
            [(i, i + 1, 0) for i in range(stages - 1)],
            [[(i, 1, ticks)] for i in range(stages)],
            [1] * stages,
            samples=samples,
        )
    )
    assert found.makespan == (stages + samples - 1) * ticks
    assert found.scanned == stages * samples


@pytest.mark.parametrize("stage", range(5))
def test_unequal_stages_take_fill_and_the_slowest_interval(stage: int) -> None:
    times = [3, 5, 4, 2, 3]
    times[stage] = 9
    found = simulate_template(
        template(
            times,
            [(i, i + 1, 0) for i in range(4)],
            [[(i, 1, t)] for i, t in enumerate(times)],
            [1] * 5,
            samples=30,
        )
    )
    assert found.makespan == sum(times) + 29 * 9


def test_barrier_separates_what_shares_a_resource() -> None:
    """Two tasks on one unit with a barrier in between need no event loop; without it they do."""
    edges = [(0, 1, 0), (1, 2, 0)]
    holds = [[(0, 1, 2)], [], [(0, 1, 3)]]
    barred = template([2, 0, 3], edges, holds, [1], samples=8, once=[1])
    assert components(barred, []) == [[0], [1], [2]]
    assert simulate_template(barred).scanned == 17
    assert simulate_template(barred).makespan == 8 * 2 + 8 * 3
    free = template([2, 0, 3], edges, holds, [1], samples=8)
    assert [sorted(group) for group in components(free, [])] == [[0, 1, 2]]


def test_window_across_a_barrier_is_a_deadlock_that_is_named() -> None:
    """Four samples have to meet, but only two may be on their way."""
    stuck = template(
        [1, 0, 1],
        [(0, 1, 0), (1, 2, 0)],
        [[], [], []],
        [1],
        samples=4,
        once=[1],
        windows=[(0, 2, 2)],
    )
    with pytest.raises(
        InputError, match=r"deadlock.*'w0' has 0 of 2 free, 't0 \[2\]', 't0 \[3\]' wait"
    ):
        simulate_template(stuck)
    wide = replace(stuck, windows=(replace(stuck.windows[0], samples=4),))
    assert simulate_template(wide).handed_over == ""


def test_certificate_refuses_a_schedule_with_one_tick_changed() -> None:
    found = simulate_template(looped(20, 3))
    cuts = found.template.offsets[1:-1]
    times = [np.split(ticks, cuts) for ticks in (found.claim, found.start, found.finish)]
    edges = [Edge(0, 1, 0), Edge(1, 2, 0), Edge(2, 3, 0), Edge(3, 0, 3)]
    assert is_schedule(found.template, edges, (times[0], times[1], times[2]))
    for column in range(3):
        for change in (-1, 1):
            wrong = [[t.copy() for t in ticks] for ticks in times]
            wrong[column][2][11] += change
            assert not is_schedule(found.template, edges, (wrong[0], wrong[1], wrong[2]))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"edges": [(1, 0, 0)]}, "'t0' needs 't1', which comes after it"),
        ({"edges": [(0, 1, -1)]}, "has a lag of -1 samples"),
        ({"edges": [(0, 1, 1)], "once": [0]}, "has a lag of 1 samples"),
        ({"windows": [(0, 1, 0)]}, "'w0' has a capacity of 0"),
        ({"windows": [(0, 1, 1)], "once": [1]}, "'t1', which happens once"),
        ({"windows": [(0, 2, 1)]}, "ends at 't2', which takes no time"),
        ({"capacity": [0]}, "'r0' has a capacity of 0"),
        ({"edges": [(0, 1, 0), (1, 2, 0), (2, 0, 1)], "once": [1]}, "across a barrier"),
    ],
)
def test_templates_that_cannot_run_are_refused(wrong: dict[str, object], message: str) -> None:
    given: dict[str, object] = {"edges": [], "capacity": [1], "once": [], "windows": []} | wrong
    found = template(
        [1, 1, 0],
        given["edges"],  # type: ignore[arg-type]
        [[], [], []],
        given["capacity"],  # type: ignore[arg-type]
        samples=4,
        once=given["once"],  # type: ignore[arg-type]
        windows=given["windows"],  # type: ignore[arg-type]
    )
    for engine in (simulate_template, expand):
        with pytest.raises(InputError) as error:
            engine(found)
        assert message in str(error.value)


def test_instances_are_named_after_task_and_sample() -> None:
    names = expand(template([1, 1], [], [[], []], [], samples=3, once=[1])).names
    assert list(names) == ["t0 [0]", "t0 [1]", "t0 [2]", "t1"]
    assert names[1:3] == ["t0 [1]", "t0 [2]"]


def test_tick_is_the_finest_in_which_the_whole_schedule_can_be_counted() -> None:
    assert choose_tick_s(1.0) == FINEST_TICK_S
    for serial_s in (1e4, 1e7, 3e9):
        tick_s = choose_tick_s(serial_s)
        assert serial_s / tick_s < LONGEST_TICKS <= 10.001 * serial_s / tick_s


def test_times_become_the_nearest_ticks_but_never_vanish() -> None:
    assert to_ticks(np.array([0.0, 1e-20, 5e-9]), 1e-15).tolist() == [0, 1, 5_000_000]
    for wrong in (-1.0, np.nan, np.inf):
        with pytest.raises(InputError, match="which is no time"):
            to_ticks(np.array([1.0, wrong]), 1e-15)
