"""A validation as plain data, for JSON and tables."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, fields
from typing import Any

from archsim import __version__
from archsim.validation.claims.claim import Claim
from archsim.validation.comparison import ROW_CLASSES, Row, Summary, Validation
from archsim.validation.estimate import Factors
from archsim.validation.published import PublishedSystem

SCHEMA_VERSION = 1
COLUMNS = (
    "id",
    "system",
    "family",
    "quantity",
    "conditions",
    "class",
    "evidence",
    "unit",
    "published",
    "estimate",
    "relative_error",
    "calibrated_relative_error",
    "cause",
    "further",
)


def as_document(
    validation: Validation, claims: Iterable[Claim], peers: Iterable[PublishedSystem]
) -> dict[str, Any]:
    """Everything of a validation as JSON values.

    `median_absolute_error` is that of the predictions whose published value was seen; `medians`
    holds it again beside that of everything seen, each with its bars, and that of predictions for
    further systems, which has none.  Errors are shares of 1.
    """
    return {
        "schema_version": SCHEMA_VERSION,
        "archsim_version": __version__,
        "rows": [row_values(row) for row in validation.rows],
        "median_absolute_error": validation.predictions.median,
        "median_absolute_error_calibrated": validation.predictions.median_calibrated,
        "medians": {
            "seen_predictions": summary_values(validation.predictions),
            "everything_seen": summary_values(validation.seen),
            "further_predictions": summary_values(validation.further),
        },
        "shares": {name: validation.share(name) for name in ROW_CLASSES},
        "calibration": {
            "factors": _plain(validation.factors),
            "factors_without": {
                name: _plain(factors) for name, factors in validation.factors_without.items()
            },
        },
        "claims": [claim_values(claim) for claim in claims],
        "peers": [
            {
                "id": f"{peer.name}.{row.id}",
                "quantity": row.quantity,
                "value": row.published,
                "unit": row.unit,
            }
            for peer in peers
            for row in peer.published
        ],
    }


def row_values(row: Row) -> dict[str, Any]:
    """One row in the order of `COLUMNS`; a range is a list of two numbers."""
    values = {field.name: getattr(row, field.name) for field in fields(row)}
    values["class"] = values.pop("row_class")
    if isinstance(row.published, tuple):
        values["published"] = list(row.published)
    return {name: values[name] for name in COLUMNS}


def summary_values(summary: Summary) -> dict[str, Any]:
    """The medians of a group of rows, their bars (None: there are none), and which are missed."""
    bar = summary.bar
    return {
        "rows": summary.rows,
        "systems": summary.systems,
        "median_absolute_error": summary.median,
        "median_absolute_error_calibrated": summary.median_calibrated,
        "bar": None if bar is None else bar.uncalibrated,
        "bar_calibrated": None if bar is None else bar.calibrated,
        "missed": list(summary.missed),
    }


def claim_values(claim: Claim) -> dict[str, Any]:
    """One claim with its figures."""
    return {**asdict(claim), "verdict": str(claim.verdict)}


def _plain(factors: Factors) -> dict[str, float]:
    return {str(name): factor for name, factor in factors.items()}
