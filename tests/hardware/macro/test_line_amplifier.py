"""Amplifiers on lines, current from a supply, and rows that rest, against loops and closed forms."""

from __future__ import annotations

import re
from typing import Any

import pytest

from archsim.hardware.macro.amplifier import LineAmplifier
from archsim.hardware.macro.cells import ResistiveCell
from archsim.hardware.macro.macro import Macro, OperatingPoint
from tests.closeness import close

FARADS, SETTLING_S, BITS, PASS_S = 83e-15, 6e-9, 5.0, 20e-9
ROW_WISE = {"cells", "input_registers", "word_lines", "buffers", "input_logic"}


def amplifier(**changes: Any) -> LineAmplifier:
    values: dict[str, Any] = {
        "line": "word_lines",
        "supply": 1.2,
        "settling": SETTLING_S,
        "settling_bits": BITS,
        "gm_per_current": 15.0,
    }
    return LineAmplifier.model_validate(values | changes)


def test_an_amplifier_settles_its_line_in_the_time_it_has() -> None:
    """A follower whose gm is what its bias buys leaves 2^-bits of a step, integrated in small steps."""
    current_a = amplifier().energy_j(FARADS, PASS_S) / PASS_S / 1.2
    gm = 15.0 * current_a
    volts, steps = 0.0, 200_000
    for _ in range(steps):
        volts += gm * (1.0 - volts) / FARADS * SETTLING_S / steps
    assert 1.0 - volts == pytest.approx(2.0**-BITS, rel=1e-3)


def test_a_cell_fed_from_its_read_voltage_takes_what_it_dissipates() -> None:
    """A supply equal to the read voltage changes nothing at full input; n times it, n times that."""
    values = {"kind": "resistive", "conductance": 5e-6, "read": 0.2, "pulse": 1e-8}
    alone = ResistiveCell.model_validate(values)
    dissipated = 0.2 * 0.2 * 5e-6 * 1e-8
    for times in (1.0, 6.0):
        fed = ResistiveCell.model_validate(values | {"supply": times * 0.2})
        assert fed.energy_j(28e-9, 0.9, 1.0, 0.5) == close(times * dissipated)
    assert alone.energy_j(28e-9, 0.9, 1.0, 0.5) == close(dissipated)


def macro(**changes: Any) -> Macro:
    line = {"per_axis": 1, "cell_pitch": 1e-6, "terminals": 1}
    values: dict[str, Any] = {
        "node": 28e-9,
        "input_bits": 4,
        "nominal": 0.9,
        "array": {"rows": 64, "cols": 32, "cell_area": 1e-12},
        "encoding": {"kind": "parallel"},
        "cell": {"kind": "resistive", "conductance": 5e-6, "read": 0.2, "pulse": 1e-8},
        "input": {"kind": "binary"},
        "lines": {
            "word_lines": line | {"axis": "row", "toggles": "input"},
            "source_lines": line | {"axis": "column", "toggles": "each_pass"},
        },
        "amplifiers": {
            "buffers": amplifier().model_dump(by_alias=True),
            "clamps": amplifier(line="source_lines").model_dump(by_alias=True),
        },
        "converter": {"kind": "sar", "bits": 8},
        "input_logic": {"register_bits": 4},
        "timing": {"kind": "clocked", "cycles": 15},
    }
    return Macro.model_validate(values | changes)


def point(**changes: Any) -> OperatingPoint:
    values: dict[str, Any] = {
        "supply": 0.9,
        "clock": 500e6,
        "input_bits": 4,
        "weight_bits": 1,
        "output_bits": 8,
        "mean_input": 0.5,
        "mean_weight": 0.5,
    }
    return OperatingPoint.model_validate(values | changes)


def test_rows_that_rest_take_nothing() -> None:
    """With a quarter of the rows driven all that works for rows takes a quarter, columns the same."""
    whole, quarter = (macro().energy_j(point(row_share=share)) for share in (1.0, 0.25))
    for name, share in whole.items():
        left = 0.25 if name in ROW_WISE else 1.0
        assert quarter[name].value == close(left * share.value), name
    assert set(whole) >= ROW_WISE
    operations = macro().operations(point(row_share=0.25))
    assert operations == pytest.approx(2 * 16 * 32)


def test_every_line_of_a_name_has_one_amplifier() -> None:
    """64 rows of 32 cells and 32 columns of 64, each with its own load."""
    found, pass_s = macro().energy_j(point()), 15 / 500e6
    lines = macro().lines
    for name, on, count, cells in (
        ("buffers", "word_lines", 64, 32),
        ("clamps", "source_lines", 32, 64),
    ):
        one = amplifier().energy_j(lines[on].load_f(cells, 28e-9), pass_s)
        assert found[name].value == close(count * one)
        assert found[name].analog


def test_an_amplifier_needs_a_line() -> None:
    with pytest.raises(ValueError, match=re.escape("Did you mean 'word_lines'?")):
        macro(amplifiers={"buffers": amplifier(line="word_line").model_dump(by_alias=True)})
    with pytest.raises(ValueError, match="needs a name that no other circuit has"):
        macro(amplifiers={"word_lines": amplifier().model_dump(by_alias=True)})
