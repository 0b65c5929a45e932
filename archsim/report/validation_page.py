"""`validation.html`: published results beside estimates, as one self-contained page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from archsim.report.page import render_template
from archsim.report.parity_plot import parity_plot, ratio_plot
from archsim.report.text import safe
from archsim.report.validation_text import error_text, median_lines, share_line, value_text
from archsim.units import format_quantity

_LARGE = 0.25


@dataclass(frozen=True, slots=True)
class ShownRow:
    """A row as text; `css_class` marks a large error."""

    name: str
    quantity: str
    conditions: str
    kind: str
    evidence: str
    published: str
    estimate: str
    error: str
    calibrated: str
    css_class: str
    cause: str


@dataclass(frozen=True, slots=True)
class ShownSystem:
    """The rows of one published system."""

    name: str
    rows: tuple[ShownRow, ...]


@dataclass(frozen=True, slots=True)
class ShownClaim:
    """A claim with its verdict and figures as text."""

    statement: str
    verdict: str
    reason: str
    figures: tuple[tuple[str, str, str], ...]


def validation_html(document: Mapping[str, Any]) -> str:
    """The page of a validation; the same document gives the same text."""
    rows: Sequence[Mapping[str, Any]] = document["rows"]
    systems = dict.fromkeys(row["system"] for row in rows)
    factors = document["calibration"]["factors"]
    return render_template(
        "validation.html.j2",
        {
            "title": "Published results against estimates of archsim",
            "medians": median_lines(document),
            "shares": share_line(document),
            "plots": [plot for plot in (parity_plot(rows), ratio_plot(rows)) if plot],
            "systems": tuple(
                ShownSystem(name, tuple(_row(row) for row in rows if row["system"] == name))
                for name in systems
            ),
            "claims": tuple(_claim(claim) for claim in document["claims"]),
            "factors": tuple((name, f"{factor:.2f}") for name, factor in factors.items()),
            "peers": tuple(
                (safe(peer["quantity"]), f"{value_text(peer['value'])} {safe(peer['unit'])}")
                for peer in document["peers"]
            ),
            "version": safe(str(document["archsim_version"])),
        },
    )


def _row(row: Mapping[str, Any]) -> ShownRow:
    error = row["relative_error"]
    unit = safe(row["unit"])
    return ShownRow(
        name=safe(row["id"].partition(".")[2]),
        quantity=safe(row["quantity"]),
        conditions=safe(row["conditions"]),
        kind=row["class"].replace("_", " "),
        evidence=row["evidence"],
        published=f"{safe(value_text(row['published']))} {unit}".strip(),
        estimate="" if error is None else f"{value_text(row['estimate'])} {unit}".strip(),
        error="" if error is None else error_text(error),
        calibrated="" if error is None else error_text(row["calibrated_relative_error"]),
        css_class="loss" if error is not None and abs(error) > _LARGE else "",
        cause=safe(row["cause"]),
    )


def _claim(claim: Mapping[str, Any]) -> ShownClaim:
    return ShownClaim(
        safe(claim["statement"]),
        safe(str(claim["verdict"])),
        safe(claim["reason"]),
        tuple(
            (safe(f["name"]), format_quantity(f["value"], f["unit"]), safe(f["source"]))
            for f in claim["figures"]
        ),
    )
