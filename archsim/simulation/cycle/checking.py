"""Refuses task sets that cannot run, each with one sentence."""

from __future__ import annotations

import heapq
from dataclasses import replace

import numpy as np

from archsim.errors import InputError
from archsim.simulation.cycle.tasks import Indices, Rows, Tasks
from archsim.simulation.cycle.ticks import LONGEST_TICKS

_NAMED_AT_MOST = 6


def checked(tasks: Tasks) -> Tasks:
    """`tasks`, after all checks.

    An empty `order` is replaced by a topological one (smallest index first).  Raises `InputError`
    for a cycle, an order that runs against a dependence, a resource or buffer of no capacity, a
    task that asks for more than there is, space that is freed more often than taken or in no time,
    and times that do not fit.
    """
    _check_capacities(tasks)
    _check_times(tasks)
    if not tasks.order.size and tasks.size:
        return replace(tasks, order=topological_order(tasks))
    _check_order(tasks)
    return tasks


def _check_capacities(tasks: Tasks) -> None:
    kinds = (
        ("resource", tasks.resources.names, tasks.resources.capacity),
        ("buffer", tasks.buffers.names, tasks.buffers.capacity),
    )
    for what, names, capacity in kinds:
        for i in np.flatnonzero(capacity < 1):
            raise InputError(
                f"the {what} '{names[i]}' has a capacity of {capacity[i]}, so nothing can use it",
                remedy="Give it a capacity of at least 1, or let no task use it.",
            )
    uses = (("resource", tasks.holds), ("buffer", tasks.takes), ("buffer", tasks.frees))
    for (what, asked), (_, names, capacity) in zip(uses, (*kinds, kinds[1]), strict=True):
        _check_amounts(tasks, what, asked, (names, capacity))
    freed, taken = (
        np.bincount(r.item, r.amount, minlength=len(tasks.buffers.names))
        for r in (tasks.frees, tasks.takes)
    )
    for i in np.flatnonzero(freed > taken):
        raise InputError(
            f"the buffer '{tasks.buffers.names[i]}' is freed of {freed[i]:.0f} in all, but only "
            f"{taken[i]:.0f} are ever taken",
            remedy="Let every task that frees space follow one that takes it.",
        )


def _check_amounts(
    tasks: Tasks, what: str, asked: Rows, there: tuple[tuple[str, ...], Indices]
) -> None:
    names, capacity = there
    for i in np.flatnonzero((asked.amount < 1) | (asked.amount > capacity[asked.item])):
        item = asked.item[i]
        raise InputError(
            f"the task '{tasks.names[asked.row[i]]}' asks for {asked.amount[i]} of the {what} "
            f"'{names[item]}', which has {capacity[item]}",
            remedy=f"Give '{names[item]}' more capacity or split the task.",
        )


def _check_times(tasks: Tasks) -> None:
    for ticks, row in (
        (tasks.duration, np.arange(tasks.size)),
        (tasks.hold_ticks, tasks.holds.row),
    ):
        for i in np.flatnonzero(ticks < 0):
            raise InputError(
                f"the task '{tasks.names[row[i]]}' takes {ticks[i]} ticks",
                remedy="No task can take less than no time.",
            )
    for task in np.unique(tasks.frees.row[tasks.duration[tasks.frees.row] == 0]):
        raise InputError(
            f"the task '{tasks.names[task]}' frees space and takes no time",
            remedy="Let it take a tick, so that all claims of a tick know what is free.",
        )
    serial = float(tasks.duration.sum(dtype=np.float64) + tasks.hold_ticks.sum(dtype=np.float64))
    if serial > LONGEST_TICKS:
        raise InputError(
            f"all tasks together take {serial:.3g} ticks, more than can be counted",
            remedy="Use a longer tick.",
        )


def _check_order(tasks: Tasks) -> None:
    order = tasks.order
    if not np.array_equal(np.sort(order), np.arange(tasks.size)):
        raise InputError("the order of the tasks is not a permutation", remedy="Number them once.")
    before = tasks.predecessors
    against = np.flatnonzero(order[before.item] >= order[before.row])
    if against.size:
        topological_order(tasks)  # a cycle is the more telling message
        first, then = tasks.names[before.item[against[0]]], tasks.names[before.row[against[0]]]
        raise InputError(
            f"the task '{then}' needs '{first}', but comes before it in the order that settles ties",
            remedy="Number tasks so that each comes after those it needs.",
        )


def topological_order(tasks: Tasks) -> Indices:
    """Places 0..N-1 of the tasks, each after its predecessors, smallest index first.

    Raises `InputError` that names the tasks of a cycle.
    """
    before = tasks.predecessors
    missing = np.diff(before.offsets).tolist()
    after = before.by_item(tasks.size).lists()
    heap = [i for i, count in enumerate(missing) if count == 0]
    order = np.zeros(tasks.size, dtype=np.int64)
    placed = 0
    while heap:
        task = heapq.heappop(heap)
        order[task] = placed
        placed += 1
        for successor, _ in after[task]:
            missing[successor] -= 1
            if missing[successor] == 0:
                heapq.heappush(heap, successor)
    if placed < tasks.size:
        _refuse_cycle(tasks, missing)
    return order


def _refuse_cycle(tasks: Tasks, missing: list[int]) -> None:
    """Walk back through tasks that never became ready until one repeats."""
    needs = tasks.predecessors.lists()
    task = next(i for i, count in enumerate(missing) if count)
    path: list[int] = []
    while task not in path:
        path.append(task)
        task = next(p for p, _ in needs[task] if missing[p])
    around = path[path.index(task) :][::-1]
    first = around.index(min(around))
    cycle = [str(tasks.names[t]) for t in around[first:] + around[:first]]
    more = f" (and {len(cycle) - _NAMED_AT_MOST} more)" if len(cycle) > _NAMED_AT_MOST else ""
    raise InputError(
        "tasks wait for each other in a cycle: "
        + " -> ".join([*cycle[:_NAMED_AT_MOST], cycle[0]])
        + more,
        remedy="Remove one of these dependences.",
    )
