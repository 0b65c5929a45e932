"""The figure of a fit shows the data where they are, safely."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree as ET

from archsim.fitting.fit import Fits, fit_all
from archsim.report.fit_figure import fit_figure
from tests.fitting.curves import RANGE, curve_of, truth

SVG = "{http://www.w3.org/2000/svg}"


def made() -> Fits:
    return fit_all(curve_of(truth("linear"), 0.5e-9), RANGE)


def test_points_lie_on_the_line_of_the_best_model() -> None:
    """Marks and the strongest line share axes: each mark is near the line at its abscissa."""
    root = ET.fromstring(fit_figure(made()))
    best = next(e for e in root.iter(f"{SVG}polyline") if "best" in e.get("class", ""))
    line = [tuple(map(float, pair.split(","))) for pair in best.get("points", "").split()]
    marks = [e for e in root.iter(f"{SVG}circle") if e.get("r") == "2.6"][:-1]
    assert len(marks) == 261
    for mark in marks[::20]:
        x, y = float(mark.get("cx", "nan")), float(mark.get("cy", "nan"))
        nearest = min(line, key=lambda point: abs(point[0] - x))
        assert abs(nearest[1] - y) < 12


def test_names_of_files_cannot_inject_markup() -> None:
    """A hostile file name is shown, not obeyed."""
    fits = made()
    hostile = replace(fits, curve=replace(fits.curve, name="</title><script>x</script>"))
    text = fit_figure(hostile)
    assert "<script>" not in text
    ET.fromstring(text)
