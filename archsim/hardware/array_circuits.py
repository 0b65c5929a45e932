"""What one array with its periphery is made of: area and leakage by component."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from archsim.fields import Scalar
from archsim.hardware.array_update import line_voltages
from archsim.hardware.placement import Direction

if TYPE_CHECKING:
    from archsim.hardware.crossbar import Crossbar
    from archsim.hardware.periphery import LineRegisters


@dataclass(frozen=True, slots=True)
class _Circuits:
    """Numbers of circuits around one array: `banks` are the outputs of its converter banks.

    `converters` are those that it sees, which it has for itself with a share of `own`.
    """

    lines: Scalar
    driven: Scalar
    sensed: Scalar
    banks: tuple[Scalar, ...]
    converters: Scalar
    own: Scalar
    multiplexed: Scalar


def _circuits(crossbar: Crossbar) -> _Circuits:
    array = crossbar.array
    forward = crossbar.sensed_outputs(Direction.FORWARD)
    transposed = crossbar.sensed_outputs(Direction.TRANSPOSED)
    spare_forward, spare_transposed = array.spare_cols, array.spare_rows
    lines = array.physical_rows + array.physical_cols
    if crossbar.periphery.sides == "doubled":
        driven, sensed = lines, forward + spare_forward + transposed + spare_transposed
        banks: tuple[Scalar, ...] = (forward, transposed)
    else:
        driven = np.maximum(array.physical_rows, array.physical_cols)
        sensed = np.maximum(forward + spare_forward, transposed + spare_transposed)
        banks = (np.maximum(forward, transposed),)
    counts = [crossbar.adc.count(outputs) for outputs in banks]
    return _Circuits(
        lines=lines,
        driven=driven,
        sensed=sensed,
        banks=banks,
        converters=sum(counts),
        own=1.0 / crossbar.arrays_per_converter_set,
        multiplexed=sum(
            crossbar.multiplexed(outputs, count) * outputs
            for outputs, count in zip(banks, counts, strict=True)
        ),
    )


def area_by_component_m2(crossbar: Crossbar) -> Mapping[str, Scalar]:
    """Area of one array and its periphery."""
    array, circuits, count = crossbar.array, crossbar.periphery, _circuits(crossbar)
    peak_w = crossbar.update_peak_power_w(circuits.supply.sustained_share())
    area = {
        "array_devices": array.area_m2,
        "input_drivers": count.driven
        * circuits.input_driver.line_area_m2(crossbar.read.input_bits),
        "pulse_drivers": _driver_area_m2(crossbar),
        "pulse_generators": count.lines * circuits.pulse_generator.line_area_m2,
        circuits.sensing.component: count.sensed * circuits.sensing.area_m2,
        "sample_hold": count.sensed * circuits.sample_hold.area_m2,
        "multiplexers": count.multiplexed * circuits.multiplexer.area_m2,
        "adc": sum(crossbar.adc.bank_area_m2(outputs) for outputs in count.banks) * count.own,
        "output_digital": count.converters * count.own * circuits.output_digital.area_m2,
    }
    if circuits.registers is not None:
        bits = _register_bits(crossbar, circuits.registers, count)
        area |= {name: number * circuits.registers.bit_area_m2 for name, number in bits.items()}
    if circuits.supply.kind == "pump":
        area["pumps"] = circuits.supply.pump_area_m2(peak_w)
    if array.access is not None:
        area["access_transistors"] = array.cells * array.access.area_m2
    if crossbar.device.drive.kind != "voltage":
        area["drive_circuits"] = array.cells * crossbar.device.drive.area_m2
    return area


def _register_bits(
    crossbar: Crossbar, registers: LineRegisters, count: _Circuits
) -> Mapping[str, Scalar]:
    """Bits that the registers of one array hold."""
    words = registers.input_words * crossbar.read.input_bits
    return {
        "input_registers": count.driven * words,
        "output_registers": sum(count.banks) * registers.result_bits(crossbar.adc.bits),
    }


def _driver_area_m2(crossbar: Crossbar) -> Scalar:
    driver, lines = crossbar.periphery.pulse_driver, line_voltages(crossbar)
    rows = crossbar.array.physical_rows * driver.line_area_m2(
        lines.row_f, lines.row_swing_v, lines.row_rated_v
    )
    columns = crossbar.array.physical_cols * driver.line_area_m2(
        lines.column_f, lines.column_swing_v, lines.column_rated_v
    )
    return rows + columns


def leakage_by_component_w(crossbar: Crossbar, density_w_per_m2: Scalar) -> Mapping[str, Scalar]:
    """Power of one idle array and its periphery; cells are passive and take none.

    Circuits without a figure of their own leak `density_w_per_m2` over their area.
    """
    circuits, count = crossbar.periphery, _circuits(crossbar)
    area, density = area_by_component_m2(crossbar), density_w_per_m2
    sensing = circuits.sensing
    by_circuit = {
        "input_drivers": (circuits.input_driver, count.driven),
        "pulse_drivers": (circuits.pulse_driver, count.lines),
        "pulse_generators": (circuits.pulse_generator, count.lines),
        sensing.component: (sensing, count.sensed),
        "sample_hold": (circuits.sample_hold, count.sensed),
        "multiplexers": (circuits.multiplexer, count.multiplexed),
        "output_digital": (circuits.output_digital, count.converters * count.own),
    }
    leakage = {
        name: circuit.leakage_of_w(number, area[name], density)
        for name, (circuit, number) in by_circuit.items()
    }
    if circuits.registers is not None:
        bits = _register_bits(crossbar, circuits.registers, count)
        leakage |= {
            name: number * circuits.registers.bit_leakage_w for name, number in bits.items()
        }
    banks_w = sum(crossbar.adc.bank_leakage_w(outputs) for outputs in count.banks)
    leakage["adc"] = banks_w * count.own
    return leakage
