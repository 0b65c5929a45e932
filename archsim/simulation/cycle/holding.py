"""What each task of a step keeps and streams through, and for how long.

A task keeps the unit that it runs on (the array group of its matrix, else the matrix unit, else the
vector unit), and all others stream for it, for the time that the analytic fidelity counts as
occupancy; its results are there after its duration.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from archsim.fields import FloatArray
from archsim.simulation.chip_spread import CHIP_LINK
from archsim.simulation.columns import HOST_LINK, TaskCosts
from archsim.simulation.cycle.draft import Draft
from archsim.simulation.cycle.execution import Execution
from archsim.simulation.cycle.links import MESH
from archsim.simulation.cycle.tasks import ResourceKind, Resources, rows
from archsim.simulation.cycle.template import Template
from archsim.simulation.cycle.ticks import TickArray, choose_tick_s, to_ticks
from archsim.simulation.program import BoolArray, IntArray, Program

# Units that a task without arrays can run on, the first that it uses.
_HOMES = ("matrix_unit", "vector_unit")


def priced(
    draft: Draft, program: Program, costs: TaskCosts, execution: Execution, configuration: int
) -> Template:
    """The drafted tasks with what they hold and for how long, by one configuration of `costs`."""
    size = len(draft.names)
    task = np.array(draft.program_task, dtype=np.int64)
    real = np.flatnonzero(task >= 0)
    seconds = np.zeros(size)
    seconds[draft.wakes] = execution.wake_s
    share = np.array(draft.share)
    seconds[real] = (costs.main_s + costs.transfer_s)[configuration, task[real]] * share[real]
    names = (*(f"arrays:{name}" for name in program.matrices.names), *costs.shared_s)
    seconds[list(draft.moves)] = [move.array_s for move in draft.moves.values()]
    uses = _uses(program, costs, task[real], configuration)
    moved = _moves(draft, names)
    row = np.concatenate([real[uses.place], moved.place])
    item = np.concatenate([uses.item, moved.item])
    held_s = np.concatenate([uses.held_s, moved.held_s]) * share[row]
    streamed = np.concatenate([uses.streamed, moved.streamed])
    repeats = np.where(draft.once, 1.0, execution.samples)
    serial_s = float((seconds * repeats).sum() + (held_s * repeats[row]).sum())
    tick_s = choose_tick_s(serial_s)
    order = np.argsort(row, kind="stable")
    edges = np.array(sorted(draft.edges), dtype=np.int64).reshape(-1, 2)
    return Template(
        tick_s=tick_s,
        samples=execution.samples,
        names=tuple(draft.names),
        duration=_durations(seconds, tick_s, draft),
        once=np.array(draft.once, dtype=bool),
        source=edges[:, 0],
        target=edges[:, 1],
        lag=np.zeros(len(edges), dtype=np.int64),
        holds=rows(size, row, item, np.ones_like(item)),
        hold_ticks=to_ticks(held_s, tick_s)[order],
        streamed=streamed[order],
        resources=Resources(names, np.ones(len(names), dtype=np.int64), tuple(map(_kind, names))),
        windows=tuple(draft.windows),
    )


@dataclass(frozen=True, slots=True)
class _Uses:
    """What tasks hold, all [N]: the task's place in a list, the resource, seconds, and how."""

    place: IntArray
    item: IntArray
    held_s: FloatArray
    streamed: BoolArray


def _uses(program: Program, costs: TaskCosts, own: IntArray, configuration: int) -> _Uses:
    """What the program's tasks `own` hold: units that they can run on first, then all others."""
    first = len(program.matrices.names)
    on_array = np.where(program.matrix[own] >= 0, costs.array_s[configuration, own], 0.0)
    shared = {name: first + number for number, name in enumerate(costs.shared_s)}
    units = sorted(shared, key=_place)
    homes = 1 + sum(_place(name) < len(_HOMES) for name in units)
    columns = [(arrays_of(program, costs, configuration)[own], on_array)] + [
        (np.full(own.size, shared[name]), costs.shared_s[name][configuration, own])
        for name in units
    ]
    homeless = np.ones(own.size, dtype=bool)
    found = []
    for number, (resource, held) in enumerate(columns):
        keeps = homeless & (held > 0) & (number < homes)
        homeless &= ~keeps
        some = np.flatnonzero(held > 0)
        found.append((some, resource[some], held[some], ~keeps[some]))
    place, item, held_s, streamed = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return _Uses(place, item, held_s, streamed)


def _moves(draft: Draft, names: tuple[str, ...]) -> _Uses:
    """What tasks hold that move weights: places are the draft's tasks, resources those of `names`."""
    number = {name: index for index, name in enumerate(names)}
    found: list[tuple[int, int, float, bool]] = []
    for task, move in draft.moves.items():
        if move.array_s > 0:
            found.append((task, move.matrix, move.array_s, False))
        found += [(task, number[name], held_s, True) for name, held_s in move.streams]
    return _Uses(
        np.array([place for place, _, _, _ in found], dtype=np.intp),
        np.array([item for _, item, _, _ in found], dtype=np.intp),
        np.array([held_s for _, _, held_s, _ in found], dtype=np.float64),
        np.array([streamed for _, _, _, streamed in found], dtype=bool),
    )


def arrays_of(program: Program, costs: TaskCosts, configuration: int) -> IntArray:
    """The matrix whose arrays each task uses: its own, or the first of those that share an array."""
    if costs.array_of is None:
        return program.matrix
    first = costs.array_of[configuration][program.matrix]
    return np.where(program.matrix >= 0, first, -1)


def _place(resource: str) -> int:
    """Units that tasks run on come first, of every chip if there are several."""
    unit = resource.partition(":")[0]
    return _HOMES.index(unit) if unit in _HOMES else len(_HOMES)


def _kind(resource: str) -> ResourceKind:
    """Links of the mesh have names that begin with that of the mesh, units with what they are."""
    return "link" if resource.partition(":")[0] in (MESH, HOST_LINK, CHIP_LINK) else "unit"


def _durations(seconds: FloatArray, tick_s: float, draft: Draft) -> TickArray:
    """Ticks of each task; the end of a window takes one, as whatever frees space must."""
    ticks = to_ticks(seconds, tick_s)
    ends = [window.exit for window in draft.windows]
    ticks[ends] = np.maximum(ticks[ends], 1)
    return ticks
