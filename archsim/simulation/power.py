"""Power caps: what each task takes of them, and what a task does that would take more than all.

A task on arrays takes its energy over the time of its arrays, a digital one its energy over its
duration; both are means over the task.  What would take more than a cap is stretched:

* the arrays of a matrix (all copies) work in groups, one group after the other, as many arrays at
  once as the cap allows; one array must be within the cap;
* a digital task is slowed until it takes the cap.

The energy of the work stays.  A cap is busy for `power * time / cap`, so no segment of a schedule is
shorter than the energy in it over the cap.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from archsim.architecture import Architecture
from archsim.architecture.static_power import static_power
from archsim.errors import InputError
from archsim.fields import FloatArray, Scalar
from archsim.mapping import Mapping
from archsim.mapping.transfers import PREFIX
from archsim.simulation.algorithm_state import STATE, STATE_IN_DRAM
from archsim.simulation.columns import CHIP_POWER, HOST_LINK, UPDATE_POWER, PowerDraw, TaskCosts
from archsim.simulation.program import BoolArray, Program
from archsim.simulation.transfers import FILTER
from archsim.units import format_quantity
from archsim.workload.training import TaskKind

# What a task spends outside arrays and their periphery.
_NOT_ARRAYS = frozenset(
    {
        *("vector_unit", "matrix_unit", "activation_buffer", "tile_buffers", "mesh", "dram"),
        *(HOST_LINK, STATE, STATE_IN_DRAM, FILTER, f"{PREFIX}mesh"),
    }
)
_OFF_CHIP = frozenset({"dram", STATE_IN_DRAM})
_UNITS = ("vector_unit", "matrix_unit")
_KEYS = {CHIP_POWER: "chip.power_limit", UPDATE_POWER: "chip.update_power_limit"}
# Rounding of a quotient must not cost an array.
_ROUNDING = 1e-9


def with_power_caps(
    costs: TaskCosts, program: Program, architecture: Architecture, mapping: Mapping
) -> TaskCosts:
    """`costs` (without caps) with what tasks take of the chip's caps; the same if there is none.

    Raises `InputError` if static power leaves nothing of a cap, or a single array needs more than it.
    """
    caps = _caps(architecture)
    if not caps:
        return costs
    spent = {name: _spent_j(costs, program, name) for name in caps}
    stretch = np.ones_like(costs.main_s)
    for name, cap_w in caps.items():
        needed = _stretch(costs, program, mapping, (name, spent[name], cap_w))
        stretch = np.maximum(stretch, needed)
    slowed = _stretched(costs, stretch)
    power = {}
    for name, cap_w in caps.items():
        held_s = _held_s(slowed) * (spent[name] > 0)
        share = np.divide(spent[name] / cap_w, held_s, out=np.zeros_like(held_s), where=held_s > 0)
        power[name] = PowerDraw(np.minimum(share, 1.0), held_s, cap_w)
    return replace(slowed, power=power)


def _caps(architecture: Architecture) -> dict[str, Scalar]:
    """What tasks may take together under each cap, in W."""
    chip, found = architecture.chip, dict[str, Scalar]()
    if chip.power_limit_w is not None:
        static = static_power(architecture).whole_chip_w(architecture.arrays_available)
        always_w = sum(power for name, power in static.items() if name != "static_dram")
        left = np.asarray(chip.power_limit_w - always_w, dtype=np.float64)
        if (left <= 0).any():
            limit, always = (np.broadcast_to(x, left.shape) for x in (chip.power_limit_w, always_w))
            worst = int(np.argmin(left))
            raise InputError(
                f"the chip's limit is {format_quantity(float(limit.flat[worst]), 'W')}, but its "
                f"static power alone is {format_quantity(float(always.flat[worst]), 'W')}",
                place=_KEYS[CHIP_POWER],
                remedy="Raise the limit, or build a chip of fewer arrays and smaller memories.",
            )
        found[CHIP_POWER] = left
    if chip.update_power_limit_w is not None:
        found[UPDATE_POWER] = chip.update_power_limit_w
    return found


def _spent_j(costs: TaskCosts, program: Program, cap: str) -> FloatArray:
    """Energy of each task that counts under a cap, [C, T]."""
    left_out = _OFF_CHIP if cap == CHIP_POWER else _NOT_ARRAYS
    parts = [energy for name, energy in costs.energy_j.items() if name not in left_out]
    spent = np.asarray(sum(parts, np.zeros_like(costs.main_s)))
    if costs.chips is not None:
        # Every chip has its cap; a task's chips share it equally.
        spent = spent / costs.chips.count
    if cap == UPDATE_POWER:
        spent = spent * _writes(program)
    return spent


def _writes(program: Program) -> BoolArray:
    """Tasks that write arrays: updates, and what happens to each matrix once per step, [T]."""
    kinds = (TaskKind.WEIGHT_GRADIENT, None)
    return np.array([kind in kinds for kind in program.kind]) & (program.matrix >= 0)


def _held_s(costs: TaskCosts) -> FloatArray:
    """How long each task draws power: while its arrays work, else for all of its duration, [C, T]."""
    return np.where(costs.array_s > 0, costs.array_s, costs.main_s + costs.transfer_s)


def _stretch(
    costs: TaskCosts, program: Program, mapping: Mapping, cap: tuple[str, FloatArray, Scalar]
) -> FloatArray:
    """How many times longer each task takes under a cap (name, energy [C, T], W), [C, T]."""
    name, spent_j, cap_w = cap
    held_s = _held_s(costs)
    over = np.divide(spent_j / cap_w, held_s, out=np.zeros_like(held_s), where=held_s > 0)
    analog = costs.array_s > 0
    arrays = np.where(analog, _arrays(program, mapping, over), 1.0)
    if costs.chips is not None:
        arrays = np.ceil(arrays / costs.chips.count)
    one = over / arrays
    if (analog & (one > 1.0 + _ROUNDING)).any():
        raise _too_small(program, name, cap_w, np.where(analog, one, 0.0))
    at_once = np.floor(1.0 / np.clip(one, np.finfo(np.float64).tiny, 1.0) + _ROUNDING)
    turns = np.where(over > 1.0 + _ROUNDING, np.ceil(arrays / at_once), 1.0)
    return np.where(analog, turns, np.maximum(over, 1.0))


def _arrays(program: Program, mapping: Mapping, like: FloatArray) -> FloatArray:
    """Arrays, copies included, of each task's matrix, [C, T]; 1 without one."""
    found = np.ones_like(like)
    own = np.flatnonzero(program.matrix >= 0)
    matrices = program.matrix[own]
    found[:, own] = (mapping.arrays_per_copy * mapping.copies)[:, matrices]
    return np.maximum(found, 1.0)


