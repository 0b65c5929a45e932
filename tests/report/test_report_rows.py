"""The CSV tables read back as they were, and run as no formula."""

from __future__ import annotations

import csv
import io
import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim.errors import InputError
from archsim.report.rows import LAYER_COLUMNS, energy_csv, layers_csv, read_energy_csv
from archsim.result.energy import EnergyRow

names = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@given(st.lists(st.tuples(names, names, names, st.floats(0, 1e3)), max_size=6))
def test_an_energy_table_reads_back_equal(rows: list[tuple[str, str, str, float]]) -> None:
    """Names with commas, quotes and line ends survive, and floats keep every digit."""
    import tempfile

    written = [EnergyRow(*row) for row in rows]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "energy.csv"
        path.write_text(energy_csv(written), encoding="utf-8", newline="")
        assert list(read_energy_csv(path)) == written


def test_another_reader_finds_the_same_energy(energy_rows: list[EnergyRow]) -> None:
    """pandas reads the table, and its sum is that of the rows."""
    frame = pd.read_csv(io.StringIO(energy_csv(energy_rows)))
    assert list(frame.columns) == ["layer", "phase", "component", "energy_j"]
    assert math.fsum(frame["energy_j"]) == math.fsum(row.energy_j for row in energy_rows)


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_a_name_is_never_a_formula(start: str) -> None:
    """A spreadsheet sees text where a hostile network put a formula."""
    text = energy_csv([EnergyRow(f"{start}cmd|' /C calc'!A0", "forward", "adc", 1.0)])
    cell = list(csv.reader(io.StringIO(text, newline="")))[1][0]
    assert cell.startswith("'" + start)


def test_the_layer_table_holds_every_row_and_addition(result: dict[str, Any]) -> None:
    """Known columns come first, what a newer version adds comes behind them."""
    result["layers"][0]["temperature_k"] = 301.5
    table = list(csv.DictReader(io.StringIO(layers_csv(result))))
    assert list(table[0]) == [*LAYER_COLUMNS, "temperature_k"]
    assert len(table) == len(result["layers"])
    assert [float(row["energy_j"]) for row in table] == [r["energy_j"] for r in result["layers"]]
    assert table[0]["temperature_k"] == "301.5"
    assert table[1]["temperature_k"] == ""


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("a,b\n", ":1"),
        ("", ":1"),
        ("layer,phase,component,energy_j\nconv,forward,adc,1\nconv,forward,adc,much\n", ":3"),
        ("layer,phase,component,energy_j\nconv,forward,adc\n", ":2"),
        ("layer,phase,component,energy_j\nconv,forward,adc,nan\n", ":2"),
    ],
)
def test_a_wrong_energy_table_is_refused_by_line(tmp_path: Path, text: str, place: str) -> None:
    """The message names the file and the line."""
    path = tmp_path / "energy.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"energy\.csv" + place):
        read_energy_csv(path)


def test_an_unreadable_energy_table_is_refused(tmp_path: Path) -> None:
    """A missing file and one that is no text give a sentence."""
    (tmp_path / "energy.csv").write_bytes(b"\xff\xfe\x00")
    for path in (tmp_path / "energy.csv", tmp_path / "none.csv"):
        with pytest.raises(InputError, match="cannot be read"):
            read_energy_csv(path)
