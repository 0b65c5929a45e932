"""Vector unit: everything that is not a matrix product."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Self

import numpy as np
from pydantic import model_validator

from archsim.fields import Component, Quantity, Scalar
from archsim.hardware.digital.arithmetic import TABLE, Arithmetic, Precision, entered
from archsim.hardware.digital.operations import OPERATIONS, OperationCosts, OperationEnergy
from archsim.hardware.digital.registers import bit_area_m2
from archsim.hardware.digital.scaling import area_ratio

# Reference `puma.sigmoid`: a look-up table at 32 nm.
_LUT_M2, _LUT_NODE_M = 300e-12, 32e-9


class Lane(Component):
    """One adder, one multiplier, a look-up table and `registers` numbers, from published tables.

    References `mac.h_area`, `puma.sigmoid` and `reg.aladdin`, scaled to the node.  Sequencing and
    bypassing are not in it: PUMA's lane of 16-bit integers with its control takes 4030 um^2 at 32 nm.
    """

    precision: Precision
    node_m: Annotated[Scalar, Quantity("m", minimum=7e-9, maximum=45e-9)]
    registers: Annotated[Scalar, Quantity(integer=True, minimum=0, maximum=4096)]

    @property
    def area_m2(self) -> Scalar:
        """Area of one lane."""
        unit = Arithmetic(self.precision, self.node_m)
        bits = self.registers * TABLE[self.precision].bits
        kept = bits * bit_area_m2(self.node_m)
        table = _LUT_M2 * area_ratio(_LUT_NODE_M, self.node_m)
        return unit.add_m2 + unit.mul_m2 + table + kept


class VectorUnit(Component):
    """A pool of `units` SIMD units of `lanes` lanes for everything that is not a matrix product.

    `cycles` are lane-cycles per operation; `overhead` multiplies operation energy for operand
    registers, sequencing and clock.  `pipeline_cycles` is the depth of the pipeline.
    The area of a lane is entered (`lane_area_m2`) or comes from tables (`lane`).
    `lane_leakage_w` is a lane's static power; without it the chip's density holds.
    """

    units: Annotated[Scalar, Quantity(integer=True, minimum=1, maximum=1_000_000)]
    lanes: Annotated[Scalar, Quantity(integer=True, minimum=1, maximum=65536)]
    clock_hz: Annotated[Scalar, Quantity("Hz", above=0, maximum=1e11)]
    cycles: OperationCosts
    energy: OperationEnergy
    overhead: Annotated[Scalar, Quantity(minimum=1, maximum=100)]
    pipeline_cycles: Annotated[Scalar, Quantity(minimum=0, maximum=1000)]
    lane_area_m2: Annotated[Scalar, Quantity("m^2", minimum=0, maximum=1e-6)] | None = None
    lane: Lane | None = None
    lane_leakage_w: Annotated[Scalar, Quantity("W", minimum=0, maximum=1.0)] | None = None

    @model_validator(mode="after")
    def _known_once(self) -> Self:
        """The area of a lane is entered, or it comes from tables."""
        if (self.lane_area_m2 is None) == (self.lane is None):
            raise ValueError("give lane_area or the table `lane`, and set the other to null")
        return self

    def lane_cycles(self, counts: Sequence[Scalar]) -> Scalar:
        """Lane-cycles of operation counts given in the order of `OPERATIONS`."""
        total: Scalar = 0.0
        for name, count in zip(OPERATIONS, counts, strict=True):
            total = total + count * getattr(self.cycles, name)
        return total

    def duration_s(self, counts: Sequence[Scalar]) -> Scalar:
        """Time of the operations on the whole pool, perfectly spread over units and lanes."""
        return self.lane_cycles(counts) / (self.units * self.lanes * self.clock_hz)

    def chain_s(self, counts: Sequence[Scalar]) -> Scalar:
        """Time that one element takes: the pipeline, and each class that occurs in sequence."""
        once = [(np.asarray(count) > 0).astype(np.float64) for count in counts]
        return (self.lane_cycles(once) + self.pipeline_cycles) / self.clock_hz

    def energy_j(self, counts: Sequence[Scalar]) -> Scalar:
        """Energy of the operations."""
        total: Scalar = 0.0
        energies = self.energy.by_operation_j()
        for name, count in zip(OPERATIONS, counts, strict=True):
            total = total + count * energies[name]
        return total * self.overhead

    @property
    def area_m2(self) -> Scalar:
        """Area of the pool."""
        table = self.lane
        lane = entered("lane_area", self.lane_area_m2) if table is None else table.area_m2
        return self.units * self.lanes * lane