def _too_small(program: Program, name: str, cap_w: Scalar, one: FloatArray) -> InputError:
    """`one` [C, T] is what a single array of each task needs, over the cap."""
    worst, task = (int(i) for i in np.unravel_index(int(one.argmax()), one.shape))
    limit_w = float(np.broadcast_to(np.asarray(cap_w), (one.shape[0], 1))[worst, 0])
    need_w = limit_w * float(one[worst, task])
    limit = format_quantity(limit_w, "W")
    most = f"the {limit} that static power leaves" if name == CHIP_POWER else f"the limit, {limit}"
    return InputError(
        f"one array of '{program.ops[task]}' takes {format_quantity(need_w, 'W')} while it works, "
        f"more than {most}",
        place=_KEYS[name],
        remedy=f"Raise the limit by at least {format_quantity(need_w - limit_w, 'W')}, or make arrays "
        "that take less (fewer rows and columns, a lower voltage, fewer pulses).",
    )


def _stretched(costs: TaskCosts, stretch: FloatArray) -> TaskCosts:
    """Tasks that take `stretch` [C, T] times as long in their own unit."""
    if (stretch == 1.0).all():
        return costs
    analog = costs.array_s > 0
    # Of a task on arrays the tail (the last vector, moving data) stays as it is.
    added_s = np.where(analog, (stretch - 1.0) * costs.array_s, (stretch - 1.0) * costs.main_s)
    moved_s = np.where(analog, costs.transfer_s, stretch * costs.transfer_s)
    shared = {
        name: np.where(analog, held, stretch * held) if name in _UNITS else held
        for name, held in costs.shared_s.items()
    }
    return replace(
        costs,
        main_s=costs.main_s + added_s,
        transfer_s=moved_s,
        array_s=np.where(analog, stretch * costs.array_s, costs.array_s),
        shared_s=shared,
    )
