"""The points of a sweep as rows, and as a CSV file that is written whole or not at all."""

from __future__ import annotations

import csv
import io
import math
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from archsim.errors import InputError
from archsim.explore.sweep import Points


def point_rows(points: Points) -> Iterator[dict[str, Any]]:
    """One row per point: its index, settings, headline numbers, and what became of it.

    With several workloads, a column `<workload>.<number>` follows for each of them.  A number that
    is not there (a failed point) is None.
    """
    reasons = {failure.point: failure.reason for failure in points.failures}
    several = len(points.by_workload) > 1
    for index, settings in enumerate(points.settings):
        row: dict[str, Any] = {"point": index, **settings}
        for name, values in points.columns.items():
            row[name] = _number(values[index])
        if several:
            for workload, columns in points.by_workload.items():
                for name, values in columns.items():
                    row[f"{workload}.{name}"] = _number(values[index])
        row["feasible"] = bool(points.feasible[index])
        row["pareto"] = bool(points.pareto[index])
        row["failure"] = reasons.get(index, "")
        yield row


def write_points(points: Points, path: Path) -> None:
    """Write `points.csv`; raises `InputError` if it cannot be written, and then leaves nothing."""
    buffer = io.StringIO(newline="")
    writer: csv.DictWriter[str] | None = None
    for row in point_rows(points):
        if writer is None:
            writer = csv.DictWriter(buffer, list(row), lineterminator="\n")
            writer.writeheader()
        writer.writerow(row)
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh.write_text(buffer.getvalue(), encoding="utf-8", newline="\n")
        fresh.replace(path)
    except OSError as error:
        fresh.unlink(missing_ok=True)
        raise unwritable(path, error.strerror or str(error)) from None


def check_writable(path: Path) -> None:
    """Raise `InputError` if `path` could not be written, before any work is done."""
    folder = path.parent
    if path.is_dir():
        raise unwritable(path, "it is a folder")
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    if not folder.is_dir():
        raise unwritable(path, f"'{folder.name}' is a file")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise unwritable(path, f"no permission to write in '{folder.name or folder}'")


def unwritable(path: Path, why: str) -> InputError:
    """The refusal of an output path."""
    return InputError(
        f"the points cannot be written: {why}.",
        place=str(path),
        remedy="Give a writable folder with --out.",
    )


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
