"""Circuits of macros against closed forms and independent solutions."""

from __future__ import annotations

import re
from itertools import product
from statistics import median
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim.config.references import load_references
from archsim.hardware.macro.cells import CapacitiveCell, PassiveCell, ResistiveCell
from archsim.hardware.macro.converters import FlashConverter, SarConverter, comparator_energy_j
from archsim.hardware.macro.inputs import BinaryInput, LadderInput, PulseCountInput
from archsim.hardware.macro.line import Line
from archsim.hardware.macro.pass_gate import pass_gate_area_m2
from archsim.hardware.macro.technology import (
    ADDER_GATES,
    DRIVER_FACTOR,
    STAGE_PARASITIC,
    STAGE_RATIO,
    WIRE_F_PER_M,
    driver_area_m2,
    flip_flop_area_m2,
    flip_flop_energy_j,
    full_adder_area_m2,
    full_adder_energy_j,
    layout_area_m2,
    terminal_capacitance_f,
)
from tests.closeness import close

NODE = 65e-9
BITS = st.integers(1, 12)
SUPPLIES = st.floats(0.5, 1.5)
NODES = st.floats(7e-9, 130e-9)


def ladder_power_w(code: tuple[int, ...], volts: float, ohm: float) -> float:
    """Power of an R-2R ladder in voltage mode by nodal analysis; bit 0 is next to the 2R to ground."""
    n = len(code)
    conductance = np.zeros((n, n))
    current = np.zeros(n)
    for k, bit in enumerate(code):
        conductance[k, k] += 1 / (2 * ohm)
        current[k] += bit * volts / (2 * ohm)
        if k:
            conductance[k, k] += 1 / ohm
            conductance[k - 1, k - 1] += 1 / ohm
            conductance[k, k - 1] -= 1 / ohm
            conductance[k - 1, k] -= 1 / ohm
    conductance[0, 0] += 1 / (2 * ohm)
    nodes = np.linalg.solve(conductance, current)
    return float(sum(bit * volts * (volts - nodes[k]) / (2 * ohm) for k, bit in enumerate(code)))


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_a_ladder_takes_what_nodal_analysis_of_all_codes_gives(bits: int) -> None:
    codes = list(product((0, 1), repeat=bits))
    expected = np.mean([ladder_power_w(code, 0.5, 5e3) for code in codes])
    ladder = LadderInput(kind="ladder", ladders=1, unit_resistance_ohm=5e3, reference_share=0.5)
    register = bits * flip_flop_energy_j(NODE, 1.0)
    found = ladder.energy_j(NODE, 1.0, bits, 1e-9) - register
    assert found == close(float(expected) * 1e-9, rel=1e-9)


def stage_shares(kit: dict[str, Any]) -> list[float]:
    """Energy of each inverter of a kit in a cycle, over C V^2 of its input."""
    inputs, energies = kit["input_ff"], kit["energy_fj"]
    return [
        energy / (farad * kit["supply_v"] ** 2)
        for farad, energy in zip(inputs, energies, strict=True)
    ]


def test_a_stage_takes_the_median_share_of_the_open_kits() -> None:
    kits = load_references()["inverter.cells"].value
    assert len(kits) == 5
    assert all(len(stage_shares(kit)) >= 3 for kit in kits.values())
    shares = sorted(median(stage_shares(kit)) for kit in kits.values())
    assert 0.5 < shares[0] < shares[-1] < 1.1
    assert close(median(shares), rel=5e-3) == STAGE_PARASITIC


def test_a_driver_chain_costs_what_its_stages_take_one_by_one() -> None:
    """From the load back to a stage of no size: each charges its own gates and takes its share."""
    kits = load_references()["inverter.cells"].value
    share = median(median(stage_shares(kit)) for kit in kits.values())
    volts, load = 0.9, 1e-12
    energy, stage = load * volts**2, load / STAGE_RATIO
    while stage > 1e-24:
        energy += stage * volts**2 + share * stage * volts**2
        stage /= STAGE_RATIO
    assert energy / (load * volts**2) == close(DRIVER_FACTOR, rel=2e-3)


