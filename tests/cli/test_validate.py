"""`archsim validate`: the contract of its output, its exit codes and its files."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from tests.cli.conftest import Runner

ROW_KEYS = {
    "id",
    "quantity",
    "class",
    "published",
    "estimate",
    "relative_error",
    "evidence",
    "calibrated_relative_error",
    "cause",
}
CLASSES = {"prediction", "rollup", "not_modelled"}


def test_json_keeps_its_contract(archsim_here: Runner) -> None:
    found = archsim_here("validate", "--json")
    assert found.code == 0
    document = found.json
    assert document["rows"]
    for row in document["rows"]:
        assert row.keys() >= ROW_KEYS
        assert row["class"] in CLASSES
        modelled = row["class"] != "not_modelled"
        assert (row["estimate"] is not None) == modelled
        assert (row["relative_error"] is not None) == modelled
        assert row["cause"] or modelled
    summary = document["medians"]["seen_predictions"]
    assert document["median_absolute_error"] == summary["median_absolute_error"]
    assert (
        document["median_absolute_error_calibrated"] == summary["median_absolute_error_calibrated"]
    )
    assert sum(document["shares"].values()) == pytest.approx(1.0)
    assert {claim["verdict"] for claim in document["claims"]} <= {
        "holds",
        "holds under conditions",
        "does not hold",
    }
    assert document["peers"]


def test_the_summary_states_medians_shares_and_missed_bars(archsim_here: Runner) -> None:
    """What a reader must see: both groups, their bars, and how many rows are what."""
    found = archsim_here("validate")
    assert found.code == 0, "a missed bar is no failure unless the user sets it"
    for text in ("seen predictions", "everything seen", "bar 25 %", "bar 15 %", "bar 10 %"):
        assert text in " ".join(found.out.split())
    for text in ("predictions", "roll-ups", "not modelled", "Not modelled", "Claims"):
        assert text in found.out
    assert max(len(line) for line in found.out.splitlines()) <= 80


def test_only_keeps_what_is_named(archsim_here: Runner) -> None:
    rows = archsim_here("validate", "--json", "--only", "isaac_ce").json["rows"]
    assert {row["system"] for row in rows} == {"isaac_ce"}
    one = archsim_here("validate", "--json", "--only", "isaac_ce.chip.power").json["rows"]
    assert [row["id"] for row in one] == ["isaac_ce.chip.power"]
    assert one[0] in rows


@pytest.mark.parametrize("wanted", ["isac_ce", "isaac_ce.chip.pwer"])
def test_an_unknown_id_gets_the_nearest(archsim_here: Runner, wanted: str) -> None:
    found = archsim_here("validate", "--only", wanted)
    assert (found.code, found.out) == (2, "")
    assert "Did you mean 'isaac_ce" in found.err


@pytest.mark.parametrize(
    ("option", "bar", "code"),
    [("--bar", 1e-6, 1), ("--bar", 1e6, 0), ("--calibrated-bar", 1e-6, 1)],
)
def test_a_missed_bar_of_the_user_ends_with_one(
    archsim_here: Runner, option: str, bar: float, code: int
) -> None:
    chip = "hermes_core_2021"
    found = archsim_here("validate", "--only", chip, option, bar, "--json")
    assert found.code == code
    assert ("Missed" in found.err) == bool(code)
    assert found.json["rows"], "the result is printed all the same"


def test_a_bar_without_predictions_is_said_to_be_empty(archsim_here: Runner) -> None:
    found = archsim_here("validate", "--only", "isaac_ce", "--bar", 1)
    assert found.code == 0
    assert "There is no prediction" in found.err


def test_files_hold_the_same_rows(archsim_here: Runner, tmp_path: Path) -> None:
    found = archsim_here("validate", "--json", "--only", "puma", "--csv", "t.csv", "--out", "out")
    assert found.code == 0
    assert "validation.html" in found.err
    assert json.loads((tmp_path / "out" / "validation.json").read_text("utf-8")) == found.json
    texts = [(tmp_path / name).read_text("utf-8") for name in ("t.csv", "out/validation.csv")]
    assert texts[0] == texts[1]
    table = list(csv.DictReader(texts[0].splitlines()))
    assert [row["id"] for row in table] == [row["id"] for row in found.json["rows"]]
    assert float(table[0]["relative_error"]) == found.json["rows"][0]["relative_error"]
    again = archsim_here("validate", "--only", "puma", "--out", "out")
    assert again.code == 0, "its own files are replaced"


def test_files_of_others_are_not_overwritten(archsim_here: Runner, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "validation.csv").write_text("mine", encoding="utf-8")
    found = archsim_here("validate", "--out", "out")
    assert found.code == 2
    assert "not from a report of archsim" in found.err
    assert (tmp_path / "out" / "validation.csv").read_text("utf-8") == "mine"


OWN = """\
title: a chip of mine
configuration:
  kind: rollup
  parts: {adc: {circuit: adc, power: 2 mW}}
  assemblies: {chip: {adc: 4}}
published:
  - {id: chip.power, quantity: power, value: 10, unit: mW, evidence: seen}
"""


def test_a_system_of_ones_own_is_compared_with_the_others(
    archsim_here: Runner, tmp_path: Path
) -> None:
    (tmp_path / "mine.yaml").write_text(OWN, encoding="utf-8")
    rows = archsim_here("validate", "--json", "--system", "mine.yaml").json["rows"]
    mine = [row for row in rows if row["system"] == "mine"]
    assert [(row["id"], row["estimate"]) for row in mine] == [("mine.chip.power", 8.0)]
    assert mine[0]["relative_error"] == pytest.approx(-0.2)
    assert len(rows) > 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("chip.power", "chip.powr"), "Did you mean 'chip.power'?"),
        (("unit: mW", "unit: mJ"), "published in 'mJ', but the estimate is in 'W'"),
        (("kind: rollup", "kind: rolup"), "Did you mean 'rollup'?"),
        (("circuit: adc", "circuit: acd"), "mine.yaml:4"),
        (("value: 10, ", ""), "exactly one of"),
        (("power: 2 mW", "area: 2 um^2"), "has nothing that this quantity is made of"),
        (("title", "name: puma\ntitle"), "already a published system called 'puma'"),
    ],
)
def test_a_wrong_system_is_refused_with_a_sentence(
    archsim_here: Runner, tmp_path: Path, change: tuple[str, str], message: str
) -> None:
    (tmp_path / "mine.yaml").write_text(OWN.replace(*change), encoding="utf-8")
    found = archsim_here("validate", "--json", "--system", "mine.yaml")
    assert (found.code, found.out) == (2, "")
    assert message in found.err
    assert "Traceback" not in found.err


def test_the_step_of_a_claim_is_that_of_the_run_command(archsim_here: Runner) -> None:
    """ResNet-50 on the projected chip against a V100: one number, by two commands."""
    claims = archsim_here("validate", "--json").json["claims"]
    claim = next(c for c in claims if c["id"] == "rpu_acceleration")
    ratio = next(f["value"] for f in claim["figures"] if f["name"] == "against a step of resnet50")
    result = archsim_here("run", "resnet50", "--arch", "rpu_4096", "--gpu", "v100", "--json").json
    assert ratio == pytest.approx(result["ratios"]["speedup"]["value"])
