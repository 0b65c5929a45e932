"""Matrix unit: digital matrix products."""

from __future__ import annotations

from typing import Annotated, Self

import numpy as np
from pydantic import model_validator

from archsim.fields import Component, Quantity, Scalar
from archsim.hardware.digital.arithmetic import TABLE, Arithmetic, Precision, entered
from archsim.hardware.digital.registers import bit_area_m2, bit_energy_j

_Energy = Quantity("J", minimum=0, maximum=1e-6)


class MacCell(Component):
    """A multiplier, an adder and their registers, from published tables (`mac.h_*`, `mac.t_*`).

    `product` and `sum` are the precisions of factors and of the accumulator.  Both factors and the
    sum are clocked in every cycle.
    """

    product: Precision
    sum: Precision
    node_m: Annotated[Scalar, Quantity("m", minimum=7e-9, maximum=45e-9)]
    supply_v: Annotated[Scalar, Quantity("V", minimum=0.5, maximum=1.3)] | None = None

    @property
    def energy_j(self) -> Scalar:
        """Energy of one multiply-accumulate."""
        multiplier = Arithmetic(self.product, self.node_m, self.supply_v)
        adder = Arithmetic(self.sum, self.node_m, self.supply_v)
        registers = self._register_bits * bit_energy_j(self.node_m)
        return multiplier.mul_j + adder.add_j + registers

    @property
    def area_m2(self) -> Scalar:
        """Area of one cell."""
        multiplier, adder = (Arithmetic(p, self.node_m) for p in (self.product, self.sum))
        registers = self._register_bits * bit_area_m2(self.node_m)
        return multiplier.mul_m2 + adder.add_m2 + registers

    @property
    def _register_bits(self) -> int:
        return 2 * TABLE[self.product].bits + TABLE[self.sum].bits


class MatrixUnit(Component):
    """A pool of `units` output-stationary systolic arrays of `rows` x `cols` MAC cells.

    A product [m, k] x [k, n] is cut into ceil(m/rows) * ceil(n/cols) output tiles of k cycles, which
    the units share, plus one fill and drain of rows + cols - 2; ragged shapes waste cells.
    A cell's energy and area are entered (`mac_energy_j`, `mac_area_m2`) or come from tables (`mac`).
    """

    units: Annotated[Scalar, Quantity(integer=True, minimum=1, maximum=100_000)]
    rows: Annotated[Scalar, Quantity(integer=True, minimum=1, maximum=4096)]
    cols: Annotated[Scalar, Quantity(integer=True, minimum=1, maximum=4096)]
    clock_hz: Annotated[Scalar, Quantity("Hz", above=0, maximum=1e11)]
    mac_energy_j: Annotated[Scalar, _Energy] | None = None
    mac_area_m2: Annotated[Scalar, Quantity("m^2", minimum=0, maximum=1e-6)] | None = None
    mac: MacCell | None = None

    @model_validator(mode="after")
    def _known_once(self) -> Self:
        """Energy and area of a cell are entered, or both come from tables."""
        entered = (self.mac_energy_j is not None, self.mac_area_m2 is not None)
        if entered != (self.mac is None,) * 2:
            raise ValueError(
                "give mac_energy and mac_area or the table `mac`, and set others to null"
            )
        return self

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
        return macs * self._cell[0]

    @property
    def area_m2(self) -> Scalar:
        """Area of the pool."""
        return self.units * self.rows * self.cols * self._cell[1]

    @property
    def _cell(self) -> tuple[Scalar, Scalar]:
        """Energy of a multiply-accumulate, and area of a cell."""
        if self.mac is not None:
            return self.mac.energy_j, self.mac.area_m2
        return entered("mac_energy", self.mac_energy_j), entered("mac_area", self.mac_area_m2)
