"""Digital units of the chip: vector unit, matrix unit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import numpy as np

from archsim.fields import Component, Quantity, Scalar

_Energy = Quantity("J", minimum=0, maximum=1e-6)
_Cycles = Quantity(above=0, maximum=10000)


class OperationCosts(Component):
    """One number per class of scalar operation, in the order of `OPERATIONS`."""

    add: Annotated[Scalar, Quantity(above=0, maximum=10000)]
    mul: Annotated[Scalar, Quantity(above=0, maximum=10000)]
    div: Annotated[Scalar, Quantity(above=0, maximum=10000)]
    exp: Annotated[Scalar, Quantity(above=0, maximum=10000)]
    log: Annotated[Scalar, Quantity(above=0, maximum=10000)]
    sqrt: Annotated[Scalar, Quantity(above=0, maximum=10000)]
    special: Annotated[Scalar, Quantity(above=0, maximum=10000)]
    compare: Annotated[Scalar, Quantity(above=0, maximum=10000)]


class OperationEnergies(Component):
    """Energy per scalar operation of each class."""

    add_j: Annotated[Scalar, _Energy]
    mul_j: Annotated[Scalar, _Energy]
    div_j: Annotated[Scalar, _Energy]
    exp_j: Annotated[Scalar, _Energy]
    log_j: Annotated[Scalar, _Energy]
    sqrt_j: Annotated[Scalar, _Energy]
    special_j: Annotated[Scalar, _Energy]
    compare_j: Annotated[Scalar, _Energy]


OPERATIONS: tuple[str, ...] = ("add", "mul", "div", "exp", "log", "sqrt", "special", "compare")


class VectorUnit(Component):
    """A pool of `units` SIMD units of `lanes` lanes for everything that is not a matrix product.

    `cycles` are lane-cycles per operation; `overhead` multiplies operation energy for operand
    registers, sequencing and clock.  `pipeline_cycles` is the depth of the pipeline.
    """

    units: Annotated[Scalar, Quantity(integer=True, minimum=1, maximum=1_000_000)]
    lanes: Annotated[Scalar, Quantity(integer=True, minimum=1, maximum=65536)]
    clock_hz: Annotated[Scalar, Quantity("Hz", above=0, maximum=1e11)]
    cycles: OperationCosts
    energy: OperationEnergies
    overhead: Annotated[Scalar, Quantity(minimum=1, maximum=100)]
    pipeline_cycles: Annotated[Scalar, Quantity(minimum=0, maximum=1000)]
    lane_area_m2: Annotated[Scalar, Quantity("m^2", minimum=0, maximum=1e-6)]

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
        for name, count in zip(OPERATIONS, counts, strict=True):
            total = total + count * getattr(self.energy, name + "_j")
        return total * self.overhead

    @property
    def area_m2(self) -> Scalar:
        """Area of the pool."""
        return self.units * self.lanes * self.lane_area_m2


class MatrixUnit(Component):
    """A pool of `units` output-stationary systolic arrays of `rows` x `cols` MAC cells.

    A product [m, k] x [k, n] is cut into ceil(m/rows) * ceil(n/cols) output tiles of k cycles, which
    the units share, plus one fill and drain of rows + cols - 2; ragged shapes waste cells.
    """

    units: Annotated[Scalar, Quantity(integer=True, minimum=1, maximum=100_000)]
    rows: Annotated[Scalar, Quantity(integer=True, minimum=1, maximum=4096)]
    cols: Annotated[Scalar, Quantity(integer=True, minimum=1, maximum=4096)]
    clock_hz: Annotated[Scalar, Quantity("Hz", above=0, maximum=1e11)]
    mac_energy_j: Annotated[Scalar, _Energy]
    mac_area_m2: Annotated[Scalar, Quantity("m^2", minimum=0, maximum=1e-6)]

    def duration_s(self, count: Scalar, m: Scalar, k: Scalar, n: Scalar) -> Scalar:
        """Time of `count` independent products [m, k] x [k, n] spread over the units."""
        tiles = np.ceil(m / self.rows) * np.ceil(n / self.cols)
        rounds = np.ceil(count * tiles / self.units)
        fill = self.rows + self.cols - 2
        busy = np.asarray(count) > 0
        return np.asarray(busy * (rounds * k + fill) / self.clock_hz)

    def traffic_elements(self, count: Scalar, m: Scalar, k: Scalar, n: Scalar) -> Scalar:
        """Elements read from the buffer: each operand once per pass over the other's tiles."""
        left = m * k * np.ceil(n / self.cols)
        right = k * n * np.ceil(m / self.rows)
        return count * (left + right)

    def energy_j(self, macs: Scalar) -> Scalar:
        """Energy of useful multiply-accumulates; idle cells are clock-gated."""
        return macs * self.mac_energy_j

    @property
    def area_m2(self) -> Scalar:
        """Area of the pool."""
        return self.units * self.rows * self.cols * self.mac_area_m2
