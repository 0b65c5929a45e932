"""The reference engine: against SimPy, against hand-made cases, and with a fixed order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim.errors import InputError
from archsim.simulation.cycle.critical import critical_path
from archsim.simulation.cycle.reference import simulate
from archsim.simulation.cycle.replay import replay
from archsim.simulation.cycle.stalls import stalls
from archsim.simulation.cycle.tasks import Tasks
from archsim.simulation.cycle.template import Template, expand
from tests.simulation.cycle.builders import raw_tasks, task_set, task_sets, templates
from tests.simulation.cycle.simpy_oracle import Oracle
from tests.simulation.cycle.test_schedule_laws import run


@given(task_sets())
def test_simpy_finds_the_same_starts_and_finishes(tasks: Tasks) -> None:
    """In a deadlock too: what SimPy leaves undone is what the engine cannot start."""
    oracle = Oracle(tasks).run()
    left = int((oracle.start < 0).sum())
    if left:
        with pytest.raises(InputError, match=f"deadlock with {left} tasks left"):
            simulate(tasks)
        return
    found = simulate(tasks)
    assert np.array_equal(found.start, oracle.start)
    assert np.array_equal(found.finish, oracle.finish)


@given(templates())
def test_simpy_finds_the_same_schedule_of_a_minibatch(found: Template) -> None:
    tasks = expand(found)
    oracle = Oracle(tasks).run()
    assert np.array_equal(run(tasks).finish, oracle.finish)


@given(task_sets())
def test_replaying_the_order_of_a_schedule_gives_that_schedule(tasks: Tasks) -> None:
    found = run(tasks)
    again = replay(tasks, found.rank)
    assert np.array_equal(found.start, again.start)
    assert np.array_equal(found.finish, again.finish)


@given(task_sets(), st.data())
def test_with_a_fixed_order_nothing_gets_later_when_something_gets_shorter(
    tasks: Tasks, data: st.DataObject
) -> None:
    found = run(tasks)
    shorter = replace(
        tasks,
        duration=np.array(
            [data.draw(st.integers(min(1, t), t)) for t in tasks.duration.tolist()], np.int64
        ),
        hold_ticks=np.array(
            [data.draw(st.integers(0, t)) for t in tasks.hold_ticks.tolist()], np.int64
        ),
    )
    faster = replay(shorter, found.rank)
    assert (faster.finish <= found.finish).all()
    assert faster.makespan <= found.makespan


def test_first_in_first_out_has_an_anomaly_that_a_fixed_order_has_not() -> None:
    """Of two chains, the shorter start of the unimportant one lets it in first, and the end is later."""
    needs = [[], [0], [1], [], [3]]
    holds = [[], [(0, 1, 2)], [], [], [(0, 1, 9)]]
    slow = task_set([2, 2, 20, 3, 9], needs, holds, [1])
    fast = replace(slow, duration=np.array([2, 2, 20, 1, 9]))
    assert simulate(slow).makespan == 2 + 2 + 20
    assert simulate(fast).makespan == 1 + 9 + 2 + 20
    assert replay(fast, simulate(slow).rank).makespan == 2 + 2 + 20


def test_claims_of_one_tick_are_served_in_the_order_of_the_tasks() -> None:
    tasks = task_set([5, 5, 5], holds=[[(0, 1, 5)]] * 3, capacity=[1], order=[2, 0, 1])
    assert simulate(tasks).start.tolist() == [10, 0, 5]


def test_two_servers_work_at_once_and_a_third_claim_waits() -> None:
    tasks = task_set([5, 7, 4], holds=[[(0, 1, 5)], [(0, 1, 7)], [(0, 1, 4)]], capacity=[2])
    found = simulate(tasks)
    assert found.start.tolist() == [0, 0, 5]
    assert found.utilisation.tolist() == [16 / 18]


def test_power_cap_limits_what_updates_at_once() -> None:
    """Of 10 W, tasks of 6 W and 5 W follow each other; 4 W fits beside the first of them only later."""
    tasks = task_set([3, 3, 3], holds=[[(0, 6, 3)], [(0, 5, 3)], [(0, 4, 3)]], capacity=[10])
    assert simulate(tasks).start.tolist() == [0, 3, 3]


def test_stream_neither_holds_up_the_task_nor_waits_for_it() -> None:
    """A link that is busy elsewhere delays the finish, not the start, and does not wait for the array."""
    holds = [[(0, 1, 10)], [(1, 1, 4)], [(0, 1, 10), (1, 1, 3, True)]]
    tasks = task_set([10, 4, 10], holds=holds, capacity=[1, 1])
    found = simulate(tasks)
    assert found.start.tolist() == [0, 0, 10]
    assert found.use().end[-1] == 7
    assert found.finish.tolist() == [10, 4, 20]


def test_buffer_of_one_makes_the_producer_wait_for_the_consumer() -> None:
    """Three items through a producer of 2 ticks and a consumer of 5 with space for one item."""
    duration = [2, 2, 2, 5, 5, 5]
    needs = [[], [0], [1], [0], [1], [2]]
    tasks = task_set(
        duration,
        needs,
        takes=[[(0, 1)]] * 3 + [[]] * 3,
        frees=[[]] * 3 + [[(0, 1)]] * 3,
        space=[1],
    )
    found = simulate(tasks)
    assert found.start.tolist() == [0, 7, 14, 2, 9, 16]
    path = critical_path(found)
    assert [step.name for step in path] == ["t0", "t3", "t1", "t4", "t2", "t5"]
    assert [step.reason for step in path] == [
        "start",
        "input",
        "buffer",
        "input",
        "buffer",
        "input",
    ]
    assert {step.through for step in path if step.reason == "buffer"} == {"b0"}


def test_stalls_are_told_apart() -> None:
    """The array waits for its input, then for space, then works; the rest has no work for it."""
    tasks = task_set(
        [3, 8, 4, 6],
        [[], [], [0], [2]],
        [[], [], [(0, 1, 4)], []],
        [1],
        takes=[[], [(0, 1)], [(0, 1)], []],
        frees=[[], [(0, 1)], [], [(0, 1)]],
        space=[1],
    )
    ticks = stalls(simulate(tasks), 0).ticks
    assert {k: v for k, v in ticks.items() if v} == {
        "input": 3,
        "buffer": 5,
        "busy": 4,
        "drained": 6,
    }


def test_waiting_for_data_on_a_link_is_a_stall_of_its_own() -> None:
    """The first task computes for 2 ticks, but its results arrive over the link after 7."""
    holds = [[(1, 1, 7, True)], [(0, 1, 5)]]
    tasks = task_set([2, 5], [[], [0]], holds, [1, 1])
    tasks = replace(tasks, resources=replace(tasks.resources, kind=("unit", "link")))
    ticks = stalls(simulate(tasks), 0).ticks
    assert {k: v for k, v in ticks.items() if v} == {"input": 2, "link": 5, "busy": 5}


def test_deadlock_names_the_buffer_and_who_waits() -> None:
    """Two items must be made before either is used, but there is space for one."""
    tasks = raw_tasks(
        [1, 1, 1],
        [[], [], [0, 1]],
        takes=[[(0, 1)], [(0, 1)], []],
        frees=[[], [], [(0, 2)]],
        space=[2],
    )
    assert simulate(task_set([1], space=[2])).makespan == 1
    tight = replace(tasks, buffers=replace(tasks.buffers, capacity=np.array([1])))
    with pytest.raises(InputError, match=r"deadlock with 2 tasks left: the buffer 'b0' has 0 of 1"):
        simulate(replace(tight, order=np.arange(3)))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: task_set([1, 1, 1], [[2], [0], [1]]), "in a cycle: t0 -> t1 -> t2 -> t0"),
        (lambda: task_set([1], holds=[[(0, 1, 1)]], capacity=[0]), "'r0' has a capacity of 0"),
        (lambda: task_set([1], space=[0]), "buffer 'b0' has a capacity of 0"),
        (
            lambda: task_set([1], holds=[[(0, 3, 1)]], capacity=[2]),
            "'t0' asks for 3 of the resource 'r0', which has 2",
        ),
        (
            lambda: task_set([1], takes=[[(0, 5)]], space=[4]),
            "'t0' asks for 5 of the buffer 'b0', which has 4",
        ),
        (lambda: task_set([-1]), "takes -1 ticks"),
        (lambda: task_set([1], frees=[[(0, 1)]], space=[1]), "freed of 1 in all, but only 0"),
        (
            lambda: task_set([0], takes=[[(0, 1)]], frees=[[(0, 1)]], space=[1]),
            "frees space and takes no time",
        ),
        (lambda: task_set([1, 1], [[], [0]], order=[1, 0]), "'t1' needs 't0', but comes before it"),
        (lambda: task_set([1, 1], order=[0, 0]), "not a permutation"),
        (lambda: task_set([2**61, 2**61]), "more than can be counted"),
    ],
)
def test_what_cannot_run_is_refused_in_a_sentence(make: Callable[[], Tasks], message: str) -> None:
    with pytest.raises(InputError) as found:
        make()
    assert message in str(found.value)
    assert found.value.remedy


def test_orders_that_cannot_be_replayed_are_refused() -> None:
    chain = task_set([1, 1], [[], [0]])
    with pytest.raises(InputError, match="before a task that it needs"):
        replay(chain, np.array([1, 0]))
    full = task_set([1, 1], takes=[[(0, 1)], [(0, 1)]], frees=[[(0, 1)], [(0, 1)]], space=[1])
    stuck = task_set(
        [1, 1, 1],
        [[], [0], []],
        takes=[[(0, 1)], [], [(0, 1)]],
        frees=[[], [(0, 1)], []],
        space=[1],
    )
    assert replay(full, np.array([1, 0])).start.tolist() == [1, 0]
    with pytest.raises(InputError, match="space in 'b0' is freed"):
        replay(stuck, np.array([0, 2, 1]))
