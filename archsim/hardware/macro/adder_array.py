"""A digital compute-in-memory array: a full adder in every cell, bit-serial inputs."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil, log2
from typing import Annotated

from archsim.fields import Component, Quantity
from archsim.hardware.macro.delay import delay_ratio
from archsim.hardware.macro.line import Line
from archsim.hardware.macro.memory_cell import memory_cell_area_m2
from archsim.hardware.macro.technology import (
    ADDER_GATES,
    flip_flop_area_m2,
    flip_flop_energy_j,
    full_adder_area_m2,
    full_adder_energy_j,
)

_MEMORY_TRANSISTORS = 6.0


class AdderArray(Component):
    """Rows x cols cells that each hold a weight bit, multiply it by an input bit and add.

    A column chain sums down the rows; a weight of w bits takes w columns and as many more as the
    sum of all rows can carry, ceil(log2(rows)).  Sums are registered every rows / registers rows.
    `cell_gates` is the logic of a cell in NAND2 equivalents, `adder` the delay of one cell at
    `delay_supply`, `register_delays` the delay of a register in units of it.
    """

    node_m: Annotated[float, Quantity("m", minimum=7e-9, maximum=130e-9)]
    rows: Annotated[int, Quantity(integer=True, minimum=2, maximum=65536)]
    cols: Annotated[int, Quantity(integer=True, minimum=1, maximum=65536)]
    cell_gates: Annotated[float, Quantity(minimum=1)]
    adder_s: Annotated[float, Quantity("s", above=0)]
    delay_supply_v: Annotated[float, Quantity("V", above=0)]
    threshold_v: Annotated[float, Quantity("V", minimum=0)]
    register_delays: Annotated[float, Quantity(minimum=0)]
    input_line: Line

    @property
    def growth_bits(self) -> int:
        """Bits by which a sum over all rows outgrows a weight."""
        return ceil(log2(self.rows))

    def outputs(self, weight_bits: int) -> int:
        """Weights side by side in a row."""
        return self.cols // (weight_bits + self.growth_bits)

    def operations(self, weight_bits: int) -> float:
        """Operations of one matrix-vector product; a multiply-accumulate is two."""
        return 2.0 * self.rows * self.outputs(weight_bits)

    def cycle_s(self, weight_bits: int, registers: int, supply_v: float) -> float:
        """Clock period: carries across a weight, sums down to the next register, and that."""
        adders = weight_bits + self.growth_bits + self.rows / registers + self.register_delays
        return adders * self.adder_s * delay_ratio(supply_v, self.delay_supply_v, self.threshold_v)

    def vector_s(
        self, input_bits: int, weight_bits: int, registers: int, supply_v: float, *, pipelined: bool
    ) -> float:
        """Time per input vector: a cycle per input bit, if bits follow each other in the pipeline.

        If each bit waits until the one before has left, registers + 1 cycles per bit.
        """
        per_bit = 1 if pipelined else registers + 1
        return input_bits * per_bit * self.cycle_s(weight_bits, registers, supply_v)

    def energy_j(self, input_bits: int, registers: int, supply_v: float) -> Mapping[str, float]:
        """Energy of one matrix-vector product, all columns clocked, by component.

        Inputs and weights are random: an input line toggles every other bit.
        """
        cell = self.cell_gates / ADDER_GATES * full_adder_energy_j(self.node_m, supply_v)
        line = self.input_line.energy_j(self.cols, self.node_m, supply_v)
        register = flip_flop_energy_j(self.node_m, supply_v)
        return {
            "cells": input_bits * self.rows * self.cols * cell,
            "input_lines": input_bits * self.rows * self.input_line.per_axis * 0.5 * line,
            "registers": input_bits * registers * self.cols * register,
        }

    def area_m2(self, registers: int) -> Mapping[str, float]:
        """Area by component: memory cell and logic, line drivers, registers."""
        node = self.node_m
        logic = self.cell_gates / ADDER_GATES * full_adder_area_m2(node)
        memory = memory_cell_area_m2(_MEMORY_TRANSISTORS, node)
        driver = self.input_line.per_axis * self.input_line.footprint_m2(self.cols, node)
        return {
            "cells": self.rows * self.cols * (memory + logic),
            "input_lines": self.rows * (driver + flip_flop_area_m2(node)),
            "registers": registers * self.cols * flip_flop_area_m2(node),
        }
