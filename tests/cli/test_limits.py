"""`archsim limits` prints what its JSON says, and refuses what makes no sense."""

from __future__ import annotations

import csv
import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from archsim.cli.main import cli
from tests.closeness import close


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of one command."""
    with pytest.raises(SystemExit) as stopped:
        cli.main(["limits", *words])
    found = capsys.readouterr()
    return int(stopped.value.code or 0), found.out, found.err


@pytest.mark.parametrize("arch", ["protonic_256", "rpu_4096"])
def test_fits_a_terminal_of_80_columns(capsys: pytest.CaptureFixture[str], arch: str) -> None:
    """Every line of the summary has at most 80 characters and nothing goes to standard error."""
    code, out, err = run(capsys, "--arch", arch)
    assert (code, err) == (0, "")
    assert max(map(len, out.splitlines())) <= 80
    for words in ("read noise", "IR drop", "Endurance"):
        assert words in out


def test_json_and_table_and_plot_say_the_same(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The folder holds the JSON that is printed, its sizes as a table, and a plot of four curves."""
    folder = tmp_path / "limits"
    code, out, _ = run(capsys, "--arch", "protonic_256", "--json", "--out", str(folder))
    assert code == 0
    found = json.loads(out)
    assert json.loads((folder / "limits.json").read_text()) == found
    rows = list(csv.DictReader((folder / "limits.csv").read_text().splitlines()))
    assert [int(row["size"]) for row in rows] == [row["size"] for row in found["sizes"]]
    assert [float(row["ir_drop"]) for row in rows] == [row["ir_drop"] for row in found["sizes"]]
    plot = ET.parse(folder / "limits.svg").getroot()
    assert len(plot.findall("{http://www.w3.org/2000/svg}polyline")) == 4


def test_bounds_are_those_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    """A looser bound lets arrays be larger; the default is what results are warned about."""
    _, out, _ = run(capsys, "--arch", "protonic_256", "--json")
    usual = {entry["limit"]: entry for entry in json.loads(out)["largest"]}
    _, out, _ = run(capsys, "--arch", "protonic_256", "--json", "--noise", "0.12")
    loose = {entry["limit"]: entry for entry in json.loads(out)["largest"]}
    assert usual["read_noise"]["bound"] == 0.06
    assert loose["read_noise"]["size"] > 3 * usual["read_noise"]["size"]
    assert loose["ir_drop"] == usual["ir_drop"]


def test_settings_change_the_answer(capsys: pytest.CaptureFixture[str]) -> None:
    """Four times the read voltage, a quarter of the devices' noise."""
    _, out, _ = run(capsys, "--arch", "protonic_256", "--json")
    before = json.loads(out)["sizes"][4]["device_noise"]
    _, out, _ = run(capsys, "--arch", "protonic_256", "--json", "--set", "read.voltage=0.4 V")
    assert json.loads(out)["sizes"][4]["device_noise"] == close(before / 4, rel=1e-12)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--arch", "protonic_265"], "Did you mean 'protonic_256'"),
        (["--arch", "protonic_256", "--noise", "0"], "--noise"),
        (["--arch", "protonic_256", "--ir-drop", "2"], "--ir-drop"),
        (["--arch", "protonic_256", "--samples", "none"], "--samples"),
        ([], "--arch"),
        (["--arch", "protonic_256", "--noise", "nan"], "no finite number"),
        (["--arch", "protonic_256", "--samples", "inf"], "no finite number"),
        (["--arch", "protonic_256", "--arch", "rpu_4096"], "`archsim limits` takes one"),
    ],
)
def test_bad_input_gets_one_sentence(
    capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    """Exit code 2, nothing on standard output, and the remedy named."""
    code, out, err = run(capsys, *words)
    assert (code, out) == (2, "")
    assert said in err
    assert "Traceback" not in err
