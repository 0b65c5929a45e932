"""`archsim sweep` after an interrupt or a kill: what is done is kept, and `--resume` goes on."""

from __future__ import annotations

import csv
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from archsim.explore import refining
from archsim.explore.journal import JOURNAL_FILE
from tests.cli.conftest import ROOT, Runner

STUDY = """
base: chip.yaml
workloads: [mlp]
batch: 8
space:
  adc.bits: [6, 8]
  array.rows: [64, 128]
fidelity: {all: cycle}
"""
CHIP = "extends: protonic_256\nname: chip\n"


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """A study of four points on a chip of its own."""
    (tmp_path / "chip.yaml").write_text(CHIP, encoding="utf-8")
    path = tmp_path / "study.yaml"
    path.write_text(STUDY, encoding="utf-8")
    return path


def interrupt_after(monkeypatch: pytest.MonkeyPatch, points: int) -> None:
    """Ctrl-C while one more point is simulated."""
    reprice, done = refining.timed_by_cycle, iter(range(points))

    def stopping(*arguments: Any) -> Any:
        if next(done, None) is None:
            raise KeyboardInterrupt
        return reprice(*arguments)

    monkeypatch.setattr(refining, "timed_by_cycle", stopping)


@pytest.fixture
def stopped(archsim_here: Runner, study: Path) -> Any:
    """An interrupted sweep of two points of four, and the table that it would have written."""
    assert archsim_here("sweep", study.name, "--out", "whole").code == 0
    with pytest.MonkeyPatch.context() as patch:
        interrupt_after(patch, 2)
        found = archsim_here("sweep", study.name, "--out", "part", "--json")
    return found, (study.parent / "whole" / "points.csv").read_bytes()


def test_an_interrupt_keeps_what_is_done_and_says_how_to_go_on(
    archsim_here: Runner, tmp_path: Path, stopped: Any
) -> None:
    """Exit code 130; the table marks what is missing; the command that is named completes it."""
    found, expected = stopped
    assert (found.code, found.out) == (130, "")
    said, command = found.err.splitlines()[-1].split("; to go on: ")
    assert said == "interrupted: 2 of 4 points are done, in part"
    with (tmp_path / "part" / "points.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [bool(row["step_latency_s"]) for row in rows] == [True, True, False, False]
    assert [row["fidelity"] for row in rows][:2] == ["cycle", "cycle"]
    assert all("2 of 4 points done" in row["failure"] for row in rows[2:])
    again = archsim_here(*shlex.split(command)[1:])
    assert again.code == 0, again.err
    assert "4 point(s) priced, 2 simulated" in again.err
    assert again.json["cycle_points"] == 4
    assert (tmp_path / "part" / "points.csv").read_bytes() == expected
    assert [path.name for path in (tmp_path / "part").iterdir()] == ["points.csv"]


@pytest.mark.usefixtures("stopped")
def test_it_is_not_begun_anew_by_mistake(archsim_here: Runner, tmp_path: Path) -> None:
    before = (tmp_path / "part" / JOURNAL_FILE).read_bytes()
    found = archsim_here("sweep", "study.yaml", "--out", "part")
    assert (found.code, found.out) == (2, "")
    assert "an unfinished sweep is stored there. Go on with --resume" in found.err
    assert (tmp_path / "part" / JOURNAL_FILE).read_bytes() == before


@pytest.mark.usefixtures("stopped")
@pytest.mark.parametrize(
    ("file", "old", "new", "says"),
    [
        ("study.yaml", "[6, 8]", "[6, 7]", "'space' of the study changed since"),
        ("study.yaml", "batch: 8", "batch: 9", "'batch' of the study, the workload mlp changed"),
        ("chip.yaml", "name: chip", "name: chip\nadc: {bits: 5}", "architecture chip changed"),
    ],
)
def test_another_study_or_chip_does_not_go_on_with_it(
    archsim_here: Runner, tmp_path: Path, file: str, old: str, new: str, says: str
) -> None:
    """The refusal says what changed."""
    path = tmp_path / file
    path.write_text(path.read_text("utf-8").replace(old, new), encoding="utf-8")
    found = archsim_here("sweep", "study.yaml", "--out", "part", "--resume")
    assert (found.code, found.out) == (2, "")
    assert says in found.err


def test_a_sweep_that_has_ended_is_not_gone_on_with(
    archsim_here: Runner, tmp_path: Path, study: Path
) -> None:
    """While `--resume` where nothing is stored begins, and says so."""
    found = archsim_here("sweep", study.name, "--out", "new", "--resume")
    assert found.code == 0
    assert "Nothing is stored in new to go on with" in found.err
    before = (tmp_path / "new" / "points.csv").read_bytes()
    found = archsim_here("sweep", study.name, "--out", "new", "--resume")
    assert (found.code, found.out) == (2, "")
    assert "the sweep stored there has ended" in found.err
    assert (tmp_path / "new" / "points.csv").read_bytes() == before


@pytest.mark.skipif(os.name != "posix", reason="signals to process groups")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_it_survives_signals_with_processes_at_work(
    archsim_here: Runner, tmp_path: Path, study: Path, how: signal.Signals
) -> None:
    """A kill leaves no chance to tidy up; yet no process is left behind, and nothing is lost."""
    study.write_text(
        STUDY.replace("mlp", "lenet").replace("[6, 8]", "[6, 7, 8, 9]").replace(": 8", ": 64"),
        encoding="utf-8",
    )
    words = [sys.executable, "-m", "archsim", "sweep", study.name, "--out", "part", "--jobs", "2"]
    run = subprocess.Popen(
        words,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    journal = tmp_path / "part" / JOURNAL_FILE
    wait_for(lambda: journal.is_file() and journal.read_bytes().count(b'"numbers"') >= 1)
    if how is signal.SIGINT:
        os.killpg(run.pid, how)
    else:
        run.send_signal(how)
    assert run.wait(30) == (130 if how is signal.SIGINT else -how)
    wait_for(lambda: not group_alive(run.pid))
    simulated = journal.read_bytes().count(b'"numbers"')
    assert 1 <= simulated < 8
    found = archsim_here("sweep", study.name, "--out", "part", "--resume", "--json")
    assert found.code == 0, found.err
    assert f"{simulated} simulated" in found.err
    assert found.json["cycle_points"] == 8


def wait_for(happened: Any, most_s: float = 60.0) -> None:
    """Until `happened()`, but not for ever."""
    end = time.monotonic() + most_s
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.01)


def group_alive(group: int) -> bool:
    """Whether a process of the group is there."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
