"""Numbers and sentences of a validation, for the terminal, the page and the documentation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from archsim.report.text import NO_VALUE

CLASS_NAMES = {"prediction": "predictions", "rollup": "roll-ups", "not_modelled": "not modelled"}
_GROUPS = {
    "seen_predictions": "seen predictions",
    "everything_seen": "everything seen",
    "further_predictions": "seen predictions of further systems",
}


def value_text(value: Any) -> str:
    """A published or estimated number to four digits; a range as `low-high`; words as they are."""
    match value:
        case None:
            return NO_VALUE
        case [low, high]:
            return f"{value_text(low)}-{value_text(high)}"
        case float() | int():
            return f"{value:.4g}"
        case _:
            return str(value)


def error_text(error: float | None) -> str:
    """A relative error in per cent with its sign."""
    if error is None:
        return NO_VALUE
    text = f"{100 * error:+.1f}%" if abs(error) < 10 else f"{100 * error:+.0f}%"
    # What rounds to nothing has no sign.
    return "0.0%" if text in ("+0.0%", "-0.0%") else text


def median_lines(document: Mapping[str, Any]) -> tuple[str, ...]:
    """One sentence per group of rows: its medians against their bars."""
    return tuple(_median_line(label, document["medians"][name]) for name, label in _GROUPS.items())


def _median_line(label: str, summary: Mapping[str, Any]) -> str:
    if not summary["systems"]:
        return f"Median absolute error, {label}: no rows."
    rows, systems = summary["rows"], summary["systems"]
    parts = []
    for name, key, bar in (
        ("uncalibrated", "median_absolute_error", "bar"),
        ("calibrated", "median_absolute_error_calibrated", "bar_calibrated"),
    ):
        found = f"{100 * summary[key]:.1f} % {name}"
        if summary[bar] is not None:
            verdict = "MISSED" if name in summary["missed"] else "met"
            found += f" (bar {100 * summary[bar]:.0f} %: {verdict})"
        parts.append(found)
    count = f"{rows} row{'' if rows == 1 else 's'} of {systems} system{'' if systems == 1 else 's'}"
    return f"Median absolute error, {label} ({count}): {', '.join(parts)}."


def share_line(document: Mapping[str, Any]) -> str:
    """Shares of predictions, roll-ups and rows that are not modelled."""
    shares = ", ".join(
        f"{100 * document['shares'][name]:.0f} % {label}" for name, label in CLASS_NAMES.items()
    )
    return f"Of {len(document['rows'])} rows: {shares}."
