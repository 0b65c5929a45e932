"""Laws of whole macros: counts, conservation, monotonicity."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim.hardware.macro.adder_array import AdderArray
from archsim.hardware.macro.encoding import BitSerialEncoding, ParallelEncoding, PhasedEncoding
from archsim.hardware.macro.line import Line
from archsim.hardware.macro.macro import Macro, OperatingPoint
from archsim.hardware.macro.technology import (
    WIRE_F_PER_M,
    flip_flop_energy_j,
    full_adder_energy_j,
    terminal_capacitance_f,
)
from tests.closeness import close

WORDS = {"axis": "row", "per_axis": 1, "cell_pitch": "1 um", "terminals": 1}


def macro(**changes: Any) -> Macro:
    """A capacitive macro of 8 x 12 cells, 4 of which make an output, with changes."""
    values: dict[str, Any] = {
        "node": "65 nm",
        "input_bits": 4,
        "nominal": "1 V",
        "array": {"rows": 8, "cols": 12, "cols_per_conversion": 4, "cell_area": "2 um^2"},
        "encoding": {"kind": "parallel"},
        "cell": {"kind": "capacitive", "capacitance": "2 fF"},
        "input": {"kind": "pulse_count"},
        "lines": {
            "words": WORDS | {"toggles": "pulses"},
            "bits": WORDS | {"axis": "column", "toggles": "product"},
        },
        "converter": {"kind": "sar", "bits": 6},
        "input_logic": {"register_bits": 2},
        "output_logic": {"register_bits": 3, "adder_bits": 5},
        "stated": {"neuron": {"per": "pass", "energy": "1 pJ", "supply": "1 V"}},
        "timing": {"kind": "anchored", "interval": "2 ns", "supply": "1 V", "threshold": "0.3 V"},
    }
    return Macro.model_validate(values | changes)


def point(**changes: Any) -> OperatingPoint:
    values = {
        "supply_v": 1.0,
        "input_bits": 4,
        "weight_bits": 4,
        "output_bits": 6,
        "mean_input": 0.5,
        "mean_weight": 0.5,
    }
    return OperatingPoint.model_validate(values | changes)


def total_j(one: Macro, at: OperatingPoint) -> float:
    return sum(share.value for share in one.energy_j(at).values())


def test_energies_are_counts_times_unit_energies() -> None:
    """Counted by loops over rows, columns and conversions, from the components' own energies."""
    one, at = macro(), point()
    found = {name: share.value for name, share in one.energy_j(at).items()}
    words, bits = one.lines["words"], one.lines["bits"]
    expected = dict.fromkeys(found, 0.0)
    for _row in range(8):
        expected["input_registers"] += one.input.energy_j(65e-9, 1.0, 4, 2e-9)
        expected["words"] += 0.5 * 15 * words.energy_j(12, 65e-9, 1.0)
        expected["input_logic"] += 2 * flip_flop_energy_j(65e-9, 1.0)
        for _col in range(12):
            expected["cells"] += one.cell.energy_j(65e-9, 1.0, 0.5, 0.5)
    for _col in range(12):
        expected["bits"] += 0.25 * bits.energy_j(8, 65e-9, 1.0)
    for _output in range(3):
        assert one.converter is not None
        expected["converters"] += one.converter.energy_j(65e-9, 1.0, 1.0)
        expected["output_logic"] += 3 * flip_flop_energy_j(65e-9, 1.0)
        expected["output_logic"] += 5 * full_adder_energy_j(65e-9, 1.0)
        expected["neuron"] += 1e-12
    assert found == close(expected)


def test_banks_are_read_over_a_local_line() -> None:
    """Half of the places discharge a line over all banks of their place."""
    array = {"rows": 8, "cols": 12, "cols_per_conversion": 4, "banks": 8, "cell_area": "4 um^2"}
    found = macro(array=array).energy_j(point(supply_v=0.8))["bank_lines"].value
    load = 8 * (WIRE_F_PER_M * 2e-6 + terminal_capacitance_f(65e-9))
    assert found == close(96 * 0.5 * load * 0.64)
    assert "bank_lines" not in macro().energy_j(point())


def test_operations_are_twice_the_products() -> None:
    assert macro().operations(point()) == 2 * 8 * 3
    doubled = macro(
        array={"rows": 8, "cols": 12, "rows_per_input": 2, "units": 5, "cell_area": "2 um^2"}
    )
    assert doubled.operations(point(weight_bits=1)) == 2 * 4 * 12 * 5


@given(st.floats(0.5, 1.2), st.floats(1.0, 1.5), st.floats(0, 1), st.floats(0, 1))
def test_energy_does_not_fall_with_supply_or_data(
    supply_v: float, ratio: float, low: float, high: float
) -> None:
    one = macro()
    low, high = sorted((low, high))
    quiet = total_j(one, point(supply_v=supply_v, mean_input=low, mean_weight=low))
    assert quiet <= total_j(one, point(supply_v=supply_v * ratio, mean_input=low, mean_weight=low))
    assert quiet <= total_j(one, point(supply_v=supply_v, mean_input=high, mean_weight=high))


