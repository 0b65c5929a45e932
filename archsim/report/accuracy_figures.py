"""Curves of a training on the tiles beside its float32 twin: score, loss, and what they took.

All take the `accuracy` of a result whose kind is `measured` (or `accuracy.json`, which holds the same
keys).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from markupsafe import Markup

from archsim.report.text import percent, safe
from archsim.report.xy_plot import FULL, HALF, Axis, Series, SeriesKind, Size, xy_plot

# Machines of a training: how they are called, how their lines look, and their colour.
MACHINES: Mapping[str, str] = {"analog": "on the tiles", "float32": "in float32"}
_LINES: Mapping[str, SeriesKind] = {"analog": "line", "float32": "dashed"}
_COLOURS: Mapping[str, int] = {"analog": 0, "float32": 1}
_TARGET_COLOUR = 2
# Losses: how they are called, their key in a point of the curve, and how their lines look.
_LOSSES: Sequence[tuple[str, str, SeriesKind]] = (
    ("test set", "test_loss", "line"),
    ("training set", "train_loss", "dashed"),
)

Cost = Literal["latency_s", "energy_j"]
_COST_TITLES: Mapping[Cost, str] = {
    "latency_s": "simulated training time (s)",
    "energy_j": "training energy (J)",
}


def score_curves(name: str, found: Mapping[str, Any], size: Size = FULL) -> Markup:
    """The score on the test set against epochs: means as lines, seeds as marks, the target across."""
    factor, title = _score_axis(found)
    key = "accuracy" if _is_share(found) else "test_loss"
    series = []
    for machine, words in MACHINES.items():
        mean = found[machine]["curve"]
        epochs = [point["epoch"] for point in mean]
        scores = [factor * point["score"] for point in mean]
        label = f"{words}, mean of {_seeds(found)}"
        series.append(Series(label, epochs, scores, _LINES[machine], (), _COLOURS[machine]))
        series.append(_each_seed(found, machine, key, factor))
    if found["target"] is not None:
        ends = [found["analog"]["curve"][0]["epoch"], found["analog"]["curve"][-1]["epoch"]]
        level = [factor * found["target"]] * 2
        words = f"target, {percent(found['target'])}"
        series.append(Series(words, ends, level, "dashed", (), _TARGET_COLOUR))
    return xy_plot(safe(name), Axis("epoch"), Axis(title), series, size)


def _each_seed(found: Mapping[str, Any], machine: str, key: str, factor: float) -> Series:
    points = [
        (seed, point)
        for seed, curve in zip(found["seeds"], found[machine]["curves"], strict=True)
        for point in curve
    ]
    return Series(
        f"{MACHINES[machine]}, each seed",
        [point["epoch"] for _, point in points],
        [factor * point[key] for _, point in points],
        "marks",
        [f"seed {s}, epoch {p['epoch']}: {factor * p[key]:.4g}" for s, p in points],
        _COLOURS[machine],
    )


def loss_curves(found: Mapping[str, Any]) -> Markup:
    """Mean losses against epochs, of the test set and of the minibatches of training."""
    series = []
    for machine, words in MACHINES.items():
        mean = found[machine]["curve"]
        for name, loss, style in _LOSSES:
            known = [point for point in mean if point[loss] is not None]
            series.append(
                Series(
                    f"{name}, {words}",
                    [point["epoch"] for point in known],
                    [point[loss] for point in known],
                    style,
                    (),
                    _COLOURS[machine],
                )
            )
    # A squared error may be zero, which a logarithmic axis cannot show.
    positive = all(value > 0 for one in series for value in one.y)
    axis = Axis("loss", "log" if positive else "linear")
    return xy_plot("Loss, mean over seeds", Axis("epoch"), axis, series, HALF)


def score_against(
    cost: Cost,
    found: Mapping[str, Any],
    machines: Sequence[tuple[str, str, Mapping[str, float]]],
) -> Markup | None:
    """Mean scores against what the steps until then take on each machine.

    `machines` are (label, whose curve, cost of a step by `Cost`).  Nothing has been spent at the
    start, which a logarithmic axis cannot show; None if no machine was tested later.
    """
    factor, title = _score_axis(found)
    series = []
    for index, (label, curve, step) in enumerate(machines):
        points = [point for point in found[curve]["curve"] if point["step"] > 0]
        spent = [point["step"] * step[cost] for point in points]
        scores = [factor * point["score"] for point in points]
        tooltips = [f"{label}, epoch {point['epoch']}" for point in points]
        series.append(Series(label, spent, scores, _LINES[curve], (), index))
        series.append(Series(f"{label}, tests", spent, scores, "marks", tooltips, index))
    if not any(one.x for one in series):
        return None
    axis = Axis(_COST_TITLES[cost], "log")
    heading = f"{title.partition(' (')[0].capitalize()} against {axis.title.partition(' (')[0]}"
    return xy_plot(heading, axis, Axis(title), series, HALF)


def _is_share(found: Mapping[str, Any]) -> bool:
    return bool(found["metric"] == "accuracy")


def _score_axis(found: Mapping[str, Any]) -> tuple[float, str]:
    return (100.0, "test accuracy (%)") if _is_share(found) else (1.0, "test loss")


def _seeds(found: Mapping[str, Any]) -> str:
    count = len(found["seeds"])
    return f"{count} seed{'' if count == 1 else 's'}"
