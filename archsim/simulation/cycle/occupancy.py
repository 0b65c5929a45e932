"""How much of the activation buffer a schedule has on its way at once."""

from __future__ import annotations

import numpy as np

from archsim.fields import FloatArray
from archsim.simulation.cycle.fast import TemplateSchedule
from archsim.simulation.cycle.space import Demand, Peak
from archsim.simulation.cycle.ticks import TickArray


def queue_peak(found: TemplateSchedule, program_task: TickArray, asked: Demand) -> Peak:
    """The peak over a schedule; of several equal ones the first."""
    offsets = found.template.offsets
    parts: dict[int, list[int]] = {}
    for t, task in enumerate(program_task.tolist()):
        parts.setdefault(task, []).append(t)

    def instances(part: int, times: TickArray) -> TickArray:
        return times[offsets[part] : offsets[part + 1]]

    # A task of several blocks of rows holds its space from the first to the end of the last.
    until = {
        task: instances(parts[task][-1], found.finish).copy()
        for task in np.flatnonzero(asked.passing).tolist()
    }
    for source, target in zip(*(side.tolist() for side in asked.taken_by), strict=True):
        if source in until:
            np.maximum(until[source], instances(parts[target][-1], found.finish), out=until[source])
    if not until:
        nothing = np.zeros(0, dtype=np.intp)
        return Peak(0.0, nothing, nothing)
    begin = np.concatenate([instances(parts[task][0], found.start) for task in until])
    end = np.concatenate(list(until.values()))
    bits = np.repeat([asked.passing[task] for task in until], [t.size for t in until.values()])
    level, ticks = _levels(begin, end, bits)
    at = int(level.argmax())
    there = (begin <= ticks[at]) & (end > ticks[at])
    owner = np.repeat(np.array(list(until), dtype=np.intp), [t.size for t in until.values()])
    tasks, counts = np.unique(owner[there], return_counts=True)
    return Peak(float(level[at]), tasks, counts)


def _levels(begin: TickArray, end: TickArray, bits: FloatArray) -> tuple[FloatArray, TickArray]:
    """What is held from each tick at which anything changes: space is freed before it is taken."""
    ticks = np.concatenate([end, begin])
    change = np.concatenate([-bits, bits])
    order = np.argsort(ticks, kind="stable")
    return np.cumsum(change[order]), ticks[order]
