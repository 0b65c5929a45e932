"""Inputs of several bits per pass, columns that share their work, cells without a published area."""

from __future__ import annotations

import re
from collections.abc import Callable
from math import ceil
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from archsim.config.references import load_references
from archsim.hardware.macro.converters import (
    FlashConverter,
    SarConverter,
    SubrangingConverter,
    comparator_energy_j,
)
from archsim.hardware.macro.encoding import BitSerialEncoding
from archsim.hardware.macro.gates import XOR_GATES, gate_area_m2, gate_energy_j
from archsim.hardware.macro.level_input import LevelInput
from archsim.hardware.macro.macro import Macro, OperatingPoint
from archsim.hardware.macro.memory_cell import memory_cell_area_m2
from archsim.hardware.macro.pulse_width_input import PulseWidthInput
from archsim.hardware.macro.technology import (
    comparator_area_m2,
    flip_flop_area_m2,
    flip_flop_energy_j,
    full_adder_area_m2,
    full_adder_energy_j,
)
from tests.closeness import close

NODE = 28e-9
NODES = st.floats(7e-9, 130e-9)
SUPPLIES = st.floats(0.5, 1.5)
WORDS = {"axis": "row", "per_axis": 1, "cell_pitch": "1 um", "terminals": 1}
SERIAL = {"kind": "bit_serial", "bits_per_pass": 2}


def macro(cols: int, slices: int, **changes: Any) -> Macro:
    """A macro of 16 rows whose columns each have a converter, with changes."""
    values: dict[str, Any] = {
        "node": "28 nm",
        "input_bits": 2,
        "nominal": "0.9 V",
        "array": {"rows": 16, "cols": cols, "slices": slices, "banks": 4, "cell_transistors": 6},
        "encoding": SERIAL,
        "cell": {"kind": "capacitive", "capacitance": "2 fF"},
        "input": {"kind": "levels"},
        "lines": {
            "words": WORDS | {"toggles": "pulses"},
            "bits": WORDS | {"axis": "column", "toggles": "product"},
        },
        "converter": {"kind": "sar", "bits": 5},
        "input_logic": {"register_bits": 2},
        "output_logic": {"register_bits": 3, "adder_bits": 5},
        "timing": {"kind": "anchored", "interval": "2 ns", "supply": "0.9 V", "threshold": "0.3 V"},
    }
    return Macro.model_validate(values | changes)


def point(input_bits: int) -> OperatingPoint:
    return OperatingPoint(
        supply_v=0.9, input_bits=input_bits, weight_bits=4, output_bits=5,
        mean_input=0.5, mean_weight=0.5,
    )  # fmt: skip


def test_a_slice_is_an_array_for_part_of_the_bits() -> None:
    """Two slices take 8 bits as two arrays of half the columns take 4 bits each."""
    whole, half = macro(96, 2), macro(48, 1)
    assert whole.counts(point(8)) == half.counts(point(4))
    assert whole.array.outputs(4) == half.array.outputs(4) == 12
    assert whole.vector_s(point(8)) == close(half.vector_s(point(4)))
    energies, halves = whole.energy_j(point(8)), half.energy_j(point(4))
    for name, share in energies.items():
        assert share.value == close(2 * halves[name].value), name
    areas = half.area_m2()
    for name, share in whole.area_m2().items():
        assert share.value == close(2 * areas[name].value), name


@given(st.integers(1, 16), st.integers(1, 16), st.integers(1, 8))
def test_slices_of_the_bits_pass_one_by_one(inputs: int, per_pass: int, outputs: int) -> None:
    encoding = BitSerialEncoding(kind="bit_serial", bits_per_pass=per_pass)
    found = encoding.counts(inputs, outputs, single_phase=False)
    left, passes = inputs, 0
    while left > 0:
        left -= per_pass
        passes += 1
    assert (found.passes, found.conversion_steps) == (passes, passes * outputs)
    assert found.bits_per_pass == per_pass


def test_a_pass_has_the_pulses_of_its_own_bits() -> None:
    """Two bits of a random input are 1.5 pulses on average, however many bits the input has."""
    one = macro(48, 1)
    line = one.lines["words"].energy_j(48, NODE, 0.9)
    for bits in (2, 4, 8):
        passes = ceil(bits / 2)
        assert one.energy_j(point(bits))["words"].value == close(passes * 16 * 1.5 * line)


