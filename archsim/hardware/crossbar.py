"""One array with its periphery: time and energy of a read and of an outer-product update.

Formulas are those of docs/reference/cost-model.md.  Costs are per input vector (read) or vector
pair (update) for a whole weight matrix that is spread over `row_splits` x `col_splits` arrays which
work in parallel; arguments are scalars or arrays that broadcast against [C, 1] parameters.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from archsim.fields import Scalar
from archsim.hardware.adc import Adc
from archsim.hardware.array import Array
from archsim.hardware.device import Device
from archsim.hardware.periphery import Periphery
from archsim.hardware.read import ReadScheme
from archsim.hardware.update import UpdateScheme


class Direction(StrEnum):
    """Which way a vector passes through an array."""

    FORWARD = "forward"
    TRANSPOSED = "transposed"


@dataclass(frozen=True, slots=True)
class Placement:
    """A weight matrix on arrays: all fields are scalars or arrays of one broadcastable shape.

    `inputs` rows (bias row included) and `outputs` weight columns per block; `blocks` blocks, of
    which `blocks_per_array` share an array; `row_splits` * `col_splits` arrays hold one block (or
    one group of packed blocks).
    """

    inputs: Scalar
    outputs: Scalar
    blocks: Scalar
    blocks_per_array: Scalar
    row_splits: Scalar
    col_splits: Scalar


@dataclass(frozen=True, slots=True)
class ReadCost:
    """Cost of one vector: initiation interval, latency, energy by component."""

    interval_s: Scalar
    latency_s: Scalar
    integration_s: Scalar
    conversion_s: Scalar
    energy_j: Mapping[str, Scalar]


@dataclass(frozen=True, slots=True)
class _ReadCounts:
    """Counts of one read vector over all arrays of a matrix, and per array where it says so."""

    driven: Scalar
    integrators: Scalar
    cells: Scalar
    cells_per_line: Scalar
    conversions: Scalar
    conversions_per_array: Scalar
    partial_sums: Scalar
    digital_stages: Scalar


@dataclass(frozen=True, slots=True)
class UpdateCost:
    """Cost of one vector pair: duration, energy by component."""

    duration_s: Scalar
    energy_j: Mapping[str, Scalar]


@dataclass(frozen=True, slots=True)
class PulseStatistics:
    """Mean firing probabilities per slot and number of signs of input and error (1 or 2)."""

    probability_x: Scalar
    probability_error: Scalar
    input_signs: Scalar
    error_signs: Scalar


@dataclass(frozen=True, slots=True)
class Crossbar:
    """Device, array, read and update schemes, and periphery of one array."""

    device: Device
    array: Array
    read: ReadScheme
    update: UpdateScheme
    periphery: Periphery
    adc: Adc

    def sensed_outputs(self, direction: Direction) -> Scalar:
        """Outputs of one full array that a converter sees in one direction."""
        if direction is Direction.TRANSPOSED:
            return self.array.rows
        if self.periphery.subtract_before_adc or self.array.encoding == "reference":
            return self.array.weight_columns + self.array.reference_columns
        return self.array.cols

    def converters(self, direction: Direction) -> Scalar:
        """ADCs that serve one direction of one array."""
        own = self.adc.count(self.sensed_outputs(direction))
        if self.periphery.sides == "doubled":
            return own
        return np.maximum(
            self.adc.count(self.sensed_outputs(Direction.FORWARD)),
            self.adc.count(self.sensed_outputs(Direction.TRANSPOSED)),
        )

    def _conversions_per_weight_output(self, direction: Direction) -> Scalar:
        """Conversions per output: serial bits, times columns if pairs are not subtracted first."""
        per_pair = 1
        if direction is Direction.FORWARD and not self.periphery.subtract_before_adc:
            per_pair = self.array.columns_per_weight
        return self.read.conversions_per_output() * per_pair

    def read_cost(self, place: Placement, direction: Direction) -> ReadCost:
        """One vector through a matrix, forward or transposed, `read.repeats` times.

        Time: integration over the encoding time, then ceil(conversions / converters) conversions;
        the interval between vectors is their maximum with double-buffered sample-and-hold, else
        their sum; the latency is their sum plus one digital stage and one per doubling of the
        partial sums.
        """
        read, circuits = self.read, self.periphery
        count = self._read_counts(place, direction)
        integration_s = read.integration_s()
        rounds = np.ceil(count.conversions_per_array / self.converters(direction))
        conversion_s = rounds / self.adc.rate_hz
        both_s = integration_s + conversion_s
        double = circuits.sample_hold.double_buffered
        interval_s = np.maximum(integration_s, conversion_s) if double else both_s
        latency_s = both_s + count.digital_stages * circuits.output_digital.latency_s
        conductance = self.device.conductance_mean_siemens
        line_c = self.array.line_capacitance_f(count.cells_per_line, self.device.gate_capacitance_f)
        energy = {
            "array_devices": count.cells * read.device_energy_j(conductance),
            "array_lines": count.driven * line_c * read.voltage_v**2 * read.line_charges(),
            "input_drivers": count.driven * circuits.input_driver.energy_j,
            "integrators": count.integrators * circuits.integrator.power_w * integration_s,
            "sample_hold": count.integrators * circuits.sample_hold.power_w * both_s,
            "adc": count.conversions * self.adc.conversion_energy_j(),
            "output_digital": count.conversions * circuits.output_digital.energy_j
            + count.partial_sums * circuits.output_digital.partial_sum_energy_j,
        }
        return ReadCost(
            interval_s=interval_s * read.repeats,
            latency_s=latency_s + (read.repeats - 1.0) * interval_s,
            integration_s=integration_s,
            conversion_s=conversion_s,
            energy_j={name: value * read.repeats for name, value in energy.items()},
        )

    def _read_counts(self, place: Placement, direction: Direction) -> _ReadCounts:
        """How often each part of a read happens per vector, over all arrays of a matrix."""
        array = self.array
        columns = array.columns_per_weight
        forward = direction is Direction.FORWARD
        splits = place.row_splits if forward else place.col_splits
        outputs = place.outputs if forward else place.inputs
        per_output = self._conversions_per_weight_output(direction)
        arrays = np.ceil(place.blocks / place.blocks_per_array)
        arrays = arrays * place.row_splits * place.col_splits
        # A shared reference column is one more output forward, one more driven line transposed.
        references = array.reference_columns * arrays
        rows_used = np.minimum(place.inputs * place.blocks_per_array, array.rows)
        outputs_used = np.minimum(
            outputs * place.blocks_per_array, array.weight_columns if forward else array.rows
        )
        rows_driven = place.inputs * place.blocks * place.col_splits
        cols_driven = place.outputs * columns * place.blocks * place.row_splits
        # Pairs that are subtracted before the converter share one integrator.
        pairs = columns if forward and not self.periphery.subtract_before_adc else 1
        converted = outputs * place.blocks * splits
        # Off-diagonal cells of packed blocks hold zero weights, that is reference conductance: they
        # conduct like any other.
        cells = place.inputs * place.outputs * columns * place.blocks * place.blocks_per_array
        return _ReadCounts(
            driven=rows_driven if forward else cols_driven + references,
            integrators=converted * pairs + (references if forward else 0.0),
            cells=cells + references * rows_used,
            cells_per_line=array.cols if forward else array.rows,
            conversions=(converted + (references if forward else 0.0)) * per_output,
            conversions_per_array=per_output
            * (outputs_used + (array.reference_columns if forward else 0)),
            partial_sums=converted - outputs * place.blocks,
            digital_stages=1.0 + np.ceil(np.log2(splits)),
        )

    def update_cost(self, place: Placement, pulses: PulseStatistics) -> UpdateCost:
        """One outer-product update of a whole matrix, all its arrays in parallel.

        A row fires with probability p_x in each slot of every phase of its sign, that is once per
        sign of the error; a column once per sign of the input.  Lines carry V/2.  Blocks that share
        an array take turns, since firing them together would also program the cells between them.
        """
        array, update, device = self.array, self.update, self.device
        phases = update.phases(pulses.input_signs, pulses.error_signs)
        turns = place.blocks_per_array
        duration_s = turns * update.duration_s(phases, device.pulse_width_s)

        columns = array.columns_per_weight
        rows = place.inputs * place.blocks * place.col_splits
        cols = place.outputs * columns * place.blocks * place.row_splits
        length = update.train_length
        row_turns, col_turns = update.line_turns(pulses.input_signs, pulses.error_signs)
        row_pulses = rows * length * pulses.probability_x * row_turns
        col_pulses = cols * length * pulses.probability_error * col_turns
        half_v2 = device.mean_square_half_bias_v2
        row_c = array.line_capacitance_f(array.cols, device.gate_capacitance_f)
        col_c = array.line_capacitance_f(array.rows, device.gate_capacitance_f)
        lines_j = half_v2 * (row_pulses * row_c + col_pulses * col_c)

        cells = place.inputs * place.outputs * columns * place.blocks
        both = pulses.probability_x * pulses.probability_error
        coincidences = cells * length * both
        half_selects = (
            cells
            * length
            * (pulses.probability_x * row_turns + pulses.probability_error * col_turns - 2.0 * both)
        )
        devices_j = (
            coincidences * device.coincidence_energy_j()
            + half_selects * device.half_select_energy_j()
        )
        channels_j = self._channel_energy_j(place, pulses, phases)
        supply_loss = 1.0 / update.supply_efficiency - 1.0
        driver = self.periphery.pulse_driver
        energy = {
            "update_lines": lines_j,
            "update_devices": devices_j,
            "update_channels": channels_j,
            "update_supply_loss": (lines_j + devices_j + channels_j) * supply_loss,
            "pulse_drivers": (row_pulses + col_pulses) * driver.driver_energy_j,
            "pulse_generators": (rows + cols) * phases * length * driver.generator_energy_j,
        }
        return UpdateCost(duration_s=duration_s, energy_j=energy)

    def _channel_energy_j(
        self, place: Placement, pulses: PulseStatistics, phases: Scalar
    ) -> Scalar:
        """Conduction through the channels of three-terminal devices during an update.

        Fired columns are at V/2, the others at zero, and the floating row line joins all channels
        of a row: it settles at the fraction f of columns that fire, and each cell conducts
        (V/2)^2 * g * f * (1 - f) on average, in every slot, whether its row fires or not.
        """
        array, device = self.array, self.device
        if device.terminals == "two_terminal":
            return 0.0
        fired = pulses.probability_error / pulses.error_signs
        cells = place.inputs * place.outputs * array.columns_per_weight
        cells = cells * place.blocks * place.blocks_per_array
        slots = phases * self.update.train_length
        power_w = device.mean_square_half_bias_v2 * device.conductance_mean_siemens
        return cells * slots * power_w * fired * (1.0 - fired) * device.pulse_width_s

    def area_by_component_m2(self) -> Mapping[str, Scalar]:
        """Area of one array and its periphery."""
        array, circuits = self.array, self.periphery
        lines = array.rows + array.cols
        sensed_f = self.sensed_outputs(Direction.FORWARD)
        sensed_t = self.sensed_outputs(Direction.TRANSPOSED)
        if circuits.sides == "doubled":
            read_lines, sensed = lines, sensed_f + sensed_t
            adcs = self.adc.count(sensed_f) + self.adc.count(sensed_t)
        else:
            read_lines, sensed = np.maximum(array.rows, array.cols), np.maximum(sensed_f, sensed_t)
            adcs = self.converters(Direction.FORWARD)
        return {
            "array_devices": array.area_m2,
            "input_drivers": read_lines * circuits.input_driver.area_m2,
            "pulse_drivers": lines * circuits.pulse_driver.area_m2,
            "integrators": sensed * circuits.integrator.area_m2,
            "sample_hold": sensed * circuits.sample_hold.area_m2,
            "adc": adcs * self.adc.area_m2(),
            "output_digital": adcs * circuits.output_digital.area_m2,
        }
