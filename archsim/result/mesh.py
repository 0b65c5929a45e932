"""What a result says of the mesh: where layers lie, how far their data travel, the busiest link."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from archsim.architecture import Architecture
from archsim.fields import FloatArray, lone
from archsim.simulation.cycle.links import MESH, is_mesh_link, link_name
from archsim.simulation.cycle.placed import PlacedMesh
from archsim.simulation.cycle.run import CycleRun
from archsim.simulation.estimate import Estimate
from archsim.simulation.transfers import TRANSFER_MESH

# Links and tasks that a result lists.
LISTED: Final = 8
# Larger maps of the mesh are left out of a result.
MOST_TILES: Final = 4096


def mesh_section(priced: Estimate, architecture: Architecture, run: CycleRun) -> dict[str, Any]:
    """The mesh of a run; `priced` is the analytic estimate, which takes a mean distance.

    Without a placement (arrays on several chips, or too many) only that it has none.
    """
    placed = run.placed
    if placed is None:
        return {"placement": None}
    routes, links = placed.routes, placed.links
    times = placed.once
    return {
        "placement": architecture.mapping.placement,
        "side": routes.placement.side,
        "tiles_used": routes.layout.slots,
        "copies_bit_hops_per_sample": {
            "snake": routes.placement.snake_bit_hops,
            "placed": routes.placement.bit_hops,
        },
        "mean_hops": routes.mean_hops,
        "bit_hops_per_sample": float((routes.bit_hops * times).sum()),
        "energy_per_sample_j": _energy_j(placed.costs.energy_j, times),
        "mean_distance": _mean_distance(priced, architecture, times),
        "links": {
            "total": int(4 * routes.placement.side * (routes.placement.side - 1)),
            "used": int(np.count_nonzero(placed.load_s)),
            "simulated": int(links.link.size),
            "delaying": sum(map(is_mesh_link, run.schedule.tasks.resources.names)),
            "left_out": links.left_out,
        },
        "busiest": _busiest(priced, placed, run),
        "tiles": _tiles(priced, placed),
    }


def _energy_j(energy_j: dict[str, FloatArray], times: FloatArray) -> float:
    """Energy of the mesh for one sample, with its share of what happens once per step."""
    found = [energy_j[name] for name in (MESH, TRANSFER_MESH) if name in energy_j]
    return float(sum((energy[0] * times).sum() for energy in found))


def _mean_distance(
    priced: Estimate, architecture: Architecture, times: FloatArray
) -> dict[str, float]:
    """What the analytic estimate takes for the same data."""
    mesh = architecture.mesh
    bit_hops = float((priced.costs.shared_s[MESH][0] * times).sum())
    bit_hops *= lone(mesh.links * mesh.link_bit_per_s)
    return {
        "mean_hops": lone(mesh.mean_hops),
        "bit_hops_per_sample": bit_hops,
        "energy_per_sample_j": _energy_j(priced.costs.energy_j, times),
    }


def _busiest(priced: Estimate, placed: PlacedMesh, run: CycleRun) -> list[dict[str, Any]]:
    """The links that carry most, and the tasks whose data are most of it."""
    routes, load_s = placed.routes, placed.load_s
    found = []
    for link in np.argsort(-load_s, kind="stable")[:LISTED].tolist():
        if load_s[link] <= 0:
            break
        entries = np.flatnonzero(routes.link == link)
        bits = routes.bits[entries] * placed.once[routes.task[entries]]
        largest = np.argsort(-bits, kind="stable")[:LISTED]
        found.append(
            {
                "link": link_name(link, routes.placement.side),
                "utilisation": float(load_s[link] * run.execution.samples / run.makespan_s),
                "bits_per_sample": float(bits.sum()),
                "tasks": {
                    priced.program.names[int(routes.task[entries[i]])]: float(bits[i])
                    for i in largest
                },
            }
        )
    return found


def _tiles(priced: Estimate, placed: PlacedMesh) -> list[dict[str, Any]] | None:
    """Arrays of each matrix on each tile in use, in network order; None for a mesh of many tiles."""
    layout, placement = placed.routes.layout, placed.routes.placement
    if layout.slots > MOST_TILES:
        return None
    names = priced.program.matrices.names
    held: list[dict[str, int]] = [{} for _ in range(layout.slots)]
    matrix = layout.copy_matrix[layout.piece_copy]
    for slot, m, arrays in zip(
        layout.piece_slot.tolist(), matrix.tolist(), layout.piece_arrays.tolist(), strict=True
    ):
        held[slot][names[m]] = held[slot].get(names[m], 0) + arrays
    return [
        {"x": tile % placement.side, "y": tile // placement.side, "arrays": arrays}
        for tile, arrays in zip(placement.tile.tolist(), held, strict=True)
        if arrays
    ]
