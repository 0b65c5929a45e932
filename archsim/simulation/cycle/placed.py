"""A priced step whose data travel on the links of the placed mesh instead of a mean distance."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from archsim.architecture import Architecture
from archsim.fields import FloatArray, lone
from archsim.simulation.chip_routes import chip_routes
from archsim.simulation.chip_spread import ChipSpread
from archsim.simulation.columns import TaskCosts
from archsim.simulation.cycle.chips import MOST_CHIPS
from archsim.simulation.cycle.holding import arrays_of
from archsim.simulation.cycle.links import MESH, LinkTimes, contending, link_name, link_times
from archsim.simulation.estimate import Estimate
from archsim.simulation.mesh_routes import MeshRoutes, in_rounds, mesh_routes
from archsim.simulation.movement import mean_distance_latency_s
from archsim.simulation.program import IntArray
from archsim.simulation.rounds import weight_bits
from archsim.simulation.transfers import TRANSFER_MESH
from archsim.simulation.weight_ways import WeightWays, weight_ways

# Placing these takes three seconds and 0.7 GB; the largest shipped chips have 16,384.
MOST_ARRAYS = 150_000


@dataclass(frozen=True, slots=True)
class PlacedMesh:
    """Routes of a step's data, the links that may delay it, and its costs with them.

    In `costs` (one configuration) each of `links` is a resource, and the mesh itself is none; energy
    of the mesh and hops that data wait for are those of the routes.  `once` [T] is how often each
    task happens per sample.  `chip` is that of the mesh, None if there is but one.  `weights` are those
    that arrays are written with in a step of `samples`, for which each of `links` is held `weights_s`
    [L, 2 M] (None: none are).
    """

    routes: MeshRoutes
    links: LinkTimes
    costs: TaskCosts
    once: FloatArray
    link_bit_per_s: float
    samples: int
    chip: int | None = None
    weights: WeightWays | None = None
    weights_s: FloatArray | None = None

    @property
    def load_s(self) -> FloatArray:
        """Seconds per sample for which each link of the mesh carries data, [4 * side**2]."""
        bits = self.routes.on_links(self.once)
        if self.weights is not None:
            per_sample = self.weights.bits_per_step / self.samples
            bits = bits + np.bincount(self.weights.link, per_sample, minlength=bits.size)
        return np.asarray(bits / self.link_bit_per_s)

    @property
    def bit_hops(self) -> float:
        """Bits times links of one sample, with its share of what happens once per step."""
        found = float((self.routes.bit_hops * self.once).sum())
        if self.weights is not None:
            found += float(self.weights.bits_per_step.sum()) / self.samples
        return found

    def weight_streams(self, transfer: int) -> tuple[tuple[str, float], ...]:
        """Links that a transfer of weights holds, by name, and for how long (see `WeightWays`)."""
        if self.weights_s is None:
            return ()
        held_s, side = self.weights_s[:, transfer], self.routes.placement.side
        return tuple(
            (link_name(int(self.links.link[n]), side, self.chip), float(held_s[n]))
            for n in np.flatnonzero(held_s).tolist()
        )

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

    None where arrays are too many to be placed.
    """
    mapping = priced.mapping
    chips = int(mapping.chips[0])
    used, placed = float(mapping.arrays_used[0]), float(mapping.arrays[0].sum())
    available = chips * lone(architecture.arrays_available)
    if used > available or placed > MOST_ARRAYS or chips > MOST_CHIPS:
        return None
    spread = priced.costs.chips
    if spread is None or chips == 1:
        return _on_one(priced, architecture)
    return _on_several(priced, architecture, spread)


def placed_alike(
    placed: PlacedMesh | PlacedChips, priced: Estimate, architecture: Architecture, tasks: IntArray
) -> PlacedMesh | PlacedChips:
    """The mesh that is `placed` for a step, with the data of a part of it.

    `priced` is that part, without rounds of writing: task i of its program is number `tasks[i]` of the
    step's, [T].  What happens once per step sends nothing.
    """
    if isinstance(placed, PlacedMesh):
        return _over_one(priced, architecture, _routes_of(placed.routes, priced, tasks))
    found = tuple(_routes_of(chip.routes, priced, tasks) for chip in placed.chips)
    return _over_several(priced, architecture, found)


def _routes_of(routes: MeshRoutes, part: Estimate, tasks: IntArray) -> MeshRoutes:
    """The routes of the step's `tasks` [T], which are those of `part`, numbered as there."""
    once = part.program.per_step
    number = np.full(routes.depth.size, -1)
    number[tasks[~once]] = np.flatnonzero(~once)
    kept = np.flatnonzero(number[routes.task] >= 0)
    return replace(
        routes,
        task=number[routes.task[kept]],
        link=routes.link[kept],
        bits=routes.bits[kept],
        depth=routes.depth[tasks],
        transfer_bit_hops=np.where(once, 0.0, routes.transfer_bit_hops[tasks]),
    )


