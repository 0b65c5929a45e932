"""Which data of a training step pass over which links of the mesh, task by task.

Digital work is done, and its data are kept, where the outputs that it works on were summed.  So
data go from there straight to the tiles that need them next: inputs of a read along its slices,
activations and errors of an update along rows and columns.  What stems from no array (the network's
input, rows of embeddings) enters from the memory controllers.  The task that takes data pays for
their way; partial sums travel in the task that makes them, weights in the averaging of copies.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from archsim.architecture import Architecture
from archsim.fields import FloatArray
from archsim.mapping import Mapping
from archsim.mapping.flows import (
    Slices,
    arriving,
    copy_chains,
    entries,
    leaving,
    multicasts,
    reductions,
    within_copies,
)
from archsim.mapping.layout import TileLayout
from archsim.mapping.placement import TilePlacement
from archsim.mapping.routing import Flows, route
from archsim.mapping.traffic import Traffic
from archsim.simulation.mesh_matrices import MeshMatrices, whole_matrices
from archsim.simulation.mesh_places import Places, places_at_once, places_in_rounds
from archsim.simulation.program import IntArray, Program
from archsim.simulation.weight_data import WeightData, Words, weight_data


@dataclass(frozen=True, slots=True)
class MeshRoutes:
    """What tasks send over the links of a placed mesh, each time that they happen.

    Entries [N], sorted by task and link: `bits` of `task` over `link` (see
    `archsim.mapping.routing.Routes`).  `depth` [T] is the longest way of a task's data, in hops:
    that of its inputs and then that of its partial sums.  `exchanged_bits` per sample go from copy to
    copy, which is what the placement brings together.  `transfer_bit_hops` [T] is the part of bits
    times links that transfers of the update algorithm take.  In rounds of writing several slots of the
    layout have the same tile, one after the other.
    """

    layout: TileLayout
    placement: TilePlacement
    task: IntArray
    link: IntArray
    bits: FloatArray
    depth: IntArray
    exchanged_bits: float
    transfer_bit_hops: FloatArray

    @property
    def mean_hops(self) -> float:
        """Distance of copies that exchange data, weighted by the data; 0 if none do."""
        return self.placement.bit_hops / self.exchanged_bits if self.exchanged_bits else 0.0

    @property
    def bit_hops(self) -> FloatArray:
        """Bits times links of each task, [T]."""
        found = np.bincount(self.task, weights=self.bits, minlength=self.depth.size)
        return found.astype(np.float64)

    def on_links(self, times: FloatArray) -> FloatArray:
        """Bits on every link, [4 * side**2], if each task happens `times` ([T])."""
        links = 4 * self.placement.side**2
        found = np.bincount(self.link, weights=self.bits * times[self.task], minlength=links)
        return found.astype(np.float64)


def mesh_routes(
    program: Program, architecture: Architecture, mapping: Mapping, samples: int
) -> MeshRoutes:
    """Place the first configuration of `mapping` on the mesh and route the data of every task.

    `architecture` is that configuration, `samples` its minibatch.  In rounds of writing every round has
    its places; what another one takes waits where it was summed.  Raises `DoesNotFit` if the arrays do
    not suffice.
    """
    data = weight_data(program, architecture, mapping, samples)
    matrices = whole_matrices(program, architecture, mapping, samples)
    between = traffic_between(data)
    if in_rounds(mapping):
        assert mapping.round_of is not None
        round_of = mapping.round_of[0]
        places = places_in_rounds(architecture, matrices, between, samples, round_of)
    else:
        places = places_at_once(architecture, matrices, between, samples, {})
    return routed(program, matrices, data, places)


def in_rounds(mapping: Mapping) -> bool:
    """Whether the first configuration has parts of the network on the arrays one after the other."""
    return mapping.round_of is not None and bool((mapping.round_of[0] > 0).any())


def traffic_between(data: WeightData) -> Traffic:
    """What goes from matrix to matrix."""
    moved = data.transfers
    return Traffic(moved.source, moved.target, moved.bits).merged()


def routed(
    program: Program, matrices: MeshMatrices, data: WeightData, places: Places
) -> MeshRoutes:
    """Route those of `data` that `matrices` with copies on the mesh take or give.

    What comes from other matrices than these, or goes to them, has no way here, unless `data` says
    that it enters or leaves.
    """
    layout, placement = places.layout, places.placement
    side, slices = placement.side, Slices(layout, placement, *matrices.grids)
    chained = np.flatnonzero(matrices.chain_bits)
    chains = copy_chains(layout, placement, chained, matrices.chain_bits[chained])
    inputs = [
        (multicasts(slices, data.transfers), data.taker),
        (entries(slices, data.entries, side), data.enters),
    ]
    sums = [
        (reductions(slices, data.summed, data.sums, data.from_rows), data.summing),
        (chains, program.closing[matrices.matrix[chained]]),
        (leaving(slices, data.leaves, side), data.leaving),
        (arriving(slices, data.arrivals, side), data.arriving),
    ]
    ways = [_ways(program.size, side, part) for part in (inputs, sums)]
    moved = _word_ways(program, matrices, data.words, places)
    everything = [*ways, moved]
    key, place = np.unique(np.concatenate([way.key for way in everything]), return_inverse=True)
    bits = np.bincount(place, weights=np.concatenate([way.bits for way in everything]))
    links = 4 * side * side
    of_transfers = np.bincount(moved.key // links, weights=moved.bits, minlength=program.size)
    return MeshRoutes(
        layout,
        placement,
        task=key // links,
        link=key % links,
        bits=np.asarray(bits, dtype=np.float64),
        depth=np.asarray(sum(way.depth for way in ways)),
        exchanged_bits=places.exchanged_bits,
        transfer_bit_hops=of_transfers.astype(np.float64),
    )


def _word_ways(program: Program, matrices: MeshMatrices, words: Words, places: Places) -> _Ways:
    """Lines that transfers read go to where the outputs of their columns are summed; pulses come back.

    That is where digital work on these columns is done.  Nobody waits for the hops alone.
    """
    side = places.placement.side
    if not words.task.size:
        return _ways(program.size, side, [])
    placed = places.layout, places.placement, matrices.grids, words.matrix
    back, use = within_copies(*placed, words.pulse_bits)
    there, used = within_copies(*placed, words.read_bits)
    there = replace(there, inward=np.ones_like(there.inward))
    return _ways(program.size, side, [((back, use), words.task), ((there, used), words.task)])


@dataclass(frozen=True, slots=True)
class _Ways:
    """Flows on their links: bits of task and link (`key = task * links + link`), depth of tasks."""

    key: IntArray
    bits: FloatArray
    depth: IntArray


def _ways(tasks: int, side: int, parts: list[tuple[tuple[Flows, IntArray], IntArray]]) -> _Ways:
    """Route flows; each part has the use of each of its flows, and the task of each use."""
    keys: list[IntArray] = [np.zeros(0, dtype=np.int64)]
    bits: list[FloatArray] = [np.zeros(0)]
    depth = np.zeros(tasks, dtype=np.int64)
    for (flows, use), owner in parts:
        routes, task = route(flows, side), owner[use]
        key, place = np.unique(
            task[routes.flow] * (4 * side * side) + routes.link, return_inverse=True
        )
        keys.append(key)
        on_link = np.bincount(place, weights=flows.bits[routes.flow], minlength=key.size)
        bits.append(on_link.astype(np.float64))
        np.maximum.at(depth, task, routes.depth)
    return _Ways(np.concatenate(keys), np.concatenate(bits), depth)
