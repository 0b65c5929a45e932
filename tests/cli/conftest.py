"""What the tests of the command line share."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import archsim
from archsim.cli.main import cli

ROOT = Path(archsim.__file__).parent.parent


@dataclass(frozen=True)
class Outcome:
    """What a command line left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output as one JSON document."""
        return json.loads(self.out)


Runner = Callable[..., Outcome]


@pytest.fixture
def archsim_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Runner:
    """Run a command line in this process, in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> Outcome:
        result = CliRunner().invoke(cli, [str(argument) for argument in arguments])
        return Outcome(result.exit_code, result.stdout, result.stderr)

    return run


@pytest.fixture
def archsim_process(tmp_path: Path) -> Runner:
    """Run a command line in a process of its own, in an empty folder."""

    def run(*arguments: object) -> Outcome:
        done = subprocess.run(
            [sys.executable, "-m", "archsim", *map(str, arguments)],
            check=False,
            capture_output=True,
            text=True,
            cwd=tmp_path,
            timeout=120,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        return Outcome(done.returncode, done.stdout, done.stderr)

    return run
