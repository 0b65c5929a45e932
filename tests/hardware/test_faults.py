"""Yield of repaired arrays against enumeration and against arrays drawn at random."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim.config.overriding import override
from archsim.fields import stack
from archsim.hardware.array import Array
from archsim.hardware.faults import array_yield, at_most, spares_for
from archsim.result.repair import unrepaired_arrays, unrepaired_message
from tests.closeness import close
from tests.hardware.chips import PROTONIC


def array(**changes: Any) -> Array:
    """An array of the example chip with changes."""
    return override(PROTONIC, {f"array.{key}": v for key, v in changes.items()}).value.array


@pytest.mark.parametrize("chance", [0.03, 0.5, 0.9])
def test_the_binomial_sum_is_that_of_all_outcomes(chance: float) -> None:
    """Every pattern of eight events, with its probability."""
    patterns = list(product((0, 1), repeat=8))
    for count in range(9):
        expected = sum(
            chance ** sum(p) * (1 - chance) ** (8 - sum(p)) for p in patterns if sum(p) <= count
        )
        assert at_most(count, 8, chance) == close(expected, rel=1e-12)


def test_a_line_without_spares_must_be_whole() -> None:
    """256 columns of 256 devices: every one of 65,536 devices works."""
    assert float(array_yield(array(faults={"device": 1e-6}))) == close((1 - 1e-6) ** 65536)
    both = array(faults={"row": 1e-3, "column": 2e-3})
    assert float(array_yield(both)) == close((1 - 1e-3) ** 256 * (1 - 2e-3) ** 256)
    assert float(array_yield(array())) == 1.0


@pytest.mark.parametrize("tolerated", [0, 1])
def test_repair_as_arrays_drawn_at_random(tolerated: int) -> None:
    """Good rows are chosen first, then columns are judged by their devices in the chosen rows."""
    rows, cols, spare_rows, spare_cols = 12, 10, 2, 3
    faults = {"device": 0.02, "row": 0.06, "column": 0.05, "tolerated": tolerated}
    one = array(rows=rows, cols=cols, spare_rows=spare_rows, spare_cols=spare_cols, faults=faults)
    draw, repaired, trials = np.random.default_rng(5), 0, 8_000
    for _ in range(trials):
        broken_rows = draw.random(rows + spare_rows) < 0.06
        if (~broken_rows).sum() < rows:
            continue
        used = np.flatnonzero(~broken_rows)[:rows]
        stuck = draw.random((rows + spare_rows, cols + spare_cols)) < 0.02
        broken = draw.random(cols + spare_cols) < 0.05
        bad = broken | (stuck[used].sum(axis=0) > tolerated)
        repaired += int((~bad).sum() >= cols)
    expected = float(array_yield(one))
    assert 0.1 < expected < 0.95
    error = (expected * (1 - expected) / trials) ** 0.5
    assert abs(repaired / trials - expected) < 4.0 * error


@given(st.integers(1, 300), st.floats(1e-4, 0.3), st.floats(0.5, 0.9999))
def test_spares_are_the_fewest_that_do(lines: int, fails: float, wanted: float) -> None:
    found = spares_for(lines, fails, wanted)
    assert found is not None
    assert at_most(found, lines + found, fails) >= wanted
    assert found == 0 or at_most(found - 1, lines + found - 1, fails) < wanted


def test_no_spares_help_where_every_line_fails() -> None:
    assert spares_for(4, 1.0, 0.5) is None


def test_configurations_are_priced_side_by_side() -> None:
    """A stack of arrays has the yields of its members."""
    each = [array(spare_cols=n, faults={"device": 1e-5}) for n in (0, 1, 4)]
    together = np.asarray(array_yield(stack(each))).reshape(-1)
    assert together == close(np.array([float(array_yield(one)) for one in each]))
    assert together[0] < together[1] < together[2] < 1.0


def test_the_caution_names_spare_columns_that_repair_the_chip() -> None:
    settings = {"array.faults": {"device": 1e-4}, "array.spare_cols": 2}
    broken = override(PROTONIC, settings).value
    assert float(np.asarray(unrepaired_arrays(broken))) > 100
    message = unrepaired_message(broken)
    needed = int(message.split("With ")[1].split()[0])
    for columns, whole in ((needed - 1, False), (needed, True)):
        said = unrepaired_message(
            override(PROTONIC, settings | {"array.spare_cols": columns}).value
        )
        assert (said == "") is whole
    assert unrepaired_message(PROTONIC.value) == ""