def test_both_supply_pins_of_the_7_nm_kit_make_the_energy_of_a_cycle() -> None:
    """A buffer is two inverters and the gates between them.

    The kit states energy at both supply pins.  Their sum counts once if it satisfies this balance;
    were each pin's the whole, the factor would be a half.
    """
    buffer = load_references()["inverter.cells.buffer"].value
    stages = (
        buffer["first_fj"] * buffer["input_ff"] / buffer["first_input_ff"] + buffer["second_fj"]
    )
    between = buffer["second_input_ff"] * buffer["supply_v"] ** 2
    assert between / (buffer["energy_fj"] - stages) == pytest.approx(1.0, rel=0.1)


def test_a_line_is_charged_from_its_upper_supply() -> None:
    line = Line(axis="row", per_axis=1, cell_pitch_m=1e-6, terminals=2, toggles="each_pass")
    load = 100 * (WIRE_F_PER_M * 1e-6 + 2 * terminal_capacitance_f(NODE))
    assert line.load_f(100, NODE) == close(load)
    assert line.energy_j(100, NODE, 0.8) == close(DRIVER_FACTOR * load * 0.64)
    raised = line.model_copy(update={"low_v": 0.5, "high_v": 1.2, "driver_capacitance_f": 1e-14})
    assert raised.energy_j(100, NODE, 0.8) == close((load + 1e-14) * 0.7 * 1.2)
    alone = line.model_copy(update={"driven": False, "capacitor_f": 4e-15})
    assert alone.energy_j(100, NODE, 0.8) == close((load + 4e-15) * 0.64)
    assert alone.footprint_m2(100, NODE) == close(4e-15 / 2e-3)


@given(st.integers(1, 4096), st.integers(1, 4096), NODES, SUPPLIES)
def test_longer_lines_cost_more(a: int, b: int, node_m: float, supply_v: float) -> None:
    line = Line(axis="row", per_axis=1, cell_pitch_m=1e-6, terminals=1, toggles="input")
    short, long = sorted((a, b))
    assert line.energy_j(short, node_m, supply_v) <= line.energy_j(long, node_m, supply_v)
    assert line.footprint_m2(short, node_m) <= line.footprint_m2(long, node_m)


def counting_adders(bits: int) -> int:
    """Full adders that count 2^bits - 1 ones: two half-size counts and an adder with carry-in."""
    return 0 if bits == 1 else 2 * counting_adders(bits - 1) + bits - 1


@given(st.integers(1, 8), NODES, SUPPLIES)
def test_a_flash_converter_counts_its_comparators(
    bits: int, node_m: float, supply_v: float
) -> None:
    found = FlashConverter(kind="flash", bits=bits).energy_j(node_m, supply_v, supply_v)
    expected = (
        (2**bits - 1) * comparator_energy_j(bits, node_m, supply_v, supply_v)
        + counting_adders(bits) * full_adder_energy_j(node_m, supply_v)
        + bits * flip_flop_energy_j(node_m, supply_v)
    )
    assert found == close(expected)


def test_a_successive_approximation_steps_through_its_registers() -> None:
    """Clock edges, decisions and charge counted step by step."""
    bits, supply = 8, 1.0
    energy = DRIVER_FACTOR * 0.25 * 2**bits * 1e-15 * supply**2
    for step in range(bits + 1):
        sequencer, code = bits, 1 if step < bits else 0
        energy += (sequencer + code) * flip_flop_energy_j(NODE, supply)
        energy += comparator_energy_j(bits, NODE, supply, supply) if step < bits else 0.0
    found = SarConverter(kind="sar", bits=bits).energy_j(NODE, supply, supply)
    assert found == close(energy)


