"""A priced step whose data travel on the links of the placed mesh instead of a mean distance."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from archsim.architecture import Architecture
from archsim.fields import FloatArray, lone
from archsim.simulation.chip_routes import chip_routes
from archsim.simulation.columns import TaskCosts
from archsim.simulation.cycle.chips import MOST_CHIPS
from archsim.simulation.cycle.holding import arrays_of
from archsim.simulation.cycle.links import MESH, LinkTimes, contending, link_name, link_times
from archsim.simulation.estimate import Estimate
from archsim.simulation.mesh_routes import MeshRoutes, mesh_routes
from archsim.simulation.movement import mean_distance_latency_s
from archsim.simulation.transfers import TRANSFER_MESH

# Placing these takes three seconds and 0.7 GB; the largest shipped chips have 16,384.
MOST_ARRAYS = 150_000


@dataclass(frozen=True, slots=True)
class PlacedMesh:
    """Routes of a step's data, the links that may delay it, and its costs with them.

    In `costs` (one configuration) each of `links` is a resource, and the mesh itself is none; energy
    of the mesh and hops that data wait for are those of the routes.  `once` [T] is how often each
    task happens per sample.  `chip` is that of the mesh, None if there is but one.
    """

    routes: MeshRoutes
    links: LinkTimes
    costs: TaskCosts
    once: FloatArray
    link_bit_per_s: float
    chip: int | None = None

    @property
    def load_s(self) -> FloatArray:
        """Seconds per sample for which each link of the mesh carries data, [4 * side**2]."""
        return np.asarray(self.routes.on_links(self.once) / self.link_bit_per_s)

    @property
    def busiest_s(self) -> float:
        """Seconds per sample for which the busiest link carries data."""
        return float(self.load_s.max())


@dataclass(frozen=True, slots=True)
class PlacedChips:
    """The meshes of several chips, and a step's `costs` with the links of all of them.

    `costs` of each of `chips` are these.
    """

    chips: tuple[PlacedMesh, ...]
    costs: TaskCosts

    @property
    def busiest_s(self) -> float:
        """Seconds per sample for which the busiest link of any mesh carries data."""
        return max(chip.busiest_s for chip in self.chips)


def place_on_mesh(priced: Estimate, architecture: Architecture) -> PlacedMesh | PlacedChips | None:
    """Place and route the first configuration of `priced`, which is `architecture`.

    None where arrays are too many to be placed, hold one part of the network after the other, or those
    of one matrix are on several chips.
    """
    mapping = priced.mapping
    chips = int(mapping.chips[0])
    used = float(mapping.arrays_used[0])
    if used > min(chips * _available(architecture), MOST_ARRAYS) or chips > MOST_CHIPS:
        return None
    if mapping.round_of is not None and (mapping.round_of[0] > 0).any():
        return None
    program, samples = priced.program, int(priced.batch[0])
    once = np.where(program.per_step, 1.0 / samples, 1.0)
    rate = lone(architecture.mesh.link_bit_per_s)
    if priced.costs.chips is None or chips == 1:
        routes = mesh_routes(program, architecture, mapping, samples)
        costs = _with_ways(priced, architecture, (routes,))
        slower = slower_than_links(priced, costs)
        links = contending(link_times(routes, rate, once), slower, samples)
        over = over_links(costs, links, routes.placement.side)
        return PlacedMesh(routes, links, over, once, rate)
    found = chip_routes(program, architecture, mapping, samples, priced.costs.chips)
    if found is None:
        return None
    costs = _with_ways(priced, architecture, found)
    slower, side = slower_than_links(priced, costs), int(lone(architecture.mesh.side))
    of_chip = [contending(link_times(r, rate, once), slower, samples, chips) for r in found]
    for chip, links in enumerate(of_chip):
        costs = over_links(costs, links, side, chip)
    meshes = enumerate(zip(found, of_chip, strict=True))
    return PlacedChips(
        tuple(PlacedMesh(*mesh, costs, once, rate, chip) for chip, mesh in meshes), costs
    )


def _available(architecture: Architecture) -> float:
    return lone(architecture.arrays_available)


def over_links(costs: TaskCosts, links: LinkTimes, side: int, chip: int | None = None) -> TaskCosts:
    """`costs` with a resource for each link instead of one mesh, that of a `chip` if there are several."""
    shared = {name: held for name, held in costs.shared_s.items() if name != MESH}
    for link, held in zip(links.link.tolist(), links.held_s, strict=True):
        shared[link_name(link, side, chip)] = held[None, :]
    return replace(costs, shared_s=shared)


def _with_ways(
    priced: Estimate, architecture: Architecture, meshes: tuple[MeshRoutes, ...]
) -> TaskCosts:
    """Costs with hops and energy of the routes in place of those of a mean distance."""
    costs, mesh, program = priced.costs, architecture.mesh, priced.program
    before_s = mean_distance_latency_s(program, architecture, priced.mapping)
    # Averaging sends weights while arrays are read: nobody waits for its hops alone.
    depth = np.max([routes.depth for routes in meshes], axis=0)
    hops = np.where(program.per_step, 0.0, depth * program.serial_steps)
    after_s = hops * mesh.hop_latency_s
    moved = np.sum([routes.transfer_bit_hops for routes in meshes], axis=0)
    total = np.sum([routes.bit_hops for routes in meshes], axis=0)
    bit_hops = {MESH: total - moved, TRANSFER_MESH: moved}
    energy = {
        name: np.asarray(mesh.energy_j(value, architecture.hop_m), dtype=np.float64).reshape(1, -1)
        for name, value in bit_hops.items()
        if name == MESH or name in costs.energy_j
    }
    return replace(
        costs,
        transfer_s=np.maximum(costs.transfer_s - before_s + after_s, 0.0),
        energy_j={**costs.energy_j, **energy},
    )


def slower_than_links(priced: Estimate, costs: TaskCosts) -> FloatArray:
    """For how long resources other than links hold tasks, which end no earlier, [U, T].

    DRAM is none of them, and only the tasks' own times count: spills change with the schedule.
    """
    matrix, main_s = arrays_of(priced.program, costs, 0), costs.main_s[0]
    one = np.minimum(main_s, costs.array_s[0])
    arrays = np.where(matrix == np.arange(len(priced.program.matrices.names))[:, None], one, 0.0)
    units = [np.minimum(main_s, costs.shared_s[name][0]) for name in ("vector_unit", "matrix_unit")]
    return np.concatenate([arrays, np.array([*units, costs.shared_s["activation_buffer"][0]])])
