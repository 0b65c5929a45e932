"""A report is written whole or not at all."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from archsim import output as output_module
from archsim.errors import InputError
from archsim.report import folder as folder_module
from archsim.report.folder import (
    check_output_folder,
    read_report,
    read_result,
    write_comparison,
    write_report,
)
from archsim.result.energy import EnergyRow

Result = dict[str, Any]
Energy = list[EnergyRow]
FILES = {"result.json", "layers.csv", "energy.csv", "architecture.yaml", "report.html"}


def tree(path: Path) -> dict[str, bytes]:
    """Every file below `path` with its bytes."""
    return {f.relative_to(path).as_posix(): f.read_bytes() for f in path.rglob("*") if f.is_file()}


def test_a_report_reads_back_as_written(
    tmp_path: Path, result: Result, energy_rows: Energy
) -> None:
    """All five files are there, and the stored result, energies and YAML are those given."""
    paths = write_report(tmp_path / "a" / "b", result, energy_rows, "name: µ\n")
    assert set(tree(paths.folder)) == FILES
    assert {p.name for p in (paths.result, paths.layers, paths.energy)} <= FILES
    assert paths.page.is_file()
    assert paths.architecture.is_file()
    stored = read_report(paths.folder)
    assert stored.result == result
    assert list(stored.energy_rows) == energy_rows
    assert stored.resolved_yaml == "name: µ\n"
    total = math.fsum(row.energy_j for row in stored.energy_rows)
    assert total == pytest.approx(result["accelerator"]["step_energy_j"], rel=1e-12)


def test_a_report_can_be_written_again_from_what_is_stored(
    tmp_path: Path, result: Result, energy_rows: Energy
) -> None:
    """Rebuilding a report changes no byte."""
    write_report(tmp_path / "r", result, energy_rows, "a: 1\n")
    before = tree(tmp_path / "r")
    stored = read_report(tmp_path / "r")
    write_report(tmp_path / "r", stored.result, stored.energy_rows, stored.resolved_yaml)
    assert tree(tmp_path) == {f"r/{name}": text for name, text in before.items()}


def test_a_new_report_replaces_the_old_and_keeps_what_is_the_users(
    tmp_path: Path, result: Result, energy_rows: Energy
) -> None:
    """An outdated timeline goes, notes and folders of the user stay."""
    target = tmp_path / "r"
    write_report(target, result, energy_rows, "")
    (target / "timeline.json").write_text("{}")
    (target / "notes.txt").write_text("mine")
    (target / "plots").mkdir()
    (target / "plots" / "p.png").write_bytes(b"png")
    result["seed"] = 7
    write_report(target, result, energy_rows, "")
    assert set(tree(target)) == FILES | {"notes.txt", "plots/p.png"}
    assert read_report(target).result["seed"] == 7
    assert [p.name for p in tmp_path.iterdir()] == ["r"]


@pytest.mark.parametrize(("step", "calls_of_it"), [("write_text", 5), ("replace", 5)])
def test_a_failure_leaves_the_old_report_and_nothing_else(
    tmp_path: Path,
    result: Result,
    energy_rows: Energy,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
    calls_of_it: int,
) -> None:
    """A full disk, at any file and at any rename, gives a sentence and changes nothing."""
    target = tmp_path / "r"
    write_report(target, result, energy_rows, "old: 1\n")
    before = tree(tmp_path)
    real = getattr(Path, step)
    for failing in range(calls_of_it):
        calls = iter(range(100))

        def full(
            self: Path, *given: Any, calls: Any = calls, failing: int = failing, **named: Any
        ) -> Any:
            if next(calls) == failing:
                raise OSError(28, "No space left on device")
            return real(self, *given, **named)

        with monkeypatch.context() as patch:
            patch.setattr(Path, step, full)
            with pytest.raises(InputError, match="No space left on device"):
                write_report(target, {**result, "seed": 9}, energy_rows, "new: 1\n")
        assert tree(tmp_path) == before
        assert [p.name for p in tmp_path.iterdir()] == ["r"]


def test_a_result_that_cannot_be_rendered_touches_nothing(
    tmp_path: Path, result: Result, energy_rows: Energy
) -> None:
    """Not-a-number is no JSON: it is found before the folder is made."""
    result["accelerator"]["step_energy_j"] = math.nan
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_report(tmp_path / "r", result, energy_rows, "")
    assert list(tmp_path.iterdir()) == []


def test_output_that_cannot_be_is_refused_before_work(tmp_path: Path) -> None:
    """A file, a folder below a file and a folder with a foreign result are refused."""
    (tmp_path / "file").write_text("")
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "result.json").write_bytes(b"[]")
    for bad, why in (
        ("file", "is a file"),
        ("file/report", "'file' is a file"),
        ("photos", "'result.json', which is not from a report"),
    ):
        with pytest.raises(InputError, match=why) as refusal:
            check_output_folder(tmp_path / bad)
        assert "--out" in str(refusal.value)
    assert set(tree(tmp_path)) == {"file", "photos/result.json"}


def test_output_without_permission_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The nearest folder that exists must be writable."""
    asked = []

    def no_access(path: Path, mode: int) -> bool:
        asked.append(Path(path))
        return False

    monkeypatch.setattr(output_module.os, "access", no_access)
    with pytest.raises(InputError, match="no permission"):
        check_output_folder(tmp_path / "a" / "b")
    assert asked == [tmp_path]


