"""Units of several chips, and the links between them, as resources of their own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from archsim.errors import InputError
from archsim.fields import FloatArray
from archsim.simulation.chip_spread import CHIP_LINK, ChipSpread
from archsim.simulation.columns import PowerDraw, TaskCosts
from archsim.simulation.cycle.links import is_mesh_link

# Every unit and link keeps a time for each task: a hundred chips and a thousand tasks take 6 MB.
MOST_CHIPS = 256


def on_own_chips(costs: TaskCosts) -> TaskCosts:
    """The costs (one configuration) with every unit of every chip as a shared resource.

    They are called `vector_unit:chip 3`, power caps `chip_power:chip 3`, links `chip_link:3->4`; what
    no task uses is left out.  Raises `InputError` for too many chips.
    """
    spread = costs.chips
    if spread is None:
        return costs
    if spread.chips[0] > MOST_CHIPS:
        raise InputError(
            f"the cycle fidelity takes at most {MOST_CHIPS} chips, and the network needs "
            f"{int(spread.chips[0]):,}",
            remedy="Use the analytic fidelity.",
        )
    shared: dict[str, FloatArray] = {}
    for name, held in costs.shared_s.items():
        if is_mesh_link(name):
            shared[name] = held  # of the mesh of one chip already
        elif name == CHIP_LINK:
            shared |= _links(spread, held.shape[1])
        else:
            shared |= _units(spread, name, held[0])
    power: dict[str, PowerDraw] = {}
    for name, draw in costs.power.items():
        for own, held_s in _units(spread, name, draw.held_s[0]).items():
            power[own] = replace(draw, share=draw.share * (held_s > 0), held_s=held_s)
    return replace(costs, shared_s=shared, power=power)


def _units(spread: ChipSpread, name: str, held_s: FloatArray) -> dict[str, FloatArray]:
    """One kind of unit, on every chip on which a task uses it: `held_s` is [T]."""
    task, chip = spread.pairs(0)
    by_chip = np.zeros((int(spread.chips[0]), held_s.size))
    by_chip[chip, task] = held_s[task]
    used = np.flatnonzero(by_chip.any(axis=1))
    return {f"{name}:chip {c}": by_chip[[c]] for c in used.tolist()}


def _links(spread: ChipSpread, tasks: int) -> dict[str, FloatArray]:
    use = spread.links[0]
    by_link = np.zeros((max(2 * int(spread.chips[0]) - 2, 1), tasks))
    by_link[use.link, use.task] = use.held_s
    used = np.flatnonzero(by_link.any(axis=1))
    return {f"{CHIP_LINK}:{_ends(link)}": by_link[[link]] for link in used.tolist()}


def _ends(link: int) -> str:
    """The chips that a link joins, from its sender to its receiver."""
    low, back = divmod(link, 2)
    return f"{low + back}->{low + 1 - back}"
