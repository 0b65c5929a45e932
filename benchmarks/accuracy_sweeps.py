"""Drawings of docs/reference/accuracy.md: accuracy and energy per step against hardware parameters.

OPENBLAS_NUM_THREADS=1 python benchmarks/accuracy_sweeps.py --csv FILE.csv [--seeds N] [--epochs N]
    [--out docs/images]

Digits on 64-128-64-10, protonic devices with transistors in the cells, reads at 1 V and plain SGD,
unless a sweep says otherwise.  Every trained point is appended to the CSV file, and is taken from
there the next time.
"""

from __future__ import annotations

import argparse
import csv
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from mnist import DIGITS_RECIPE, QUIET, Row, digits_perceptron, plan_of, step_of

from archsim.cotraining.session import carry_out
from archsim.report.xy_plot import HEIGHT, WIDTH, Axis, Series, xy_plot

COLUMNS = (
    "sweep",
    "series",
    "value",
    "seed",
    "accuracy",
    "float32",
    "step_latency_s",
    "step_energy_j",
    "read_snr",
    "update_snr",
)
SGD, TTV2 = "plain SGD", "Tiki-Taka v2"


def linear(slope: float) -> dict[str, Any]:
    """Steps of 1/400 of the range that fall by `slope` towards the bound ahead: 0 is symmetric."""
    step = 0.005
    response = {"step_up": step, "step_down": step, "slope_up": slope, "slope_down": slope}
    return {
        "device.response": {"kind": "linear", **response},
        "device.conductance_reference": "122.5 nS",
    }


@dataclass(frozen=True)
class Sweep:
    """One parameter over its values, as settings of the hardware; each series has its own others.

    `left_out` names points (series, value) that cannot be trained.
    """

    title: str
    axis: Axis
    settings: Mapping[float, Mapping[str, Any]]
    series: Mapping[str, Mapping[str, Any]]
    left_out: frozenset[tuple[str, float]] = frozenset()


def plain(path: str, values: Sequence[float], unit: str = "") -> dict[float, dict[str, Any]]:
    """The values of one path."""
    return {v: {path: f"{v:g} {unit}" if unit else v} for v in values}


SWEEPS: Mapping[str, Sweep] = {
    "adc-bits": Sweep(
        "Accuracy against bits of the ADC",
        Axis("bits of the ADC"),
        plain("adc.bits", (3, 4, 5, 6, 7, 9)),
        {SGD: {}},
    ),
    "array-size": Sweep(
        "Accuracy against the size of an array",
        Axis("rows and columns", "log"),
        {n: {"array.rows": n, "array.cols": n} for n in (64, 128, 256, 512, 1024)},
        {"reads at 1 V": {}, "reads at 0.1 V": {"read.voltage": "0.1 V"}},
    ),
    "read-voltage": Sweep(
        "Accuracy against read voltage",
        Axis("read voltage (V)", "log"),
        plain("read.voltage", (0.025, 0.05, 0.1, 0.2, 0.4, 1.0), "V"),
        {SGD: {}},
    ),
    "pulse-train": Sweep(
        "Accuracy against the slots of a pulse train",
        Axis("slots", "log"),
        plain("update.train_length", (1, 2, 5, 10, 31)),
        {SGD: {}},
    ),
    "asymmetry": Sweep(
        "Accuracy against asymmetry of the steps",
        Axis("slope of the steps (0: symmetric, 1: soft bounds)"),
        {slope: linear(slope) for slope in (0.0, 0.25, 0.5, 0.75, 1.0)},
        {SGD: {}, TTV2: {"algorithm": {"kind": "tiki_taka_v2"}}},
        # Equal steps have no symmetry point, which the fast array is read against.
        left_out=frozenset({(TTV2, 0.0)}),
    ),
}
Point = dict[str, str]


def known_points(file: Path) -> list[Point]:
    """What was trained before."""
    if not file.exists():
        return []
    with file.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def train(
    name: str, series: str, value: float, settings: Mapping[str, Any], options: argparse.Namespace
) -> list[Point]:
    """One point of a sweep, one line per seed; step and proxies are of all seeds together."""
    row = Row(digits_perceptron, "protonic_256", settings, DIGITS_RECIPE)
    plan, loaded = plan_of(row, options)
    runs = carry_out(plan)
    step = step_of(row, loaded, runs, plan.recipe.batch)
    twins = {run.seed: run.last.accuracy for run in runs if run.kind == "float32"}
    found = []
    for run in runs:
        if run.kind == "analog":
            cells = [name, series, f"{value:g}", str(run.seed)]
            cells += [f"{run.last.accuracy:.5f}", f"{twins[run.seed]:.5f}", *step]
            found.append(dict(zip(COLUMNS, cells, strict=True)))
    return found


