"""The crossbar array: geometry, wires, and how weights sit on it."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np

from archsim.fields import Component, Quantity, Scalar
from archsim.hardware.faults import Faults


class LineMap(Component):
    """Which axis each device terminal is wired along, and what floats during an update.

    Forward read drives the row terminal and senses the column terminal of the channel, the
    transposed read swaps them; an update needs one driven terminal per axis.
    """

    gate: Literal["row", "column", "none"]
    source: Literal["row", "column"]
    drain: Literal["row", "column"]
    floating_in_update: Literal["source", "drain", "none"]


class AccessTransistor(Component):
    """A transistor in each cell between its column and its device; its gate is on the row.

    In an update a row pulse of `gate_voltage_v` opens it, and the column carries the full
    programming voltage; closed it leaks `off_current_a`.  `gate_capacitance_f` loads the access
    line of a row, `drain_capacitance_f` the column.  `area_m2` is added to the cell's.
    """

    gate_voltage_v: Annotated[Scalar, Quantity("V", above=0, maximum=100.0)]
    gate_capacitance_f: Annotated[Scalar, Quantity("F", minimum=0, maximum=1e-12)]
    drain_capacitance_f: Annotated[Scalar, Quantity("F", minimum=0, maximum=1e-12)]
    off_current_a: Annotated[Scalar, Quantity("A", minimum=0, maximum=1e-3)]
    area_m2: Annotated[Scalar, Quantity("m^2", minimum=0, maximum=1e-8)]


class Array(Component):
    """A crossbar of `rows` x `cols` cells, each cell one device at a line crossing.

    `columns_per_weight` is 2 for `differential` weights (two devices, two columns) and 1 for
    `reference` weights (one device and a reference column shared by the array).
    `bias_row` maps the bias as an extra row instead of a digital addition.
    Wire resistance and capacitance are per length of one line.
    `spare_rows` and `spare_cols` replace faulty lines: they take area and load the lines that cross
    them, and hold no weights.  `access` is the transistor of cells that have one.  `faults` are the
    shares of devices and lines that do not work; they change no cost, only how many arrays spare lines
    make whole.
    """

    rows: Annotated[Scalar, Quantity(integer=True, minimum=1, maximum=65536)]
    cols: Annotated[Scalar, Quantity(integer=True, minimum=1, maximum=65536)]
    cell_pitch_m: Annotated[Scalar, Quantity("m", above=0, maximum=1e-3)]
    wire_resistance_ohm_per_m: Annotated[Scalar, Quantity("Ohm/m", minimum=0, maximum=1e10)]
    wire_capacitance_f_per_m: Annotated[Scalar, Quantity("F/m", minimum=0, maximum=1e-6)]
    encoding: Literal["differential", "reference"]
    bias_row: bool
    line_map: LineMap
    spare_rows: Annotated[Scalar, Quantity(integer=True, minimum=0, maximum=65536)] = 0
    spare_cols: Annotated[Scalar, Quantity(integer=True, minimum=0, maximum=65536)] = 0
    access: AccessTransistor | None = None
    faults: Faults | None = None

    @property
    def columns_per_weight(self) -> int:
        """Physical columns that one weight occupies."""
        return 2 if self.encoding == "differential" else 1

    @property
    def reference_columns(self) -> int:
        """Columns of an array that hold shared reference devices."""
        return 1 if self.encoding == "reference" else 0

    @property
    def weight_columns(self) -> Scalar:
        """Weight outputs that one array can hold."""
        return (self.cols - self.reference_columns) // self.columns_per_weight

    @property
    def physical_rows(self) -> Scalar:
        """Row lines, spare ones included."""
        return self.rows + self.spare_rows

    @property
    def physical_cols(self) -> Scalar:
        """Column lines, spare ones included."""
        return self.cols + self.spare_cols

    @property
    def cells(self) -> Scalar:
        """Cells, spare ones included."""
        return self.physical_rows * self.physical_cols

    @property
    def side_m(self) -> Scalar:
        """Side of a square cell: the line pitch, or what device and access transistor need."""
        if self.access is None:
            return self.cell_pitch_m
        return np.sqrt(self.cell_pitch_m**2 + self.access.area_m2)

    @property
    def area_m2(self) -> Scalar:
        """Area of the devices with their lines, without access transistors."""
        return self.cells * self.cell_pitch_m**2

    def line_capacitance_f(self, cells: Scalar, gate_capacitance_f: Scalar) -> Scalar:
        """Capacitance of one line that crosses `cells` cells, with a gate stack on each."""
        return cells * (self.wire_capacitance_f_per_m * self.side_m + gate_capacitance_f)

    @property
    def cell_resistance_ohm(self) -> Scalar:
        """Wire resistance of one line per cell."""
        return self.wire_resistance_ohm_per_m * self.side_m

    def settling_s(self, cells: Scalar, gate_capacitance_f: Scalar) -> Scalar:
        """Distributed RC delay of a line of `cells` cells, 0.5 * r * c * n^2 (Elmore)."""
        resistance = self.cell_resistance_ohm * cells
        return 0.5 * resistance * self.line_capacitance_f(cells, gate_capacitance_f)