@given(st.integers(1, 512), st.integers(1, 512))
def test_energy_and_area_grow_with_the_array(rows: int, more: int) -> None:
    def sized(count: int) -> Macro:
        return macro(
            array={"rows": count, "cols": 12, "cols_per_conversion": 4, "cell_area": "2 um^2"}
        )

    small, large = sized(rows), sized(rows + more)
    assert total_j(small, point()) < total_j(large, point())
    areas = [sum(s.value for s in m.area_m2().values()) for m in (small, large)]
    assert areas[0] < areas[1]


def test_the_larger_of_transistors_and_capacitor_takes_the_area() -> None:
    """A capacitor lies above its cell: 2 fF at 2 fF per um^2 are 1 um^2."""
    stated = macro().area_m2()["cells"]
    assert (stated.value, stated.stated) == (close(96 * 2e-12), True)
    wide = macro(cell={"kind": "capacitive", "capacitance": "8 fF"}).area_m2()["cells"]
    assert (wide.value, wide.stated) == (close(96 * 4e-12), False)


@given(st.integers(1, 8), st.integers(1, 10))
def test_serial_bits_pass_one_by_one(inputs: int, outputs: int) -> None:
    serial = BitSerialEncoding(kind="bit_serial").counts(inputs, outputs, single_phase=False)
    assert (serial.passes, serial.phases) == (inputs, 1)
    parallel = ParallelEncoding(kind="parallel").counts(inputs, outputs, single_phase=False)
    assert (parallel.passes, parallel.conversion_steps) == (1, outputs)


def phased_by_loops(
    inputs: int, outputs: int, most: int, single: bool
) -> tuple[int, int, int, int]:
    """Passes, phases, integration and conversion steps, bit by bit."""
    bits = list(range(max(1, inputs - 1)))
    half = (len(bits) + 1) // 2
    groups = [bits] if single or len(bits) <= most else [bits[:half], bits[half:]]
    integrations = conversions = done = 0
    for group in groups:
        for weight, _bit in enumerate(group):
            integrations += 2**weight
        conversions += max(outputs - done, 0)
        done += len(group)
    return len(bits), len(groups), integrations, conversions


@given(st.integers(1, 10), st.integers(1, 12), st.integers(1, 6), st.booleans())
def test_phases_divide_the_magnitude(inputs: int, outputs: int, most: int, single: bool) -> None:
    encoding = PhasedEncoding(kind="phased", bits_per_phase=most)
    found = encoding.counts(inputs, outputs, single_phase=single)
    assert (
        found.passes,
        found.phases,
        found.integration_steps,
        found.conversion_steps,
    ) == phased_by_loops(inputs, outputs, most, single)


def test_a_clocked_macro_needs_a_clock() -> None:
    clocked = macro(timing={"kind": "clocked", "cycles": 10}, encoding={"kind": "bit_serial"})
    assert clocked.vector_s(point(clock_hz=1e9)) == close(4 * 10e-9)
    with pytest.raises(ValueError, match="clock"):
        clocked.vector_s(point())


LINE = Line(axis="row", per_axis=1, cell_pitch_m=3e-6, terminals=2, toggles="input")


def adders(**changes: Any) -> AdderArray:
    values: dict[str, Any] = {
        "node_m": 65e-9,
        "rows": 16,
        "cols": 24,
        "cell_gates": 32 / 3,  # two full adders
        "adder_s": 4e-10,
        "delay_supply_v": 0.8,
        "threshold_v": 0.3,
        "register_delays": 2,
        "input_line": LINE,
    }
    return AdderArray.model_validate(values | changes)


def test_an_adder_array_by_loops() -> None:
    """Cells, lines and registers clocked one by one over the bits of an input."""
    array = adders()
    expected = {"cells": 0.0, "input_lines": 0.0, "registers": 0.0}
    for _bit in range(3):
        for _row in range(16):
            expected["input_lines"] += 0.5 * LINE.energy_j(24, 65e-9, 0.8)
            for _col in range(24):
                expected["cells"] += 2 * full_adder_energy_j(65e-9, 0.8)
        for _register in range(4 * 24):
            expected["registers"] += flip_flop_energy_j(65e-9, 0.8)
    assert array.energy_j(3, 4, 0.8) == close(expected)
    assert (array.growth_bits, array.outputs(4), array.operations(4)) == (4, 3, 2 * 16 * 3)


@given(st.integers(1, 12), st.integers(1, 16), st.floats(0.5, 1.2), st.floats(1.0, 1.5))
def test_wider_weights_are_slower_and_a_higher_supply_faster(
    bits: int, registers: int, supply_v: float, ratio: float
) -> None:
    array = adders()
    period = array.cycle_s(bits, registers, supply_v)
    assert period < array.cycle_s(bits + 1, registers, supply_v)
    assert period >= array.cycle_s(bits, registers, supply_v * ratio)
    assert period >= array.cycle_s(bits, registers + 1, supply_v)
    assert array.vector_s(bits, bits, registers, supply_v, pipelined=False) == close(
        (registers + 1) * array.vector_s(bits, bits, registers, supply_v, pipelined=True)
    )
