"""A compute-in-memory macro: energy of one matrix-vector product and area, by component."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, exp2, sqrt
from typing import Annotated, Literal, Self, TypeAlias

from pydantic import Field, model_validator

from archsim.errors import did_you_mean
from archsim.fields import Component, Quantity
from archsim.hardware.macro.amplifier import LineAmplifier
from archsim.hardware.macro.cells import Cell
from archsim.hardware.macro.converters import Converter
from archsim.hardware.macro.encoding import Counts, Encoding
from archsim.hardware.macro.inputs import InputCircuit
from archsim.hardware.macro.line import Line
from archsim.hardware.macro.memory_cell import memory_cell_area_m2
from archsim.hardware.macro.technology import (
    WIRE_F_PER_M,
    flip_flop_area_m2,
    flip_flop_energy_j,
    full_adder_area_m2,
    full_adder_energy_j,
    terminal_capacitance_f,
)
from archsim.hardware.macro.timing import Timing

# What a published energy is counted by.
Per: TypeAlias = Literal["pass", "integration_step", "conversion_step"]


class MacroArray(Component):
    """Geometry of one array.

    `rows_per_input` rows carry one input (2 for differential pairs along a column).  A weight of w
    bits takes ceil(w / bits_per_cell) cells of a row; `cols_per_conversion` columns are combined
    before a converter.  `banks` cells share one place of the array, one of them at work.  `slices`
    equal groups of columns hold the same weights and take different bits of an input in the same
    pass, over row lines and input circuits of their own.  `units` such arrays work at once.

    A cell takes `cell_area`; without it, that of a static cell of `cell_transistors`.
    """

    rows: Annotated[int, Quantity(integer=True, minimum=1, maximum=65536)]
    cols: Annotated[int, Quantity(integer=True, minimum=1, maximum=65536)]
    rows_per_input: Annotated[int, Quantity(integer=True, minimum=1, maximum=4)] = 1
    bits_per_cell: Annotated[int, Quantity(integer=True, minimum=1, maximum=16)] = 1
    cols_per_conversion: Annotated[int, Quantity(integer=True, minimum=1, maximum=64)] = 1
    banks: Annotated[int, Quantity(integer=True, minimum=1, maximum=1024)] = 1
    slices: Annotated[int, Quantity(integer=True, minimum=1, maximum=16)] = 1
    units: Annotated[int, Quantity(integer=True, minimum=1, maximum=65536)] = 1
    cell_area_m2: Annotated[float, Quantity("m^2", above=0)] | None = None
    cell_transistors: Annotated[int, Quantity(integer=True, minimum=6, maximum=64)] | None = None

    @model_validator(mode="after")
    def _equal_slices(self) -> Self:
        if self.cols % self.slices:
            raise ValueError(
                f"{self.cols} columns are no {self.slices} equal slices; "
                "`slices` must divide `cols`"
            )
        return self

    @model_validator(mode="after")
    def _one_cell_area(self) -> Self:
        if (self.cell_area_m2 is None) == (self.cell_transistors is None):
            raise ValueError(
                "state either the published `cell_area` of one cell or its `cell_transistors`"
            )
        return self

    def transistors_m2(self, node_m: float) -> float:
        """Area of one cell without what lies above it: as published, or of its transistors."""
        if self.cell_area_m2 is not None:
            return self.cell_area_m2
        return memory_cell_area_m2(self.cell_transistors or 0, node_m)

    def outputs(self, weight_bits: int) -> int:
        """Outputs of one array for weights of `weight_bits`."""
        return self.cols // (ceil(weight_bits / self.bits_per_cell) * self.slices)

    @property
    def inputs(self) -> int:
        """Inputs of one array."""
        return self.rows // self.rows_per_input

    @property
    def conversions(self) -> int:
        """Conversions of one array per pass."""
        return self.cols // self.cols_per_conversion


class Logic(Component):
    """Registers and adders: bits that are clocked and added each time the block works."""

    register_bits: Annotated[float, Quantity(minimum=0)] = 0.0
    adder_bits: Annotated[float, Quantity(minimum=0)] = 0.0

    def energy_j(self, node_m: float, supply_v: float) -> float:
        """Energy of one operation of the block."""
        return self.register_bits * flip_flop_energy_j(
            node_m, supply_v
        ) + self.adder_bits * full_adder_energy_j(node_m, supply_v)

    def footprint_m2(self, node_m: float) -> float:
        """Area of the block."""
        return self.register_bits * flip_flop_area_m2(
            node_m
        ) + self.adder_bits * full_adder_area_m2(node_m)


class StatedCircuit(Component):
    """A circuit per column whose energy and area are published rather than modelled."""

    per: Per
    energy_j: Annotated[float, Quantity("J", minimum=0)]
    supply_v: Annotated[float, Quantity("V", above=0)]
    area_m2: Annotated[float, Quantity("m^2", minimum=0)] = 0.0


class OperatingPoint(Component):
    """Supply, precision and mean data of one published result.

    `mean_input` and `mean_weight` are fractions of full scale (for single bits: the share of ones;
    for resistive cells the mean square of the input).  `single_phase` keeps a macro with phases from
    dividing the input bits.  `row_share` of the rows are driven; the others, with all that works for
    them, rest.
    """

    supply_v: Annotated[float, Quantity("V", above=0, maximum=20)]
    input_bits: Annotated[int, Quantity(integer=True, minimum=1, maximum=32)]
    weight_bits: Annotated[int, Quantity(integer=True, minimum=1, maximum=32)]
    output_bits: Annotated[int, Quantity(integer=True, minimum=1, maximum=32)]
    mean_input: Annotated[float, Quantity(minimum=0, maximum=1)]
    mean_weight: Annotated[float, Quantity(minimum=0, maximum=1)]
    clock_hz: Annotated[float, Quantity("Hz", above=0)] | None = None
    single_phase: bool = False
    row_share: Annotated[float, Quantity(above=0, maximum=1)] = 1.0


@dataclass(frozen=True, slots=True)
class Share:
    """A share of an energy or area: whether the publication itself states it, or amplifiers take it."""

    value: float
    stated: bool = False
    analog: bool = False


class Macro(Component):
    """A compute-in-memory macro.

    Components are `cells`, `input_registers` or `input_ladders`, each line under its own name,
    `bank_lines` (local lines over which the chosen bank is read in each pass), `converters`,
    `input_logic` (per input and pass), `output_logic` (per conversion and pass), and amplifiers and
    stated circuits under their own names.  `converter_mux` columns take turns at a converter.  Circuits are sized for the `nominal` supply and for inputs of
    `input_bits`.
    """

    node_m: Annotated[float, Quantity("m", minimum=7e-9, maximum=130e-9)]
    input_bits: Annotated[int, Quantity(integer=True, minimum=1, maximum=32)]
    nominal_v: Annotated[float, Quantity("V", above=0, maximum=20)]
    array: MacroArray
    encoding: Encoding
    cell: Cell
    input: InputCircuit
    lines: dict[str, Line] = Field(default_factory=dict)
    amplifiers: dict[str, LineAmplifier] = Field(default_factory=dict)
    converter: Converter | None = None
    converter_mux: Annotated[int, Quantity(integer=True, minimum=1, maximum=1024)] = 1
    input_logic: Logic | None = None
    output_logic: Logic | None = None
    stated: dict[str, StatedCircuit] = Field(default_factory=dict)
    timing: Timing

    @model_validator(mode="after")
    def _amplifiers_on_lines(self) -> Self:
        for name, amplifier in self.amplifiers.items():
            if amplifier.line not in self.lines:
                raise ValueError(
                    f"amplifier '{name}' is on '{amplifier.line}', which is no line of the macro. "
                    f"{did_you_mean(amplifier.line, self.lines)}"
                )
            if name in self.lines or name in self.stated:
                raise ValueError(f"amplifier '{name}' needs a name that no other circuit has")
        return self

    def operations(self, point: OperatingPoint) -> float:
        """Operations of all units per input vector; a multiply-accumulate is two."""
        array = self.array
        inputs = array.inputs * point.row_share
        return 2.0 * inputs * array.outputs(point.weight_bits) * array.units

    def counts(self, point: OperatingPoint) -> Counts:
        """Passes and steps per input vector."""
        together = ceil(point.input_bits / self.array.slices)
        return self.encoding.counts(together, point.output_bits, single_phase=point.single_phase)

    def vector_s(self, point: OperatingPoint) -> float:
        """Time from one input vector to the next."""
        return self.timing.vector_s(self.counts(point), point.supply_v, point.clock_hz)

    def energy_j(self, point: OperatingPoint) -> Mapping[str, Share]:
        """Energy of one array per input vector, by component."""
        array, counts = self.array, self.counts(point)
        node, supply = self.node_m, point.supply_v
        pass_s = self.vector_s(point) / counts.passes
        rows = array.rows * point.row_share
        per_pass: dict[str, float] = {
            "cells": rows
            * array.cols
            * self.cell.energy_j(node, supply, point.mean_input, point.mean_weight),
            self.input.component: rows
            * array.slices
            * self.input.energy_j(node, supply, counts.bits_per_pass, pass_s),
        }
        for name, line in self.lines.items():
            per_pass[name] = self._line_j(line, point, counts.bits_per_pass)
        if array.banks > 1:
            per_pass["bank_lines"] = rows * array.cols * self._bank_j(supply)
        if self.input_logic is not None:
            per_input = self.input_logic.energy_j(node, supply)
            inputs = array.inputs * point.row_share
            per_pass["input_logic"] = inputs * array.slices * per_input
        if self.output_logic is not None:
            conversions = array.conversions
            per_pass["output_logic"] = conversions * self.output_logic.energy_j(node, supply)
        if self.converter is not None:
            each = self.converter.energy_j(node, supply, self.nominal_v)
            per_pass["converters"] = array.conversions * each
        shares = {name: Share(value * counts.passes) for name, value in per_pass.items()}
        for name, amplifier in self.amplifiers.items():
            value = self._amplifier_j(amplifier, point, pass_s)
            shares[name] = Share(value * counts.passes, analog=True)
        for name, circuit in self.stated.items():
            shares[name] = Share(self._stated_j(circuit, counts, supply), stated=True)
        return shares

    def area_m2(self) -> Mapping[str, Share]:
        """Area of one array with its circuits, by component."""
        array, node = self.array, self.node_m
        areas = {
            self.input.component: array.rows
            * array.slices
            * self.input.footprint_m2(node, self.input_bits),
        }
        for name, line in self.lines.items():
            count, cells = self._crossing(line)
            areas[name] = count * line.footprint_m2(cells, node)
        if self.input_logic is not None:
            per_input = self.input_logic.footprint_m2(node)
            areas["input_logic"] = array.inputs * array.slices * per_input
        if self.output_logic is not None:
            areas["output_logic"] = array.conversions * self.output_logic.footprint_m2(node)
        if self.converter is not None:
            converters = ceil(array.conversions / self.converter_mux)
            areas["converters"] = converters * self.converter.footprint_m2(node)
        transistors, above = array.banks * array.transistors_m2(node), self.cell.stacked_m2
        places = array.rows * array.cols
        stated = array.cell_area_m2 is not None and transistors >= above
        shares = {"cells": Share(places * max(transistors, above), stated=stated)}
        shares |= {name: Share(value) for name, value in areas.items()}
        for name, circuit in self.stated.items():
            if circuit.area_m2:
                shares[name] = Share(array.conversions * circuit.area_m2, stated=True)
        return shares

    def _crossing(self, line: Line) -> tuple[float, int]:
        """Number of such lines in one array, and the cells that each crosses."""
        array = self.array
        if line.axis == "row":
            return array.rows * array.slices * line.per_axis, array.cols // array.slices
        return array.cols * line.per_axis, array.rows

    def _line_j(self, line: Line, point: OperatingPoint, bits_per_pass: int) -> float:
        """Energy of all lines of one name per pass."""
        count, cells = self._crossing(line)
        toggles = {
            "each_pass": 1.0,
            "input": point.mean_input,
            "pulses": point.mean_input * (exp2(bits_per_pass) - 1.0),
            "product": point.mean_input * point.mean_weight,
        }[line.toggles]
        if line.axis == "row" or line.toggles == "product":
            toggles *= point.row_share
        each = line.energy_j(cells, self.node_m, point.supply_v)
        return count * toggles * each

    def _amplifier_j(self, amplifier: LineAmplifier, point: OperatingPoint, pass_s: float) -> float:
        """Energy per pass of the amplifiers of one name, one to a line that is at work."""
        line = self.lines[amplifier.line]
        count, cells = self._crossing(line)
        working = count * (point.row_share if line.axis == "row" else 1.0)
        return working * amplifier.energy_j(line.load_f(cells, self.node_m), pass_s)

    def _bank_j(self, supply_v: float) -> float:
        """Energy of reading a random bit of one of the banks over their common local line."""
        array = self.array
        wire_f = WIRE_F_PER_M * sqrt(array.transistors_m2(self.node_m))
        load_f = array.banks * (wire_f + terminal_capacitance_f(self.node_m))
        return 0.5 * load_f * supply_v**2

    def _stated_j(self, circuit: StatedCircuit, counts: Counts, supply_v: float) -> float:
        """Energy of a stated circuit in all columns per input vector, scaled with supply^2."""
        times = {
            "pass": counts.passes,
            "integration_step": counts.integration_steps,
            "conversion_step": counts.conversion_steps,
        }[circuit.per]
        scale = (supply_v / circuit.supply_v) ** 2
        return self.array.conversions * times * circuit.energy_j * scale