def _on_one(priced: Estimate, architecture: Architecture) -> PlacedMesh:
    program, mapping = priced.program, priced.mapping
    routes = mesh_routes(program, architecture, mapping, int(priced.batch[0]))
    weights = None
    if in_rounds(mapping):
        weights = weight_ways(program, architecture, mapping, routes)
    return _over_one(priced, architecture, routes, weights)


def _over_one(
    priced: Estimate,
    architecture: Architecture,
    routes: MeshRoutes,
    weights: WeightWays | None = None,
) -> PlacedMesh:
    program, mapping, samples = priced.program, priced.mapping, int(priced.batch[0])
    once, rate = _once(priced), lone(architecture.mesh.link_bit_per_s)
    costs = _with_ways(priced, architecture, (routes,), weights)
    slower = slower_than_links(priced, costs)
    if weights is None:
        links = contending(link_times(routes, rate, once), slower, samples)
        over = over_links(costs, links, routes.placement.side)
        return PlacedMesh(routes, links, over, once, rate, samples)
    # Weights move while nothing else does, so that for them DRAM is slower than links.
    bits = weight_bits(program, architecture, mapping)[0]
    dram_s = np.tile(bits / lone(architecture.dram.bandwidth_bit_per_s), 2)
    slower = np.hstack([slower, np.broadcast_to(dram_s, (slower.shape[0], dram_s.size))])
    often = np.concatenate([once, weights.times / samples])
    found = contending(link_times(_and_weights(routes, weights), rate, often), slower, samples)
    links = replace(found, held_s=found.held_s[:, : once.size])
    over = over_links(costs, links, routes.placement.side)
    weights_s = found.held_s[:, once.size :]
    return PlacedMesh(routes, links, over, once, rate, samples, None, weights, weights_s)


def _and_weights(routes: MeshRoutes, weights: WeightWays) -> MeshRoutes:
    """The routes with each transfer of weights as one more task."""
    tasks = routes.depth.size
    return replace(
        routes,
        task=np.concatenate([routes.task, tasks + weights.transfer]),
        link=np.concatenate([routes.link, weights.link]),
        bits=np.concatenate([routes.bits, weights.bits]),
        depth=np.concatenate([routes.depth, np.zeros(weights.times.size, dtype=np.int64)]),
    )


def _on_several(priced: Estimate, architecture: Architecture, spread: ChipSpread) -> PlacedChips:
    samples = int(priced.batch[0])
    found = chip_routes(priced.program, architecture, priced.mapping, samples, spread)
    return _over_several(priced, architecture, found)


def _over_several(
    priced: Estimate, architecture: Architecture, found: tuple[MeshRoutes, ...]
) -> PlacedChips:
    samples, chips = int(priced.batch[0]), len(found)
    once, rate = _once(priced), lone(architecture.mesh.link_bit_per_s)
    costs = _with_ways(priced, architecture, found)
    slower, side = slower_than_links(priced, costs), int(lone(architecture.mesh.side))
    of_chip = [contending(link_times(r, rate, once), slower, samples, chips) for r in found]
    for chip, links in enumerate(of_chip):
        costs = over_links(costs, links, side, chip)
    meshes = enumerate(zip(found, of_chip, strict=True))
    return PlacedChips(
        tuple(PlacedMesh(*mesh, costs, once, rate, samples, chip) for chip, mesh in meshes), costs
    )


def _once(priced: Estimate) -> FloatArray:
    """How often each task happens per sample, [T]."""
    return np.where(priced.program.per_step, 1.0 / int(priced.batch[0]), 1.0)


def over_links(costs: TaskCosts, links: LinkTimes, side: int, chip: int | None = None) -> TaskCosts:
    """`costs` with a resource for each link instead of one mesh, that of a `chip` if there are several."""
    shared = {name: held for name, held in costs.shared_s.items() if name != MESH}
    for link, held in zip(links.link.tolist(), links.held_s, strict=True):
        shared[link_name(link, side, chip)] = held[None, :]
    return replace(costs, shared_s=shared)


def _with_ways(
    priced: Estimate,
    architecture: Architecture,
    meshes: tuple[MeshRoutes, ...],
    weights: WeightWays | None = None,
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
    if weights is not None:
        total[program.closing] += weights.bit_hops_per_step
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