def gray(value: int) -> int:
    return value ^ (value >> 1)


@pytest.mark.parametrize("bits", [1, 3, 7])
def test_a_shared_count_switches_one_gate_of_a_comparator_per_slot(bits: int) -> None:
    """Counted through all codes: exclusive-or gates whose input from the count changes."""
    changes = sum(
        (gray(slot) ^ gray(slot + 1)).bit_count() for slot in range(2**bits - 1)
    )  # fmt: skip
    found = PulseWidthInput(kind="pulse_width").energy_j(NODE, 0.9, bits, 1e-8)
    edges = (bits + 1) * flip_flop_energy_j(NODE, 0.9)
    assert found - edges == close(changes * 2 * full_adder_energy_j(NODE, 0.9) / (3.04 / 0.57))


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_a_new_level_closes_one_gate_and_opens_another(bits: int) -> None:
    """Over all pairs of different codes two outputs of the decoder change."""
    codes = range(2**bits)
    changed = {
        sum((code == out) != (other == out) for out in codes)
        for code in codes
        for other in codes
        if code != other
    }
    assert changed == {2}
    found = LevelInput(kind="levels").energy_j(NODE, 0.9, bits, 1e-8)
    register = bits * flip_flop_energy_j(NODE, 0.9)
    assert found - register == close(2 * bits * gate_energy_j(NODE, 0.9))


@given(st.integers(1, 10), NODES, SUPPLIES, st.floats(1.0, 1.5))
def test_inputs_grow_with_bits_and_supply(
    bits: int, node_m: float, supply_v: float, ratio: float
) -> None:
    for circuit in (PulseWidthInput(kind="pulse_width"), LevelInput(kind="levels")):
        energy = circuit.energy_j(node_m, supply_v, bits, 1e-9)
        assert 0 < energy < circuit.energy_j(node_m, supply_v, bits + 1, 1e-9)
        assert energy <= circuit.energy_j(node_m, supply_v * ratio, bits, 1e-9)
        assert 0 < circuit.footprint_m2(node_m, bits) < circuit.footprint_m2(node_m, bits + 1)


def test_gates_have_the_sizes_of_the_published_cells() -> None:
    text = str(load_references()["logic.cells45"].value)
    width_um = {name: float(value) for name, value in re.findall(r"(\w+_X1) ([\d.]+)", text)}
    assert close(width_um["XOR2_X1"] / width_um["NAND2_X1"]) == XOR_GATES
    assert gate_area_m2(45e-9) == close(1.4 * width_um["NAND2_X1"] / 0.7 * 1e-12)


def two_step(value: int, coarse: int, fine: int) -> tuple[int, set[tuple[str, int]]]:
    """A code found in two steps, and the comparators that took part."""
    upper = [step for step in range(1, 2**coarse) if value >= step * 2**fine]
    rest = value - len(upper) * 2**fine
    lower = [step for step in range(1, 2**fine) if rest >= step]
    used = {("coarse", step) for step in range(1, 2**coarse)}
    used |= {("fine", step) for step in range(1, 2**fine)}
    return len(upper) * 2**fine + len(lower), used


@pytest.mark.parametrize(("coarse", "fine"), [(1, 1), (2, 2), (2, 3), (4, 1)])
def test_two_steps_resolve_all_codes_with_the_comparators_of_both(coarse: int, fine: int) -> None:
    bits = coarse + fine
    comparators = set()
    for value in range(2**bits):
        code, used = two_step(value, coarse, fine)
        assert code == value
        comparators |= used
    converter = SubrangingConverter(kind="subranging", bits=bits, coarse_bits=coarse)
    adders = (2**coarse - 1 - coarse) + (2**fine - 1 - fine)
    energy = len(comparators) * comparator_energy_j(bits, NODE, 0.9, 0.9)
    energy += adders * full_adder_energy_j(NODE, 0.9) + bits * flip_flop_energy_j(NODE, 0.9)
    assert converter.energy_j(NODE, 0.9, 0.9) == close(energy)
    area = len(comparators) * comparator_area_m2(NODE) + adders * full_adder_area_m2(NODE)
    assert converter.footprint_m2(NODE) == close(area + bits * flip_flop_area_m2(NODE))


