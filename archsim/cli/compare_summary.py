"""The terminal's view of a comparison: an overview, then each difference and what it is made of."""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from archsim.cli.console import FittingTable, literal_row, plain_table, show, show_line
from archsim.report.attribution import Breakdown, breakdowns, labels, shared_warnings
from archsim.report.drivers import drivers
from archsim.report.lookup import number
from archsim.report.summary import gpu_fits, ratio
from archsim.report.text import (
    NO_VALUE,
    count,
    quantity,
    signed,
    signed_percent,
    times,
    words,
)

if TYPE_CHECKING:
    from rich.console import RenderableType

# Items that make up less than this share of both totals are not worth a line on a terminal.
_SMALL = 0.002
TOP_WARNINGS = 4
# Names that head columns: longer ones, or more of them, are abbreviated by letters.
LONGEST_NAME = 16
MOST_NAMES = 3


def print_comparison(results: Sequence[Mapping[str, Any]], page: str) -> None:
    """Print the overview, what explains the differences, each difference, and the report's path."""
    first, names = results[0], labels(results)
    heads = column_heads(names)
    batch = count(number(first, "workload", "batch"))
    show(f"{first['workload']['name']}, batch {batch}: {len(results)} architectures", "")
    if heads != names:
        show(*(f"{head}: {name}" for head, name in zip(heads, names, strict=True)), "")
    show(overview_table(results, heads), "")
    show(*_gpu_remarks(results), driver_table(results, heads), "")
    for index in range(1, len(results)):
        show(f"{heads[index]} against {heads[0]}; % are of the total of {heads[0]}", "")
        for breakdown in breakdowns(results):
            show(difference_table(breakdown, heads, index), "")
    show(*warning_lines(results))
    show_line(f"Report: {page}")


def column_heads(names: Sequence[str]) -> tuple[str, ...]:
    """The names, or letters for them where they would make the columns too wide."""
    if len(names) <= MOST_NAMES and max(map(len, names)) <= LONGEST_NAME:
        return tuple(names)
    letters = string.ascii_uppercase
    if len(names) <= len(letters):
        return tuple(letters[: len(names)])
    return tuple(f"#{index}" for index in range(1, len(names) + 1))


def warning_lines(results: Sequence[Mapping[str, Any]]) -> list[str]:
    """Each kind of warning once, with the architectures that it is about; the commonest first."""
    lines = []
    warnings = shared_warnings(results)
    for warning in warnings[:TOP_WARNINGS]:
        names, message = warning.messages[0]
        about = "" if len(names) == len(results) else f" {', '.join(names)}"
        others = [name for name in warning.names if name not in names]
        also = f" (Similarly {', '.join(others)}.)" if others else ""
        lines.append(f"Warning [{warning.code}]{about}: {message}{also}")
    hidden = len(warnings) - TOP_WARNINGS
    if hidden > 0:
        codes = ", ".join(warning.code for warning in warnings[TOP_WARNINGS:])
        lines.append(f"... and {hidden} more kinds of warnings in the report: {codes}.")
    return [*lines, ""] if lines else []


def overview_table(results: Sequence[Mapping[str, Any]], heads: Sequence[str]) -> RenderableType:
    """One line per architecture: the headline numbers."""
    columns = ("architecture", "step", "J/step", "power", "area", "speed-up", "energy ratio")
    table = plain_table(*columns, right=columns[1:])
    for name, result in zip(heads, results, strict=True):
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
    return FittingTable(table, ("power", "area", "energy ratio", "speed-up"))


def _gpu_remarks(results: Sequence[Mapping[str, Any]]) -> list[str]:
    """That ratios are not at the same batch, where the GPU cannot hold it."""
    if all(gpu_fits(result) for result in results):
        return []
    best = count(number(results[0], "baseline", "best_batch", "batch"))
    remark = f"The GPU cannot hold this batch: ratios are per sample, to its best batch of {best}."
    return [remark, ""]


def driver_table(results: Sequence[Mapping[str, Any]], heads: Sequence[str]) -> RenderableType:
    """The figures that explain most differences, one column per architecture."""
    table = plain_table("what sets the cost", *heads, right=tuple(heads))
    for driver in drivers(results):
        literal_row(table, driver.label, *driver.values)
    return table


def difference_table(breakdown: Breakdown, heads: Sequence[str], index: int) -> RenderableType:
    """Both values of every item, the change, and the change as a share of the first's total."""
    title = f"{breakdown.title} by {breakdown.by}"
    columns = (title, heads[0], heads[index], "change", "%")
    table = plain_table(*columns, right=columns[1:])
    small = _SMALL * max(abs(breakdown.totals[0]), abs(breakdown.totals[index]))
    differences = breakdown.differences(index)
    rows = [*zip(breakdown.items, breakdown.parts, differences, strict=True)]
    rows = [row for row in rows if max(abs(row[1][0]), abs(row[1][index])) >= small]
    for item, values, part in [*rows, ("total", breakdown.totals, breakdown.change(index))]:
        literal_row(
            table,
            words(item),
            quantity(values[0], breakdown.unit),
            quantity(values[index], breakdown.unit),
            signed(part, breakdown.unit),
            signed_percent(breakdown.relative(part)),
        )
    return FittingTable(table, ("change", heads[0]))
