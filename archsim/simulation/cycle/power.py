"""Power caps as resources: what tasks keep of them while they draw power."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from archsim.fields import FloatArray
from archsim.simulation.columns import PowerDraw, TaskCosts
from archsim.simulation.cycle.tasks import Indices, ResourceKind, Resources, rows
from archsim.simulation.cycle.template import Template
from archsim.simulation.cycle.ticks import TickArray, to_ticks

# Units of a cap.  Shares round to the nearest, so that three thirds fit; a cap is exceeded by at most
# half a unit for each task that draws at once.
PARTS = 1_000_000_000


def under_power_caps(
    template: Template,
    parts_of: tuple[TickArray, FloatArray],
    costs: TaskCosts,
    configuration: int = 0,
) -> Template:
    """The template whose tasks keep their shares of the caps of `costs`; the same without caps.

    `parts_of` are the program's task of each task of the template, -1 for none, and the share of it.
    """
    if not costs.power:
        return template
    known = template.resources
    power: ResourceKind = "power"
    number = np.arange(len(costs.power), dtype=np.int64) + len(known.names)
    parts = [_entries(draw, parts_of, configuration) for draw in costs.power.values()]
    row = np.concatenate([template.holds.row, *(task for task, _, _ in parts)])
    item = np.concatenate(
        [template.holds.item, *(np.full(p[0].size, n) for p, n in zip(parts, number, strict=True))]
    )
    amount = np.concatenate([template.holds.amount, *(units for _, units, _ in parts)])
    held = [to_ticks(seconds, template.tick_s) for _, _, seconds in parts]
    kept = np.zeros(row.size - template.holds.item.size, dtype=bool)
    order = np.argsort(row, kind="stable")
    return replace(
        template,
        holds=rows(template.size, row, item, amount),
        hold_ticks=np.concatenate([template.hold_ticks, *held])[order],
        streamed=np.concatenate([template.streamed, kept])[order],
        resources=Resources(
            (*known.names, *costs.power),
            np.concatenate([known.capacity, np.full(number.size, PARTS)]),
            known.kind + (power,) * len(costs.power),
        ),
    )


def _entries(
    draw: PowerDraw, parts_of: tuple[TickArray, FloatArray], configuration: int
) -> tuple[Indices, Indices, FloatArray]:
    """Tasks that draw power, how many units of the cap, and for how many seconds."""
    program_task, part = parts_of
    own = np.maximum(program_task, 0)
    share, held_s = draw.share[configuration, own], draw.held_s[configuration, own] * part
    task = np.flatnonzero((program_task >= 0) & (share > 0) & (held_s > 0))
    units = np.clip(np.rint(share[task] * PARTS), 1, PARTS).astype(np.int64)
    return task, units, held_s[task]
