"""How a step was timed, and what explains the difference to the other way of timing it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

import numpy as np

from archsim.architecture import Architecture
from archsim.result.cycle import CycleFindings
from archsim.result.explaining import Change, explanation
from archsim.result.latency import Attribution
from archsim.simulation.cycle.room import with_room
from archsim.simulation.estimate import Estimate

Fidelity: TypeAlias = Literal["analytic", "cycle"]

# Ticks round, and windows take a tick: what is closer than this is called equal.
_EQUAL = 1e-6
# Where the cycle fidelity takes so much more, the step is simulated again with room in the buffer.
_EXPLAINED = 0.01
# A cause of more than half of the difference is the cause.
_MOST = 0.5


def analytic_section() -> dict[str, Any]:
    """The result's `fidelity` of an analytic run, which does not run the other."""
    return {
        "mode": "analytic",
        "other_mode": None,
        "other_step_latency_s": None,
        "other_step_energy_j": None,
        "difference": None,
    }


@dataclass(frozen=True, slots=True)
class Step:
    """A step by one fidelity: what it costs and where its time goes."""

    priced: Estimate
    split: Attribution


def cycle_fidelity(
    analytic: Step, cycle: Step, found: CycleFindings, architecture: Architecture
) -> dict[str, Any]:
    """The result's `fidelity` of a cycle run, with the analytic estimate beside it."""
    other_s = sum(analytic.split.by_limit_s.values())
    return {
        "mode": "cycle",
        "other_mode": "analytic",
        "other_step_latency_s": other_s,
        "other_step_energy_j": float(analytic.priced.step_energy_j[0]),
        "difference": {
            **_difference(analytic, cycle, found, architecture),
            "by_component_j": _energy_difference(analytic.priced, cycle.priced),
        },
    }


def _energy_difference(analytic: Estimate, cycle: Estimate) -> dict[str, float]:
    """Cycle less analytic energy of a step, of the components that differ."""
    before, after = _by_component_j(analytic), _by_component_j(cycle)
    change = {
        name: after.get(name, 0.0) - before.get(name, 0.0)
        for name in dict.fromkeys([*after, *before])
    }
    least = _EQUAL * float(analytic.step_energy_j[0])
    return {name: energy_j for name, energy_j in change.items() if abs(energy_j) > least}


def _by_component_j(priced: Estimate) -> dict[str, float]:
    repeats = np.where(priced.program.per_step, 1.0, priced.batch[0])
    found = {name: float((j[0] * repeats).sum()) for name, j in priced.costs.energy_j.items()}
    step_s = float(priced.step_latency_s[0])
    return found | {name: float(w[0]) * step_s for name, w in priced.static_power_w.items()}


def _difference(
    analytic: Step, cycle: Step, found: CycleFindings, architecture: Architecture
) -> dict[str, Any]:
    """Cycle less analytic: by resource, where the parts add up, and in a sentence."""
    before, after = analytic.split.by_limit_s, cycle.split.by_limit_s
    other_s, step_s = sum(before.values()), sum(after.values())
    change_s = step_s - other_s
    by_limit = {
        name: after.get(name, 0.0) - before.get(name, 0.0)
        for name in dict.fromkeys([*after, *before])
    }
    room = None
    if change_s > _EXPLAINED * other_s:
        room = with_room(found.run, analytic.priced, architecture)
    change = Change(
        analytic.priced,
        found,
        None if abs(change_s) <= _EQUAL * other_s else _largest(by_limit, change_s),
        change_s,
        change_s / other_s,
        by_limit,
        room,
    )
    if change.space_s >= _MOST * abs(change_s) > 0:
        change = replace(change, resource="activation_buffer")
    return {
        "relative": change.relative,
        "by_limit_s": by_limit,
        "buffer_space_s": change.space_s,
        "resource": change.resource,
        "explanation": explanation(change),
    }


def _largest(by_limit: dict[str, float], change_s: float) -> str:
    """What has the largest part of a change, in its direction."""
    sign = 1.0 if change_s >= 0 else -1.0
    return max(by_limit, key=lambda name: sign * by_limit[name])
