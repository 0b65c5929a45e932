"""The files of `archsim validate --out`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from archsim.output import put_in_place
from archsim.report.folder import OutputKind, check_output_folder
from archsim.report.rows import csv_text
from archsim.report.validation_page import validation_html
from archsim.validation.document import COLUMNS

PAGE_FILE = "validation.html"
TABLE_FILE = "validation.csv"
DOCUMENT_FILE = "validation.json"
VALIDATION = OutputKind(DOCUMENT_FILE, (PAGE_FILE, TABLE_FILE, DOCUMENT_FILE))


def check_validation_folder(folder: Path) -> None:
    """Refuse a folder that cannot be written, or that holds files of others under our names."""
    check_output_folder(folder, VALIDATION)


def write_validation(folder: Path, document: Mapping[str, Any]) -> Path:
    """Write page, table and document, the document last; returns the page's path."""
    put_in_place(
        folder,
        {
            PAGE_FILE: validation_html(document),
            TABLE_FILE: validation_csv(document),
            DOCUMENT_FILE: json.dumps(document, indent=2, allow_nan=False) + "\n",
        },
    )
    return folder / PAGE_FILE


def validation_csv(document: Mapping[str, Any]) -> str:
    """The rows as CSV with a header; a range of published values as `low to high`."""
    rows = document["rows"]
    return csv_text(COLUMNS, ([_cell(row[name]) for name in COLUMNS] for row in rows))


def _cell(value: Any) -> Any:
    return " to ".join(repr(item) for item in value) if isinstance(value, list) else value
