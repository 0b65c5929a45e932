"""Vector unit: everything that is not a matrix product."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import numpy as np

from archsim.fields import Component, Quantity, Scalar
from archsim.hardware.digital.operations import OPERATIONS, OperationCosts, OperationEnergy


class VectorUnit(Component):
    """A pool of `units` SIMD units of `lanes` lanes for everything that is not a matrix product.

    `cycles` are lane-cycles per operation; `overhead` multiplies operation energy for operand
    registers, sequencing and clock.  `pipeline_cycles` is the depth of the pipeline.
    `lane_leakage_w` is a lane's static power; without it the chip's density holds.
    """

    units: Annotated[Scalar, Quantity(integer=True, minimum=1, maximum=1_000_000)]
    lanes: Annotated[Scalar, Quantity(integer=True, minimum=1, maximum=65536)]
    clock_hz: Annotated[Scalar, Quantity("Hz", above=0, maximum=1e11)]
    cycles: OperationCosts
    energy: OperationEnergy
    overhead: Annotated[Scalar, Quantity(minimum=1, maximum=100)]
    pipeline_cycles: Annotated[Scalar, Quantity(minimum=0, maximum=1000)]
    lane_area_m2: Annotated[Scalar, Quantity("m^2", minimum=0, maximum=1e-6)]
    lane_leakage_w: Annotated[Scalar, Quantity("W", minimum=0, maximum=1.0)] | None = None

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
        return self.units * self.lanes * self.lane_area_m2
