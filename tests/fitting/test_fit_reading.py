"""Curve files in the forms that instruments write, and what is refused, with one sentence each."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.errors import InputError
from archsim.fitting import reading, table
from archsim.fitting.curve import Branch
from archsim.fitting.reading import read_curve
from archsim.hardware.response import Polarity

G = [10, 12, 14, 16, 15, 13, 11, 10]
BRANCHES = (Branch(Polarity.UP, 3), Branch(Polarity.DOWN, 4))


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "curve.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def rows(separator: str = ",", first: int = 0) -> str:
    return "\n".join(f"{first + i}{separator}{g}" for i, g in enumerate(G))


@pytest.mark.parametrize(
    ("header", "separator"),
    [
        ("pulse,conductance (nS)", ","),
        ("Pulse number;G [nS]", ";"),
        ("#\tG / nS", "\t"),
        ("n conductance_nS", " "),
        ("\ufeffpulses , g_nS", ","),
        ("# a remark\npulse_count,Conductance(nS)\n\n# another", ","),
    ],
)
def test_headers_are_read_tolerantly(tmp_path: Path, header: str, separator: str) -> None:
    """Names, units and separators of several kinds mean the same curve."""
    curve = read_curve(written(tmp_path, f"{header}\n{rows(separator)}\n"), turn=3)
    np.testing.assert_allclose(curve.conductance_siemens, np.asarray(G) * 1e-9)
    assert curve.pulses.tolist() == list(range(8))
    assert curve.branches == BRANCHES


def test_a_file_without_header_takes_its_unit_from_the_option(tmp_path: Path) -> None:
    """Two bare columns are pulse number and conductance; the first pulse counts as zero."""
    curve = read_curve(written(tmp_path, rows(first=1)), unit="uS", turn=4)
    assert curve.conductance_siemens[0] == pytest.approx(10e-6)
    assert curve.pulses.tolist() == list(range(8))
    assert curve.branches == BRANCHES


def test_a_direction_column_tells_the_branches(tmp_path: Path) -> None:
    """Any number of branches, of pulses before each point."""
    words = ["up", "up", "up", "up", "LTD", "-1", "depression", "down"]
    body = "\n".join(f"{i},{w},{g}" for i, (w, g) in enumerate(zip(words, G, strict=True)))
    curve = read_curve(written(tmp_path, f"pulse,direction,g (nS)\n{body}"))
    assert curve.branches == BRANCHES


def test_a_curve_may_begin_with_depression(tmp_path: Path) -> None:
    """The minimum inside tells that the first branch goes down."""
    body = "\n".join(f"{i},{20 - g}" for i, g in enumerate(G))
    curve = read_curve(written(tmp_path, f"pulse,g (nS)\n{body}"))
    assert [b.polarity for b in curve.branches] == [Polarity.DOWN, Polarity.UP]


@settings(max_examples=20, deadline=None)
@given(turn=st.integers(40, 160), seed=st.integers(0, 1000))
def test_the_turning_point_is_found_in_noise(turn: int, seed: int) -> None:
    """Within a few pulses, where one pulse is about as large as the noise."""
    from archsim.fitting.turning import find_turn

    pulses = np.arange(201)
    bare = np.where(pulses <= turn, pulses, turn - 0.8 * (pulses - turn)).astype(float)
    noise = np.random.default_rng(seed).normal(0, 0.7, 201)
    found = find_turn("made", pulses, (100 + bare + noise) * 1e-9, None)
    assert found[0].pulses == pytest.approx(turn, abs=4)
    assert found[0].polarity is Polarity.UP
    assert found[0].pulses + found[1].pulses == 200


HEAD = "pulse,conductance (nS)\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file is empty; expected columns of numbers."),
        ("# only a remark\n", "the file is empty"),
        ("pulse\n1\n2\n", "found one column ('pulse')"),
        (HEAD, "found 0 points, expected at least 6"),
        (HEAD + "0,1\n1,2\n2,1\n", "found 3 points, expected at least 6"),
        (
            HEAD + rows().replace("5,13", "3,13"),
            "csv:7: pulse number 3 follows 4, expected numbers",
        ),
        (HEAD + rows().replace("5,13", "5.5,13"), "found the pulse number 5.5, expected a whole"),
        (HEAD + rows().replace("5,13", "5,-13"), "the conductance -13, expected a positive"),
        (HEAD + rows().replace("5,13", "5,0"), "the conductance 0, expected a positive"),
        (HEAD + rows().replace("5,13", "5,nan"), "csv:7: found 'nan', expected a conductance."),
        (HEAD + rows().replace("5,13", "5,inf"), "found 'inf', expected a conductance."),
        (HEAD + rows().replace("5,13", "5,high"), "found 'high', expected a conductance."),
        (HEAD + rows().replace("5,13", "5"), "found nothing, expected a conductance."),
        (HEAD + rows().replace("5,13", "5,1e12"), "expected between 1 fS and 1 S; check the unit."),
        (HEAD + "\n".join(f"{i},{g}" for i, g in enumerate(range(1, 9))), "the curve only rises"),
        (HEAD + "\n".join(f"{i},{9 - i}" for i in range(8)), "the curve only falls"),
        (HEAD + "\n".join(f"{i},5" for i in range(8)), "all conductances are equal"),
        (HEAD + rows().replace("7,10", "9000000,10"), "expected at most 200000."),
        (HEAD.replace("(nS)", "") + rows(), "the unit of conductance is not given."),
        (HEAD.replace("nS", "nA") + rows(), "'nA' is no unit of conductance"),
        (
            "time,current (nA)\n" + rows(),
            "no column is called 'pulse'; found 'time', 'current (nA)'",
        ),
        ("pulse,current (nA)\n" + rows(), "no column is called 'conductance'"),
        ("pulse,g (nS),branch\n" + "\n".join(f"{i},{g},upp" for i, g in enumerate(G)), "'upp'"),
        (
            "pulse,g (nS),branch\n" + "\n".join(f"{i},{g},up" for i, g in enumerate(G)),
            "all pulses go",
        ),
        (b"\xff\xfe\x00\x01\x80", "this is no text file"),
    ],
)
def test_what_is_no_curve_is_refused(tmp_path: Path, text: str | bytes, message: str) -> None:
    """One sentence that says what was found, where, and what was expected."""
    with pytest.raises(InputError) as refusal:
        read_curve(written(tmp_path, text))
    assert message in str(refusal.value)
    assert "curve.csv" in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_files_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a huge file nor a huge number of points is read into memory and fitted."""
    path = written(tmp_path, HEAD + rows())
    monkeypatch.setattr(table, "LARGEST_FILE_BYTES", 10)
    with pytest.raises(InputError, match="MB, more than"):
        read_curve(path)
    monkeypatch.undo()
    monkeypatch.setattr(reading, "MOST_POINTS", 7)
    with pytest.raises(InputError, match="found 8 points, expected at most 7"):
        read_curve(path)


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    """The operating system's reason, in a sentence."""
    with pytest.raises(InputError, match="No such file"):
        read_curve(tmp_path / "none.csv")
    with pytest.raises(InputError, match="cannot be read"):
        read_curve(tmp_path)


