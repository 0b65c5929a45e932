"""Trees of ripple-carry adders and macros that are built of them, against loops and simulation."""

from __future__ import annotations

from itertools import pairwise
from math import log2
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.hardware.macro.adder_timing import AdderTiming, adder_timing
from archsim.hardware.macro.adder_tree import AdderTreeMacro
from archsim.hardware.macro.gates import gate_energy_j
from archsim.hardware.macro.ripple import (
    RANDOM,
    ZERO,
    Signal,
    Sum,
    add,
    full_adder,
    restarted,
    tree_sum,
    uniform,
    weighted_sum,
)
from archsim.hardware.macro.technology import (
    flip_flop_area_m2,
    flip_flop_energy_j,
    full_adder_area_m2,
    full_adder_energy_j,
)
from tests.closeness import close

TIMING = AdderTiming(carry_s=3.0, sum_s=5.0, register_s=7.0)


def naive_tree(arrivals: list[list[float]]) -> tuple[list[float], int]:
    """Arrival of each bit of a sum, and its full adders, adding word after word, bit after bit."""
    adders = 0
    while len(arrivals) > 1:
        sums = []
        for first, second in zip(arrivals[::2], arrivals[1::2], strict=True):
            carry, bits = 0.0, []
            for one, other in zip(first, second, strict=True):
                ready = max(one, other, carry)
                bits.append(ready + TIMING.sum_s)
                carry = ready + TIMING.carry_s
                adders += 1
            sums.append([*bits, carry])
        arrivals = sums
    return arrivals[0], adders


@given(st.integers(1, 6), st.integers(1, 9))
def test_a_tree_by_loops_and_in_closed_form(levels: int, width: int) -> None:
    """Adders and arrival times of every bit are those of words added one by one."""
    count = 2**levels
    found = tree_sum(count, uniform(2**width - 1, RANDOM), TIMING)
    arrivals, adders = naive_tree([[0.0] * width for _ in range(count)])
    assert found.adders == adders == count * (width + 1) - (width + 1 + levels)
    assert [bit.arrival_s for bit in found.word.bits] == close(arrivals)
    assert found.word.maximum == count * (2**width - 1)


def test_one_adder_takes_a_carry_per_bit_and_a_sum() -> None:
    word = uniform(2**6 - 1, RANDOM)
    found = add(Sum(word), Sum(word), 0, TIMING)
    assert found.word.latest_s == close(5 * TIMING.carry_s + max(TIMING.carry_s, TIMING.sum_s))
    assert restarted(found.word).latest_s == 0.0


@given(st.integers(1, 200), st.integers(1, 8), st.integers(1, 8))
def test_sums_are_as_wide_as_their_largest_value(count: int, width: int, columns: int) -> None:
    column = tree_sum(count, uniform(2**width - 1, RANDOM), TIMING)
    total = weighted_sum(columns, column.word, TIMING)
    assert total.word.maximum == count * (2**width - 1) * (2**columns - 1)
    assert total.word.width == total.word.maximum.bit_length()


def test_bits_that_do_not_overlap_need_no_adder() -> None:
    found = weighted_sum(8, uniform(1, RANDOM), TIMING)
    assert (found.adders, found.word.maximum) == (0, 255)


signals = st.tuples(st.floats(0, 1), st.floats(0, 1)).map(
    lambda pair: Signal(0.0, pair[0], 2.0 * pair[1] * min(pair[0], 1.0 - pair[0]))
)


@given(signals, signals, signals)
def test_a_full_adder_in_closed_form(first: Signal, second: Signal, third: Signal) -> None:
    """The sum changes if an odd number of inputs does; ones add up to the mean of the number."""
    total, carry = full_adder((first, second, third), TIMING)
    inputs = (first, second, third)
    still = np.prod([1.0 - 2.0 * bit.toggle for bit in inputs])
    assert total.toggle == pytest.approx((1.0 - still) / 2.0)
    assert total.ones + 2.0 * carry.ones == pytest.approx(sum(bit.ones for bit in inputs))


