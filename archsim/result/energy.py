"""Energy in long form: one number per layer, phase and component."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from archsim.result.phases import ResultPhase, energy_phase
from archsim.simulation.estimate import Estimate

# What the whole chip spends without any operator asking for it is reported under this name.
CHIP = "(chip)"


class EnergyRow(NamedTuple):
    """Energy in one step that a component spends on a layer in a phase; `energy_j` in joules."""

    layer: str
    phase: str
    component: str
    energy_j: float


def energy_rows(estimate: Estimate) -> tuple[EnergyRow, ...]:
    """The energy of a step of the first configuration; the rows sum to its step energy."""
    program = estimate.program
    repeats = np.where(program.per_step, 1.0, estimate.batch[0])
    found: dict[tuple[str, str, str], float] = {}
    for component, energy in estimate.costs.energy_j.items():
        column = energy[0] * repeats
        for task in np.flatnonzero(column):
            phase = energy_phase(program, int(task), component)
            key = (program.ops[task], str(phase), component)
            found[key] = found.get(key, 0.0) + float(column[task])
    step_s = float(estimate.step_latency_s[0])
    for component, power in estimate.static_power_w.items():
        found[CHIP, str(ResultPhase.STATIC), component] = float(power[0]) * step_s
    return tuple(EnergyRow(*key, value) for key, value in found.items())


def total_by(rows: tuple[EnergyRow, ...], field: str) -> dict[str, float]:
    """Energy summed over all rows that share a field (`layer`, `phase` or `component`)."""
    totals: dict[str, float] = {}
    for row in rows:
        key = getattr(row, field)
        totals[key] = totals.get(key, 0.0) + row.energy_j
    return totals