def test_two_more_bits_take_sixteen_times_the_quiet_capacitance() -> None:
    """Noise of a comparator falls with the square of the step: 4 per bit."""
    own = 40 * terminal_capacitance_f(NODE)
    noisy = [comparator_energy_j(bits, NODE, 1.0, 1.0) - own for bits in (8, 10)]
    assert noisy[1] == close(16 * noisy[0])


@given(st.integers(1, 7), NODES, SUPPLIES, st.floats(1.0, 1.5))
def test_converters_are_monotone_in_bits_and_supply(
    bits: int, node_m: float, supply_v: float, ratio: float
) -> None:
    for few, many in (
        (SarConverter(kind="sar", bits=bits), SarConverter(kind="sar", bits=bits + 1)),
        (FlashConverter(kind="flash", bits=bits), FlashConverter(kind="flash", bits=bits + 1)),
    ):
        energy = few.energy_j(node_m, supply_v, 1.0)
        assert 0 < energy < many.energy_j(node_m, supply_v, 1.0)
        assert energy <= few.energy_j(node_m, supply_v * ratio, 1.0)
        assert 0 < few.footprint_m2(node_m) < many.footprint_m2(node_m)


@given(BITS, NODES, SUPPLIES, st.floats(1e-10, 1e-6))
def test_input_circuits_are_monotone_in_bits(
    bits: int, node_m: float, supply_v: float, pass_s: float
) -> None:
    ladder = LadderInput(kind="ladder", ladders=2, unit_resistance_ohm=5e3, reference_share=0.5)
    for circuit in (PulseCountInput(kind="pulse_count"), ladder, BinaryInput(kind="binary")):
        few = circuit.energy_j(node_m, supply_v, bits, pass_s)
        assert 0 < few <= circuit.energy_j(node_m, supply_v, bits + 1, pass_s)
        area = circuit.footprint_m2(node_m, bits)
        assert 0 < area <= circuit.footprint_m2(node_m, bits + 1)


def test_cells_follow_their_closed_forms() -> None:
    capacitive = CapacitiveCell(kind="capacitive", capacitance_f=2e-15)
    assert capacitive.energy_j(NODE, 0.8, 0.5, 0.25) == close(2e-15 * 0.64 * 0.125)
    resistive = ResistiveCell(kind="resistive", conductance_siemens=2e-6, read_v=0.5, pulse_s=1e-8)
    assert resistive.energy_j(NODE, 1.8, 0.5, 0.9) == close(0.25 * 2e-6 * 1e-8 * 0.5)
    assert PassiveCell(kind="passive").energy_j(NODE, 1.0, 1.0, 1.0) == 0.0


@given(st.floats(0, 8), NODES, SUPPLIES)
def test_transistors_on_a_plate_act_as_a_larger_capacitor(
    terminals: float, node_m: float, supply_v: float
) -> None:
    loaded = CapacitiveCell(kind="capacitive", capacitance_f=2e-15, terminals=terminals)
    added = terminals * terminal_capacitance_f(node_m)
    alone = CapacitiveCell(kind="capacitive", capacitance_f=2e-15 + added)
    assert loaded.energy_j(node_m, supply_v, 0.5, 0.5) == close(
        alone.energy_j(node_m, supply_v, 0.5, 0.5)
    )
    assert loaded.stacked_m2 == close(2e-15 / 2e-3)  # they lie below the capacitor


@pytest.mark.parametrize("bits", [3, 5, 7, 9])
def test_a_ring_of_dummies_surrounds_the_units_of_a_converter(bits: int) -> None:
    """Counted on a grid, where 2^(bits - 1) units make a square; the capacitor area is what grows
    with the unit capacitor once the drivers of the units are taken off."""
    side = round(2 ** ((bits - 1) / 2))
    inside = {(x, y) for x in range(side) for y in range(side)}
    placed = {(x + dx, y + dy) for x, y in inside for dx in (-1, 0, 1) for dy in (-1, 0, 1)}
    one, two = (
        SarConverter(kind="sar", bits=bits, unit_capacitance_f=unit).footprint_m2(NODE)
        for unit in (1e-15, 2e-15)
    )
    drivers = 2 * driver_area_m2(len(inside) * 1e-15, NODE)
    assert two - one - drivers == close(2 * len(placed) * 1e-15 / 2e-3, rel=1e-9)


