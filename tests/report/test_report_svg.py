"""Marks have the lengths that their values ask for."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from archsim.report import svg

values = st.lists(st.floats(0.01, 1e6), min_size=1, max_size=12)


def rectangles(drawing: Markup) -> list[dict[str, float]]:
    """Position and size of each rectangle, per cent and pixels without their signs."""
    return [
        {key: float(r.get(key, "").rstrip("%")) for key in ("x", "width", "y", "height")}
        for r in ET.fromstring(drawing).iter("rect")
    ]


def segments(sizes: list[float]) -> list[svg.Segment]:
    """Plain segments of these values."""
    return [svg.Segment(size, "c0", f"value {size}") for size in sizes]


@given(values)
def test_a_stack_fills_its_share_without_gaps(sizes: list[float]) -> None:
    """Widths are proportional to values, and each part starts where the last one ended."""
    maximum = 2 * sum(sizes)
    marks = rectangles(svg.stacked_bar(segments(sizes), maximum))
    shown = [s for s in sizes if 100 * s / maximum >= 0.02]
    assert [m["width"] for m in marks] == pytest.approx(
        [100 * s / maximum for s in shown], abs=1e-3
    )
    if len(shown) == len(sizes):
        ends = [m["x"] + m["width"] for m in marks]
        assert [m["x"] for m in marks[1:]] == pytest.approx(ends[:-1], abs=0.01)
        assert ends[-1] == pytest.approx(50, abs=0.01)


@given(st.lists(values, min_size=1, max_size=40))
def test_columns_stand_on_the_ground_and_reach_their_value(stacks: list[list[float]]) -> None:
    """The highest column has the full height, and none leaves the drawing."""
    maximum = max(sum(stack) for stack in stacks)
    marks = rectangles(svg.columns([segments(stack) for stack in stacks], maximum, height_px=100))
    assert min(m["y"] for m in marks) == pytest.approx(0, abs=0.5)
    assert all(m["y"] + m["height"] <= 100.02 for m in marks)
    assert all(0 <= m["x"] <= m["x"] + m["width"] <= 100.01 for m in marks)


def test_nothing_to_draw_is_an_empty_drawing() -> None:
    """Zero of zero divides nothing."""
    assert rectangles(svg.stacked_bar(segments([0.0]), 0.0)) == []
    assert rectangles(svg.columns([], 0.0)) == []


@given(st.lists(st.floats(1e-5, 1e7), min_size=1, max_size=5))
def test_a_log_scale_holds_its_values_and_parity(ratios: list[float]) -> None:
    """Every value and 1 lie on the axis, order is kept, and few ticks hold parity."""
    scale = svg.log_scale(ratios)
    places = [scale.position(r) for r in sorted([*ratios, 1.0])]
    assert places == sorted(places)
    assert all(0 <= p <= 100 for p in places)
    assert 10.0**scale.low <= min(ratios)
    assert 10.0**scale.high >= max(ratios)
    assert 0 in scale.ticks()
    assert 2 <= len(scale.ticks()) <= 8


@given(st.floats(1.1, 900))
def test_a_ratio_and_its_inverse_mirror_each_other(ratio: float) -> None:
    """Twice as good reaches as far to the right as half as good to the left."""
    scale = svg.LogScale(-3, 3)
    (better,) = rectangles(svg.ratio_bar(ratio, scale, "better"))
    (worse,) = rectangles(svg.ratio_bar(1 / ratio, scale, "worse"))
    assert better["width"] == pytest.approx(worse["width"], abs=0.01)
    assert better["x"] == pytest.approx(50, abs=0.01)
    assert worse["x"] + worse["width"] == pytest.approx(50, abs=0.01)


def test_a_range_is_drawn_from_its_low_to_its_high_end() -> None:
    """The whisker spans the interval on the same scale as the bar."""
    scale = svg.LogScale(-1, 2)
    drawing = ET.fromstring(svg.ratio_bar(10.0, scale, "x", svg.Whisker(1.0, 100.0)))
    (whisker,) = [line for line in drawing.iter("line") if line.get("class") == "whisker"]
    assert (whisker.get("x1"), whisker.get("x2")) == ("33.33%", "100.00%")


@given(st.text(st.characters(categories=["L", "P", "S"])))
def test_tooltips_cannot_leave_their_mark(name: str) -> None:
    """A hostile name is text of the tooltip and no markup."""
    drawing = ET.fromstring(svg.stacked_bar([svg.Segment(1.0, "c0", f"{name}</title><b>")], 1.0))
    assert drawing.findtext("rect/title") == f"{name}</title><b>"
    assert drawing.find(".//b") is None


def test_the_axis_labels_its_decades() -> None:
    """Ticks read 0.1, 1, 10 at their places."""
    drawing = ET.fromstring(svg.ratio_axis(svg.LogScale(-1, 1)))
    labels = [(t.get("x"), (t.text or "").split()[0]) for t in drawing.iter("text")]
    assert labels == [("0.00%", "0.1"), ("50.00%", "1"), ("100.00%", "10")]
