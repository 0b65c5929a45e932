"""The report folder: everything of a report is in place, or nothing has changed.

Everything is rendered first and written under temporary names into the folder itself; then each
file is put in place by a rename, `result.json` last.  The folder is never moved or removed, so it
may be the working directory or a mount point, and only files that archsim wrote are replaced.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from archsim.errors import InputError
from archsim.output import check_writable, put_in_place
from archsim.report.attribution import compare_csv, comparison_json
from archsim.report.comparison_page import comparison_html
from archsim.report.page import render_html
from archsim.report.rows import (
    ResultMapping,
    energy_csv,
    layers_csv,
    read_energy_csv,
)
from archsim.report.timeline import PACKED_NAME, PLAIN_NAME, TimelineFile
from archsim.result.energy import EnergyRow

RESULT_FILE = "result.json"
LAYERS_FILE = "layers.csv"
ENERGY_FILE = "energy.csv"
ARCHITECTURE_FILE = "architecture.yaml"
PAGE_FILE = "report.html"
COMPARISON_FILE = "comparison.html"
COMPARISON_TABLE_FILE = "comparison.csv"
COMPARISON_RESULTS_FILE = "comparison.json"

_TIMELINES = (PLAIN_NAME, PACKED_NAME)
_REQUIRED = ("workload", "architecture", "accelerator", "layers")
_ANOTHER_FOLDER = "Give another folder with --out."


@dataclass(frozen=True, slots=True)
class OutputKind:
    """What a command writes into a folder: its files, and the one that proves whose they are.

    `mark` is a JSON file with the versions of the result contract and of archsim; the other names
    in `files` are archsim's if it is.  `outdated` are further files of an earlier version or mode,
    which a new report removes.
    """

    mark: str
    files: tuple[str, ...]
    outdated: tuple[str, ...] = ()

    @property
    def all_files(self) -> tuple[str, ...]:
        """Every name that archsim may replace or remove."""
        return (*self.files, *self.outdated)


REPORT = OutputKind(
    RESULT_FILE,
    (LAYERS_FILE, ENERGY_FILE, ARCHITECTURE_FILE, PAGE_FILE, RESULT_FILE),
    _TIMELINES,
)
COMPARISON = OutputKind(
    COMPARISON_RESULTS_FILE, (COMPARISON_FILE, COMPARISON_TABLE_FILE, COMPARISON_RESULTS_FILE)
)


@dataclass(frozen=True, slots=True)
class ReportPaths:
    """Where the files of a report are."""

    folder: Path
    result: Path
    layers: Path
    energy: Path
    architecture: Path
    page: Path


@dataclass(frozen=True, slots=True)
class StoredReport:
    """What a report folder holds: enough to render the report again or to compare it."""

    result: ResultMapping
    energy_rows: tuple[EnergyRow, ...]
    resolved_yaml: str


def check_output_folder(
    folder: Path, kind: OutputKind = REPORT, inputs: Iterable[Path] = ()
) -> None:
    """Refuse an output folder that could not be written, before any work is done.

    Raises `InputError` if `folder` is a file, lies below a file, is not writable, holds a file
    under one of our names that archsim did not write, or if one of `inputs` would be overwritten.
    Touches nothing.
    """
    if folder.is_dir():
        _check_held(folder, kind)
    elif folder.exists() or folder.is_symlink():
        raise InputError(
            "the output folder is a file.",
            place=str(folder),
            remedy="Give another name with --out.",
        )
    _check_inputs(folder, kind, inputs)
    check_writable(folder)


def _check_held(folder: Path, kind: OutputKind) -> None:
    """Refuse to replace what archsim did not write."""
    held = [name for name in kind.all_files if os.path.lexists(folder / name)]
    if held and not _is_ours(folder / kind.mark):
        raise InputError(
            f"the output folder holds '{held[0]}', which is not from a report of archsim.",
            place=str(folder),
            remedy=_ANOTHER_FOLDER,
        )
    for name in held:
        if (folder / name).is_dir():
            raise InputError(
                f"'{name}' in the output folder is a folder itself, where a file of the report "
                "would be.",
                place=str(folder),
                remedy=_ANOTHER_FOLDER,
            )


def _is_ours(mark: Path) -> bool:
    """Whether a file is JSON with the versions that every result of archsim states."""
    try:
        stored = json.loads(mark.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    if not isinstance(stored, dict):
        return False
    schema, version = stored.get("schema_version"), stored.get("archsim_version")
    return isinstance(schema, int) and not isinstance(schema, bool) and isinstance(version, str)


def _check_inputs(folder: Path, kind: OutputKind, inputs: Iterable[Path]) -> None:
    """Refuse to overwrite what the user gave."""
    ours = {os.path.realpath(folder / name): name for name in kind.all_files}
    for path in inputs:
        name = ours.get(os.path.realpath(path))
        if name is not None:
            raise InputError(
                f"the report would overwrite '{path}', which is an input of this command.",
                place=str(folder),
                remedy=_ANOTHER_FOLDER,
            )


def write_report(
    folder: Path,
    result: ResultMapping,
    energy_rows: Sequence[EnergyRow],
    resolved_yaml: str,
    timeline: TimelineFile | None = None,
) -> ReportPaths:
    """Write `result.json`, `layers.csv`, `energy.csv`, `architecture.yaml` and `report.html`.

    A `timeline` is written beside them, and one of an earlier report is removed.  An existing report is replaced; files of the user beside it are kept.  Raises `InputError` if
    the folder cannot be written, and then leaves what was there before as it was.
    """
    check_output_folder(folder)
    files: dict[str, str | bytes] = {
        LAYERS_FILE: layers_csv(result),
        ENERGY_FILE: energy_csv(energy_rows),
        ARCHITECTURE_FILE: resolved_yaml,
        PAGE_FILE: render_html(result, energy_rows, None if timeline is None else timeline.name),
        **({} if timeline is None else {timeline.name: timeline.data}),
        RESULT_FILE: _json_text(result),
    }
    put_in_place(folder, files, outdated=[n for n in REPORT.outdated if n not in files])
    return ReportPaths(
        folder=folder,
        result=folder / RESULT_FILE,
        layers=folder / LAYERS_FILE,
        energy=folder / ENERGY_FILE,
        architecture=folder / ARCHITECTURE_FILE,
        page=folder / PAGE_FILE,
    )


def write_comparison(folder: Path, results: Sequence[ResultMapping]) -> Path:
    """Write `comparison.html`, `comparison.csv` and `comparison.json`; returns the page's path."""
    check_output_folder(folder, COMPARISON)
    files: dict[str, str | bytes] = {
        COMPARISON_FILE: comparison_html(results),
        COMPARISON_TABLE_FILE: compare_csv(results),
        COMPARISON_RESULTS_FILE: _json_text(comparison_json(results)),
    }
    put_in_place(folder, files)
    return folder / COMPARISON_FILE