def test_output_that_can_be_is_not_made_by_the_check(tmp_path: Path) -> None:
    """New, nested, empty and earlier report folders pass, and so do files that are not touched."""
    for name in ("empty", "earlier", "photos"):
        (tmp_path / name).mkdir()
    versions = {"schema_version": 1, "archsim_version": "0.1"}
    (tmp_path / "earlier" / "result.json").write_text(json.dumps(versions))
    (tmp_path / "photos" / "cat.jpg").write_bytes(b"")
    for good in ("new", "deep/er", "empty", "earlier", "photos"):
        check_output_folder(tmp_path / good)
    assert {p.name for p in tmp_path.iterdir()} == {"empty", "earlier", "photos"}


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{}", '{"schema_version": 1}', '{"schema_version": "1", "archsim_version": "0"}'],
)
@pytest.mark.parametrize("name", sorted(FILES))
def test_what_archsim_did_not_write_is_never_replaced(
    tmp_path: Path, result: Result, name: str, content: str
) -> None:
    """A file under one of our names is replaced only beside a result that states its versions."""
    (tmp_path / name).write_text(content)
    before = tree(tmp_path)
    with pytest.raises(InputError, match="not from a report of archsim"):
        write_report(tmp_path, result, [], "")
    assert tree(tmp_path) == before


