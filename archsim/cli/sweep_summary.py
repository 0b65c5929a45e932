"""The terminal's view of a sweep: how many points, the Pareto front, what failed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from archsim.cli.console import FittingTable, literal_row, plain_table, show, show_line
from archsim.explore.headline import GPU_HEADLINES, HEADLINES, Goal
from archsim.explore.points import Points
from archsim.explore.space import AxisValue
from archsim.report.text import count, quantity, times

if TYPE_CHECKING:
    from rich.console import RenderableType

TOP_POINTS = 15
TOP_REASONS = 3
# More do not fit into a line; the file has them all.
MOST_COLUMNS = 8


def print_points(
    points: Points, objectives: Mapping[str, Goal], seconds: float, store: str
) -> None:
    """Print the counts, the best points of the front, the commonest failures and the file."""
    size = len(points.settings)
    show(
        f"{size:,} points in {seconds:.2f} s ({size / max(seconds, 1e-9):,.0f} per second): "
        f"{int(points.feasible.sum()):,} feasible, {len(points.failures):,} failed, "
        f"{int(points.pareto.sum()):,} on the Pareto front",
        "",
    )
    if points.cycle.any() or points.unrefined:
        show(*cycle_lines(points), "")
    if points.pareto.any():
        show(front_table(points, objectives), "")
    else:
        show("No point keeps every constraint.", *nearest_misses(points), "")
    hidden = int(points.pareto.sum()) - TOP_POINTS
    if hidden > 0:
        show(f"... and {hidden:,} more points on the front in the file.")
    show(*failure_lines(points))
    show_line(f"Points: {store}")


def cycle_lines(points: Points) -> list[str]:
    """How many points were simulated, and how many could not be."""
    refused, timed = len(points.unrefined), int(points.cycle.sum())
    lines = [f"{timed:,} of the points by the cycle fidelity, the others are analytic estimates."]
    if refused:
        lines.append(f"{refused:,} keep their estimate: {points.unrefined[0].reason}")
    return lines


def nearest_misses(points: Points) -> list[str]:
    """How many priced points keep each of the constraints, if none keeps them all."""
    priced = int(np.isfinite(points.columns["step_latency_s"]).sum())
    return [
        f"{text}: kept by {int(kept.sum()):,} of {priced:,} points"
        for text, kept in points.kept.items()
    ]


def failure_lines(points: Points) -> list[str]:
    """The commonest reasons, each with its number of points, the first of them and its network."""
    grouped: dict[tuple[str, str], list[int]] = {}
    for failure in points.failures:
        grouped.setdefault((failure.workload, failure.reason), []).append(failure.point)
    ranked = sorted(grouped.items(), key=lambda item: -len(item[1]))
    lines = []
    for (workload, reason), failed in ranked[:TOP_REASONS]:
        settings = points.settings[failed[0]].items()
        listed = ", ".join(f"{path} = {setting_text(value)}" for path, value in settings)
        first = f"point {failed[0]} ({listed})" if listed else f"point {failed[0]}"
        head = f"{len(failed):,} failed, first {first}" if len(failed) > 1 else f"Failed: {first}"
        lines.append(f"{head}: {f'{workload}: ' if workload else ''}{reason}")
    hidden = sum(len(failed) for _, failed in ranked[TOP_REASONS:])
    return [*lines, *([f"... and {hidden:,} more failed points in the file."] if hidden else [])]


def front_table(points: Points, objectives: Mapping[str, Goal]) -> RenderableType:
    """The front, ordered by the first objective: settings, objectives, area and ratios."""
    axes = list(points.settings[0])
    others = [n for n in ("area_m2", "speedup", "energy_ratio") if n not in objectives]
    room = MOST_COLUMNS - 1 - len(axes) - len(objectives)
    shown = [*objectives, *[n for n in others if n in points.columns][: max(room, 0)]]
    columns = ("point", *axis_labels(axes), *(HEADLINES[name].label for name in shown))
    table = plain_table(*columns, right=columns, tight=len(columns) > 7)
    first, goal = next(iter(objectives.items()))
    front = np.flatnonzero(points.pareto)
    keys = points.columns[first][front] * (1 if goal is Goal.MIN else -1)
    for index in front[np.argsort(keys, kind="stable")][:TOP_POINTS]:
        literal_row(
            table,
            str(index),
            *(setting_text(points.settings[index][axis]) for axis in axes),
            *(headline_text(name, float(points.columns[name][index])) for name in shown),
        )
    spare = [HEADLINES[name].label for name in reversed(shown) if name not in objectives]
    return FittingTable(table, [*spare, "point"])


def axis_labels(axes: Sequence[str]) -> list[str]:
    """The last part of each dotted path where that tells the axes apart, else the whole path."""
    short = [axis.rpartition(".")[2] for axis in axes]
    return [s if short.count(s) == 1 else axis for s, axis in zip(short, axes, strict=True)]


def setting_text(value: AxisValue) -> str:
    """A setting as a reader sees it: numbers to four digits, with their unit."""
    if isinstance(value, float):
        return f"{value:.4g}"
    number, blank, unit = str(value).partition(" ")
    try:
        return f"{float(number):.4g}{blank}{unit}"
    except ValueError:
        return str(value)


def headline_text(name: str, value: float) -> str:
    """A headline number as a reader sees it."""
    if name in GPU_HEADLINES:
        return times(value)
    unit = HEADLINES[name].unit
    return quantity(value, unit) if unit and unit != "1/s" else count(value)
