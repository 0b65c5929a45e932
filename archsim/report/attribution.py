"""Why two results differ: each total split into parts, and each difference into theirs.

The parts of a breakdown add up to its total exactly as stored; what a result does not attribute
(time in which phases overlap or wait) is a part of its own, so that nothing is lost.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from archsim.errors import InputError
from archsim.report.lookup import number, numbers, text
from archsim.report.palette import PHASES
from archsim.report.rows import ResultMapping, csv_text
from archsim.report.text import safe

# Parts of a total that are smaller than this are rounding, not a missing part.
_ROUNDING = 1e-9


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
    """Time by phase, energy by component and by phase, area by component.

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