def test_an_input_is_never_overwritten(
    tmp_path: Path, result: Result, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The resolved YAML of an earlier report may be given again, but not for the same folder."""
    write_report(tmp_path / "r", result, [], "a: 1\n")
    monkeypatch.chdir(tmp_path)
    given = [Path("r/architecture.yaml")]
    with pytest.raises(InputError, match=r"overwrite 'r/architecture\.yaml'"):
        check_output_folder(tmp_path / "r", inputs=given)
    check_output_folder(tmp_path / "s", inputs=given)


def test_the_working_directory_can_hold_the_report(
    tmp_path: Path, result: Result, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder itself stays the same one, so it may be a mount point or where the user is."""
    monkeypatch.chdir(tmp_path)
    identity = tmp_path.stat().st_ino
    for _ in range(2):
        write_report(Path(), result, [], "")
        assert tmp_path.stat().st_ino == identity
    assert set(tree(tmp_path)) == FILES


def test_an_interrupt_leaves_no_mixture(
    tmp_path: Path, result: Result, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C while texts are written changes nothing; during the renames the new report is whole."""
    write_report(tmp_path, {**result, "seed": 1}, [], "old: 1\n")
    before, after = tree(tmp_path), None
    for step in ("write_text", "replace"):
        real = getattr(Path, step)
        for failing in range(5):
            calls = iter(range(100))

            def interrupted(
                self: Path,
                *given: Any,
                calls: Any = calls,
                failing: int = failing,
                real: Any = real,
                **named: Any,
            ) -> Any:
                if next(calls) == failing:
                    raise KeyboardInterrupt
                return real(self, *given, **named)

            with monkeypatch.context() as patch:
                patch.setattr(Path, step, interrupted)
                with pytest.raises(KeyboardInterrupt):
                    write_report(tmp_path, {**result, "seed": 2}, [], "new: 1\n")
            after = tree(tmp_path)
            assert set(after) == FILES
            if step == "write_text":
                assert after == before
            else:
                assert read_report(tmp_path).result["seed"] == 2
                assert after["architecture.yaml"] == b"new: 1\n"


def test_a_link_stays_and_what_it_points_to_is_written(
    tmp_path: Path, result: Result, energy_rows: Energy
) -> None:
    """Writing through a symbolic link does not replace the link."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real", target_is_directory=True)
    write_report(tmp_path / "link", result, energy_rows, "")
    assert (tmp_path / "link").is_symlink()
    assert set(tree(tmp_path / "real")) == FILES


def test_hostile_names_can_be_stored(tmp_path: Path, result: Result) -> None:
    """A lone surrogate, which UTF-8 cannot hold, does not stop a report."""
    result["layers"][0]["name"] = "\ud800=1+1"
    rows = [EnergyRow("\ud800", "forward", "adc", 1.0)]
    write_report(tmp_path / "r", result, rows, "")
    assert read_report(tmp_path / "r").result["layers"][0]["name"] == "\ud800=1+1"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "not JSON"),
        ("[]", "not an object"),
        ("{}", "'workload' is missing"),
        ("[" * 100_000, "not JSON"),
        ('{"workload": 1, "architecture": 1, "layers": 1}', "'accelerator' is missing"),
    ],
)
def test_what_is_no_result_is_refused(tmp_path: Path, text: str, why: str) -> None:
    """The message says what is missing."""
    (tmp_path / "result.json").write_text(text)
    with pytest.raises(InputError, match=why):
        read_result(tmp_path / "result.json")


def test_a_folder_without_a_report_is_refused(tmp_path: Path) -> None:
    """The message names the file that is missing."""
    with pytest.raises(InputError, match=r"'result\.json' is missing"):
        read_report(tmp_path)
    (tmp_path / "result.json").write_bytes(b"\xff")
    with pytest.raises(InputError, match="cannot be read"):
        read_report(tmp_path)


def test_a_comparison_is_written_beside_its_table(tmp_path: Path, result: Result) -> None:
    """The page and the table of numbers are there, and a second one replaces them."""
    for _ in range(2):
        page = write_comparison(tmp_path / "c", [result, result])
    assert page.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert set(tree(tmp_path / "c")) == {"comparison.html", "comparison.csv", "comparison.json"}


def test_writing_a_report_does_not_import_pandas(
    tmp_path: Path, result: Result, energy_rows: Energy
) -> None:
    """A single run does not wait for pandas."""
    (tmp_path / "result.json").write_text(json.dumps(result))
    code = (
        "import sys, json, pathlib\n"
        "from archsim.report.folder import write_report\n"
        "from archsim.report.frames import layer_frame\n"
        "folder = pathlib.Path(sys.argv[1])\n"
        "result = json.loads((folder / 'result.json').read_text())\n"
        "write_report(folder / 'r', result, [], '')\n"
        "assert 'jinja2' in sys.modules\n"
        "sys.exit('pandas' in sys.modules)\n"
    )
    subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        check=True,
        timeout=60,
        cwd=Path(folder_module.__file__).parents[2],
    )
