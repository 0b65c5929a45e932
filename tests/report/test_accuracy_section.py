"""The page of a training shows every test of every machine, what it took, and the notes."""

from __future__ import annotations

import re
from typing import Any

import pytest

from archsim.report.accuracy_section import accuracy_part
from archsim.report.page import render_html

Result = dict[str, Any]
EPOCHS = 3
STEPS = 40


def curve(ends: float) -> list[dict[str, Any]]:
    """Accuracies that rise to `ends`, losses that fall."""
    return [
        {
            "epoch": k,
            "step": STEPS * k,
            "samples": 10 * STEPS * k,
            "score": ends * k / EPOCHS,
            "accuracy": ends * k / EPOCHS,
            "deviation": 0.01,
            "test_loss": 2.0 / (k + 1),
            "train_loss": None if k == 0 else 2.0 / k,
        }
        for k in range(EPOCHS + 1)
    ]


def machine(ends: tuple[float, ...]) -> dict[str, Any]:
    """One machine's trainings, a seed each."""
    mean = sum(ends) / len(ends)
    return {
        "final": mean,
        "final_ci": [mean - 0.01, mean + 0.01],
        "deviation": 0.01,
        "best": mean,
        "per_seed": list(ends),
        "curve": curve(mean),
        "curves": [curve(end) for end in ends],
    }


def reached(steps: float | None) -> dict[str, Any]:
    """A target met after `steps`."""
    return {
        "seeds_reached": 0 if steps is None else 2,
        "steps": steps,
        "steps_per_seed": [steps, steps],
        "seconds": None if steps is None else steps * 1e-3,
        "energy_j": None if steps is None else steps * 2e-3,
    }


@pytest.fixture
def trained(result: Result) -> Result:
    """A result with the accuracy of a training."""
    result["accuracy"] = {
        "kind": "measured",
        "metric": "accuracy",
        "seeds": [0, 1],
        "analog": machine((0.9, 0.92)),
        "float32": machine((0.95, 0.97)),
        "gap": 0.05,
        "gap_ci": [0.03, 0.07],
        "gap_level": 0.95,
        "target": 0.9,
        "seconds_to_target": None,
        "energy_to_target_j": None,
        "targets": [{"target": 0.9, "analog": reached(None), "gpu": reached(80.0)}],
        "data": {"name": "digits"},
        "recipe": {"epochs": EPOCHS},
        "notes": ["a <b>note</b>"],
    }
    return result


def points(drawing: str, colour: int) -> list[list[tuple[float, float]]]:
    """Every line of one colour, as places."""
    found = re.findall(rf'<polyline class="xy-l{colour}" points="([^"]*)"', drawing)
    return [[tuple(map(float, p.split(","))) for p in line.split()] for line in found]


def test_every_test_of_every_seed_is_a_mark(trained: Result) -> None:
    """And each mean a line from the start to the last epoch."""
    part = accuracy_part(trained)
    assert part is not None
    drawing = str(part.curves[0])
    for colour in (0, 1):
        in_legend = 1
        marks = drawing.count(f'<circle class="xy-m{colour}"')
        assert marks == 2 * (EPOCHS + 1) + in_legend
        assert [len(line) for line in points(drawing, colour)] == [EPOCHS + 1]
    assert "target, 90" in drawing


def test_steps_cost_what_the_machine_takes(trained: Result) -> None:
    """On the logarithmic axis equal epochs of two machines lie as far apart as their steps cost."""
    trained["accelerator"] |= {"step_latency_s": 1e-5, "step_energy_j": 1e-4}
    trained["baseline"] |= {"step_latency_s": 1e-3, "step_energy_j": 1.0, "fits": True}
    part = accuracy_part(trained)
    assert part is not None
    for drawing, ratio in zip(part.costs, (100.0, 1e4), strict=True):
        (ours,), (theirs,) = (points(str(drawing), colour) for colour in (0, 1))
        assert len(ours) == len(theirs) == EPOCHS
        decade = _decade(str(drawing))
        for a, b in zip(ours, theirs, strict=True):
            assert 10 ** ((b[0] - a[0]) / decade) == pytest.approx(ratio, rel=0.02)


def _decade(drawing: str) -> float:
    """Pixels of a decade: neighbouring vertical grid lines."""
    vertical = re.findall(r'x1="([\d.]+)" y1="[\d.]+" x2="\1"', drawing)
    return float(vertical[1]) - float(vertical[0])


def test_the_page_says_gap_targets_and_notes(trained: Result) -> None:
    """In words, escaped, beside the GPU's; the first card of certainty too."""
    html = render_html(trained, [])
    assert "gap 5 points (95\N{NO-BREAK SPACE}% interval 3 to 7)" in html
    assert "the gap to float32 is 5 points" in html
    assert "not reached" in html
    assert "2 of 2" in html
    assert "A &lt;b&gt;note&lt;/b&gt;." in html


def test_without_a_gpu_only_the_tiles_are_shown(trained: Result) -> None:
    """One line each, and no row of a GPU."""
    trained["baseline"] = trained["ratios"] = None
    trained["accuracy"]["targets"][0]["gpu"] = None
    part = accuracy_part(trained)
    assert part is not None
    assert len(part.targets) == 1
    assert all(points(str(drawing), 0) and not points(str(drawing), 1) for drawing in part.costs)


def test_one_seed_has_no_interval(trained: Result) -> None:
    """And says so."""
    trained["accuracy"] |= {"gap_ci": None, "metric": "loss", "target": None, "targets": []}
    part = accuracy_part(trained)
    assert part is not None
    assert "gap 0.05 in loss (one seed gives no interval)" in part.finding


def test_a_run_without_training_has_no_such_part(result: Result) -> None:
    """Proxies are facts, not curves."""
    result["accuracy"] = {"kind": "proxies"}
    assert accuracy_part(result) is None
    assert "Does it still learn?" not in render_html(result, [])
