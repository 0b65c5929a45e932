"""The page of a validation: complete, self-contained, and safe against what it quotes."""

from __future__ import annotations

import copy
import re
from typing import Any

import pytest

from archsim.report.parity_plot import parity_plot, ratio_plot
from archsim.report.validation_folder import validation_csv
from archsim.report.validation_page import validation_html
from archsim.report.validation_text import error_text, median_lines, value_text
from archsim.validation.claims.register import judge_claims
from archsim.validation.comparison import compare
from archsim.validation.document import as_document
from archsim.validation.published import load_systems

NAMES = ("isaac_ce", "hermes_core_2021", "panther", "jain_2022", "cimloop_reported_errors")


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    systems = load_systems(NAMES)
    peers = [system for system in systems if system.role == "peer"]
    return as_document(compare(systems), judge_claims(), peers)


def test_the_page_needs_nothing_from_outside(document: dict[str, Any]) -> None:
    page = validation_html(document)
    assert "default-src 'none'" in page
    assert not re.search(r"""(src|href)=["'](?!data:)""", page)
    assert "<script" not in page


def test_every_row_claim_and_median_is_on_the_page(document: dict[str, Any]) -> None:
    page = validation_html(document)
    for row in document["rows"]:
        assert row["quantity"] in page
    for claim in document["claims"]:
        assert claim["reason"].split("'")[0] in page
    for line in median_lines(document):
        assert line in page
    assert page.count("<tr><th") >= len(document["rows"])


def test_the_same_document_gives_the_same_page(document: dict[str, Any]) -> None:
    assert validation_html(document) == validation_html(copy.deepcopy(document))


def test_the_plot_has_one_mark_per_estimated_number(document: dict[str, Any]) -> None:
    shown = [
        row
        for row in document["rows"]
        if row["estimate"] is not None and isinstance(row["published"], float)
    ]
    plots = [parity_plot(document["rows"]), ratio_plot(document["rows"])]
    groups = {(row["class"], row["evidence"]) for row in shown}
    # One more circle per group stands in the legend.
    for plot in plots:
        assert str(plot).count("<circle") == len(shown) + len(groups)


def test_without_estimates_there_is_no_plot(document: dict[str, Any]) -> None:
    rows = [row for row in document["rows"] if row["estimate"] is None]
    assert parity_plot(rows) is ratio_plot(rows) is None
    assert "Parity" not in validation_html({**document, "rows": rows})


def test_hostile_text_is_shown_as_text(document: dict[str, Any]) -> None:
    changed = copy.deepcopy(document)
    changed["rows"][0]["quantity"] = changed["rows"][0]["id"] = "<script>alert(1)</script>"
    changed["rows"][0]["unit"] = "</title><img src=x>"
    page = validation_html(changed)
    assert "<script" not in page
    assert "<img" not in page
    assert "&lt;script&gt;" in page


def test_formulas_are_guarded_in_the_table(document: dict[str, Any]) -> None:
    changed = copy.deepcopy(document)
    changed["rows"][0]["quantity"] = "=1+1"
    assert "'=1+1" in validation_csv(changed)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (None, "–"),
        (0.0, "0.0%"),
        (-1e-6, "0.0%"),
        (0.123, "+12.3%"),
        (-0.5, "-50.0%"),
        (12, "+1200%"),
    ],
)
def test_errors_are_signed_per_cent(error: float | None, text: str) -> None:
    assert error_text(error) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (12345.0, "1.234e+04"), ([40.0, 140.0], "40-140"), ("no", "no")],
)
def test_values_have_four_digits(value: Any, text: str) -> None:
    assert value_text(value) == text
