"""What a training on the tiles found, as the page of a run shows it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from archsim.report.accuracy_figures import loss_curves, score_against, score_curves
from archsim.report.lookup import number, section, text
from archsim.report.rows import ResultMapping
from archsim.report.text import NO_VALUE, capital, count, gpu_name, percent, quantity, safe, shorten
from archsim.report.xy_plot import HALF

_OURS = "the tiles"
# Characters of a name that the legend of a small plot has room for.
_LONGEST = 40


@dataclass(frozen=True, slots=True)
class Score:
    """Where the trainings on one machine ended."""

    name: str
    final: str
    interval: str
    best: str
    seeds: str


@dataclass(frozen=True, slots=True)
class TargetRow:
    """What one target takes on one machine."""

    machine: str
    target: str
    seeds: str
    steps: str
    time: str
    energy: str


@dataclass(frozen=True, slots=True)
class AccuracyPart:
    """A sentence, scores, drawings over epochs, targets, drawings over cost, and notes."""

    finding: str
    metric: str
    scores: tuple[Score, ...]
    curves: tuple[Markup, ...]
    targets: tuple[TargetRow, ...]
    costs: tuple[Markup, ...]
    notes: tuple[str, ...]


def accuracy_part(result: ResultMapping) -> AccuracyPart | None:
    """The part of the page on accuracy; None if the network was not trained."""
    found = section(result, "accuracy")
    if text(found, "kind") != "measured":
        return None
    return AccuracyPart(
        finding=_finding(found),
        metric=safe(text(found, "metric")),
        scores=(
            _score_row("On the tiles", found, "analog"),
            _score_row("In float32", found, "float32"),
        ),
        curves=(score_curves(f"Test {found['metric']}", found, HALF), loss_curves(found)),
        targets=tuple(_target_rows(result, found)),
        costs=_costs(result, found),
        notes=tuple(capital(safe(str(note))) for note in found.get("notes", ())),
    )


def gap_words(found: Mapping[str, Any]) -> str:
    """The gap with its interval: `1.82 points (95 % interval 1.1 to 2.5)`."""
    gap, interval = found["gap"], found["gap_ci"]
    factor, unit = (100.0, " points") if found["metric"] == "accuracy" else (1.0, " in loss")
    words = f"{factor * gap:.3g}{unit}"
    if interval is None:
        return f"{words} (one seed gives no interval)"
    low, high = (factor * end for end in interval)
    return f"{words} ({percent(found['gap_level'])} interval {low:.3g} to {high:.3g})"


def _finding(found: Mapping[str, Any]) -> str:
    epochs = number(found, "recipe", "epochs")
    return (
        f"Trained for {count(epochs)} epoch{'' if epochs == 1 else 's'} of "
        f"{safe(text(found, 'data', 'name'))} on {_OURS}: {_shown(found, found['analog']['final'])} "
        f"against {_shown(found, found['float32']['final'])} in float32 from the same start; "
        f"gap {gap_words(found)}."
    )


def _shown(found: Mapping[str, Any], value: float) -> str:
    return f"{100 * value:.2f} %" if found["metric"] == "accuracy" else f"{value:.4g}"


def _score_row(name: str, found: Mapping[str, Any], machine: str) -> Score:
    this = found[machine]
    ends: Sequence[float] | None = this["final_ci"]
    return Score(
        name,
        _shown(found, this["final"]),
        NO_VALUE if ends is None else " to ".join(_shown(found, end) for end in ends),
        _shown(found, this["best"]),
        ", ".join(_shown(found, value) for value in this["per_seed"]),
    )


def _target_rows(result: ResultMapping, found: Mapping[str, Any]) -> Iterator[TargetRow]:
    seeds = len(found["seeds"])
    for row in found["targets"]:
        for machine, reached in ((_ours(result), row["analog"]), (_gpu(result), row["gpu"])):
            if reached is not None:
                yield TargetRow(
                    machine,
                    percent(row["target"]),
                    f"{reached['seeds_reached']} of {seeds}",
                    "not reached" if reached["steps"] is None else count(reached["steps"]),
                    quantity(reached["seconds"], "s"),
                    quantity(reached["energy_j"], "J"),
                )


def _ours(result: ResultMapping) -> str:
    return safe(text(result, "architecture", "name"))


def _gpu(result: ResultMapping) -> str:
    return f"{gpu_name(text(result, 'baseline', 'gpu'))}, float32 training"


def _costs(result: ResultMapping, found: Mapping[str, Any]) -> tuple[Markup, ...]:
    """Scores against time and against energy, on both machines if the GPU holds the minibatch."""
    machines = [(shorten(_ours(result), _LONGEST), "analog", _step(section(result, "accelerator")))]
    baseline = section(result, "baseline")
    if baseline.get("fits") is True:
        machines.append((shorten(_gpu(result), _LONGEST), "float32", _step(baseline)))
    drawings = (
        score_against("latency_s", found, machines),
        score_against("energy_j", found, machines),
    )
    return tuple(drawing for drawing in drawings if drawing is not None)


def _step(machine: Mapping[str, Any]) -> dict[str, float]:
    return {
        "latency_s": float(machine["step_latency_s"]),
        "energy_j": float(machine["step_energy_j"]),
    }
