"""An estimate is a scaled sum of parts, and factors act on predicted energies alone."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim.validation.estimate import CircuitClass, Estimate, summed, total
from tests.closeness import close

PARTS = st.dictionaries(
    st.sampled_from(list(CircuitClass)), st.floats(1e-15, 1e3), min_size=1, max_size=5
)
FACTORS = st.dictionaries(st.sampled_from(list(CircuitClass)), st.floats(0.1, 10.0))


@given(parts=PARTS, scale=st.floats(1e-3, 1e12))
def test_an_inverse_estimate_is_the_scale_over_the_sum(
    parts: dict[CircuitClass, float], scale: float
) -> None:
    direct = Estimate(parts, "J", "energy", "prediction", scale)
    inverse = Estimate(parts, "OPS/W", "energy", "prediction", scale, inverse=True)
    assert direct.value() * inverse.value() == pytest.approx(scale**2)
    assert direct.value() == close(scale * math.fsum(parts.values()))


@given(parts=PARTS, factors=FACTORS)
def test_factors_multiply_the_parts_of_their_class(
    parts: dict[CircuitClass, float], factors: dict[CircuitClass, float]
) -> None:
    found = Estimate(parts, "J", "energy", "prediction").value(factors)
    assert found == close(sum(factors.get(name, 1.0) * p for name, p in parts.items()))


@pytest.mark.parametrize(
    ("measure", "basis"),
    [("energy", "rollup"), ("area", "prediction"), ("time", "prediction"), ("count", "rollup")],
)
def test_nothing_but_a_predicted_energy_is_calibrated(measure, basis) -> None:
    estimate = Estimate({CircuitClass.ADC: 2.0}, "J", measure, basis)
    assert estimate.value({CircuitClass.ADC: 3.0}) == 2.0


def test_parts_of_one_class_are_added_and_nothing_is_left_of_zeros() -> None:
    parts = summed([(CircuitClass.ADC, 1.0), (CircuitClass.CELLS, 0.0), (CircuitClass.ADC, 2.0)])
    assert parts == {CircuitClass.ADC: 3.0}
    assert total(7.0, "", "count", "rollup").value() == 7.0
