"""One array with its periphery: time and energy of a read and of an outer-product update.

Formulas are those of docs/reference/cost-model.md.  Costs are per input vector (read) or vector
pair (update) for a whole weight matrix that is spread over `row_splits` x `col_splits` arrays which
work in parallel; arguments are scalars or arrays that broadcast against [C, 1] parameters.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from archsim.fields import Scalar
from archsim.hardware import array_circuits, array_read, array_update
from archsim.hardware.adc import Adc
from archsim.hardware.array import Array
from archsim.hardware.device import Device
from archsim.hardware.periphery import Periphery
from archsim.hardware.placement import (
    Bystanders,
    Direction,
    Placement,
    PulseStatistics,
    ReadCost,
    UpdateCost,
)
from archsim.hardware.read import ReadScheme
from archsim.hardware.update import UpdateScheme

__all__ = [
    "Bystanders",
    "Crossbar",
    "Direction",
    "Placement",
    "PulseStatistics",
    "ReadCost",
    "UpdateCost",
]


@dataclass(frozen=True, slots=True)
class Crossbar:
    """Device, array, read and update schemes, and periphery of one array.

    `arrays_per_converter_set` arrays side by side share one set of converters.
    """

    device: Device
    array: Array
    read: ReadScheme
    update: UpdateScheme
    periphery: Periphery
    adc: Adc
    arrays_per_converter_set: Scalar = 1.0

    def sensed_outputs(self, direction: Direction) -> Scalar:
        """Outputs of one full array that a converter sees in one direction."""
        if direction is Direction.TRANSPOSED:
            return self.array.rows
        if self.periphery.subtract_before_adc or self.array.encoding == "reference":
            return self.array.weight_columns + self.array.reference_columns
        return self.array.cols

    def bank_outputs(self, direction: Direction) -> Scalar:
        """Outputs that the converters used in one direction are built for."""
        if self.periphery.sides == "doubled":
            return self.sensed_outputs(direction)
        return np.maximum(
            self.sensed_outputs(Direction.FORWARD), self.sensed_outputs(Direction.TRANSPOSED)
        )

    def converters(self, direction: Direction) -> Scalar:
        """ADCs that serve one direction of one array."""
        return self.adc.count(self.bank_outputs(direction))

    def arrays_in_turn(self, place: Placement) -> Scalar:
        """Arrays of a matrix that convert one after the other, on the fullest of its sets."""
        if np.all(np.equal(self.arrays_per_converter_set, 1)):
            return 1.0
        return np.minimum(self.arrays_per_converter_set, place.arrays_at_once)

    def multiplexed(self, outputs: Scalar, converters: Scalar) -> Scalar:
        """1 where the lines of a bank reach its converters through a multiplexer, else 0."""
        fewer = np.less(converters, outputs) | np.greater(self.arrays_per_converter_set, 1)
        return np.where(fewer, 1.0, 0.0)

    @property
    def pulse_mean_square_v2(self) -> Scalar:
        """Square of the full programming voltage, averaged over the two polarities, in V^2."""
        return 0.5 * (self.device.pulse_up_v**2 + self.device.pulse_down_v**2)

    def gate_on_line_f(self) -> Scalar:
        """Gate capacitance of a cell that loads its lines; a closed transistor keeps it off."""
        if self.array.access is not None:
            return self.array.access.drain_capacitance_f
        return self.device.gate_capacitance_f

    @property
    def wired(self) -> Array:
        """The array as its lines see it: cells that carry a drive circuit lie further apart."""
        array, drive = self.array, self.device.drive
        if drive.kind == "voltage":
            return array
        apart_m = np.sqrt(np.square(array.cell_pitch_m) + drive.area_m2)
        return array.model_copy(update={"cell_pitch_m": apart_m})

    def row_line_f(self) -> Scalar:
        """Capacitance of a row line."""
        return self.wired.line_capacitance_f(self.array.physical_cols, self.gate_on_line_f())

    def column_line_f(self) -> Scalar:
        """Capacitance of a column line."""
        return self.wired.line_capacitance_f(self.array.physical_rows, self.gate_on_line_f())

    def read_cost(self, place: Placement, direction: Direction) -> ReadCost:
        """One vector through a matrix, forward or transposed, `read.repeats` times."""
        return array_read.read_cost(self, place, direction)

    def update_cost(
        self, place: Placement, pulses: PulseStatistics, bystanders: Bystanders | None = None
    ) -> UpdateCost:
        """One outer-product update of a whole matrix, all its arrays in parallel."""
        return array_update.update_cost(self, place, pulses, bystanders)

    def update_peak_power_w(self, firing_share: Scalar) -> Scalar:
        """Power that the supply of one array gives in a slot in which that share of lines fire."""
        return array_update.peak_power_w(self, firing_share)

    def area_by_component_m2(self) -> Mapping[str, Scalar]:
        """Area of one array and its periphery."""
        return array_circuits.area_by_component_m2(self)

    def leakage_by_component_w(self, density_w_per_m2: Scalar) -> Mapping[str, Scalar]:
        """Power of one idle array and its periphery; the density is that of logic."""
        return array_circuits.leakage_by_component_w(self, density_w_per_m2)
