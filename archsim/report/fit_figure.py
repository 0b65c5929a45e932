"""The figure of a fit: measured points and the curve of each response model, as one SVG file."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath

import numpy as np
from markupsafe import Markup

from archsim.fitting.curve import Curve, Floats
from archsim.fitting.fit import Fit, Fits
from archsim.fitting.trajectory import dense_states
from archsim.report.palette import COMPONENT_DARK, COMPONENT_LIGHT
from archsim.report.text import safe
from archsim.units import format_quantity

_WIDTH, _HEIGHT = 860, 460
_LEFT, _RIGHT, _TOP, _BOTTOM = 86, 230, 46, 56
_MOST_MARKS = 500
_TICKS = 5


@dataclass(frozen=True, slots=True)
class _Axes:
    """The rectangle of the plot and the ranges along its sides."""

    last_pulse: float
    low: float
    high: float

    def x(self, pulse: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * pulse / self.last_pulse

    def y(self, siemens: float) -> float:
        share = (siemens - self.low) / (self.high - self.low)
        return _HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * share


def fit_figure(fits: Fits) -> str:
    """A standalone SVG with the points of the curve and all fits, the best drawn strongest."""
    curve = fits.curve
    margin = 0.04 * (curve.highest_siemens - curve.lowest_siemens)
    axes = _Axes(
        float(curve.pulses[-1]), curve.lowest_siemens - margin, curve.highest_siemens + margin
    )
    parts = [_frame(axes), *(_line(fit, curve, axes, i) for i, fit in _worst_first(fits.fits))]
    parts += [_marks(curve, axes), _legend(fits)]
    title = f"Response models fitted to {safe(PurePath(curve.name).name)}"
    return str(
        Markup(
            '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {w} {h}" width="{w}" '
            'height="{h}" role="img"><title>{title}</title><style>{style}</style>'
            '<rect class="page" width="{w}" height="{h}"/>'
            '<text class="head" x="{left}" y="26">{title}</text>{body}</svg>\n'
        ).format(
            w=_WIDTH,
            h=_HEIGHT,
            left=_LEFT,
            title=title,
            style=_style(),
            body=Markup("").join(parts),
        )
    )


def _worst_first(fits: Sequence[Fit]) -> list[tuple[int, Fit]]:
    """Fits with their rank, the best last, so that it lies on top."""
    return list(reversed(list(enumerate(fits))))


def _style() -> Markup:
    """Colours for light and dark pages; rank r has the colour f<r>."""
    light = _rules(COMPONENT_LIGHT)
    dark = _rules(COMPONENT_DARK)
    return _STYLE.format(light=light, dark=dark)


def _rules(colours: Sequence[str]) -> Markup:
    rule = Markup(".f{i}{{stroke:{colour};fill:{colour}}}")
    return Markup("").join(rule.format(i=i, colour=colour) for i, colour in enumerate(colours))


_STYLE = Markup(
    "text{{font:13px system-ui,sans-serif;fill:#222}}.head{{font-size:16px;font-weight:600}}"
    ".page{{fill:#fff}}.grid{{stroke:#ddd}}.mark{{fill:#222;fill-opacity:.55}}{light}"
    "polyline{{fill:none!important;stroke-width:1.4}}.best{{stroke-width:3}}"
    "@media(prefers-color-scheme:dark){{text{{fill:#e6e6e6}}.page{{fill:#15181c}}"
    ".grid{{stroke:#333}}.mark{{fill:#e6e6e6}}{dark}}}"
)


def _frame(axes: _Axes) -> Markup:
    """Grid, tick labels and names of the axes."""
    parts = [_pulse_tick(axes, pulse) for pulse in _ticks(0.0, axes.last_pulse)]
    parts += [_conductance_tick(axes, siemens) for siemens in _ticks(axes.low, axes.high)]
    middle = 0.5 * (_LEFT + _WIDTH - _RIGHT)
    parts.append(
        Markup(
            '<text x="{x:.0f}" y="{y}" text-anchor="middle">Pulse number</text>'
            '<text transform="translate(18 {m}) rotate(-90)" text-anchor="middle">Conductance</text>'
        ).format(x=middle, y=_HEIGHT - 14, m=_HEIGHT // 2)
    )
    return Markup("").join(parts)


def _pulse_tick(axes: _Axes, pulse: float) -> Markup:
    return Markup(
        '<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{a}" y2="{b}"/>'
        '<text x="{x:.1f}" y="{t}" text-anchor="middle">{label}</text>'
    ).format(x=axes.x(pulse), a=_TOP, b=_HEIGHT - _BOTTOM, t=_HEIGHT - 36, label=f"{pulse:g}")


def _conductance_tick(axes: _Axes, siemens: float) -> Markup:
    return Markup(
        '<line class="grid" x1="{a}" x2="{b}" y1="{y:.1f}" y2="{y:.1f}"/>'
        '<text x="{t}" y="{c:.1f}" text-anchor="end">{label}</text>'
    ).format(
        y=axes.y(siemens),
        c=axes.y(siemens) + 4,
        a=_LEFT,
        b=_WIDTH - _RIGHT,
        t=_LEFT - 8,
        label=format_quantity(siemens, "S"),
    )


def _ticks(low: float, high: float) -> list[float]:
    """Round numbers between two ends, about five."""
    raw = (high - low) / _TICKS
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(s * power for s in (1.0, 2.0, 2.5, 5.0, 10.0) if s * power >= raw)
    first = math.ceil(low / step)
    return [i * step for i in range(first, math.floor(high / step) + 1)]


def _line(fit: Fit, curve: Curve, axes: _Axes, rank: int) -> Markup:
    pulses, conductances = _dense(fit, curve)
    inside = np.clip(conductances, axes.low, axes.high)
    points = " ".join(
        f"{axes.x(float(n)):.1f},{axes.y(float(g)):.1f}"
        for n, g in zip(pulses, inside, strict=True)
    )
    return Markup('<polyline class="f{}{}" points="{}"><title>{}</title></polyline>').format(
        rank, " best" if rank == 0 else "", points, _words(fit)
    )


def _dense(fit: Fit, curve: Curve) -> tuple[Floats, Floats]:
    """Pulse numbers and conductances of a fit, close enough for a smooth line."""
    pulses, states = dense_states(fit.response, fit.parameter("start").value, curve)
    half = 0.5 * (fit.conductance_max_siemens - fit.conductance_min_siemens)
    return pulses, fit.conductance_min_siemens + half * (states + 1.0)


def _marks(curve: Curve, axes: _Axes) -> Markup:
    """The measured points; of very many only some."""
    stride = max(1, math.ceil(curve.points / _MOST_MARKS))
    shown = zip(
        curve.pulses[::stride].tolist(), curve.conductance_siemens[::stride].tolist(), strict=True
    )
    mark = Markup('<circle class="mark" cx="{:.1f}" cy="{:.1f}" r="2.6"/>')
    return Markup("").join(mark.format(axes.x(n), axes.y(g)) for n, g in shown)


def _legend(fits: Fits) -> Markup:
    """One line per model: its colour, its name and how well it fits."""
    parts = []
    left = _WIDTH - _RIGHT + 22
    for rank, fit in enumerate(fits.fits):
        y = _TOP + 14 + 24 * rank
        parts.append(
            Markup(
                '<line class="f{r}{best}" x1="{a}" x2="{b}" y1="{y}" y2="{y}" stroke-width="{w}"/>'
                '<text x="{t}" y="{c}">{words}</text>'
            ).format(
                r=rank,
                best=" best" if rank == 0 else "",
                a=left,
                b=left + 22,
                y=y,
                w=3 if rank == 0 else 1.5,
                t=left + 30,
                c=y + 4,
                words=_words(fit),
            )
        )
    y = _TOP + 14 + 24 * len(fits.fits)
    parts.append(
        Markup(
            '<circle class="mark" cx="{}" cy="{}" r="2.6"/><text x="{}" y="{}">{}</text>'
        ).format(left + 11, y, left + 30, y + 4, f"measured, {fits.curve.points} points")
    )
    return Markup("").join(parts)


def _words(fit: Fit) -> str:
    return f"{fit.kind}: R² {fit.r_squared:.4f}"
