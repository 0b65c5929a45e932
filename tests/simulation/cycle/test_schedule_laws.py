"""Laws of every schedule, whatever the graph, the resources and the order."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from archsim.errors import InputError
from archsim.simulation.cycle.critical import critical_path
from archsim.simulation.cycle.reference import simulate
from archsim.simulation.cycle.schedule import Schedule
from archsim.simulation.cycle.stalls import STALLS, bottleneck, stalls
from archsim.simulation.cycle.tasks import Tasks
from tests.simulation.cycle.builders import task_set, task_sets


def run(tasks: Tasks) -> Schedule:
    """The schedule; task sets that deadlock are not what these laws are about."""
    try:
        return simulate(tasks)
    except InputError:
        # Checked task sets are refused for nothing else.
        assume(False)
        raise


def longest_path(tasks: Tasks) -> int:
    """Ticks along the longest chain of tasks, each with its longest stream."""
    own = tasks.duration.copy()
    streams = tasks.streamed
    np.maximum.at(own, tasks.holds.row[streams], tasks.hold_ticks[streams])
    done = np.zeros(tasks.size, dtype=np.int64)
    for task in np.argsort(tasks.order):
        needs = tasks.predecessors.row_items(task)
        done[task] = own[task] + done[needs].max(initial=0)
    return int(done.max(initial=0))


@given(task_sets())
def test_makespan_is_no_less_than_critical_path_and_busy_time(tasks: Tasks) -> None:
    found = run(tasks)
    assert found.makespan >= longest_path(tasks)
    assert (found.busy <= found.makespan * tasks.resources.capacity).all()
    assert (found.utilisation <= 1.0).all()


@given(task_sets())
def test_every_task_starts_after_its_inputs_and_lasts_its_duration(tasks: Tasks) -> None:
    found = run(tasks)
    before = tasks.predecessors
    assert (found.start[before.row] >= found.finish[before.item]).all()
    assert (found.start >= found.claim).all()
    assert (found.claim >= found.ready).all()
    assert (found.finish >= found.start + tasks.duration).all()


@given(task_sets())
def test_no_resource_gives_more_units_than_it_has(tasks: Tasks) -> None:
    """Counted tick by tick, over the times from grant to end."""
    found = run(tasks)
    use = found.use()
    for resource, capacity in enumerate(tasks.resources.capacity):
        mine = use.entries(resource)
        level = np.zeros(found.makespan + 2, dtype=np.int64)
        for entry in mine:
            level[use.granted[entry] : use.end[entry]] += tasks.holds.amount[entry]
            assert use.end[entry] - use.begin[entry] == tasks.hold_ticks[entry]
            assert use.granted[entry] <= use.begin[entry]
        assert level.max() <= capacity


@given(task_sets())
def test_no_buffer_holds_more_than_fits(tasks: Tasks) -> None:
    """Space is taken at the claim at the latest, and freed at the finish."""
    found = run(tasks)
    for buffer, capacity in enumerate(tasks.buffers.capacity):
        change: dict[int, int] = {}
        for rows, ticks, sign in ((tasks.takes, found.claim, 1), (tasks.frees, found.finish, -1)):
            mine = rows.item == buffer
            for tick, amount in zip(ticks[rows.row[mine]], rows.amount[mine], strict=True):
                change[int(tick)] = change.get(int(tick), 0) + sign * int(amount)
        level = np.cumsum([change[tick] for tick in sorted(change)])
        assert level.max(initial=0) <= capacity


@given(task_sets())
def test_claims_are_served_in_their_order(tasks: Tasks) -> None:
    """No claim on a resource is granted before an earlier one."""
    use = run(tasks).use()
    for resource in range(len(tasks.resources.names)):
        granted = use.granted[use.entries(resource)]
        assert (np.diff(granted) >= 0).all()


@given(task_sets())
def test_the_same_tasks_give_the_same_schedule(tasks: Tasks) -> None:
    first, second = run(tasks), simulate(tasks)
    assert np.array_equal(first.start, second.start)
    assert np.array_equal(first.finish, second.finish)


@given(task_sets(), st.randoms(use_true_random=False))
def test_order_in_which_tasks_are_listed_does_not_matter(tasks: Tasks, random: object) -> None:
    """Only the order that settles ties does: listing entries of a row backwards changes nothing."""
    backwards = np.arange(tasks.holds.item.size)
    for task in range(tasks.size):
        a, b = tasks.holds.offsets[task : task + 2]
        backwards[a:b] = backwards[a:b][::-1]
    turned = replace(
        tasks,
        holds=replace(
            tasks.holds, item=tasks.holds.item[backwards], amount=tasks.holds.amount[backwards]
        ),
        hold_ticks=tasks.hold_ticks[backwards],
        streamed=tasks.streamed[backwards],
    )
    assert np.array_equal(run(tasks).finish, simulate(turned).finish)


@given(task_sets(servers=1))
def test_stalls_of_the_bottleneck_add_up_to_the_makespan(tasks: Tasks) -> None:
    found = run(tasks)
    assume(tasks.resources.names)
    for resource in {bottleneck(found), 0}:
        ticks = stalls(found, resource).ticks
        assert set(ticks) == set(STALLS)
        assert min(ticks.values()) >= 0
        assert sum(ticks.values()) == found.makespan
        assert ticks["busy"] == found.busy[resource]


@given(task_sets())
def test_critical_path_leads_without_gaps_from_the_start_to_the_makespan(tasks: Tasks) -> None:
    found = run(tasks)
    path = critical_path(found)
    assert path[0].begin == 0
    assert path[0].reason == "start"
    assert path[-1].end == found.makespan
    for step, then in itertools.pairwise(path):
        assert step.end == then.begin
        assert then.reason != "start"
        assert then.begin >= found.claim[then.task]
        if then.reason == "input":
            assert step.task in tasks.predecessors.row_items(then.task)
        elif then.reason == "buffer":
            buffer = tasks.buffers.names.index(then.through)
            assert buffer in tasks.takes.row_items(then.task)
            assert buffer in tasks.frees.row_items(step.task)
        else:
            resource = tasks.resources.names.index(then.through)
            for task in (step.task, then.task):
                assert resource in tasks.holds.row_items(task)


@given(task_sets(buffers=False))
def test_without_resources_and_buffers_the_makespan_is_the_longest_path(tasks: Tasks) -> None:
    empty = replace(
        tasks,
        holds=replace(
            tasks.holds,
            offsets=np.zeros(tasks.size + 1, np.int64),
            item=np.zeros(0, np.int64),
            amount=np.zeros(0, np.int64),
        ),
        hold_ticks=np.zeros(0, np.int64),
        streamed=np.zeros(0, bool),
    )
    assert simulate(empty).makespan == longest_path(empty)


def test_bottleneck_needs_a_resource() -> None:
    with pytest.raises(InputError, match="no resource"):
        bottleneck(simulate(task_set([1])))
