"""What a result says of the mesh: where layers lie, how far their data travel, the busiest link."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from archsim.architecture import Architecture
from archsim.fields import FloatArray, lone
from archsim.simulation.cycle.links import MESH, is_mesh_link, link_name
from archsim.simulation.cycle.placed import PlacedChips, PlacedMesh
from archsim.simulation.cycle.run import CycleRun
from archsim.simulation.estimate import Estimate
from archsim.simulation.rounds import moved_bits
from archsim.simulation.transfers import TRANSFER_MESH

# Links and tasks that a result lists.
LISTED: Final = 8
# Larger maps of the mesh are left out of a result.
MOST_TILES: Final = 4096


def mesh_section(priced: Estimate, architecture: Architecture, run: CycleRun) -> dict[str, Any]:
    """The mesh of a run; `priced` is the analytic estimate, which takes a mean distance.

    Without a placement (too many arrays) only that it has none.  Of several chips everything is summed,
    but for tiles, which are left out.
    """
    placed = run.placed
    if placed is None:
        return {"placement": None}
    meshes = placed.chips if isinstance(placed, PlacedChips) else (placed,)
    times, side = meshes[0].once, meshes[0].routes.placement.side
    exchanged = sum(mesh.routes.exchanged_bits for mesh in meshes)
    between = {
        "snake": sum(mesh.routes.placement.snake_bit_hops for mesh in meshes),
        "placed": sum(mesh.routes.placement.bit_hops for mesh in meshes),
    }
    return {
        "placement": architecture.mapping.placement,
        "side": side,
        "tiles_used": sum(np.unique(mesh.routes.placement.tile).size for mesh in meshes),
        "copies_bit_hops_per_sample": between,
        "mean_hops": between["placed"] / exchanged if exchanged else 0.0,
        "bit_hops_per_sample": sum(mesh.bit_hops for mesh in meshes),
        "energy_per_sample_j": _energy_j(placed.costs.energy_j, times),
        "mean_distance": _mean_distance(priced, architecture, meshes),
        "links": {
            "total": 4 * side * (side - 1) * len(meshes),
            "used": sum(int(np.count_nonzero(mesh.load_s)) for mesh in meshes),
            "simulated": sum(int(mesh.links.link.size) for mesh in meshes),
            "delaying": sum(map(is_mesh_link, run.schedule.tasks.resources.names)),
            "left_out": sum(mesh.links.left_out for mesh in meshes),
        },
        "busiest": _busiest(priced, meshes, run),
        "tiles": _tiles(priced, meshes[0]) if len(meshes) == 1 else None,
    }


def _energy_j(energy_j: dict[str, FloatArray], times: FloatArray) -> float:
    """Energy of the mesh for one sample, with its share of what happens once per step."""
    found = [energy_j[name] for name in (MESH, TRANSFER_MESH) if name in energy_j]
    return float(sum((energy[0] * times).sum() for energy in found))


def _mean_distance(
    priced: Estimate, architecture: Architecture, meshes: Sequence[PlacedMesh]
) -> dict[str, float]:
    """What the analytic estimate takes for the same data."""
    mesh, times = architecture.mesh, meshes[0].once
    bit_hops = float((priced.costs.shared_s[MESH][0] * times).sum())
    bit_hops *= lone(mesh.links * mesh.link_bit_per_s)
    if any(each.weights is not None for each in meshes):
        weights = moved_bits(priced.program, architecture, priced.mapping)[0].sum()
        bit_hops += float(weights) * lone(mesh.mean_hops) / meshes[0].samples
    return {
        "mean_hops": lone(mesh.mean_hops),
        "bit_hops_per_sample": bit_hops,
        "energy_per_sample_j": _energy_j(priced.costs.energy_j, times),
    }


def _busiest(priced: Estimate, meshes: Sequence[PlacedMesh], run: CycleRun) -> list[dict[str, Any]]:
    """The links that carry most, and the tasks whose data are most of it."""
    load_s = np.stack([mesh.load_s for mesh in meshes])
    found = []
    for place in np.argsort(-load_s, axis=None, kind="stable")[:LISTED].tolist():
        number, link = divmod(place, load_s.shape[1])
        if load_s[number, link] <= 0:
            break
        mesh = meshes[number]
        sent = _sent_over(priced, mesh, link)
        largest = sorted(sent, key=lambda name: -sent[name])[:LISTED]
        found.append(
            {
                "link": link_name(link, mesh.routes.placement.side, mesh.chip),
                "utilisation": float(load_s[number, link] * run.execution.samples / run.makespan_s),
                "bits_per_sample": float(np.sum(list(sent.values()))),
                "tasks": {name: sent[name] for name in largest},
            }
        )
    return found


def _sent_over(priced: Estimate, mesh: PlacedMesh, link: int) -> dict[str, float]:
    """Bits per sample that each task sends over a link, in the order of tasks, then of weights."""
    routes, names = mesh.routes, priced.program.names
    entries = np.flatnonzero(routes.link == link)
    bits = routes.bits[entries] * mesh.once[routes.task[entries]]
    pairs = zip(routes.task[entries].tolist(), bits.tolist(), strict=True)
    sent = {names[task]: sent for task, sent in pairs}
    weights = mesh.weights
    if weights is not None:
        here = np.flatnonzero(weights.link == link)
        of_step = zip(
            weights.matrix[here].tolist(), weights.bits_per_step[here].tolist(), strict=True
        )
        for matrix, moved in of_step:
            name = f"{priced.program.matrices.names[matrix]}: weights moved"
            sent[name] = sent.get(name, 0.0) + moved / mesh.samples
    return sent


def _tiles(priced: Estimate, placed: PlacedMesh) -> list[dict[str, Any]] | None:
    """Arrays of each matrix on each tile in use, in network order; None for a mesh of many tiles.

    In rounds of writing a tile holds them one after the other.
    """
    layout, placement = placed.routes.layout, placed.routes.placement
    if layout.slots > MOST_TILES:
        return None
    names = priced.program.matrices.names
    held: dict[int, dict[str, int]] = {tile: {} for tile in placement.tile.tolist()}
    matrix = layout.copy_matrix[layout.piece_copy]
    for tile, m, arrays in zip(
        placement.tile[layout.piece_slot].tolist(),
        matrix.tolist(),
        layout.piece_arrays.tolist(),
        strict=True,
    ):
        held[tile][names[m]] = held[tile].get(names[m], 0) + arrays
    return [
        {"x": tile % placement.side, "y": tile // placement.side, "arrays": arrays}
        for tile, arrays in held.items()
        if arrays
    ]
