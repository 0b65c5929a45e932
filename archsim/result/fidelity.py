"""How a step was timed, and what explains the difference to the other way of timing it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np

from archsim.result.cycle import CycleFindings, queues
from archsim.result.latency import Attribution, limit_words
from archsim.simulation.estimate import Estimate
from archsim.units import format_quantity

Fidelity: TypeAlias = Literal["analytic", "cycle"]

# Ticks round, and windows take a tick: what is closer than this is called equal.
_EQUAL = 1e-6
# A queue that takes less of the step explains nothing.
_LEAST_QUEUE = 0.01


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


def cycle_fidelity(analytic: Step, cycle: Step, found: CycleFindings) -> dict[str, Any]:
    """The result's `fidelity` of a cycle run, with the analytic estimate beside it."""
    other_s = sum(analytic.split.by_limit_s.values())
    return {
        "mode": "cycle",
        "other_mode": "analytic",
        "other_step_latency_s": other_s,
        "other_step_energy_j": float(analytic.priced.step_energy_j[0]),
        "difference": {
            **_difference(analytic.split, cycle.split, found, other_s),
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
    analytic: Attribution, cycle: Attribution, found: CycleFindings, other_s: float
) -> dict[str, Any]:
    """Cycle less analytic: by resource, where the parts add up, and in a sentence."""
    step_s = sum(cycle.by_limit_s.values())
    change_s = step_s - other_s
    names = [*cycle.by_limit_s, *(n for n in analytic.by_limit_s if n not in cycle.by_limit_s)]
    by_limit = {
        name: cycle.by_limit_s.get(name, 0.0) - analytic.by_limit_s.get(name, 0.0) for name in names
    }
    sign = 1.0 if change_s >= 0 else -1.0
    equal = abs(change_s) <= _EQUAL * other_s
    resource = None if equal else max(by_limit, key=lambda name: sign * by_limit[name])
    return {
        "relative": change_s / other_s,
        "by_limit_s": by_limit,
        "resource": resource,
        "explanation": _sentence(found, resource, change_s / other_s, by_limit),
    }


def _sentence(
    found: CycleFindings, resource: str | None, relative: float, by_limit: dict[str, float]
) -> str:
    if resource is None:
        return "Both fidelities find the same time: nothing queues where it costs time."
    amount = format_quantity(abs(by_limit[resource]), "s")
    more = "more" if relative > 0 else "less"
    verb = "take" if resource == "arrays" else "takes"
    head = (
        f"{100 * abs(relative):.1f} % {more} time than the analytic estimate: "
        f"{_inside(limit_words(resource))} {verb} {amount} {more} of what the step waits for"
    )
    if relative < 0:
        return f"{head}, since the busiest unit works already while the first sample is on its way."
    share = _queued_s(found, resource) / found.run.makespan_s
    if share < _LEAST_QUEUE:
        return f"{head}; hardly anything queues for it there."
    return f"{head}; for {100 * share:.0f} % of the step what comes next there queues for it."


def _queued_s(found: CycleFindings, limit: str) -> float:
    """Time on the critical path for which the next step queued for what limits."""
    return sum(
        seconds
        for name, seconds in queues(found).items()
        if name == limit or name.partition(":")[0] == limit
    )


def _inside(subject: str) -> str:
    """The subject of a sentence as it stands inside one; DRAM keeps its capitals."""
    return subject if subject.isupper() else subject[:1].lower() + subject[1:]