@given(signals, signals)
def test_the_carry_of_two_bits_is_their_product(first: Signal, second: Signal) -> None:
    _, carry = full_adder((first, second, ZERO), TIMING)
    both = first.ones * second.ones
    again = (first.ones - first.toggle / 2.0) * (second.ones - second.toggle / 2.0)
    assert (carry.ones, carry.toggle) == pytest.approx((both, 2.0 * (both - again)))


def switched_by_simulation(inputs: int, width: int, ones: float, cycles: int) -> float:
    """Changes at the inputs of all full adders per cycle, over 3/2, with random data."""
    rng = np.random.default_rng(7)
    changes = 0.0
    for _ in range(20):
        weights = rng.random((inputs, width)) < ones
        bits = rng.random((cycles, inputs, 1)) < 0.5
        values = ((bits & weights) * 2 ** np.arange(width)).sum(axis=2)
        while values.shape[1] > 1:
            first, second = values[:, ::2], values[:, 1::2]
            carry = np.zeros_like(first)
            for place in range(width + int(log2(inputs // values.shape[1]))):
                operands = (first >> place & 1, second >> place & 1, carry)
                changes += sum(float((line[1:] != line[:-1]).sum()) for line in operands)
                carry = sum(operands) >> 1
            values = first + second
    return changes / 1.5 / (cycles - 1) / 20


@pytest.mark.parametrize(
    ("inputs", "width", "ones"), [(32, 8, 0.5), (64, 1, 0.5), (64, 1, 0.2), (128, 4, 0.5)]
)
def test_adders_switch_as_simulated(inputs: int, width: int, ones: float) -> None:
    """Weights that stay make sums dependent, which the independent signals miss by a tenth."""
    bit = Signal(ones=0.5 * ones, toggle=0.5 * ones)
    found = tree_sum(inputs, uniform(2**width - 1, bit), TIMING)
    assert found.random_adders == close(
        switched_by_simulation(inputs, width, ones, cycles=150), rel=0.1
    )
    assert found.random_adders < 0.75 * found.adders


def macro(**changes: Any) -> AdderTreeMacro:
    values: dict[str, Any] = {
        "node": "28 nm",
        "macros": 3,
        "inputs": 8,
        "outputs": 2,
        "weight_bits": 4,
        "input_bits_per_cycle": 1,
        "accumulator_bits": 12,
        "threshold": "0.3 V",
    }
    return AdderTreeMacro.model_validate(values | changes)


def test_a_macro_by_loops() -> None:
    """Gates, adders and registers one by one; inputs that rest leave accumulators and registers."""
    node, supply = 28e-9, 0.9
    found = macro(cells_per_multiplier=5).area_m2()
    _, adders = naive_tree([[0.0] * 4 for _ in range(8)])
    areas = {"cells": 0.0, "adders": 0.0, "accumulators": 0.0, "registers": 0.0}
    energies = {"accumulators": 0.0, "registers": 0.0}
    for _output in range(3 * 2):
        areas["adders"] += adders * full_adder_area_m2(node)
        areas["cells"] += 8 * 4 * 5 * 160 * node**2
        for _bit in range(12):
            areas["accumulators"] += full_adder_area_m2(node)
            areas["registers"] += flip_flop_area_m2(node)
            for _cycle in range(6):
                energies["accumulators"] += full_adder_energy_j(node, supply)
                energies["registers"] += flip_flop_energy_j(node, supply)
    assert {name: found[name] for name in areas} == close(areas)
    energies["inputs"] = 6 * 3 * 8 * flip_flop_energy_j(node, supply)
    resting = macro().energy_j(6, supply, 0.0, 0.5)
    assert dict(resting) == close(energies | {"multipliers": 0.0, "adders": 0.0})


@settings(max_examples=25)
@given(st.floats(0.0, 0.5), st.floats(0.0, 1.0), st.integers(1, 8))
def test_multipliers_switch_with_toggling_inputs_and_ones(
    toggle: float, ones: float, bits: int
) -> None:
    found = macro().energy_j(bits, 0.9, toggle, ones)
    gates = 3 * 2 * 8 * 4 * bits
    expected = gates * gate_energy_j(28e-9, 0.9) * toggle * ones / 0.5
    assert found["multipliers"] == close(expected)
    assert found["adders"] <= macro().energy_j(bits, 0.9, toggle, 1.0)["adders"] * (1.0 + 1e-9)


def test_switched_energy_goes_with_the_square_of_the_supply_below_the_fit() -> None:
    """Down there logic is scaled with V^2, as lines are everywhere."""
    low, lower = (sum(macro().energy_j(8, volts, 0.5, 0.5).values()) for volts in (0.7, 0.5))
    assert low / lower == close((0.7 / 0.5) ** 2)


def test_more_bits_per_cycle_save_cycles_and_booth_adders_as_well() -> None:
    wide = macro(input_bits_per_cycle=2, accumulator_bits=16)
    booth = macro(input_bits_per_cycle=2, accumulator_bits=16, booth=True)
    assert (macro().cycles(7), wide.cycles(7), booth.cycles(7)) == (7, 4, 4)
    assert booth.area_m2()["adders"] < wide.area_m2()["adders"]
    assert booth.period_s(0.9) < wide.period_s(0.9)


@pytest.mark.parametrize("summing", ["words", "weight_bits"])
def test_words_or_weight_bits_first_make_the_same_sum(summing: str) -> None:
    """8 products of up to 15 reach 120: an accumulator of 7 bits holds them, one of 6 does not."""
    assert macro(summing=summing, accumulator_bits=7).accumulator_bits == (8 * 15).bit_length()
    with pytest.raises(ValueError, match="narrower than the 7 bits"):
        macro(summing=summing, accumulator_bits=6)


def test_a_tree_for_each_weight_bit_and_adders_across_them() -> None:
    _, each = naive_tree([[0.0] for _ in range(8)])
    area = macro(summing="weight_bits").area_m2()["adders"] / 3 / 2 / full_adder_area_m2(28e-9)
    across = weighted_sum(4, uniform(8, RANDOM), TIMING).adders
    assert area == close(4 * each + across)


def test_registers_shorten_the_period() -> None:
    whole = macro(summing="weight_bits")
    cut = macro(summing="weight_bits", pipeline="weight_bits")
    assert cut.period_s(0.9) < whole.period_s(0.9)
    assert cut.area_m2()["registers"] > whole.area_m2()["registers"]
    held = macro(accumulating="products", pipeline="products")
    registers = held.area_m2()["registers"] / 3 / 2 / flip_flop_area_m2(28e-9)
    assert registers == close(8 * 12 + 8 * 4 + (8 * (2**12 - 1)).bit_length())


def test_delays_are_those_of_the_kits_at_their_nodes_and_supplies() -> None:
    """An adder takes as many inverters everywhere; between kits nodes in geometric steps are even."""
    kits = {7e-9: (0.7, 19.5), 45e-9: (1.1, 21.2), 130e-9: (1.2, 56.0)}
    for node, (supply, inverter) in kits.items():
        found = adder_timing(node, supply, 0.3)
        assert found.carry_s == close(75e-12 * inverter / 21.2)
        assert found.sum_s / found.carry_s == close(120 / 75)
    middle = adder_timing((7e-9 * 45e-9) ** 0.5, 0.9, 0.3)
    assert middle.carry_s == close(75e-12 * (19.5 / 21.2) ** 0.5)


def test_a_higher_supply_shortens_the_period() -> None:
    periods = [macro().period_s(volts) for volts in (0.5, 0.7, 0.9, 1.1)]
    assert all(slow > fast for slow, fast in pairwise(periods))
    with pytest.raises(ValueError, match="threshold"):
        macro().period_s(0.3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"booth": True}, "two input bits"),
        ({"booth": True, "input_bits_per_cycle": 2, "summing": "weight_bits"}, "summing: words"),
        ({"pipeline": "weight_bits"}, "summing: weight_bits"),
        ({"summing": "weight_bits", "accumulating": "products"}, "one by one"),
        ({"accumulator_bits": 4}, "narrower"),
    ],
)
def test_an_impossible_macro_names_the_remedy(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        macro(**changes)
