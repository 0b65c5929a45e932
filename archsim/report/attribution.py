"""Why two results differ: each total split into parts, and each difference into theirs.

The parts of a breakdown add up to its total exactly as stored; what a result does not attribute
(time in which phases overlap or wait) is a part of its own, so that nothing is lost.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from archsim.errors import InputError
from archsim.report.lookup import number, numbers, rows, text
from archsim.report.palette import PHASES
from archsim.report.rows import ResultMapping, csv_text
from archsim.report.text import safe

# Parts of a total that are smaller than this are rounding, not a missing part.
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class SharedWarning:
    """One kind of warning: its code, and each different message with the architectures it is about."""

    code: str
    messages: tuple[tuple[tuple[str, ...], str], ...]

    @property
    def names(self) -> tuple[str, ...]:
        """All architectures that the warning is about."""
        return tuple(dict.fromkeys(name for names, _ in self.messages for name in names))


def shared_warnings(results: Sequence[ResultMapping]) -> tuple[SharedWarning, ...]:
    """The warnings of all results by code; those that are about most architectures come first."""
    found: dict[str, dict[str, list[str]]] = {}
    for name, result in zip(labels(results), results, strict=True):
        for row in rows(result, "warnings"):
            layer = safe(text(row, "layer"))
            message = safe(text(row, "message")) + (f" (layer {layer})" if layer else "")
            found.setdefault(text(row, "code"), {}).setdefault(message, []).append(name)
    warnings = [
        SharedWarning(safe(code), tuple((tuple(dict.fromkeys(n)), m) for m, n in messages.items()))
        for code, messages in found.items()
    ]
    return tuple(sorted(warnings, key=lambda warning: -len(warning.names)))


@dataclass(frozen=True, slots=True)
class Breakdown:
    """One total of every architecture, split by phase or component.

    `totals` has one entry per architecture, `parts` one row per item with the same length; column
    sums of `parts` equal `totals`.
    """

    title: str
    unit: str
    by: str
    items: tuple[str, ...]
    parts: tuple[tuple[float, ...], ...]
    totals: tuple[float, ...]

    def differences(self, index: int) -> tuple[float, ...]:
        """Per item: architecture `index` less the first one; their sum is the total's change."""
        return tuple(row[index] - row[0] for row in self.parts)

    def relative(self, part: float) -> float | None:
        """A difference over the total of the first architecture; None if that is zero.

        Over the items these add up to the relative change of the total.
        """
        return part / self.totals[0] if self.totals[0] else None

    def change(self, index: int) -> float:
        """The total of architecture `index` less that of the first one."""
        return self.totals[index] - self.totals[0]


@dataclass(frozen=True, slots=True)
class _Source:
    title: str
    unit: str
    by: str
    total: str
    parts: str
    remainder: str


_SOURCES = (
    _Source(
        "Time per step",
        "s",
        "phase",
        "step_latency_s",
        "latency_by_phase_s",
        "overlap and waiting",
    ),
    _Source(
        "Time per step",
        "s",
        "unit",
        "step_latency_s",
        "latency_by_limit_s",
        "overlap and waiting",
    ),
    _Source(
        "Energy per step",
        "J",
        "component",
        "step_energy_j",
        "energy_by_component_j",
        "not attributed",
    ),
    _Source(
        "Energy per step", "J", "phase", "step_energy_j", "energy_by_phase_j", "not attributed"
    ),
    _Source("Area", "m^2", "component", "area_m2", "area_by_component_m2", "not attributed"),
)


def labels(results: Sequence[ResultMapping]) -> tuple[str, ...]:
    """Names of the architectures, made distinct: `a`, `b`, `a (2)`."""
    seen: dict[str, int] = {}
    found = []
    for result in results:
        name = safe(text(result, "architecture", "name")) or "architecture"
        seen[name] = seen.get(name, 0) + 1
        found.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return tuple(found)


def breakdowns(results: Sequence[ResultMapping]) -> tuple[Breakdown, ...]:
    """Time by phase and by the unit that it is spent in, energy by component and by phase, area.

    A quantity that one of the results lacks is left out.  Raises `InputError` for fewer than two
    results.
    """
    if len(results) < 2:
        raise InputError(
            f"a comparison needs two results or more, and got {len(results)}.",
            remedy="Give --arch twice or more.",
        )
    found = (_breakdown(results, source) for source in _SOURCES)
    return tuple(breakdown for breakdown in found if breakdown is not None)


def _breakdown(results: Sequence[ResultMapping], source: _Source) -> Breakdown | None:
    totals = [number(result, "accelerator", source.total) for result in results]
    columns = [numbers(result, "accelerator", source.parts) for result in results]
    known = [total for total in totals if total is not None]
    if len(known) < len(totals) or not all(columns):
        return None
    items = _order(columns)
    parts = [tuple(column.get(item, 0.0) for column in columns) for item in items]
    rest = tuple(
        total - math.fsum(column.values()) for total, column in zip(known, columns, strict=True)
    )
    if any(abs(r) > _ROUNDING * abs(t) for r, t in zip(rest, known, strict=True)):
        items.append(source.remainder)
        parts.append(rest)
    return Breakdown(source.title, source.unit, source.by, tuple(items), tuple(parts), tuple(known))


def _order(columns: Sequence[dict[str, float]]) -> list[str]:
    """Phases as they happen; components by their largest value in any of the results."""
    names = {name for column in columns for name in column}
    if names <= set(PHASES):
        return [phase for phase in PHASES if phase in names]
    largest = {name: max(column.get(name, 0.0) for column in columns) for name in names}
    return sorted(names, key=lambda name: (-largest[name], name))


def comparison_json(results: Sequence[ResultMapping]) -> dict[str, Any]:
    """A comparison as data: the results, and every breakdown with its differences to the first."""
    return {
        "schema_version": results[0].get("schema_version"),
        "archsim_version": results[0].get("archsim_version"),
        "results": [dict(result) for result in results],
        "differences": [_as_json(breakdown, labels(results)) for breakdown in breakdowns(results)],
    }


def _as_json(breakdown: Breakdown, names: Sequence[str]) -> dict[str, Any]:
    return {
        "quantity": breakdown.title,
        "unit": breakdown.unit,
        "by": breakdown.by,
        "architectures": list(names),
        "totals": list(breakdown.totals),
        "changes": [breakdown.change(index) for index in range(len(names))],
        "items": [
            {"item": item, "values": list(values), "changes": [v - values[0] for v in values]}
            for item, values in zip(breakdown.items, breakdown.parts, strict=True)
        ],
    }


def compare_csv(results: Sequence[ResultMapping]) -> str:
    """Every part and total of a comparison as CSV: quantity, by, item, one column per result."""
    header = ("quantity", "unit", "by", "item", *labels(results))
    table: list[tuple[object, ...]] = []
    for breakdown in breakdowns(results):
        head = (breakdown.title, breakdown.unit, breakdown.by)
        table += [
            (*head, item, *values)
            for item, values in zip(breakdown.items, breakdown.parts, strict=True)
        ]
        table.append((*head, "total", *breakdown.totals))
    return csv_text(header, table)
