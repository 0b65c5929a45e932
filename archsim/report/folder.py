"""The report folder: written whole or not at all.

Everything is rendered first, written to a temporary sibling folder, and put in place by a rename.
A reader sees the old report or the new one, never a mixture, and a failure leaves nothing behind.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from archsim.errors import InputError
from archsim.report.attribution import compare_csv
from archsim.report.comparison_page import comparison_html
from archsim.report.page import render_html
from archsim.report.rows import (
    ResultMapping,
    energy_csv,
    layers_csv,
    read_energy_csv,
)
from archsim.result.energy import EnergyRow

RESULT_FILE = "result.json"
LAYERS_FILE = "layers.csv"
ENERGY_FILE = "energy.csv"
ARCHITECTURE_FILE = "architecture.yaml"
PAGE_FILE = "report.html"
COMPARISON_FILE = "comparison.html"
COMPARISON_TABLE_FILE = "comparison.csv"

# What archsim itself puts into a report folder; anything else there belongs to the user.
_OWN_FILES = frozenset(
    {
        RESULT_FILE,
        LAYERS_FILE,
        ENERGY_FILE,
        ARCHITECTURE_FILE,
        PAGE_FILE,
        COMPARISON_FILE,
        COMPARISON_TABLE_FILE,
        "timeline.json",
        "timeline.json.gz",
    }
)
_REQUIRED = ("workload", "architecture", "accelerator", "layers")


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


def check_output_folder(folder: Path) -> None:
    """Refuse an output folder that could not be written, before any work is done.

    Raises `InputError` if `folder` is a file, lies below a file, is not writable, or holds files
    but no report.  Touches nothing.
    """
    place = str(folder)
    if folder.is_dir():
        held = sorted(entry.name for entry in folder.iterdir())
        if held and not {RESULT_FILE, COMPARISON_FILE} & set(held):
            raise InputError(
                f"the output folder holds '{held[0]}' but no report of archsim.",
                place=place,
                remedy="Give an empty or a new folder with --out.",
            )
    elif folder.exists() or folder.is_symlink():
        raise InputError(
            "the output folder is a file.", place=place, remedy="Give another name with --out."
        )
    # The report replaces the folder by a rename, so it is the parent that must be writable.
    ancestor = _real(folder).parent
    while not ancestor.exists() and ancestor != ancestor.parent:
        ancestor = ancestor.parent
    if not ancestor.is_dir():
        raise InputError(
            f"'{ancestor.name}' is a file, so no folder can be made in it.",
            place=place,
            remedy="Give another name with --out.",
        )
    if not os.access(ancestor, os.W_OK | os.X_OK):
        raise InputError(
            f"no permission to write in '{ancestor.name or ancestor}'.",
            place=place,
            remedy="Give a writable folder with --out.",
        )


def write_report(
    folder: Path, result: ResultMapping, energy_rows: Sequence[EnergyRow], resolved_yaml: str
) -> ReportPaths:
    """Write `result.json`, `layers.csv`, `energy.csv`, `architecture.yaml` and `report.html`.

    An existing report is replaced; files of the user beside it are kept.  Raises `InputError` if
    the folder cannot be written, and then leaves what was there before as it was.
    """
    check_output_folder(folder)
    files = {
        RESULT_FILE: json.dumps(result, indent=2, allow_nan=False) + "\n",
        LAYERS_FILE: layers_csv(result),
        ENERGY_FILE: energy_csv(energy_rows),
        ARCHITECTURE_FILE: resolved_yaml,
        PAGE_FILE: render_html(result, energy_rows),
    }
    _replace_folder(folder, files)
    return ReportPaths(
        folder=folder,
        result=folder / RESULT_FILE,
        layers=folder / LAYERS_FILE,
        energy=folder / ENERGY_FILE,
        architecture=folder / ARCHITECTURE_FILE,
        page=folder / PAGE_FILE,
    )


def write_comparison(folder: Path, results: Sequence[ResultMapping]) -> Path:
    """Write `comparison.html` and `comparison.csv`; returns the path of the page."""
    check_output_folder(folder)
    files = {
        COMPARISON_FILE: comparison_html(results),
        COMPARISON_TABLE_FILE: compare_csv(results),
    }
    _replace_folder(folder, files)
    return folder / COMPARISON_FILE


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


def _real(folder: Path) -> Path:
    """`folder` with symbolic links followed: a link is kept, what it points to is replaced."""
    return Path(os.path.realpath(folder))


def _replace_folder(folder: Path, files: Mapping[str, str]) -> None:
    target = _real(folder)
    token = secrets.token_hex(4)
    fresh = target.with_name(f".{target.name}.{token}.new")
    old = target.with_name(f".{target.name}.{token}.old")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        fresh.mkdir()
        for name, text in files.items():
            (fresh / name).write_text(_encodable(text), encoding="utf-8", newline="\n")
        if target.exists():
            _swap(target, fresh, old)
        else:
            fresh.rename(target)
    except OSError as error:
        raise InputError(
            f"the report cannot be written ({error.strerror or error}).",
            place=str(folder),
            remedy="Give a writable folder with --out.",
        ) from None
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _swap(target: Path, fresh: Path, old: Path) -> None:
    """Put `fresh` where `target` is; the user's own files move over, the old report goes."""
    target.rename(old)
    try:
        fresh.rename(target)
    except OSError:
        old.rename(target)
        raise
    for entry in list(old.iterdir()):
        if entry.name not in _OWN_FILES:
            entry.rename(target / entry.name)
    shutil.rmtree(old, ignore_errors=True)


def _encodable(text: str) -> str:
    """`text` without lone surrogates, which a hostile name may hold and UTF-8 cannot."""
    return text.encode("utf-8", "replace").decode("utf-8")
