"""Marks of the charts, as static inline SVG.

Horizontal positions are percentages and vertical ones pixels, so that a chart fills a phone or a
poster without its text changing size.  Every mark carries a `<title>`, which a browser shows as a
tooltip and a screen reader reads.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

# Narrower marks (in per cent of the chart) would not show at any usual width.
_HAIRLINE = 0.02


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a stacked bar: its value, its CSS class and its tooltip."""

    value: float
    paint: str
    tooltip: str


def stacked_bar(segments: Sequence[Segment], maximum: float, height_px: int = 18) -> Markup:
    """One horizontal bar whose full width stands for `maximum` (> 0); values are >= 0."""
    parts: list[Markup] = []
    left = 0.0
    for segment in segments:
        width = 100 * segment.value / maximum if maximum > 0 else 0.0
        if width >= _HAIRLINE:
            parts.append(_rectangle(left, width, 0, height_px, segment))
        left += width
    return _drawing(parts, height_px)


def columns(stacks: Sequence[Sequence[Segment]], maximum: float, height_px: int = 120) -> Markup:
    """Vertical stacked columns of equal width, left to right; full height is `maximum`."""
    parts: list[Markup] = []
    step = 100 / max(len(stacks), 1)
    gap = step * 0.12 if len(stacks) <= 150 else 0.0
    for index, stack in enumerate(stacks):
        bottom = float(height_px)
        for segment in stack:
            height = height_px * segment.value / maximum if maximum > 0 else 0.0
            bottom -= height
            if height >= _HAIRLINE:
                x = index * step + gap / 2
                parts.append(_rectangle(x, step - gap, bottom, height, segment))
    return _drawing(parts, height_px, css_class="columns")


@dataclass(frozen=True, slots=True)
class LogScale:
    """A logarithmic axis over whole decades, `10**low` to `10**high`."""

    low: int
    high: int

    def position(self, value: float) -> float:
        """Per cent of the way along the axis, clipped to its ends; `value` > 0."""
        place = (math.log10(value) - self.low) / (self.high - self.low)
        return 100 * min(max(place, 0.0), 1.0)

    def ticks(self, most: int = 7) -> tuple[int, ...]:
        """Exponents to label, at most `most`, always with 0 (parity) among them."""
        stride = max(1, math.ceil((self.high - self.low + 1) / most))
        return tuple(e for e in range(self.low, self.high + 1) if e % stride == 0)


def log_scale(values: Sequence[float]) -> LogScale:
    """The least whole decades that hold 1 and every positive value, one on either side or more."""
    exponents = [math.log10(value) for value in values if value > 0]
    low = min([-1, *(math.floor(e) for e in exponents)])
    high = max([1, *(math.ceil(e) for e in exponents)])
    return LogScale(low, high)


@dataclass(frozen=True, slots=True)
class Whisker:
    """A range on a logarithmic bar."""

    low: float
    high: float


def ratio_bar(
    ratio: float, scale: LogScale, tooltip: str, whisker: Whisker | None = None, height_px: int = 22
) -> Markup:
    """A bar from parity (1) to `ratio` on a logarithmic scale: to the right is better."""
    parity, end = scale.position(1.0), scale.position(ratio)
    parts = [
        Markup('<line class="grid" x1="{0:.2f}%" x2="{0:.2f}%" y1="0" y2="100%"/>').format(
            scale.position(10.0**exponent)
        )
        for exponent in scale.ticks()
    ]
    paint = "better" if ratio >= 1 else "worse"
    bar = Segment(ratio, paint, tooltip)
    left, width = min(parity, end), max(abs(end - parity), 0.2)
    parts.append(_rectangle(left, width, 3, height_px - 6, bar))
    if whisker is not None:
        parts.append(
            Markup('<line class="whisker" x1="{:.2f}%" x2="{:.2f}%" y1="{y}" y2="{y}"/>').format(
                scale.position(whisker.low), scale.position(whisker.high), y=height_px / 2
            )
        )
    parts.append(
        Markup('<line class="parity" x1="{0:.2f}%" x2="{0:.2f}%" y1="0" y2="100%"/>').format(parity)
    )
    return _drawing(parts, height_px)


def ratio_axis(scale: LogScale, height_px: int = 18) -> Markup:
    """Tick labels under ratio bars: 0.1 ×, 1 ×, 10 ×."""
    parts = []
    for exponent in scale.ticks():
        position = scale.position(10.0**exponent)
        anchor = "start" if position < 3 else "end" if position > 97 else "middle"
        label = f"{10**exponent:,}" if exponent >= 0 else f"{10.0**exponent:.{-exponent}f}"
        parts.append(
            Markup('<text x="{:.2f}%" y="13" text-anchor="{}">{}\u00a0×</text>').format(
                position, anchor, label
            )
        )
    return _drawing(parts, height_px, css_class="axis")


def _rectangle(x: float, width: float, y: float, height: float, segment: Segment) -> Markup:
    return Markup(
        '<rect class="{}" x="{:.3f}%" y="{:.2f}" width="{:.3f}%" height="{:.2f}">'
        "<title>{}</title></rect>"
    ).format(segment.paint, x, y, width, height, segment.tooltip)


def _drawing(parts: Sequence[Markup], height_px: int, css_class: str = "bar") -> Markup:
    body = Markup("").join(parts)
    return Markup('<svg class="{}" width="100%" height="{}" role="img">{}</svg>').format(
        css_class, height_px, body
    )
