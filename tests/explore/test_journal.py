"""The journal of a sweep: what is in it survives any cut, and it belongs to one sweep only."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archsim.errors import InputError
from archsim.explore.identity import digest
from archsim.explore.journal import (
    JOURNAL_FILE,
    Journal,
    PricedPass,
    SimulatedPoint,
    new_journal,
    resumed_journal,
)
from archsim.explore.points import Failure

IDENTITY = {"'space' of the study": "a", "the workload mlp": "b"}
ENTRIES: tuple[PricedPass | SimulatedPoint, ...] = (
    PricedPass("mlp", (0, 2), {"area_m2": (1e-7 / 3, math.nan)}, (Failure(2, "too small", "mlp"),)),
    SimulatedPoint(0, {"mlp": {"area_m2": 0.1 + 0.2}}, ()),
    SimulatedPoint(7, {}, (Failure(7, "r\u00e9fus\u00e9", "mlp"),)),
)


def filled(folder: Path) -> Path:
    """The file of a journal with all entries."""
    path = folder / "new" / JOURNAL_FILE
    journal = new_journal(path, IDENTITY)
    assert not path.parent.exists()
    for entry in ENTRIES:
        journal.keep(entry)
    return path


def known(journal: Journal) -> list[bool]:
    """Which of the entries a journal holds, with all digits."""
    found = (
        journal.find_pass("mlp", [0, 2]),
        journal.find_point(0),
        journal.find_point(7),
    )
    for have, entry in zip(found, ENTRIES, strict=True):
        assert have is None or repr(have) == repr(entry)
    return [have is not None for have in found]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(share=st.floats(0, 1))
def test_a_file_cut_anywhere_holds_its_whole_lines(
    tmp_path_factory: pytest.TempPathFactory, share: float
) -> None:
    """And what is added afterwards; a broken line is gone for good."""
    path = filled(tmp_path_factory.mktemp("cut"))
    content = path.read_bytes()
    cut = content[: round(share * len(content))]
    path.write_bytes(cut)
    journal = resumed_journal(path, IDENTITY)
    whole = max(cut.count(b"\n") - 1, 0)
    assert known(journal) == [n < whole for n in range(len(ENTRIES))]
    for entry in ENTRIES[whole:]:
        journal.keep(entry)
    assert path.read_bytes() == content
    assert known(resumed_journal(path, IDENTITY)) == [True, True, True]


def test_an_unfinished_sweep_is_not_written_over(tmp_path: Path) -> None:
    path = filled(tmp_path)
    before = path.read_bytes()
    with pytest.raises(InputError, match=r"unfinished sweep is stored there.*--resume"):
        new_journal(path, IDENTITY)
    assert path.read_bytes() == before
    resumed_journal(path, IDENTITY).discard()
    assert not path.exists()
    assert known(resumed_journal(path, IDENTITY)) == [False, False, False]


@pytest.mark.parametrize(
    ("now", "says"),
    [
        ({**IDENTITY, "'space' of the study": "c"}, "'space' of the study changed"),
        (
            {"'space' of the study": "a", "the workload lenet": "b"},
            "lenet, the workload mlp changed",
        ),
    ],
)
def test_another_sweep_does_not_go_on_with_it(
    tmp_path: Path, now: dict[str, str], says: str
) -> None:
    """The refusal names every part that changed, came or went, and no other."""
    with pytest.raises(InputError, match=says) as refused:
        resumed_journal(filled(tmp_path), now)
    assert ("space" in str(refused.value)) == ("space" in says)


@pytest.mark.parametrize(
    "broken",
    [
        "no JSON",
        "[1]",
        "{}",
        '{"point": 1, "numbers": [], "failures": []}',
        '{"workload": "mlp", "points": [1], "columns": {"area_m2": [1, 2]}, "failures": []}',
    ],
)
def test_a_damaged_line_is_named(tmp_path: Path, broken: str) -> None:
    path = filled(tmp_path)
    lines = path.read_text("utf-8").splitlines()
    lines[2] = broken
    path.write_text("\n".join(lines) + "\n", "utf-8")
    with pytest.raises(InputError, match="damaged at line 3"):
        resumed_journal(path, IDENTITY)


def test_another_format_is_refused(tmp_path: Path) -> None:
    path = filled(tmp_path)
    head, *rest = path.read_text("utf-8").splitlines()
    changed = json.dumps({**json.loads(head), "format": 99})
    path.write_text("\n".join([changed, *rest]) + "\n", "utf-8")
    with pytest.raises(InputError, match="the format of the file changed"):
        resumed_journal(path, IDENTITY)


def test_digests_tell_values_apart() -> None:
    """Whatever differs in value, kind or nesting has another digest; what is equal the same."""
    values = [
        None,
        0,
        0.0,
        "0",
        False,
        "",
        [],
        {},
        [[]],
        [0, 0],
        [[0], 0],
        {"a": 0},
        {"b": 0},
        "a b",
    ]
    assert len({digest(value) for value in values}) == len(values)
    assert digest({"a": 1, "b": (2,)}) == digest({"b": [2], "a": 1})
    with pytest.raises(TypeError, match="object"):
        digest(object())
