"""Weights on the mesh where arrays are written anew within a step.

They come from the memory controllers along the edge x = 0, one in each row, and go along the row of
their tile; what is read back returns the same way.  Every array has an equal part of its matrix.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from archsim.architecture import Architecture
from archsim.fields import FloatArray
from archsim.mapping import Mapping
from archsim.mapping.routing import Flows, route
from archsim.simulation.mesh_routes import MeshRoutes
from archsim.simulation.program import IntArray, Program
from archsim.simulation.rounds import times_moved, weight_bits


@dataclass(frozen=True, slots=True)
class WeightWays:
    """What passes over links when the weights of a matrix are written, or read back: entries [N].

    Transfer m of M matrices writes matrix m, transfer M + m reads it back; `bits` of `transfer` pass
    over `link` each time.  `times` [2 M] is how often each happens in a step.
    """

    transfer: IntArray
    link: IntArray
    bits: FloatArray
    times: FloatArray

    @property
    def matrix(self) -> IntArray:
        """The matrix of each entry, [N]."""
        return self.transfer % (self.times.size // 2)

    @property
    def bits_per_step(self) -> FloatArray:
        """Bits of each entry in a step, [N]."""
        return self.bits * self.times[self.transfer]

    @property
    def bit_hops_per_step(self) -> FloatArray:
        """Bits times links of the weights of each matrix, [M]."""
        found = np.bincount(self.matrix, self.bits_per_step, minlength=self.times.size // 2)
        return found.astype(np.float64)


def weight_ways(
    program: Program, architecture: Architecture, mapping: Mapping, routes: MeshRoutes
) -> WeightWays:
    """The ways of all weights that leave the arrays, in the first configuration of `mapping`.

    `routes` say where its matrices lie.
    """
    layout, placement = routes.layout, routes.placement
    side, matrices = placement.side, layout.copies.size
    bits = weight_bits(program, architecture, mapping)[0]
    times = np.concatenate([each[0] for each in times_moved(program, mapping)])
    holder = np.arange(matrices) if mapping.array_of is None else mapping.array_of[0]
    # Pieces of each matrix: those of the matrix that has its arrays.
    held_by = layout.copy_matrix[layout.piece_copy]
    order = np.argsort(held_by, kind="stable")
    first = np.searchsorted(held_by[order], np.arange(matrices + 1))
    count = np.diff(first)[holder]
    matrix = np.repeat(np.arange(matrices), count)
    rank = np.arange(matrix.size) - np.repeat(np.cumsum(count) - count, count)
    piece = order[first[holder][matrix] + rank]
    tile = placement.tile[layout.piece_slot[piece]]
    edge, share = tile // side * side, bits[matrix] * layout.piece_share[piece]
    flow, outward = np.arange(tile.size), np.zeros(tile.size, dtype=np.bool_)
    there = route(Flows(edge, share, outward, flow, tile), side)
    back = route(Flows(tile, share, outward, flow, edge), side)
    links = 4 * side * side
    transfer = np.concatenate([matrix[there.flow], matrices + matrix[back.flow]])
    link = np.concatenate([there.link, back.link])
    key, place = np.unique(transfer * links + link, return_inverse=True)
    on_link = np.bincount(
        place, np.concatenate([share[there.flow], share[back.flow]]), minlength=key.size
    )
    some = (times[key // links] > 0) & (on_link > 0)
    key, on_link = key[some], on_link[some].astype(np.float64)
    return WeightWays(key // links, key % links, on_link, times)
