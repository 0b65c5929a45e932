"""Rows of the two tables of a report, and their CSV form.

`energy.csv` is long form: one row per layer, phase and component, whose energies add up to the
energy of the step.  `layers.csv` has one row per layer and phase.  Both are written without pandas,
so that a single run does not pay for its import.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from archsim.errors import InputError
from archsim.result.energy import EnergyRow

ResultMapping: TypeAlias = Mapping[str, Any]


LAYER_COLUMNS: tuple[str, ...] = (
    "name",
    "kind",
    "op_type",
    "phase",
    "where",
    "matrix",
    "arrays",
    "copies",
    "vectors",
    "latency_s",
    "energy_j",
    "utilisation",
    "reason",
)

# A spreadsheet runs a cell that starts with one of these as a formula, and layer names come from
# files that others wrote.  A leading apostrophe marks text; `_plain` takes it away again.
_GUARDED = ("=", "+", "-", "@", "\t", "\r", "\n", "'")


def _cell(value: object) -> object:
    if isinstance(value, str) and value.startswith(_GUARDED):
        return f"'{value}"
    return value


def _plain(cell: str) -> str:
    return cell.removeprefix("'")


def csv_text(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table as CSV, its text cells guarded against being run as formulas."""
    buffer = io.StringIO(newline="")
    plain = csv.writer(buffer, lineterminator="\n")
    # The plain writer leaves a lone carriage return unquoted, and a reader ends the row there.
    quoted = csv.writer(buffer, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
    plain.writerow(header)
    for row in rows:
        cells = [_cell(value) for value in row]
        returns = any(isinstance(cell, str) and "\r" in cell for cell in cells)
        (quoted if returns else plain).writerow(cells)
    return buffer.getvalue()


def layers_csv(result: ResultMapping) -> str:
    """`layers` of a result as CSV: the known columns first, additions behind them by name."""
    layers: Sequence[Mapping[str, Any]] = result.get("layers", ())
    extra = sorted({key for row in layers for key in row} - set(LAYER_COLUMNS))
    header = (*LAYER_COLUMNS, *extra)
    return csv_text(header, ([row.get(key) for key in header] for row in layers))


def energy_csv(energy_rows: Iterable[EnergyRow]) -> str:
    """Energy rows as CSV; floats are written with all their digits, so they read back equal."""
    return csv_text(EnergyRow._fields, energy_rows)


def read_energy_csv(path: Path) -> tuple[EnergyRow, ...]:
    """The rows of an `energy.csv`; raises `InputError` that names the line of a wrong row."""
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            reader = csv.reader(stream)
            header = next(reader, [])
            if tuple(header) != EnergyRow._fields:
                raise InputError(
                    f"this is not an energy table: its columns are {', '.join(header) or 'none'}.",
                    place=f"{path}:1",
                    remedy=f"Expected {', '.join(EnergyRow._fields)}.",
                )
            return tuple(_energy_row(row, f"{path}:{reader.line_num}") for row in reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"the energy table cannot be read ({error}).", place=str(path)) from None


def _energy_row(cells: Sequence[str], place: str) -> EnergyRow:
    try:
        layer, phase, component, energy = cells
        energy_j = float(energy)
    except ValueError:
        energy_j = math.nan
    if not math.isfinite(energy_j):
        raise InputError(
            f"'{','.join(cells)}' is not an energy row.",
            place=place,
            remedy="Expected a layer, a phase, a component and a finite number of joules.",
        )
    return EnergyRow(_plain(layer), _plain(phase), _plain(component), energy_j)
