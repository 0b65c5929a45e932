"""Adders, multipliers, lanes, MAC cells and registers from published tables."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim.config.files import names_in
from archsim.config.loading import load
from archsim.config.overriding import override
from archsim.config.references import load_references
from archsim.errors import InputError
from archsim.hardware.crossbar import Direction, Placement, PulseStatistics
from archsim.hardware.digital import MatrixUnit
from archsim.hardware.digital.arithmetic import TABLE, Arithmetic, digit_recurrence_cycles
from archsim.hardware.digital.matrix_unit import MacCell
from archsim.hardware.digital.operations import OperationCosts
from archsim.hardware.digital.registers import Registers
from archsim.hardware.digital.vector_unit import Lane
from tests.closeness import close
from tests.hardware.chips import CONFIGS, PROTONIC

REFERENCES = load_references()
PRECISIONS = ("int8", "int32", "fp16", "bf16", "fp32")
nodes = st.floats(7e-9, 45e-9)
precisions = st.sampled_from(PRECISIONS)


@pytest.mark.parametrize("precision", ["int8", "int32", "fp16", "fp32"])
def test_areas_are_the_published_ones_at_their_node(precision: str) -> None:
    add, mul = REFERENCES["mac.h_area"].value[precision]
    unit = Arithmetic(precision, 45e-9)  # type: ignore[arg-type]
    assert float(np.asarray(unit.add_m2)) == close(add * 1e-12)
    assert float(np.asarray(unit.mul_m2)) == close(mul * 1e-12)


def test_registers_are_the_published_ones_at_their_node() -> None:
    energy_pj, area_um2, leakage_uw = REFERENCES["reg.aladdin"].value
    registers = Registers(node_m=40e-9)
    assert float(np.asarray(registers.bit_energy_j)) == close(energy_pj * 1e-12)
    assert float(np.asarray(registers.bit_area_m2)) == close(area_um2 * 1e-12)
    assert float(np.asarray(registers.bit_leakage_w)) == close(leakage_uw * 1e-6)


@given(product=precisions, total=precisions, node=nodes, coarser=st.floats(1.0, 3.0))
def test_a_mac_cell_is_no_cheaper_and_no_smaller_at_a_larger_node(
    product: str, total: str, node: float, coarser: float
) -> None:
    small, large = (
        MacCell.model_validate({"product": product, "sum": total, "node": n})
        for n in (node, min(node * coarser, 45e-9))
    )
    assert large.energy_j >= small.energy_j * (1 - 1e-12)
    assert large.area_m2 >= small.area_m2 * (1 - 1e-12)


@given(precision=precisions, node=nodes, registers=st.integers(0, 100), more=st.integers(1, 100))
def test_each_further_register_of_a_lane_takes_the_same_area(
    precision: str, node: float, registers: int, more: int
) -> None:
    def area(words: int) -> float:
        values = {"precision": precision, "node": node, "registers": words}
        return float(np.asarray(Lane.model_validate(values).area_m2))

    one = area(1) - area(0)
    assert area(registers + more) - area(registers) == close(more * one, rel=1e-6)
    bits = TABLE[precision].bits  # type: ignore[index]
    assert one == close(bits * float(np.asarray(Registers(node_m=node).bit_area_m2)), rel=1e-6)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_cycles_that_ship_are_those_of_digit_recurrence(precision: str) -> None:
    """Long division with two digits a step, until the significand and two guard digits are there."""
    assert set(names_in(CONFIGS / "cycles")) == set(PRECISIONS)
    costs = load(
        str(CONFIGS / "cycles" / f"{precision}.yaml"), OperationCosts, CONFIGS / "cycles"
    ).value
    digits, steps = TABLE[precision].digits + 2, 0  # type: ignore[index]
    while digits > 0:
        digits, steps = digits - 2, steps + 1
    assert costs.div == costs.sqrt == steps + 1 == digit_recurrence_cycles(precision, 4)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"vector_unit.lane": {"precision": "fp16", "node": "22 nm", "registers": 1}}, "lane_area"),
        ({"vector_unit.lane_area": None}, "lane_area"),
        ({"matrix_unit.mac_area": None}, "mac_area"),
        ({"matrix_unit.mac": {"product": "bf16", "sum": "fp32", "node": "22 nm"}}, "mac_energy"),
    ],
)
def test_a_unit_that_is_described_twice_or_not_at_all_is_refused(
    changes: dict[str, Any], named: str
) -> None:
    with pytest.raises(InputError, match=named):
        override(PROTONIC, changes)


def test_a_table_costs_what_its_numbers_cost_when_entered() -> None:
    shape = {"units": 4, "rows": 64, "cols": 64, "clock": 1e9}
    cell = {"product": "bf16", "sum": "fp32", "node": 22e-9}
    table = MatrixUnit.model_validate({**shape, "mac": cell})
    mac = MacCell.model_validate(cell)
    typed = MatrixUnit.model_validate(
        {**shape, "mac_energy": float(mac.energy_j), "mac_area": float(mac.area_m2)}
    )
    assert float(table.energy_j(1e6)) == close(float(typed.energy_j(1e6)))
    assert float(table.area_m2) == close(float(typed.area_m2))


def test_line_registers_take_their_bits_in_energy_area_and_leakage() -> None:
    """Counts times costs, by hand, for a full array read once."""
    change = {"periphery.registers": {"node": "22 nm", "input_words": 2, "output_bits": 16}}
    with_them = override(PROTONIC, change).value.crossbar
    without = override(PROTONIC, {"periphery.registers": None}).value.crossbar
    one = Registers(node_m=22e-9)
    rows, weights, cols = 256, 128, 256
    place = Placement(
        inputs=float(rows), outputs=float(weights), blocks=1.0, blocks_per_array=1.0,
        row_splits=1.0, col_splits=1.0,
    )  # fmt: skip
    read = with_them.read_cost(place, Direction.FORWARD).energy_j
    before = without.read_cost(place, Direction.FORWARD).energy_j
    assert float(read["input_registers"]) == close(rows * 7 * float(one.bit_energy_j))
    assert float(read["output_registers"]) == close(weights * 16 * float(one.bit_energy_j))
    assert {name: float(read[name]) for name in before} == {n: float(before[n]) for n in before}
    pulses = PulseStatistics(
        probability_x=0.1, probability_error=0.1, input_signs=1.0, error_signs=2.0
    )
    update = with_them.update_cost(place, pulses).energy_j
    idle = without.update_cost(place, pulses).energy_j
    assert float(update["input_registers"]) == close((rows + cols) * 7 * float(one.bit_energy_j))
    assert {name: float(update[name]) for name in idle} == {n: float(idle[n]) for n in idle}
    area, leakage = with_them.area_by_component_m2(), with_them.leakage_by_component_w(0.0)
    # Both sides are driven and sensed: rows and columns forward, columns and rows transposed.
    bits = {"input_registers": 512 * 2 * 7, "output_registers": (weights + rows) * 16}
    for name, number in bits.items():
        assert float(area[name]) == close(number * float(one.bit_area_m2))
        assert float(leakage[name]) == close(number * float(one.bit_leakage_w))


def test_a_result_has_the_bits_of_its_converter_unless_it_says_otherwise() -> None:
    same, wide = (
        override(PROTONIC, {"periphery.registers": {"node": "22 nm", **bits}, "adc.bits": 7})
        for bits in ({}, {"output_bits": 14})
    )
    areas = [
        float(one.value.crossbar.area_by_component_m2()["output_registers"]) for one in (same, wide)
    ]
    assert areas[1] == close(2 * areas[0])
