"""What `archsim validate` prints."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from archsim.cli.console import literal_row, plain_table, show, width
from archsim.report.validation_text import error_text, median_lines, share_line, value_text

if TYPE_CHECKING:
    from rich.table import Table

Row = Mapping[str, Any]

_SHORT = {"prediction": "pred", "rollup": "roll"}
# Columns that all but the first take at most, with the blanks between them.
_OTHER_COLUMNS = 54
_LEGEND = (
    "pred: a model of archsim decides. roll: arithmetic on values of the same publication. "
    "*: the published value was recalled or derived, not seen in its source. calibr.: error after "
    "calibration on all other systems."
)


def print_validation(document: Mapping[str, Any]) -> None:
    """The rows with an estimate, why others have none, the claims, and the medians."""
    rows: Sequence[Row] = document["rows"]
    estimated = [row for row in rows if row["estimate"] is not None]
    if estimated:
        show(_rows(estimated), "", _LEGEND, "")
    absent = [row for row in rows if row["class"] == "not_modelled"]
    show(
        *_reasons("Why errors are large", estimated),
        *_reasons("Not modelled", absent),
        *_claims(document["claims"]),
    )
    show(*_peers(document["peers"]))
    show(*median_lines(document), share_line(document))


def _rows(rows: Sequence[Row]) -> Table:
    """The rows, indented below the name of their system; an id is both with a dot between."""
    right = ("published", "estimate", "error", "calibr.")
    columns = ("row", "class", "published", "estimate", "unit", "error", "calibr.")
    table = plain_table(*columns, right=right, tight=True)
    # Ids are what the reader copies.
    table.columns[0].no_wrap, table.columns[0].overflow = False, "fold"
    for column in table.columns[1:]:
        column.min_width = len(str(column.header))
    system = ""
    for row in rows:
        if row["system"] != system:
            system = row["system"]
            literal_row(table, system, *[""] * (len(columns) - 1))
        literal_row(
            table,
            _broken(row["id"].removeprefix(f"{system}."), width() - _OTHER_COLUMNS),
            f"{_SHORT[row['class']]}{'' if row['evidence'] == 'seen' else '*'}",
            value_text(row["published"]),
            value_text(row["estimate"]),
            row["unit"],
            error_text(row["relative_error"]),
            error_text(row["calibrated_relative_error"]),
        )
    return table


def _broken(name: str, wide: int) -> str:
    """The id of a row, indented, on lines of at most `wide`; broken after a dot or underscore."""
    lines = ["  "]
    for part in re.findall(r"[^._]*[._]?", name):
        if len(lines[-1]) + len(part) > wide and lines[-1].strip():
            lines.append("    ")
        lines[-1] += part
    return "\n".join(lines)


def _reasons(title: str, rows: Sequence[Row]) -> Iterator[str]:
    """Under a title each cause once, with the rows that it explains."""
    found = _by_cause(rows)
    if found:
        yield title
    for cause, ids in found.items():
        yield f"  {_listed(ids)}: {cause}."
    if found:
        yield ""


def _by_cause(rows: Sequence[Row]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for row in rows:
        if row["cause"]:
            found.setdefault(row["cause"].rstrip("."), []).append(row["id"])
    return found


def _listed(ids: Sequence[str]) -> str:
    """Row ids, those of one system behind its name once."""
    systems: dict[str, list[str]] = {}
    for name in ids:
        system, _, row = name.partition(".")
        systems.setdefault(system, []).append(row)
    return "; ".join(f"{system} ({', '.join(rows)})" for system, rows in systems.items())


def _claims(claims: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    if claims:
        yield "Claims"
    for claim in claims:
        yield f"  {claim['id']}: {str(claim['verdict']).upper()}"
        yield f"    {claim['statement']} {claim['reason']}"
    if claims:
        yield ""


def _peers(peers: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """What another estimator reports of itself, for comparison."""
    if peers:
        listed = "; ".join(
            f"{peer['quantity']} {value_text(peer['value'])} {peer['unit']}" for peer in peers
        )
        yield f"For comparison, another estimator after one fit factor per circuit and macro: {listed}."
        yield ""
