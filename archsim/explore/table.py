"""The points of a sweep as rows, and as a CSV file that is written whole or not at all."""

from __future__ import annotations

import csv
import io
import math
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from archsim.errors import InputError
from archsim.explore.points import Failure, Points
from archsim.output import check_writable, put_in_place

# How the header of a table begins and ends.
_FIRST = ["point"]
_LAST = ["feasible", "pareto", "failure"]
_LONGEST_HEADER = 100_000


def point_rows(points: Points) -> Iterator[dict[str, Any]]:
    """One row per point: its index, settings, headline numbers, fidelity, and what became of it.

    With several workloads, a column `<workload>.<number>` follows for each of them.  A number that
    is not there (a failed point) is None.
    """
    reasons = {failure.point: _sentence(failure) for failure in points.failures}
    several = len(points.by_workload) > 1
    for index, settings in enumerate(points.settings):
        row: dict[str, Any] = {"point": index, **settings}
        for name, values in points.columns.items():
            row[name] = _number(name, values[index])
        if several:
            for workload, columns in points.by_workload.items():
                for name, values in columns.items():
                    row[f"{workload}.{name}"] = _number(name, values[index])
        row["fidelity"] = "cycle" if points.cycle[index] else "analytic"
        row["feasible"] = bool(points.feasible[index])
        row["pareto"] = bool(points.pareto[index])
        row["failure"] = reasons.get(index, "")
        yield row


def _sentence(failure: Failure) -> str:
    return f"{failure.workload}: {failure.reason}" if failure.workload else failure.reason


def write_points(points: Points, path: Path) -> None:
    """Write `points.csv`; raises `InputError` if it cannot be written, and then leaves nothing."""
    buffer = io.StringIO(newline="")
    writer: csv.DictWriter[str] | None = None
    for row in point_rows(points):
        if writer is None:
            writer = csv.DictWriter(buffer, list(row), lineterminator="\n")
            writer.writeheader()
        writer.writerow(row)
    put_in_place(path.parent, {path.name: buffer.getvalue()})


def check_table(path: Path, inputs: Iterable[Path] = ()) -> None:
    """Raise `InputError` if `path` could not be written, before any work is done.

    Nor may it be one of `inputs`, nor a file that is no table of points.
    """
    if path.is_dir():
        raise _refusal(path, "it is a folder")
    if os.path.realpath(path) in {os.path.realpath(given) for given in inputs}:
        raise _refusal(path, "it is an input of this command")
    if path.exists() and not is_table(path):
        raise _refusal(path, "a file of this name is there, and it is no table of points")
    check_writable(path.parent)


def is_table(path: Path) -> bool:
    """Whether a file begins as `write_points` begins a table."""
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            header = stream.readline(_LONGEST_HEADER).rstrip("\r\n").split(",")
    except (OSError, UnicodeDecodeError):
        return False
    return header[:1] == _FIRST and header[-len(_LAST) :] == _LAST


def _refusal(path: Path, why: str) -> InputError:
    return InputError(
        f"the points cannot be written: {why}.",
        place=str(path),
        remedy="Give another folder with --out.",
    )


def _number(name: str, value: float) -> float | int | None:
    """A number for the table: a warning as 0 or 1, nothing where there is no finite number."""
    if not math.isfinite(value):
        return None
    return int(value) if name.startswith("warnings.") else float(value)
