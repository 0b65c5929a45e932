"""The command lines in the documentation print what the pages say they print.

With the variable ARCHSIM_UPDATE_DOCS set, the pages are rewritten with what is printed now.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from archsim.cli.main import cli

ROOT = Path(__file__).parents[2]
EXPORTS = ROOT / "tests" / "data" / "exports"
CURVE = ROOT / "tests" / "data" / "fitting" / "onen2022_fig2a.csv"
BLOCK = re.compile(r"^```console\n(.*?)^```", re.DOTALL | re.MULTILINE)
PAGES = sorted(
    page for page in (ROOT / "docs").rglob("*.md") if BLOCK.search(page.read_text("utf-8"))
)
# What depends on the version of a library that writes files.
MASKED = (re.compile(r"SHA-256 [0-9a-f]+"), "SHA-256 ...")


def shown(command: str) -> str:
    """What a command prints on standard output, then on standard error, without trailing blanks."""
    program, *arguments = shlex.split(command)
    assert program == "archsim"
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 0, result.output
    text = "\n".join(line.rstrip() for line in (result.stdout + result.stderr).splitlines())
    return MASKED[0].sub(MASKED[1], text)


def executed(page: str) -> str:
    """`page` with what its commands print now."""

    def run(block: re.Match[str]) -> str:
        commands = [line for line in block.group(1).splitlines() if line.startswith("$ ")]
        assert commands, "a console block begins with a command"
        parts = [f"{command}\n{shown(command[2:])}\n" for command in commands]
        return "```console\n" + "\n".join(parts) + "```"

    return BLOCK.sub(run, page)


def test_there_are_pages_with_commands() -> None:
    assert any(page.name == "inspect.md" for page in PAGES)


@pytest.mark.parametrize("page", PAGES, ids=[page.stem for page in PAGES])
def test_commands_print_what_the_page_shows(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In an empty folder, beside the example exports and the example curve."""
    for exporter in ("legacy", "dynamo"):
        shutil.copy(EXPORTS / f"residual.{exporter}.onnx", tmp_path / f"{exporter}.onnx")
    shutil.copy(CURVE, tmp_path / "curve.csv")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    text = page.read_text("utf-8")
    wanted = executed(text)
    if os.environ.get("ARCHSIM_UPDATE_DOCS"):
        page.write_text(wanted, encoding="utf-8")
        text = wanted
    assert text.splitlines() == wanted.splitlines()
