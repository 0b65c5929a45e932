"""Matrix unit: digital matrix products."""

from __future__ import annotations

from typing import Annotated

import numpy as np

from archsim.fields import Component, Quantity, Scalar

_Energy = Quantity("J", minimum=0, maximum=1e-6)


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
