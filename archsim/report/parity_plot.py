"""Estimates against published values on logarithmic axes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from markupsafe import Markup

from archsim.report.validation_text import error_text, value_text
from archsim.report.xy_plot import Axis, Series, xy_plot

Row: TypeAlias = Mapping[str, Any]

_CLASSES = ("prediction", "rollup")
_EVIDENCE = ("seen", "derived", "recalled")


def parity_plot(rows: Sequence[Row]) -> Markup | None:
    """One mark per estimated number, each in its own unit; None if there is none to show.

    Marks on the line are exact; the colour says class and evidence, the tooltip the row.
    """
    shown = _shown(rows)
    if not shown:
        return None
    ends = [v for row in shown for v in (_number(row) or 0.0, row["estimate"])]
    line = [min(ends), max(ends)]
    return xy_plot(
        "Estimate against published value",
        Axis("published value, in its own unit", "log"),
        Axis("estimate, in the same unit", "log"),
        [*_marks(shown, _estimate), Series("estimate = published", line, line, "dashed")],
    )


def ratio_plot(rows: Sequence[Row]) -> Markup | None:
    """The same marks as estimate over published value, which shows the errors."""
    shown = _shown(rows)
    if not shown:
        return None
    values = [_number(row) or 0.0 for row in shown]
    span = [min(values), max(values)]
    # A point that is no number breaks the line in two.
    band_x, band_y = [*span, math.nan, *span], [1.25, 1.25, math.nan, 0.75, 0.75]
    return xy_plot(
        "Estimate over published value",
        Axis("published value, in its own unit", "log"),
        Axis("estimate / published", "log"),
        [*_marks(shown, _ratio), Series("25 % off", band_x, band_y, "dashed")],
    )


def _shown(rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if _number(row) is not None and (row["estimate"] or 0) > 0]


def _marks(shown: Sequence[Row], height: Callable[[Row], float]) -> list[Series]:
    """Marks by class and evidence, those without rows left out."""
    return [
        Series(
            f"{row_class}, published value {evidence}",
            [_number(row) or 0.0 for row in chosen],
            [height(row) for row in chosen],
            "marks",
            [_tooltip(row) for row in chosen],
        )
        for row_class in _CLASSES
        for evidence in _EVIDENCE
        if (chosen := [r for r in shown if (r["class"], r["evidence"]) == (row_class, evidence)])
    ]


def _estimate(row: Row) -> float:
    return float(row["estimate"])


def _ratio(row: Row) -> float:
    return _estimate(row) / (_number(row) or math.nan)


def _number(row: Row) -> float | None:
    value = row["published"]
    return float(value) if isinstance(value, (int, float)) and value > 0 else None


def _tooltip(row: Row) -> str:
    published, estimate = value_text(row["published"]), value_text(row["estimate"])
    error = error_text(row["relative_error"])
    return f"{row['id']}: published {published}, estimate {estimate} {row['unit']} ({error})"
