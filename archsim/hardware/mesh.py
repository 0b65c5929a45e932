"""On-chip mesh network: hops, link bandwidth, energy per bit and hop."""

from __future__ import annotations

from typing import Annotated

import numpy as np

from archsim.fields import Component, Quantity, Scalar


class Mesh(Component):
    """A `side` x `side` mesh of tiles with one router each.

    `link_bit_per_s` is the bandwidth of one link in one direction and of a tile's port.
    """

    side: Annotated[Scalar, Quantity(integer=True, minimum=1, maximum=4096)]
    link_bit_per_s: Annotated[Scalar, Quantity("bit/s", above=0)]
    hop_latency_s: Annotated[Scalar, Quantity("s", minimum=0, maximum=1e-3)]
    hop_energy_j_per_bit: Annotated[Scalar, Quantity("J/bit", minimum=0, maximum=1e-9)]
    wire_energy_j_per_bit_m: Annotated[Scalar, Quantity("J/bit/m", minimum=0, maximum=1e-6)]
    router_area_m2: Annotated[Scalar, Quantity("m^2", minimum=0, maximum=1e-6)]

    @property
    def tiles(self) -> Scalar:
        """Tiles on the mesh."""
        return self.side**2

    @property
    def links(self) -> Scalar:
        """Directed links between neighbours; 1 for a lone tile, whose link carries nothing."""
        return np.maximum(4 * self.side * (self.side - 1), 1)

    @property
    def mean_hops(self) -> Scalar:
        """Mean Manhattan distance of two random tiles, 2*(side - 1/side)/3 (closed form)."""
        return 2.0 * (self.side - 1.0 / self.side) / 3.0

    def spread_hops(self, tiles: Scalar) -> Scalar:
        """Hops of a multicast to, or a reduction from, `tiles` neighbouring tiles.

        The data travel the mean distance to the nearest one and one more hop for each further one;
        partial sums are added on the way.  Between two or more tiles that is at least one hop, on a
        lone tile none.
        """
        return np.asarray(self.mean_hops + tiles - 1.0)

    def latency_s(self, bits: Scalar, hops: Scalar, ports: Scalar) -> Scalar:
        """Time of one transfer of `bits` over `hops` through `ports` tile ports."""
        moving = np.asarray(bits) > 0
        stream = bits / (self.link_bit_per_s * np.maximum(ports, 1))
        return np.asarray(moving * (hops * self.hop_latency_s + stream))

    def occupancy_s(self, bit_hops: Scalar) -> Scalar:
        """Share of the mesh that traffic takes: bits times hops over all links' bandwidth.

        Traffic is taken as evenly spread; contention on single links is not part of the
        analytic estimate.
        """
        return bit_hops / (self.links * self.link_bit_per_s)

    def energy_j(self, bit_hops: Scalar, hop_m: Scalar) -> Scalar:
        """Energy of moving bits over hops of length `hop_m`: a router and a wire each."""
        return bit_hops * (self.hop_energy_j_per_bit + self.wire_energy_j_per_bit_m * hop_m)
