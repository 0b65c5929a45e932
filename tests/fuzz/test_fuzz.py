"""Mutated real files are read or refused with a sentence, whatever was done to them.

The long test runs the fuzzer as it is run by hand, each process under its limits of time and memory;
the short one tries a few fixed cases inside this process.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from archsim.errors import InputError
from tests.fuzz import worker
from tests.fuzz.fuzz_importer import Source, fuzz
from tests.fuzz.seeds import corpus
from tests.fuzz.worker import case_bytes, check, symbol_sizes

FOLDERS = tuple(Path(__file__).parents[1] / "data" / name for name in ("single", "exports"))
CASES = 1000
# A machine that is busy with other things tries fewer; hundreds are tried in a second on an idle one.
FEWEST_TRIES = 50


def test_cases_are_repeatable_and_each_is_read_or_refused(tmp_path: Path) -> None:
    models = corpus(FOLDERS, folders_only=True)
    path = tmp_path / "case.onnx"
    fine = []
    for number in range(CASES):
        name, content = case_bytes(models, 1, number)
        assert case_bytes(models, 1, number) == (name, content)
        path.write_bytes(content)
        fine.append(check(path, symbol_sizes(content)))
    # If all were of one kind, the mutations would do nothing, or break every file.
    assert 0 < sum(fine) < CASES


@pytest.mark.slow
def test_fuzzing_for_four_minutes_finds_nothing(tmp_path: Path) -> None:
    tally = fuzz(240.0, Source(seed=2, corpora=FOLDERS, only=True), tmp_path)
    assert tally.findings == []
    assert tally.tried >= FEWEST_TRIES


@pytest.mark.parametrize(
    "error",
    [ValueError("any other"), MemoryError(), InputError("a\x07bell"), InputError("long " * 9999)],
)
def test_other_ends_than_a_readable_refusal_are_defects(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fails(*args: object, **options: object) -> None:
        raise error

    monkeypatch.setattr(worker, "read_workload", fails)
    with pytest.raises(worker.Defect):
        worker.check(tmp_path / "case.onnx", {})
