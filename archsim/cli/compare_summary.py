"""The terminal's view of a comparison: an overview, then each difference and what it is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from archsim.cli.console import literal_row, plain_table, show
from archsim.report.attribution import Breakdown, breakdowns, labels
from archsim.report.lookup import number, rows
from archsim.report.summary import ratio
from archsim.report.text import NO_VALUE, count, percent, quantity, times, words

if TYPE_CHECKING:
    from rich.table import Table

# Items that make up less than this share of both totals are not worth a line on a terminal.
_SMALL = 0.002
TOP_WARNINGS = 4


def print_comparison(results: Sequence[Mapping[str, Any]], page: str) -> None:
    """Print the overview, one table for each difference to the first, and the report's path."""
    first = results[0]
    names = labels(results)
    batch = count(number(first, "workload", "batch"))
    show(f"{first['workload']['name']}, batch {batch}: {len(results)} architectures", "")
    show(overview_table(results), "")
    for index in range(1, len(results)):
        show(f"{names[index]} against {names[0]}", "")
        for breakdown in breakdowns(results):
            show(difference_table(breakdown, names, index), "")
    show(*shared_warnings(results), f"Report: {page}")


def shared_warnings(results: Sequence[Mapping[str, Any]]) -> list[str]:
    """Each different warning once, with the architectures that it is about."""
    about: dict[tuple[str, str], list[str]] = {}
    for name, result in zip(labels(results), results, strict=True):
        for warning in rows(result, "warnings"):
            key = (str(warning.get("code")), str(warning.get("message")))
            about.setdefault(key, []).append(name)
    lines = [
        f"Warning [{code}] {'' if len(names) == len(results) else ', '.join(names) + ': '}{message}"
        for (code, message), names in about.items()
    ]
    hidden = len(lines) - TOP_WARNINGS
    more = [f"... and {hidden} more warnings in the report."] if hidden > 0 else []
    return [*lines[:TOP_WARNINGS], *more, *([""] if lines else [])]


def overview_table(results: Sequence[Mapping[str, Any]]) -> Table:
    """One line per architecture: the headline numbers."""
    columns = ("architecture", "step", "J/step", "power", "area", "speed-up", "energy ratio")
    table = plain_table(*columns, right=columns[1:])
    for name, result in zip(labels(results), results, strict=True):
        speed, energy = ratio(result, "speedup"), ratio(result, "energy_ratio")
        literal_row(
            table,
            name,
            quantity(number(result, "accelerator", "step_latency_s"), "s"),
            quantity(number(result, "accelerator", "step_energy_j"), "J"),
            quantity(number(result, "accelerator", "average_power_w"), "W"),
            quantity(number(result, "accelerator", "area_m2"), "m^2"),
            times(speed.value) if speed is not None else NO_VALUE,
            times(energy.value) if energy is not None else NO_VALUE,
        )
    return table


def difference_table(breakdown: Breakdown, names: Sequence[str], index: int) -> Table:
    """Both values of every item, the change, and its share of the total's change."""
    title = f"{breakdown.title} by {breakdown.by}"
    columns = (title, names[0], names[index], "change", "of it")
    table = plain_table(*columns, right=columns[1:])
    change = breakdown.change(index)
    differences = breakdown.differences(index)
    for item, values, part in zip(breakdown.items, breakdown.parts, differences, strict=True):
        small = _SMALL * max(abs(breakdown.totals[0]), abs(breakdown.totals[index]))
        if max(abs(values[0]), abs(values[index])) < small:
            continue
        share = percent(part / change) if part and part / change > 0 else ""
        literal_row(
            table,
            words(item),
            quantity(values[0], breakdown.unit),
            quantity(values[index], breakdown.unit),
            signed(part, breakdown.unit),
            share,
        )
    literal_row(
        table,
        "total",
        quantity(breakdown.totals[0], breakdown.unit),
        quantity(breakdown.totals[index], breakdown.unit),
        signed(change, breakdown.unit),
        "",
    )
    return table


def signed(change: float, unit: str) -> str:
    """A difference with its sign, `=` for none."""
    if change == 0:
        return "="
    return f"{'+' if change > 0 else '-'}{quantity(abs(change), unit)}"


def differences_json(results: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Every breakdown: items with a value per architecture and the differences to the first."""
    count_of = range(len(results))
    return [
        {
            "quantity": breakdown.title,
            "unit": breakdown.unit,
            "by": breakdown.by,
            "architectures": list(labels(results)),
            "totals": list(breakdown.totals),
            "changes": [breakdown.change(index) for index in count_of],
            "items": [
                {"item": item, "values": list(values), "changes": [v - values[0] for v in values]}
                for item, values in zip(breakdown.items, breakdown.parts, strict=True)
            ],
        }
        for breakdown in breakdowns(results)
    ]
