"""Static power over the time of a step, with what power gating saves and costs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from archsim.architecture import Architecture
from archsim.architecture.static_power import static_power
from archsim.fields import FloatArray, Scalar
from archsim.mapping import Mapping
from archsim.simulation.analytic import Timeline, segment_times, working_segments
from archsim.simulation.columns import TaskCosts
from archsim.simulation.program import IntArray, Program


def static_energy_j(
    program: Program,
    architecture: Architecture,
    mapping: Mapping,
    costs: TaskCosts,
    timeline: Timeline,
    recalibration_s: FloatArray,
) -> dict[str, FloatArray]:
    """Energy of a step that flows without any operator asking for it, by component, each [C].

    All arrays in use are on for the `recalibration_s` [C] that the step takes beyond its schedule.
    """
    on = None
    if architecture.chip.power_gating is not None:
        on_s, woken = _array_seconds(program, mapping, costs, timeline)
        on = on_s + mapping.arrays_used * recalibration_s, woken
    step_s = timeline.makespan_s + recalibration_s
    return static_energy_over(architecture, step_s, on, mapping.chips)


def static_energy_over(
    architecture: Architecture,
    step_s: FloatArray,
    on: tuple[FloatArray, FloatArray] | None,
    chips: IntArray,
) -> dict[str, FloatArray]:
    """Static energy of a step of `step_s` [C] on `chips` [C] chips by component, each [C].

    With power gating `on` says for how many arrays times seconds arrays are switched on, and how
    many arrays are switched on, both [C]; without (None) all of them always are.
    """
    power, gating = static_power(architecture), architecture.chip.power_gating
    found = {name: _column(value, step_s) * step_s * chips for name, value in power.chip_w.items()}
    if architecture.system is not None and (chips > 1).any():
        link_w = _column(architecture.system.link.static_power_w, step_s)
        found["static_chip_links"] = link_w * architecture.system.links(chips) * step_s
    arrays = _column(architecture.arrays_available, step_s) * chips
    if gating is None or on is None:
        powered_s, woken = arrays * step_s, None
    else:
        on_s, woken = on
        retained = _column(gating.retained_share, step_s)
        powered_s = on_s + retained * (arrays * step_s - on_s)
    for name, value in power.per_array_w.items():
        found[name] = _column(value, step_s) * powered_s
    if gating is not None and woken is not None:
        found["power_gating"] = _column(gating.wake_energy_j, step_s) * woken
    return found


def _column(value: Scalar, like: FloatArray) -> FloatArray:
    """A scalar or [C, 1] array as [C]."""
    flat = np.asarray(value, dtype=np.float64).reshape(-1)
    return np.broadcast_to(flat, like.shape)


def _array_seconds(
    program: Program, mapping: Mapping, costs: TaskCosts, timeline: Timeline
) -> tuple[FloatArray, FloatArray]:
    """Arrays times the seconds that they are switched on, and arrays that are switched on, [C].

    The arrays of a matrix are on in every segment in which they work; they stay on from one such
    segment to the next, also past segments that take no time.
    """
    times = segment_times(timeline)
    works = working_segments(program, costs, timeline.segments)
    if mapping.array_of is not None:
        works = _shared_work(works, mapping.array_of)
    arrays = mapping.arrays
    on_s = np.einsum("cs,csm,cm->c", times, works, arrays)
    woken = np.zeros(arrays.shape[0])
    before = np.zeros_like(works[:, 0])
    for s in range(works.shape[1]):
        woken += ((works[:, s] & ~before) * arrays).sum(axis=1)
        before = np.where(times[:, s, None] > 0, works[:, s], before | works[:, s])
    return np.asarray(on_s), woken


def _shared_work(works: NDArray[np.bool_], array_of: IntArray) -> NDArray[np.bool_]:
    """The first of the matrices that share an array works where any of them does, [C, S, M]."""
    found = np.zeros_like(works)
    configuration, segment, matrix = np.nonzero(works)
    found[configuration, segment, array_of[configuration, matrix]] = True
    return found
