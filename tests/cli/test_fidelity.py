"""`--fidelity cycle` on the command line: what it writes, its progress, and interrupting it."""

from __future__ import annotations

import io
import json
import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from archsim.cli import progress
from tests.cli.conftest import ROOT

Runner = Callable[..., Any]
RUN = ("run", "lenet", "--arch", "protonic_256", "--batch", "16", "--out", "here")


def test_a_cycle_run_writes_a_timeline_and_an_analytic_one_removes_it(
    archsim_here: Runner, tmp_path: Path
) -> None:
    """A folder never holds the timeline of another run than its result."""
    first = archsim_here(*RUN, "--fidelity", "cycle")
    assert (first.code, first.err) == (0, "")
    assert "Timing is cycle; analytic timing gives" in " ".join(first.out.split())
    timeline = json.loads((tmp_path / "here" / "timeline.json").read_text("utf-8"))
    assert len(timeline["traceEvents"]) > 100
    page = (tmp_path / "here" / "report.html").read_text("utf-8")
    assert "What waits for what" in page
    assert "timeline.json" in page
    assert archsim_here(*RUN).code == 0
    assert not (tmp_path / "here" / "timeline.json").exists()
    page = (tmp_path / "here" / "report.html").read_text("utf-8")
    assert "What waits for what" not in page
    assert "timeline.json" not in page


def test_the_command_in_a_result_asks_for_the_same_fidelity(
    archsim_here: Runner, tmp_path: Path
) -> None:
    archsim_here(*RUN, "--fidelity", "cycle")
    result = json.loads((tmp_path / "here" / "result.json").read_text("utf-8"))
    assert "--fidelity cycle" in result["command"]
    analytic = archsim_here(*RUN, "--json").json
    assert "--fidelity" not in analytic["command"]
    assert analytic["fidelity"]["mode"] == "analytic"
    other_s = result["fidelity"]["other_step_latency_s"]
    assert other_s == pytest.approx(analytic["accelerator"]["step_latency_s"], rel=1e-9)


def test_compare_times_every_architecture_the_same_way(archsim_here: Runner) -> None:
    archs = ("--arch", "protonic_128", "--arch", "protonic_256")
    found = archsim_here(
        "compare", "lenet", *archs, "--batch", "16", "--fidelity", "cycle", "--json"
    )
    assert found.code == 0
    for result in found.json["results"]:
        assert result["fidelity"]["mode"] == "cycle"
        assert result["cycle"]["critical_path"]["steps"] > 0


def test_another_fidelity_is_refused_with_the_choices(archsim_here: Runner) -> None:
    found = archsim_here(*RUN, "--fidelity", "exact")
    assert found.code == 2
    assert "analytic" in found.err
    assert "cycle" in found.err


def test_without_a_terminal_there_is_no_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with progress.progress_bar("simulating") as tell:
        assert tell is None


def test_ctrl_c_while_simulating_ends_the_bar_and_leaves_nothing(tmp_path: Path) -> None:
    """On a terminal a long run shows a bar; an interrupt gives 130 and no report."""
    ours, theirs = pty.openpty()
    words = ["run", "lstm-ptb", "--arch", "protonic_256", "--fidelity", "cycle"]
    large = ["--set", "dram.capacity=1000 GB"]
    process = subprocess.Popen(
        [sys.executable, "-m", "archsim", *words, "--batch", "100000", "--out", "here", *large],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=theirs,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm"},
    )
    os.close(theirs)
    seen = b""
    while b"simulating" not in seen:
        more = os.read(ours, 1000)
        assert more, "the run ended before it could be interrupted"
        seen += more
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    try:
        while more := os.read(ours, 1000):
            seen += more
    except OSError:  # some systems end a terminal so when the process is gone
        pass
    os.close(ours)
    assert (process.returncode, out) == (130, b"")
    assert seen.rstrip().endswith(b"interrupted")
    assert b"Traceback" not in seen
    assert list(tmp_path.iterdir()) == []


def test_more_chips_than_are_simulated_are_refused_with_what_to_do(archsim_here: Runner) -> None:
    found = archsim_here(
        *("run", "gpt3-175b", "--arch", "protonic_256_system", "--fidelity", "cycle")
    )
    assert (found.code, found.out) == (2, "")
    assert re.search(
        r"at most 256 chips, and the network needs [\d,]+\. Use the analytic fidelity\.", found.err
    )
