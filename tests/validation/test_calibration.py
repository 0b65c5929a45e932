"""One factor per circuit class, fitted to other chips only."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.validation.calibration import Sample, fit, fit_if_it_helps, leave_one_out
from archsim.validation.estimate import CircuitClass, Estimate

ADC, CELLS, LINES = CircuitClass.ADC, CircuitClass.CELLS, CircuitClass.LINES


def sample(
    group: str, published: float, parts: dict[CircuitClass, float], *, inverse: bool = False
) -> Sample:
    """A predicted energy (or efficiency) of a chip."""
    scale = 1.0
    return Sample(group, Estimate(parts, "J", "energy", "prediction", scale, inverse), published)


def chips(count: int, factors: dict[CircuitClass, float], seed: int = 1) -> list[Sample]:
    """Chips whose published energies are the estimates times the same factors."""
    draw = np.random.default_rng(seed)
    found = []
    for index in range(count):
        parts = {name: float(draw.uniform(0.5, 2.0)) for name in factors}
        true = sum(part * factors[name] for name, part in parts.items())
        found.append(sample(f"chip{index}", true, parts))
        for name, part in parts.items():
            found.append(sample(f"chip{index}", part * factors[name], {name: part}))
    return found


def test_a_bias_that_all_chips_share_is_found() -> None:
    """Many chips that agree outweigh the prior."""
    true = {ADC: 1.6, CELLS: 0.7, LINES: 1.1}
    found = fit(chips(30, true))
    assert {name: found[name] for name in true} == pytest.approx(true, rel=0.03)


def test_an_efficiency_calibrates_as_the_energy_does() -> None:
    direct = [sample(f"c{i}", 2.0, {ADC: 1.0}) for i in range(4)]
    inverse = [sample(f"c{i}", 0.5, {ADC: 1.0}, inverse=True) for i in range(4)]
    assert fit(direct)[ADC] == pytest.approx(fit(inverse)[ADC])


def test_factors_are_shrunk_to_one_where_few_chips_speak() -> None:
    few, many = (fit(chips(n, {ADC: 1.5}))[ADC] for n in (1, 12))
    assert 1.0 < few < many < 1.5


def test_without_data_there_are_no_factors() -> None:
    assert dict(fit([])) == {}


def test_what_a_publication_states_itself_gets_no_factor() -> None:
    found = fit([sample("a", 3.0, {CircuitClass.PUBLISHED: 1.0, ADC: 1.0})])
    assert set(found) == {ADC}


def test_one_chip_that_is_far_off_moves_the_factor_little() -> None:
    """The loss is robust: 100 times too much counts hardly more than 10 times."""
    usual = chips(8, {ADC: 1.2})
    ten, hundred = (fit([*usual, sample("odd", 1.2 * k, {ADC: 1.0})])[ADC] for k in (10, 100))
    assert hundred == pytest.approx(ten, rel=0.1)


def test_many_rows_of_one_chip_count_as_one_chip() -> None:
    once = [sample("a", 2.0, {ADC: 1.0}), sample("b", 1.0, {ADC: 1.0})]
    often = [once[0]] * 20 + [once[1]]
    assert fit(often)[ADC] == pytest.approx(fit(once)[ADC], rel=1e-6)


def test_factors_are_used_only_where_they_help_chips_left_out() -> None:
    """A bias that chips share is corrected; chips that disagree get no factor at all."""
    shared = [sample(f"c{i}", 1.8, {ADC: 1.0}) for i in range(8)]
    assert fit_if_it_helps(shared)[ADC] > 1.4
    apart = [sample(f"c{i}", 2.0 if i % 2 else 0.5, {ADC: 1.0}) for i in range(8)]
    assert dict(fit_if_it_helps(apart)) == {}


def test_the_order_of_the_rows_does_not_matter() -> None:
    samples = chips(5, {ADC: 1.4, CELLS: 0.8})
    backwards = fit(samples[::-1])
    assert dict(fit(samples)) == pytest.approx(dict(backwards))


@settings(max_examples=20)
@given(scale=st.floats(1e-3, 1e3), left_out=st.integers(0, 3))
def test_what_a_chip_published_never_enters_its_own_factors(scale: float, left_out: int) -> None:
    """Leave-one-out really leaves out: any change of a chip's numbers changes only the others'."""
    samples = chips(4, {ADC: 1.3, CELLS: 0.9})
    name = f"chip{left_out}"
    changed = [
        Sample(s.group, s.estimate, s.published * scale) if s.group == name else s for s in samples
    ]
    groups = [f"chip{i}" for i in range(4)]
    before, after = leave_one_out(samples, groups), leave_one_out(changed, groups)
    assert dict(before[name]) == dict(after[name])
    others = [g for g in groups if g != name]
    if not 0.9 < scale < 1.1:
        assert any(dict(before[g]) != pytest.approx(dict(after[g])) for g in others)
