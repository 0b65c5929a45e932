"""Laws of analog-to-digital converters of every kind, and their published anchors."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim.fields import stack
from archsim.hardware.adc import (
    SPREADS,
    Adc,
    Converter,
    EnteredAdc,
    FlashAdc,
    RampAdc,
    SarAdc,
    Spread,
    spread_energy_j,
    survey_energy_j,
)
from tests.closeness import close

BASE: dict[type[Converter], dict[str, Any]] = {
    SarAdc: {"kind": "sar", "rate": 2e8, "node": 22e-9, "spread": "typical", "outputs_per_adc": 16},
    RampAdc: {
        "kind": "ramp",
        "clock": 3e9,
        "outputs_per_ramp": 100,
        "comparator_energy": 0.6e-15,
        "ramp_energy": 250e-15,
        "latch_energy": 9e-15,
        "comparator_area": 85e-12,
        "ramp_area": 1e-9,
    },
    FlashAdc: {
        "kind": "flash",
        "rate": 1e9,
        "outputs_per_adc": 16,
        "comparator_energy": 42e-15,
        "encoder_energy": 10e-15,
        "ladder_energy": 50e-15,
        "comparator_area": 40e-12,
        "ladder_area": 100e-12,
    },
    EnteredAdc: {
        "kind": "entered",
        "bits_max": 16,
        "rate": 1e9,
        "rate_max": 1e9,
        "outputs_per_adc": 16,
        "energy": 2e-12,
        "area": 1e-9,
    },
}
KINDS = get_args(get_args(Adc)[0])
every_kind = pytest.mark.parametrize("kind", KINDS)
spreads = st.sampled_from(sorted(SPREADS))
nodes = st.floats(5e-9, 180e-9)
rates = st.floats(1e6, 1e10)


def make(kind: type[Converter], bits: int = 6, leakage_share: float = 0.1, **more: Any) -> Any:
    values = {"bits": bits, "leakage_share": leakage_share, **BASE[kind], **more}
    return kind.model_validate(values)


def number(value: Any) -> float:
    return float(np.asarray(value))


def test_every_registered_kind_is_tested() -> None:
    assert set(KINDS) == set(BASE)


@every_kind
@given(bits=st.integers(1, 7), outputs=st.integers(1, 2000))
def test_energy_and_area_do_not_fall_with_bits(
    kind: type[Converter], bits: int, outputs: int
) -> None:
    few, more = make(kind, bits), make(kind, bits + 1)
    assert more.conversion_energy_j() >= few.conversion_energy_j() * (1 - 1e-12)
    assert more.bank_area_m2(outputs) >= few.bank_area_m2(outputs) * (1 - 1e-12)


@every_kind
@given(outputs=st.integers(1, 2000), extra=st.integers(0, 200))
def test_a_bank_for_more_lines_is_no_smaller_and_leaks_no_less(
    kind: type[Converter], outputs: int, extra: int
) -> None:
    adc = make(kind)
    assert adc.bank_area_m2(outputs + extra) >= adc.bank_area_m2(outputs)
    assert adc.bank_leakage_w(outputs + extra) >= adc.bank_leakage_w(outputs)


@every_kind
@given(share=st.floats(0.0, 1.0), rounds=st.integers(1, 50))
def test_at_full_rate_a_bank_takes_its_published_power(
    kind: type[Converter], share: float, rounds: int
) -> None:
    """Leakage over the time plus energy per conversion is the whole energy, whatever the share."""
    adc = make(kind, leakage_share=share)
    outputs = 1600
    conversions = rounds * adc.count(outputs)
    seconds = rounds * adc.round_s()
    found = adc.bank_energy_j(conversions, rounds, outputs) + seconds * adc.bank_leakage_w(outputs)
    assert number(found) == close(conversions * adc.conversion_energy_j(), rel=1e-9)


@every_kind
def test_a_stack_of_converters_costs_what_each_costs_alone(kind: type[Converter]) -> None:
    ones = [make(kind, bits) for bits in (3, 5, 8)]
    many = stack(ones)
    outputs = 130
    for index, one in enumerate(ones):
        for method in ("bank_area_m2", "bank_leakage_w", "count"):
            column = np.broadcast_to(np.asarray(getattr(many, method)(outputs)), (3, 1))
            assert column[index, 0] == close(number(getattr(one, method)(outputs)))
        energy = np.broadcast_to(np.asarray(many.bank_energy_j(260.0, 2.0, outputs)), (3, 1))
        assert energy[index, 0] == close(number(one.bank_energy_j(260.0, 2.0, outputs)))


@given(bits=st.integers(1, 14), rate=rates, node=nodes, factor=st.floats(1.0, 10.0), spread=spreads)
def test_survey_energy_does_not_fall_with_bits_rate_or_node(
    bits: int, rate: float, node: float, factor: float, spread: Spread
) -> None:
    base = spread_energy_j(bits, rate, node, spread) * (1 - 1e-12)
    assert spread_energy_j(bits + 1, rate, node, spread) >= base
    assert spread_energy_j(bits, min(rate * factor, 1e10), node, spread) >= base
    assert spread_energy_j(bits, rate, node * factor, spread) >= base


@given(bits=st.integers(1, 16), rate=rates, node=nodes)
def test_low_is_no_more_than_typical_and_typical_no_more_than_high(
    bits: int, rate: float, node: float
) -> None:
    designs = [
        make(SarAdc, bits, rate=rate, node=node, spread=spread)
        for spread in ("low", "typical", "high")
    ]
    for what in ("conversion_energy_j", "unit_area_m2"):
        low, typical, high = (number(getattr(design, what)()) for design in designs)
        assert low <= typical <= high


def test_the_spread_at_14_nm_is_the_published_one_of_47_times() -> None:
    """Reference `check.adc_vs_sources`: 0.495 pJ at 100 MS/s to 23 pJ at 200 MS/s for 9 bits."""
    low = number(spread_energy_j(9, 1e8, 14e-9, "low"))
    high = number(spread_energy_j(9, 2e8, 14e-9, "high"))
    assert low == close(0.495e-12, rel=3e-3)
    assert high == close(23e-12, rel=3e-3)


def test_the_low_end_is_the_published_regression() -> None:
    assert spread_energy_j(9, 2e8, 14e-9, "low") == survey_energy_j(9, 2e8, 14e-9)


def test_a_ramp_is_that_of_counting_its_clocks() -> None:
    """Clock by clock and line by line, against the closed form."""
    adc = make(RampAdc, bits=5, leakage_share=0.0)
    lines, joules, seconds = 130, 0.0, 0.0
    for _ in range(2):  # two ramps, one after the other
        for _ in range(2**5):
            joules += lines * 0.6e-15 + 2 * 250e-15  # 130 lines need two ramps of 100
            seconds += 1 / 3e9
        joules += lines * 5 * 9e-15
    found = adc.bank_energy_j(2 * lines, 2, lines)
    assert number(found) == close(joules, rel=1e-12)
    assert 2 * number(adc.round_s()) == close(seconds, rel=1e-12)


def test_a_ramp_that_serves_few_lines_costs_each_of_them_more() -> None:
    adc = make(RampAdc)
    few, many = adc.bank_energy_j(10, 1, 10) / 10, adc.bank_energy_j(100, 1, 100) / 100
    assert number(few) > number(many)


@given(bits=st.integers(1, 8))
def test_a_flash_converter_compares_with_every_level_but_the_lowest(bits: int) -> None:
    adc = make(FlashAdc, bits)
    levels = range(2**bits)
    thresholds = [level for level in levels if level > 0]
    energy = len(thresholds) * 52e-15 + 50e-15
    assert number(adc.conversion_energy_j()) == close(energy, rel=1e-12)
