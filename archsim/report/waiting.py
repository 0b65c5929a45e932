"""What stalls, for the page of a run that was timed cycle by cycle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from archsim.report.lookup import number, numbers, rows, section, text
from archsim.report.mesh_map import MeshMap, mesh_map
from archsim.report.rows import ResultMapping
from archsim.report.text import (
    NO_VALUE,
    count,
    percent,
    quantity,
    resource_words,
    safe,
    words,
)

_STALLS = {
    "busy": "Works",
    "input": "Waits for inputs to be computed",
    "buffer": "Waits for buffer space",
    "unit": "Waits for another unit that its task needs",
    "link": "Waits for a link",
    "power": "Waits for the power cap",
    "drained": "Has done its last task",
}
# Of the longest steps and tasks, what fits a screen.
_SHOWN = 8


@dataclass(frozen=True, slots=True)
class Line:
    """One row of a table: a name, what is said of it, seconds as text, share of the step."""

    name: str
    note: str
    time: str
    share: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """The section: what differs from the analytic estimate, stalls, and the critical path."""

    explanation: str
    resource: str
    stalls: tuple[Line, ...]
    busy: tuple[Line, ...]
    steps: str
    tasks: tuple[Line, ...]
    queues: tuple[Line, ...]
    first: tuple[Line, ...]
    longest: tuple[Line, ...]
    mesh: MeshMap | None


def waiting(result: ResultMapping) -> Waiting | None:
    """The section of a result that the cycle fidelity timed, else None."""
    cycle = section(result, "cycle")
    if not cycle:
        return None
    step_s = number(result, "accelerator", "step_latency_s") or 0.0
    path = section(cycle, "critical_path")
    stalls = numbers(cycle, "stalls", "seconds")
    return Waiting(
        explanation=safe(text(result, "fidelity", "difference", "explanation")),
        resource=resource_words(text(cycle, "stalls", "resource")),
        stalls=tuple(
            _line(label, "", stalls[key], step_s)
            for key, label in _STALLS.items()
            if stalls.get(key)
        ),
        busy=_busy(section(cycle, "utilisation"), step_s),
        steps=count(number(path, "steps")),
        tasks=tuple(
            _line(
                row.get("task"), f"{count(number(row, 'steps'))} times", row.get("seconds"), step_s
            )
            for row in rows(path, "tasks")[:_SHOWN]
        ),
        queues=tuple(
            _line(resource_words(name), "", seconds, step_s)
            for name, seconds in list(numbers(path, "queues_s").items())[:_SHOWN]
        ),
        first=tuple(_step(row, step_s) for row in rows(path, "first")[:_SHOWN]),
        longest=tuple(_step(row, step_s) for row in rows(path, "longest")[:_SHOWN]),
        mesh=mesh_map(section(cycle, "mesh")),
    )


def _busy(utilisation: Mapping[str, Any], step_s: float) -> tuple[Line, ...]:
    """The busiest units, arrays and links, and the links of the mesh that are not named."""
    links = section(utilisation, "mesh_links")
    shares = {
        **numbers(utilisation, "units"),
        **{f"arrays:{name}": s for name, s in numbers(utilisation, "arrays").items()},
        **numbers(links, "busiest"),
    }
    order = sorted(shares, key=lambda name: -shares[name])[:_SHOWN]
    found = [_line(resource_words(name), "", shares[name] * step_s, step_s) for name in order]
    others = number(links, "others")
    if others:
        mean_s = (number(links, "others_mean") or 0.0) * step_s
        found.append(_line(f"{count(others)} more links of the mesh", "on average", mean_s, step_s))
    return tuple(found)


def _line(name: object, note: str, seconds: object, step_s: float) -> Line:
    value = float(seconds) if isinstance(seconds, (int, float)) else None
    share = percent(value / step_s) if value is not None and step_s else NO_VALUE
    return Line(safe(str(name)), note, quantity(value, "s"), share)


def _step(row: Mapping[str, Any], step_s: float) -> Line:
    sample = number(row, "sample")
    name = text(row, "task") + ("" if sample is None else f", sample {count(sample)}")
    through = text(row, "through")
    waited = text(row, "waited_for")
    note = f"after {words(waited)}" if waited != "start" else "from the start"
    if through:
        note += f": {resource_words(through)}"
    if text(row, "by"):
        note += f"; {resource_words(text(row, 'by'))} works"
    return _line(name, note, row.get("seconds"), step_s)
