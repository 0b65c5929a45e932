"""Links of the mesh that delay no task of a schedule, which its analysis can do without.

A task ends when its own time and all of its streams have.  A link whose streams never end last gives
all tasks the same times whether it is there or not.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from archsim.simulation.cycle.fast import TemplateSchedule
from archsim.simulation.cycle.links import is_mesh_link
from archsim.simulation.cycle.queues import Queue, served
from archsim.simulation.cycle.tasks import Indices, Resources, rows
from archsim.simulation.cycle.template import Template, instance_order


def without_idle_links(found: TemplateSchedule) -> TemplateSchedule:
    """The same schedule, without links of the mesh that delay no task in it."""
    template = found.template
    links = np.array([is_mesh_link(name) for name in template.resources.names], dtype=bool)
    stay = ~links
    stay[links] = _delaying(found, np.flatnonzero(links))
    return replace(found, template=_with(template, stay))


def _delaying(found: TemplateSchedule, links: Indices) -> NDArray[np.bool_]:
    """Which of `links` ends last for some instance of a task."""
    template, offsets = found.template, found.template.offsets
    own_end = found.start + np.repeat(template.duration, template.counts)
    late = np.logical_or.reduceat(found.finish > own_end, offsets[:-1])
    rank = np.empty(found.claim.size, dtype=np.int64)
    rank[np.lexsort((instance_order(template), found.claim))] = np.arange(rank.size)
    holds, task_of = template.holds, template.holds.row
    by_item = np.argsort(holds.item, kind="stable")
    cuts = np.searchsorted(holds.item[by_item], np.stack([links, links + 1])).T.tolist()
    delays = np.zeros(links.size, dtype=bool)
    for number, (first, last) in enumerate(cuts):
        entries = by_item[first:last]
        if not late[task_of[entries]].any():
            continue
        sizes = template.counts[task_of[entries]]
        instance = np.concatenate([np.arange(*offsets[t : t + 2]) for t in task_of[entries]])
        order = np.argsort(rank[instance])
        instance = instance[order]
        queue = Queue(
            found.claim[instance],
            found.start[instance],
            np.repeat(template.hold_ticks[entries], sizes)[order],
            np.ones_like(instance),
            np.ones(instance.size, dtype=bool),
        )
        _, end = served(queue, 1)
        ends_last = (end == found.finish[instance]) & (end > own_end[instance])
        delays[number] = bool(ends_last.any())
    return delays


def _with(template: Template, stay: NDArray[np.bool_]) -> Template:
    """`template` with the resources that `stay` only."""
    number = np.cumsum(stay) - 1
    holds, resources = template.holds, template.resources
    kept = stay[holds.item]
    return replace(
        template,
        holds=rows(template.size, holds.row[kept], number[holds.item[kept]], holds.amount[kept]),
        hold_ticks=template.hold_ticks[kept],
        streamed=template.streamed[kept],
        resources=Resources(
            tuple(n for n, s in zip(resources.names, stay.tolist(), strict=True) if s),
            resources.capacity[stay],
            tuple(k for k, s in zip(resources.kind, stay.tolist(), strict=True) if s),
        ),
    )
