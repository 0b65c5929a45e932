"""An x-y plot as one standalone SVG: curves and marks on linear or logarithmic axes.

The drawing needs no script, no font file and no style from outside, follows the reader's light or
dark setting, and says every mark's meaning in a `<title>` (a tooltip, and what a screen reader
reads).  It can be stored as a file or put into a page as it is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from markupsafe import Markup

from archsim.report.palette import COMPONENT_DARK, COMPONENT_LIGHT

AxisKind = Literal["linear", "log"]
SeriesKind = Literal["line", "dashed", "marks"]


class Size(NamedTuple):
    """Width, and height without the legend, in pixels."""

    width: int
    height: int


WIDTH, HEIGHT = 720, 440
FULL = Size(WIDTH, HEIGHT)
# Two side by side on a page.
HALF = Size(520, 360)
_LEFT, _RIGHT, _TOP, _BOTTOM = 74, 16, 34, 58
_LEGEND_LINE = 16
# Decades that an axis can label one by one, and ticks that a linear axis aims at.
_MOST_DECADES = 9
_LINEAR_TICKS = 6
_TICK_STEPS = (1.0, 2.0, 5.0, 10.0)


@dataclass(frozen=True, slots=True)
class Series:
    """Points (x, y) in data units, drawn as a line or as marks; `tooltips` one per point or none.

    Points that an axis cannot show (not finite, or not positive on a logarithmic axis) are left
    out, and break a line.  `colour` is a place in the palette, by default that of the series; series
    that belong together share one.
    """

    label: str
    x: Sequence[float]
    y: Sequence[float]
    kind: SeriesKind = "line"
    tooltips: Sequence[str] = ()
    colour: int | None = None


@dataclass(frozen=True, slots=True)
class Axis:
    """Title with its unit, scale, and limits if the data should not set them."""

    title: str
    kind: AxisKind = "linear"
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class _Scale:
    """Maps data to a length between `start` and `end` (pixels)."""

    kind: AxisKind
    low: float
    high: float
    start: float
    end: float

    def place(self, value: float) -> float | None:
        """Pixels, or None for what the axis cannot show."""
        if not math.isfinite(value) or (self.kind == "log" and value <= 0):
            return None
        low, high, here = self.low, self.high, value
        if self.kind == "log":
            low, high, here = math.log10(low), math.log10(high), math.log10(here)
        return self.start + (self.end - self.start) * (here - low) / (high - low)


def xy_plot(
    title: str, x_axis: Axis, y_axis: Axis, series: Sequence[Series], size: Size = FULL
) -> Markup:
    """The drawing of all `series`, at most as many as the palette has colours.

    Raises ValueError if no point can be shown or there are too many series.
    """
    if len(series) > len(COMPONENT_LIGHT):
        raise ValueError(f"at most {len(COMPONENT_LIGHT)} series can be told apart")
    bottom = size.height - _BOTTOM
    scale_x = _scale(x_axis, [v for s in series for v in s.x], _LEFT, size.width - _RIGHT)
    scale_y = _scale(y_axis, [v for s in series for v in s.y], bottom, _TOP)
    parts = [*_grid(x_axis, y_axis, scale_x, scale_y, size)]
    for index, one in enumerate(series):
        parts += _draw(one, _colour(one, index), scale_x, scale_y)
    legend_height = _LEGEND_LINE * len(series)
    parts += _legend(series, size)
    return Markup(
        '<svg class="xy" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {} {}" role="img" '
        'aria-label="{}" width="100%" style="max-width:{}px">{}'
        '<rect class="xy-paper" width="100%" height="100%"/>'
        '<text class="xy-title" x="{}" y="18">{}</text>{}</svg>'
    ).format(
        size.width,
        size.height + legend_height,
        title,
        size.width,
        _style(),
        _LEFT,
        title,
        Markup("").join(parts),
    )


def _colour(one: Series, index: int) -> int:
    return index if one.colour is None else one.colour


def _scale(axis: Axis, values: Sequence[float], start: float, end: float) -> _Scale:
    log = axis.kind == "log"
    shown = [v for v in values if math.isfinite(v) and (v > 0 or not log)]
    low = axis.low if axis.low is not None else min(shown, default=math.nan)
    high = axis.high if axis.high is not None else max(shown, default=math.nan)
    if not (math.isfinite(low) and math.isfinite(high)):
        raise ValueError(f"no point of the plot has a value on the axis '{axis.title}'")
    if log:
        low = 10.0 ** math.floor(math.log10(low) + 1e-9) if axis.low is None else low
        high = 10.0 ** math.ceil(math.log10(high) - 1e-9) if axis.high is None else high
        high = high if high > low else 10.0 * low
    elif high <= low:
        margin = abs(low) or 1.0
        low, high = low - margin, high + margin
    return _Scale(axis.kind, low, high, start, end)


def _ticks(scale: _Scale) -> list[float]:
    if scale.kind == "log":
        first, last = math.ceil(math.log10(scale.low) - 1e-9), math.floor(math.log10(scale.high))
        stride = max(1, math.ceil((last - first + 1) / _MOST_DECADES))
        return [10.0**e for e in range(first, last + 1, stride)]
    raw = (scale.high - scale.low) / _LINEAR_TICKS
    power = 10.0 ** math.floor(math.log10(raw))
    step = power * next(s for s in _TICK_STEPS if s * power >= raw * (1 - 1e-9))
    first = math.ceil(scale.low / step - 1e-9)
    count = math.floor(scale.high / step + 1e-9) - first + 1
    return [(first + k) * step for k in range(count)]


def _tick_label(value: float, scale: _Scale) -> str:
    if scale.kind == "log":
        exponent = round(math.log10(value))
        return f"{value:g}" if -3 <= exponent <= 4 else f"1e{exponent}"
    return f"{0.0 if abs(value) < 1e-12 * (scale.high - scale.low) else value:.6g}"


def _grid(x_axis: Axis, y_axis: Axis, scale_x: _Scale, scale_y: _Scale, size: Size) -> list[Markup]:
    bottom, right = size.height - _BOTTOM, size.width - _RIGHT
    line = Markup('<line class="xy-grid" x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}"/>')
    label = Markup('<text class="xy-tick" x="{:.1f}" y="{:.1f}" text-anchor="{}">{}</text>')
    parts = []
    for value in _ticks(scale_x):
        if (x := scale_x.place(value)) is not None:
            parts.append(line.format(x, _TOP, x, bottom))
            parts.append(label.format(x, bottom + 18, "middle", _tick_label(value, scale_x)))
    for value in _ticks(scale_y):
        if (y := scale_y.place(value)) is not None:
            parts.append(line.format(_LEFT, y, right, y))
            parts.append(label.format(_LEFT - 8, y + 4, "end", _tick_label(value, scale_y)))
    middle_x, middle_y = (_LEFT + right) / 2, (_TOP + bottom) / 2
    parts.append(
        Markup('<text class="xy-axis" x="{:.1f}" y="{:.1f}" text-anchor="middle">{}</text>').format(
            middle_x, bottom + 42, x_axis.title
        )
    )
    parts.append(
        Markup(
            '<text class="xy-axis" x="16" y="{0:.1f}" text-anchor="middle" '
            'transform="rotate(-90 16 {0:.1f})">{1}</text>'
        ).format(middle_y, y_axis.title)
    )
    return parts


def _draw(one: Series, colour: int, scale_x: _Scale, scale_y: _Scale) -> list[Markup]:
    places = [
        (scale_x.place(x), scale_y.place(y), k)
        for k, (x, y) in enumerate(zip(one.x, one.y, strict=True))
    ]
    if one.kind == "marks":
        return [
            Markup('<circle class="xy-m{}" cx="{:.1f}" cy="{:.1f}" r="3.5">{}</circle>').format(
                colour, x, y, _title(one, k)
            )
            for x, y, k in places
            if x is not None and y is not None
        ]
    parts, run = [], list[str]()
    for x, y, _ in [*places, (None, None, -1)]:
        if x is not None and y is not None:
            run.append(f"{x:.1f},{y:.1f}")
            continue
        if run:
            dash = Markup(' stroke-dasharray="6 4"') if one.kind == "dashed" else Markup("")
            parts.append(
                Markup(
                    '<polyline class="xy-l{}" points="{}"{}><title>{}</title></polyline>'
                ).format(colour, " ".join(run), dash, one.label)
            )
        run = []
    return parts


def _title(one: Series, k: int) -> Markup:
    text = one.tooltips[k] if one.tooltips else f"{one.label}: {one.x[k]:.4g}, {one.y[k]:.4g}"
    return Markup("<title>{}</title>").format(text)


def _legend(series: Sequence[Series], size: Size) -> list[Markup]:
    parts = []
    for index, one in enumerate(series):
        y, colour = size.height + _LEGEND_LINE * index, _colour(one, index)
        if one.kind == "marks":
            key = Markup('<circle class="xy-m{}" cx="{}" cy="{}" r="3.5"/>').format(
                colour, _LEFT + 12, y - 4
            )
        else:
            dash = Markup(' stroke-dasharray="6 4"') if one.kind == "dashed" else Markup("")
            key = Markup('<line class="xy-l{0}" x1="{1}" x2="{2}" y1="{3}" y2="{3}"{4}/>').format(
                colour, _LEFT, _LEFT + 24, y - 4, dash
            )
        parts.append(key)
        parts.append(
            Markup('<text class="xy-tick" x="{}" y="{}">{}</text>').format(_LEFT + 32, y, one.label)
        )
    return parts


def _style() -> Markup:
    """The drawing's own rules; constants of ours, nothing from outside."""

    def rules(colours: Sequence[str], ink: str, grid: str, paper: str) -> str:
        marks = "".join(
            f".xy-l{k}{{stroke:{c};fill:none;stroke-width:2}}"
            f".xy-m{k}{{fill:{c};stroke:{paper};stroke-width:1}}"
            for k, c in enumerate(colours)
        )
        return (
            f".xy text{{fill:{ink};font:12px system-ui,sans-serif}}"
            f".xy .xy-title{{font-weight:600;font-size:14px}}"
            f".xy-paper{{fill:{paper}}}.xy-grid{{stroke:{grid}}}{marks}"
        )

    light = rules(COMPONENT_LIGHT, "#1f2937", "#e5e7eb", "#ffffff")
    dark = rules(COMPONENT_DARK, "#e5e7eb", "#374151", "#111827")
    return Markup("<style>{}@media (prefers-color-scheme: dark){{{}}}</style>").format(
        Markup(light),  # noqa: S704
        Markup(dark),  # noqa: S704
    )