def test_logic_is_placed_at_seventy_per_cent_of_its_published_cells() -> None:
    """Widths as the reference states them, in rows of 1.4 um."""
    text = str(load_references()["logic.cells45"].value)
    width_um = {name: float(value) for name, value in re.findall(r"(\w+_X1) ([\d.]+)", text)}
    assert full_adder_area_m2(45e-9) == close(1.4 * width_um["FA_X1"] / 0.7 * 1e-12)
    assert flip_flop_area_m2(45e-9) == close(1.4 * width_um["DFF_X1"] / 0.7 * 1e-12)
    assert close(width_um["FA_X1"] / width_um["NAND2_X1"]) == ADDER_GATES


def test_a_clock_edge_costs_more_than_one_that_changes_nothing() -> None:
    """Registers carry data: at 45 nm between an idle edge of the open library and two and a half."""
    kit = load_references()["flipflop.cells"].value["nangate45"]
    idle = kit["idle_fj"] * 1e-15 * (0.9 / kit["supply_v"]) ** 2
    assert idle < flip_flop_energy_j(45e-9, 0.9) < 2.5 * idle


def test_fins_hold_more_width_than_their_pitch() -> None:
    """The perimeter of fins 42 nm high and 8 nm wide every 42 nm, against the same width drawn flat."""
    fins = 1e-6 / 42e-9
    flat = layout_area_m2(fins * (2 * 42e-9 + 8e-9), 22e-9) / 22e-9
    assert flat / (layout_area_m2(fins * (2 * 42e-9 + 8e-9), 14e-9) / 14e-9) == close(92 / 42)
    assert layout_area_m2(1e-6, 22e-9) == close(1e-6 * 5 * 22e-9 / 0.5)


def test_a_fin_is_as_wide_as_it_is_around() -> None:
    """It loads a gate as it does in the kit while the output rests; others in proportion to width."""
    value = load_references()["fin.asap7"].value
    fins = value["inverter_fins"][1] - value["inverter_fins"][0]
    least = (value["least_input_ff"][1] - value["least_input_ff"][0]) * 1e-15 / fins
    assert terminal_capacitance_f(7e-9) == pytest.approx(least, rel=1e-3)
    around = (2 * value["fin_height_nm"] + value["fin_width_nm"]) * 1e-9
    wider = terminal_capacitance_f(14e-9) / terminal_capacitance_f(7e-9)
    assert wider == close((2 * 42e-9 + 8e-9) / around)
    flat = layout_area_m2(1e-6, 22e-9) / 22e-9
    finned = layout_area_m2(1e-6, 7e-9) / 7e-9
    assert flat / finned == close(around / (value["fin_pitch_nm"] * 1e-9))
    assert terminal_capacitance_f(14e-9) == close(terminal_capacitance_f(16e-9))


def test_wires_have_the_median_capacitance_of_the_open_kits() -> None:
    per_um = sorted(load_references()["wire.routed"].value.values())
    assert close(per_um[len(per_um) // 2] * 1e-9, rel=5e-3) == WIRE_F_PER_M


def test_a_pass_gate_grows_with_the_current_of_its_line() -> None:
    one = pass_gate_area_m2(1e5, 100, 0.25, 32e-9)
    assert pass_gate_area_m2(1e5, 400, 0.25, 32e-9) == close(4 * one)
    assert pass_gate_area_m2(1e6, 100, 0.25, 32e-9) == close(one / 10)
    assert pass_gate_area_m2(1e5, 100, 0.5, 32e-9) == close(one / 2)
