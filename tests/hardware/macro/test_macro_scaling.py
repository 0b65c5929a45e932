"""Scaling of logic between nodes and supplies."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim.config.references import load_references
from archsim.hardware.digital.scaling import area_ratio, energy_ratio, switching_energy_ratio
from archsim.hardware.macro.delay import delay_ratio

NODES = st.floats(7e-9, 130e-9)
SUPPLIES = st.floats(0.4, 1.5)


@given(NODES, SUPPLIES, st.floats(1.01, 2.0))
def test_a_higher_supply_never_costs_less_than_its_square(
    node_m: float, supply_v: float, ratio: float
) -> None:
    """Switched capacitance does not fall with voltage, so energy grows at least as V^2."""
    grown = switching_energy_ratio(node_m, supply_v, node_m, supply_v * ratio)
    assert grown >= ratio**2 * (1 - 1e-12)


@given(NODES, st.floats(1.0, 2.0), st.floats(0.6, 1.2))
def test_energy_and_area_do_not_rise_in_a_finer_node(
    node_m: float, ratio: float, supply_v: float
) -> None:
    coarser = min(node_m * ratio, 130e-9)
    assert switching_energy_ratio(coarser, supply_v, node_m, supply_v) <= 1 + 1e-12
    assert area_ratio(coarser, node_m) <= 1 + 1e-12


@given(NODES, NODES, NODES, SUPPLIES)
def test_ratios_chain(a_m: float, b_m: float, c_m: float, supply_v: float) -> None:
    """From a to c directly is from a to b and on to c."""
    assert area_ratio(a_m, c_m) == pytest.approx(area_ratio(a_m, b_m) * area_ratio(b_m, c_m))
    direct = switching_energy_ratio(a_m, supply_v, c_m, 0.9)
    first = switching_energy_ratio(a_m, supply_v, b_m, 1.0)
    via = first * switching_energy_ratio(b_m, 1.0, c_m, 0.9)
    assert direct == pytest.approx(via)


def test_areas_agree_with_the_published_matrix() -> None:
    """Every entry of the matrix, which its authors rounded to two digits, down to 7 nm."""
    value = load_references()["stillmaker.area"].value
    nodes, matrix = value["nodes"], value["matrix"]
    for i, own in enumerate(nodes):
        for j, to in enumerate(nodes):
            found = area_ratio(own * 1e-9, to * 1e-9)
            assert found == pytest.approx(matrix[i][j], rel=0.1), (own, to)


@given(NODES)
def test_high_supplies_follow_the_published_fits(node_m: float) -> None:
    """Above 1.6 V switched capacitance is past its minimum in every node."""
    expected = energy_ratio(node_m, 1.6, node_m, 2.0)
    assert switching_energy_ratio(node_m, 1.6, node_m, 2.0) == pytest.approx(expected)


@given(st.floats(0.45, 1.5), st.floats(1.01, 2.0))
def test_gates_are_faster_at_a_higher_supply(supply_v: float, ratio: float) -> None:
    assert delay_ratio(supply_v * ratio, supply_v, 0.3) < 1.0
    assert delay_ratio(supply_v, supply_v, 0.3) == 1.0


def test_delay_is_refused_below_the_threshold() -> None:
    with pytest.raises(ValueError, match="threshold"):
        delay_ratio(0.3, 0.8, 0.3)