@given(st.integers(3, 8), NODES, SUPPLIES)
def test_two_steps_take_less_than_one(bits: int, node_m: float, supply_v: float) -> None:
    one = FlashConverter(kind="flash", bits=bits)
    two = SubrangingConverter(kind="subranging", bits=bits, coarse_bits=bits // 2)
    assert two.energy_j(node_m, supply_v, supply_v) < one.energy_j(node_m, supply_v, supply_v)
    assert two.footprint_m2(node_m) < one.footprint_m2(node_m)


@given(st.integers(1, 12), st.floats(0, 1), NODES, SUPPLIES)
def test_bits_that_are_not_decided_are_saved(
    bits: int, share: float, node_m: float, supply_v: float
) -> None:
    """All decided is the plain converter; fewer cost less, and the capacitors stay."""
    plain = SarConverter(kind="sar", bits=bits)
    decided = 1 + share * (bits - 1)
    fewer = SarConverter(kind="sar", bits=bits, decisions=decided)
    every = SarConverter(kind="sar", bits=bits, decisions=bits)
    energy = plain.energy_j(node_m, supply_v, 1.0)
    assert every.energy_j(node_m, supply_v, 1.0) == close(energy)
    assert fewer.energy_j(node_m, supply_v, 1.0) <= energy * (1 + 1e-12)
    assert fewer.footprint_m2(node_m) == close(plain.footprint_m2(node_m))


def test_three_of_seven_bits_step_by_step() -> None:
    """A sequencer in four steps, a code of seven bits, three decisions, the three least units."""
    energy = 7 * flip_flop_energy_j(NODE, 0.9)
    for step in range(4):
        energy += 7 * flip_flop_energy_j(NODE, 0.9)
        energy += comparator_energy_j(7, NODE, 0.9, 0.9) if step < 3 else 0.0
    part = SarConverter(kind="sar", bits=7, decisions=3)
    double = part.model_copy(update={"unit_capacitance_f": 2e-15})
    units = double.energy_j(NODE, 0.9, 0.9) - part.energy_j(NODE, 0.9, 0.9)
    whole = SarConverter(kind="sar", bits=3)
    expected = whole.model_copy(update={"unit_capacitance_f": 2e-15}).energy_j(NODE, 0.9, 0.9)
    assert units == close(expected - whole.energy_j(NODE, 0.9, 0.9), rel=1e-9)
    assert part.energy_j(NODE, 0.9, 0.9) == close(energy + units)


def test_a_cell_without_published_area_has_that_of_its_transistors() -> None:
    """Six transistors take the squares that the reference states, and are no published value."""
    squares = load_references()["cell.area_neurosim"].value["SRAM 8F x 20F"]
    assert memory_cell_area_m2(6, NODE) == close(squares * NODE**2)
    assert memory_cell_area_m2(9, NODE) == close(1.5 * squares * NODE**2)
    plain = {"kind": "passive"}
    modelled = macro(48, 1, cell=plain).area_m2()["cells"]
    assert (modelled.value, modelled.stated) == (close(16 * 48 * 4 * squares * NODE**2), False)
    array = {"rows": 16, "cols": 48, "banks": 4, "cell_area": "0.2 um^2"}
    stated = macro(48, 1, array=array, cell=plain).area_m2()["cells"]
    assert (stated.value, stated.stated) == (close(16 * 48 * 4 * 0.2e-12), True)


ARRAY = {"rows": 16, "cols": 48}


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: macro(48, 1, array=ARRAY), "cell_transistors"),
        (
            lambda: macro(
                48, 1, array=ARRAY | {"cell_area": "1 um^2", "cell_transistors": 6}
            ),
            "either the published `cell_area`",
        ),
        (lambda: macro(50, 4), "50 columns are no 4 equal slices"),
        (lambda: SarConverter(kind="sar", bits=4, decisions=5), "at most one per bit"),
        (
            lambda: SubrangingConverter(kind="subranging", bits=4, coarse_bits=4),
            "state at most 3",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(build: Callable[[], object], message: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(message)):
        build()
