"""No file, whatever is in it, crashes, hangs or fills the memory: each is refused in a sentence."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from tests.workload.hostile.corpus import BATCHES
from tests.workload.hostile.verdicts import Verdict, examine

_SECONDS = 10.0
_BYTES = 2**30
_LONGEST_MESSAGE = 100 * 1024
_EACH = [(batch, case.name) for batch, cases in BATCHES.items() for case in cases]


@pytest.fixture(scope="module")
def verdict_on(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Verdict]:
    """The verdict on a case; all cases of its batch are examined at once, in one process."""

    @cache
    def batch_verdicts(batch: str) -> dict[str, Verdict]:
        folder = tmp_path_factory.mktemp(batch)
        paths = {case.name: case.write(folder) for case in BATCHES[batch]}
        found = examine(list(paths.values()))
        return {name: found[path] for name, path in paths.items()}

    return lambda batch, name: batch_verdicts(batch)[name]


def test_corpus_is_large_and_its_names_are_unique() -> None:
    names = [name for _, name in _EACH]
    assert len(names) >= 200
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(("batch", "name"), _EACH)
def test_hostile_file_is_refused_in_time_and_memory(
    verdict_on: Callable[[str, str], Verdict], batch: str, name: str
) -> None:
    verdict = verdict_on(batch, name)
    says = next(case.says for case in BATCHES[batch] if case.name == name)
    assert verdict.code == 2, verdict.message
    assert verdict.out == ""
    assert verdict.seconds < _SECONDS
    assert verdict.peak_bytes < _BYTES
    assert verdict.message.startswith("error: ")
    assert len(verdict.message) < _LONGEST_MESSAGE
    assert "Traceback" not in verdict.message
    for text in (*says, f"{name}.onnx"):
        assert text in verdict.message


def test_refusals_are_one_line_except_lists_of_operators(
    verdict_on: Callable[[str, str], Verdict],
) -> None:
    for batch, name in _EACH:
        message = verdict_on(batch, name).message
        assert message.count("\n") == 1 or "not supported" in message, name


def test_corpus_can_be_written_for_a_look(tmp_path: Path) -> None:
    """Every case makes its file; those that are models parse, so that their fault is elsewhere."""
    written = [case.write(tmp_path) for case in BATCHES["folding"]]
    assert all(path.stat().st_size for path in written)