def _json_text(value: Mapping[str, object]) -> str:
    return json.dumps(value, indent=2, allow_nan=False) + "\n"


def read_report(folder: Path) -> StoredReport:
    """What `write_report` wrote; raises `InputError` for a folder that is no report."""
    return StoredReport(
        result=read_result(folder / RESULT_FILE),
        energy_rows=read_energy_csv(folder / ENERGY_FILE),
        resolved_yaml=_read_text(folder / ARCHITECTURE_FILE),
    )


def read_result(path: Path) -> ResultMapping:
    """A stored `result.json`; raises `InputError` if it is none, naming what is missing."""
    try:
        result = json.loads(_read_text(path))
    except (json.JSONDecodeError, RecursionError) as error:
        raise InputError(f"this is not JSON ({error}).", place=str(path)) from None
    missing = [key for key in _REQUIRED if key not in result] if isinstance(result, dict) else []
    if missing or not isinstance(result, dict):
        what = f"'{missing[0]}' is missing" if missing else "it is not an object"
        raise InputError(
            f"this is not a result of archsim: {what}.",
            place=str(path),
            remedy="Give the folder that `archsim run` wrote.",
        )
    return result


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(
            f"'{path.name}' is missing, so this is no report folder.",
            place=str(path.parent),
            remedy="Give the folder that `archsim run` wrote.",
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"the file cannot be read ({error}).", place=str(path)) from None
