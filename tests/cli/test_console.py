"""Tables and lines on terminals of any width and encoding."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from typing import Any

import pytest

from archsim.cli.console import (
    NARROWEST,
    WIDEST,
    FittingTable,
    literal_row,
    plain_table,
    show,
    show_line,
    visible,
    width,
)

Runner = Callable[..., Any]
COLUMNS = ("machine", "setting", "batch", "step", "power")


def table() -> FittingTable:
    """Two lines of five columns, of which power, and then setting, may be left out."""
    plain = plain_table(*COLUMNS, right=COLUMNS[2:])
    literal_row(plain, "protonic_256", "", "256", "1.19 ms", "37.9 W")
    literal_row(plain, "H100", "usual optimizer", "65,536", "120 µs", "227 W")
    return FittingTable(plain, ("power", "setting"))


def shown(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """What was printed, line by line."""
    return capsys.readouterr().out.splitlines()


@pytest.mark.parametrize(
    ("columns", "kept"), [(80, COLUMNS), (46, COLUMNS[:4]), (40, ("machine", "batch", "step"))]
)
def test_a_narrow_terminal_gets_fewer_columns(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    columns: int,
    kept: tuple[str, ...],
) -> None:
    """Columns go in the order that the table names; what stays is not cut."""
    monkeypatch.setenv("COLUMNS", str(columns))
    show(table())
    lines = shown(capsys)
    assert lines[0].split() == list(kept)
    assert max(map(len, lines)) <= columns
    assert not any("…" in line for line in lines)
    assert "120 µs" in lines[-1]


def test_the_width_is_that_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    """COLUMNS counts also where the output is no terminal, within bounds; 80 without it."""
    for given, expected in (("100", 100), ("10", NARROWEST), ("900", WIDEST)):
        monkeypatch.setenv("COLUMNS", given)
        assert width() == expected
    monkeypatch.delenv("COLUMNS")
    monkeypatch.setattr("os.get_terminal_size", lambda *_: (_ for _ in ()).throw(OSError))
    assert width() == 80


def test_lines_end_without_blanks_and_paths_are_not_broken(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A path is one line however long it is, so that it can be copied."""
    monkeypatch.setenv("COLUMNS", "40")
    show(table(), "word " * 20)
    show_line(f"Report: {'deep/' * 20}report.html")
    lines = shown(capsys)
    assert all(line == line.rstrip() for line in lines)
    assert lines[-1] == f"Report: {'deep/' * 20}report.html"


@pytest.mark.parametrize(
    ("encoding", "expected"),
    [
        ("ascii", "2 us, 3 x, 4 mm^2, -5 ... ?"),
        ("latin-1", "2 µs, 3 ×, 4 mm², -5 ... ?"),
        ("utf-8", "2 µs, 3 ×, 4 mm², −5 … 語"),
    ],
)
def test_what_an_encoding_lacks_is_spelled_out(encoding: str, expected: str) -> None:
    """µ, ×, ² and the like have plain spellings; anything else is a question mark."""
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    assert visible("2 µs, 3 ×, 4 mm², −5 … 語", stream) == expected


def test_a_plain_terminal_is_not_sent_control_characters() -> None:
    """Escape sequences in names become visible marks; line ends stay."""
    assert visible("a\x1b[2Jb\nc") == "a\ufffd[2Jb\nc"
    assert visible("tab\there", sys.stdout) == "tab\ufffdhere"


@pytest.mark.parametrize("columns", [40, 80])
@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "mlp", "--arch", "protonic_256", "--gpu", "h100"),
        ("compare", "mlp", "--arch", "protonic_256", "--arch", "protonic_512", "--gpu", "h100"),
        ("list", "archs"),
        ("list", "gpus"),
        ("list", "workloads"),
        ("list", "algorithms"),
    ],
    ids=lambda value: "-".join(value[:2]) if isinstance(value, tuple) else str(value),
)
def test_every_command_keeps_the_width(
    archsim_here: Runner, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], columns: int
) -> None:
    """No line but that of a path is wider than the terminal."""
    monkeypatch.setenv("COLUMNS", str(columns))
    found = archsim_here(*arguments)
    assert found.code == 0, found.err
    lines = [line for line in found.out.splitlines() if not line.startswith("Report: ")]
    assert max(map(len, lines)) <= columns
    assert "\ufffd" not in found.out
