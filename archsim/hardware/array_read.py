"""A read of one vector: counts of what happens in an array, times what each takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from archsim.fields import Scalar
from archsim.hardware.placement import Direction, Placement, ReadCost

if TYPE_CHECKING:
    from archsim.hardware.crossbar import Crossbar


@dataclass(frozen=True, slots=True)
class _ReadCounts:
    """Counts of one read vector over all arrays of a matrix, and per array where it says so."""

    arrays: Scalar
    driven: Scalar
    sensed: Scalar
    cells: Scalar
    conversions: Scalar
    conversions_per_array: Scalar
    partial_sums: Scalar
    digital_stages: Scalar


def read_cost(crossbar: Crossbar, place: Placement, direction: Direction) -> ReadCost:
    """One vector through a matrix, forward or transposed, `read.repeats` times.

    Time: integration over the encoding time, then rounds of conversions, of each array that shares
    the converters; the interval between vectors is their maximum with double-buffered
    sample-and-hold, else their sum; the latency is their sum (`ReadScheme.pipelined_s` where inputs
    are fed serially and double-buffered) plus one digital stage and one per doubling of the partial
    sums.
    """
    read, circuits = crossbar.read, crossbar.periphery
    count = _counts(crossbar, place, direction)
    rounds = np.ceil(count.conversions_per_array / crossbar.converters(direction))
    integration_s, one_array_s = read.integration_s(), rounds * crossbar.adc.round_s()
    conversion_s = crossbar.arrays_in_turn(place) * one_array_s
    both_s = integration_s + conversion_s
    double = circuits.sample_hold.double_buffered
    interval_s = np.maximum(integration_s, conversion_s) if double else both_s
    converted_s = read.pipelined_s(integration_s, conversion_s) if double else both_s
    latency_s = converted_s + count.digital_stages * circuits.output_digital.latency_s
    energy = {
        **_line_energy_j(crossbar, count, direction),
        **_readout_energy_j(crossbar, count, direction, rounds, conversion_s),
    }
    return ReadCost(
        interval_s=interval_s * read.repeats,
        latency_s=latency_s + (read.repeats - 1.0) * interval_s,
        integration_s=integration_s,
        conversion_s=conversion_s,
        converters_s=one_array_s * read.repeats,
        energy_j={name: value * read.repeats for name, value in energy.items()},
    )


def _line_energy_j(
    crossbar: Crossbar, count: _ReadCounts, direction: Direction
) -> dict[str, Scalar]:
    """Energy of the driven side and of the cells."""
    read, access, driver = crossbar.read, crossbar.array.access, crossbar.periphery.input_driver
    forward = direction is Direction.FORWARD
    line_f = crossbar.row_line_f() if forward else crossbar.column_line_f()
    energy = {
        "array_devices": count.cells
        * read.device_energy_j(crossbar.device.conductance_mean_siemens),
        "array_lines": count.driven
        * line_f
        * read.voltage_v
        * read.volts_drawn_v
        * read.line_charges(),
        "input_drivers": count.driven * driver.vector_energy_j(read.input_bits),
    }
    registers = crossbar.periphery.registers
    if registers is not None:
        energy["input_registers"] = count.driven * read.input_bits * registers.bit_energy_j
    if access is not None and crossbar.device.terminals == "two_terminal":
        # The channel is read through the transistors, which all rows of the array open.
        access_f = crossbar.wired.line_capacitance_f(
            crossbar.array.physical_cols, access.gate_capacitance_f
        )
        opened = count.arrays * crossbar.array.rows * access_f * access.gate_voltage_v**2
        energy["access_transistors"] = opened
    return energy


def _readout_energy_j(
    crossbar: Crossbar,
    count: _ReadCounts,
    direction: Direction,
    rounds: Scalar,
    conversion_s: Scalar,
) -> dict[str, Scalar]:
    """Energy of the sensed side."""
    read, circuits, adc = crossbar.read, crossbar.periphery, crossbar.adc
    forward = direction is Direction.FORWARD
    line_f = crossbar.column_line_f() if forward else crossbar.row_line_f()
    integration_s, outputs = read.integration_s(), crossbar.bank_outputs(direction)
    slot_s = read.time_step_s if read.encoding == "bit_serial" else integration_s
    sensing_w = circuits.sensing.active_power_w(line_f, slot_s)
    shared = crossbar.multiplexed(outputs, crossbar.converters(direction))
    digital, registers = circuits.output_digital, circuits.registers
    energy = {
        circuits.sensing.component: count.sensed * sensing_w * integration_s,
        "sample_hold": count.sensed * circuits.sample_hold.power_w * (integration_s + conversion_s),
        "multiplexers": count.conversions * circuits.multiplexer.energy_j * shared,
        "adc": adc.bank_energy_j(count.conversions, rounds * count.arrays, outputs),
        "output_digital": count.conversions * digital.energy_j
        + count.partial_sums * digital.partial_sum_energy_j,
    }
    if registers is not None:
        results = count.conversions * registers.result_bits(adc.bits)
        energy["output_registers"] = results * registers.bit_energy_j
    return energy


def _counts(crossbar: Crossbar, place: Placement, direction: Direction) -> _ReadCounts:
    """How often each part of a read happens per vector, over all arrays of a matrix."""
    array = crossbar.array
    columns = array.columns_per_weight
    forward = direction is Direction.FORWARD
    splits = place.row_splits if forward else place.col_splits
    outputs = place.outputs if forward else place.inputs
    # Pairs that are subtracted before the converter share one sensing circuit and one conversion.
    pairs = columns if forward and not crossbar.periphery.subtract_before_adc else 1
    per_output = crossbar.read.conversions_per_output() * pairs
    arrays = place.arrays
    # A shared reference column is one more output forward, one more driven line transposed.
    references = array.reference_columns * arrays
    rows_used = np.minimum(place.inputs * place.blocks_per_array, array.rows)
    outputs_used = np.minimum(
        outputs * place.blocks_per_array, array.weight_columns if forward else array.rows
    )
    rows_driven = place.inputs * place.blocks * place.col_splits
    cols_driven = place.outputs * columns * place.blocks * place.row_splits
    converted = outputs * place.blocks * splits
    # Off-diagonal cells of packed blocks hold zero weights, that is reference conductance: they
    # conduct like any other.
    cells = place.inputs * place.outputs * columns * place.blocks * place.blocks_per_array
    return _ReadCounts(
        arrays=arrays,
        driven=rows_driven if forward else cols_driven + references,
        sensed=converted * pairs + (references if forward else 0.0),
        cells=cells + references * rows_used,
        conversions=(converted + (references if forward else 0.0)) * per_output,
        conversions_per_array=per_output
        * (outputs_used + (array.reference_columns if forward else 0)),
        partial_sums=converted - outputs * place.blocks,
        digital_stages=1.0 + np.ceil(np.log2(splits)),
    )
