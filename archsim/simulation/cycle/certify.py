"""Checks a template's schedule against every constraint of every instance, in numpy.

The rules have one solution: ordered by claim, each start depends on earlier claims only.  So times
that satisfy all of them, evaluated from each other, are the schedule, however they were found.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

from archsim.simulation.cycle.events import Edge
from archsim.simulation.cycle.queues import Queue, served
from archsim.simulation.cycle.tasks import Indices
from archsim.simulation.cycle.template import Template
from archsim.simulation.cycle.ticks import TickArray

# Claims, starts and finishes: for each task an array over its instances.
Times: TypeAlias = tuple[list[TickArray], list[TickArray], list[TickArray]]


def is_schedule(template: Template, edges: list[Edge], times: Times) -> bool:
    """Whether every claim, start and finish is what the rules give from all the others.

    `edges` include windows as lags.
    """
    claim, start, finish = times
    ready = [np.zeros_like(ticks) for ticks in claim]
    for source, target, lag in edges:
        into, done = ready[target], finish[source]
        if done.size > into.size:
            done = done.max(keepdims=True)
        elif lag:
            into, done = into[lag:], done[:-lag]
        np.maximum(into, done, out=into)
    begun = [ticks.copy() for ticks in ready]
    ended = [start[t] + ticks for t, ticks in enumerate(template.duration.tolist())]
    stage = template.stage
    for resource in range(len(template.resources.names)):
        _serve(template, resource, stage, (claim, start), (begun, ended))
    return all(
        np.array_equal(a, b)
        for found, expected in ((claim, ready), (start, begun), (finish, ended))
        for a, b in zip(found, expected, strict=True)
    )


def _serve(
    template: Template,
    resource: int,
    stage: Indices,
    given: tuple[list[TickArray], list[TickArray]],
    found: tuple[list[TickArray], list[TickArray]],
) -> None:
    """Raise starts and finishes to what one resource allows, given claims and starts of all."""
    (claim, start), (begun, ended) = given, found
    entries = np.flatnonzero(template.holds.item == resource)
    tasks = template.holds.row[entries]
    if not tasks.size:
        return
    sizes = [claim[t].size for t in tasks]
    order = _claim_order(template, tasks, stage, claim)
    queue = Queue(
        np.concatenate([claim[t] for t in tasks])[order],
        np.concatenate([start[t] for t in tasks])[order],
        np.repeat(template.hold_ticks[entries], sizes)[order],
        np.repeat(template.holds.amount[entries], sizes)[order],
        np.repeat(template.streamed[entries], sizes)[order],
    )
    granted, end = served(queue, int(template.resources.capacity[resource]))
    limits = np.empty_like(granted)
    limits[order] = np.where(queue.streamed, end, granted)
    cuts = np.cumsum(sizes)[:-1].tolist()
    for task, entry, limit in zip(
        tasks.tolist(), entries.tolist(), np.split(limits, cuts), strict=True
    ):
        raised = ended[task] if template.streamed[entry] else begun[task]
        np.maximum(raised, limit, out=raised)


def _claim_order(
    template: Template, tasks: Indices, stage: Indices, claim: list[TickArray]
) -> Indices:
    """The order in which the instances of `tasks` claim."""
    sizes = [claim[t].size for t in tasks]
    sample = np.concatenate(
        [np.zeros(1, np.int64) if template.once[t] else 1 + np.arange(claim[t].size) for t in tasks]
    )
    key = np.repeat(stage[tasks], sizes) * (template.samples + 1) + sample
    key = key * template.size + np.repeat(tasks, sizes)
    return np.lexsort((key, np.concatenate([claim[t] for t in tasks])))