def complete(options: argparse.Namespace) -> list[Point]:
    """All points, those that are missing trained and stored."""
    points = known_points(options.csv)
    have = {(p["sweep"], p["series"], p["value"]) for p in points}
    for name, sweep in SWEEPS.items():
        for series, others in sweep.series.items():
            for value, settings in sweep.settings.items():
                if (name, series, f"{value:g}") in have or (series, value) in sweep.left_out:
                    continue
                asked = {**QUIET, **others, **settings}
                fresh = train(name, series, value, asked, options)
                with options.csv.open("a", encoding="utf-8", newline="") as stream:
                    writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
                    if not points:
                        writer.writeheader()
                    writer.writerows(fresh)
                points += fresh
    return points


def mean(points: Sequence[Point], column: str) -> float:
    """The mean of a column over seeds; not a number where it is empty."""
    values = [float(p[column]) for p in points if p[column]]
    return float(np.mean(values)) if values else float("nan")


def curves(
    sweep: Sweep, name: str, points: Sequence[Point], column: str, unit: float
) -> list[Series]:
    """A column against the parameter, a line per series."""
    found = []
    for series in sweep.series:
        mine = [p for p in points if (p["sweep"], p["series"]) == (name, series)]
        x = sorted({float(p["value"]) for p in mine})
        y = [unit * mean([p for p in mine if float(p["value"]) == v], column) for v in x]
        found.append(Series(series, x, y))
    return found


def stacked(upper: str, lower: str, series: int) -> str:
    """Two drawings in one, one below the other."""
    fill = f'width="100%" style="max-width:{WIDTH}px"'
    height = HEIGHT + 16 * series
    parts = []
    for index, part in enumerate((upper, lower)):
        assert fill in part
        place = f'width="{WIDTH}" height="{height}" y="{index * height}"'
        parts.append(part.replace(fill, place, 1))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {2 * height}" {fill}>'
        f"{''.join(parts)}</svg>"
    )


def draw(points: Sequence[Point], out: Path) -> None:
    """One drawing per sweep, accuracy above energy, and accuracy against the proxies."""
    for name, sweep in SWEEPS.items():
        shown = curves(sweep, name, points, "accuracy", 100)
        energy = curves(sweep, name, points, "step_energy_j", 1e6)
        above = xy_plot(sweep.title, sweep.axis, Axis("test accuracy (%)", high=100.0), shown)
        below = xy_plot(
            "Energy per step", sweep.axis, Axis("energy per step (uJ)", low=0.0), energy
        )
        drawing = stacked(str(above), str(below), len(shown))
        (out / f"accuracy-{name}.svg").write_text(drawing + "\n", "utf-8")
        report(sweep, name, points)
    for column, words in (("read_snr", "read SNR"), ("update_snr", "update SNR")):
        scatter = [
            Series(
                name,
                [float(p[column]) for p in points if p["sweep"] == name],
                [100 * float(p["accuracy"]) for p in points if p["sweep"] == name],
                "marks",
            )
            for name in SWEEPS
        ]
        title = f"Accuracy against the proxy: {words}"
        drawing = xy_plot(title, Axis(f"worst {words}", "log"), Axis("test accuracy (%)"), scatter)
        (out / f"accuracy-{column.replace('_', '-')}.svg").write_text(str(drawing) + "\n", "utf-8")


def report(sweep: Sweep, name: str, points: Sequence[Point]) -> None:
    """A line per point, as in the document."""
    for series in sweep.series:
        for value in sweep.settings:
            key = (name, series, f"{value:g}")
            mine = [p for p in points if (p["sweep"], p["series"], p["value"]) == key]
            if not mine:
                continue
            scores = [100 * float(p["accuracy"]) for p in mine]
            print(
                f"| {name} | {series} | {value:g} | {np.mean(scores):.1f} | "
                f"{min(scores):.1f} to {max(scores):.1f} | {1e6 * mean(mine, 'step_energy_j'):.1f} | "
                f"{1e6 * mean(mine, 'step_latency_s'):.2f} | {mean(mine, 'read_snr'):.3g} | "
                f"{mean(mine, 'update_snr'):.3g} |"
            )
    sys.stdout.flush()


def main() -> None:
    """Train what is missing and draw everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--csv", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--out", type=Path, default=Path("docs/images"))
    options = parser.parse_args()
    options.data = options.train = options.rate = None
    points = complete(options)
    print(
        "| sweep | series | value | % | seeds | uJ per step | us per step | read SNR | update SNR |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    draw(points, options.out)


if __name__ == "__main__":
    main()