def test_a_turn_outside_the_curve_is_refused(tmp_path: Path) -> None:
    """The polarity changes somewhere between the first and the last pulse."""
    with pytest.raises(InputError, match="the turning point 40 is not inside the curve"):
        read_curve(written(tmp_path, HEAD + rows()), turn=40)


_CELLS = st.sampled_from(
    ["0", "1", "2", "7", "-1", "1e3", "nan", "", "x", '"', "#", "1.5", "up", "9e99", "\x00", "½"]
)
_LINES = st.lists(st.lists(_CELLS, max_size=4), max_size=12)


@settings(max_examples=150, deadline=None)
@given(
    header=st.sampled_from(["pulse,g (nS)", "pulse,g (nS),direction", "", "#,g_nS"]),
    lines=_LINES,
    separator=st.sampled_from([",", ";", "\t", " "]),
)
def test_any_text_is_a_curve_or_a_sentence(
    tmp_path_factory: pytest.TempPathFactory, header: str, lines: list[list[str]], separator: str
) -> None:
    """Whatever the file holds, it is read or refused; nothing else escapes."""
    text = "\n".join([header, *(separator.join(line) for line in lines)])
    path = written(tmp_path_factory.mktemp("any"), text)
    message = ""
    try:
        points = read_curve(path, unit="nS").points
    except InputError as refusal:
        points, message = 0, str(refusal)
    assert (points >= 6) != bool(message)
    assert "\n" not in message
