"""What a result says of how busy every resource of the cycle fidelity is."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from archsim.simulation.cycle.links import is_mesh_link, link_name
from archsim.simulation.cycle.placed import PlacedChips, PlacedMesh
from archsim.simulation.cycle.run import CycleRun
from archsim.simulation.estimate import Estimate

# Links of the mesh that a result names; of the others it states how many, and their mean.
LISTED: Final = 20
_ARRAYS = "arrays"


def utilisation_section(priced: Estimate, run: CycleRun) -> dict[str, Any]:
    """Busy share of the schedule of all units, of the arrays of each matrix, and of links of the mesh.

    Links that delay no task are no resources of the schedule, but they carry data as well.
    """
    resources, shares = run.schedule.tasks.resources, run.schedule.utilisation
    by_name = dict(zip(resources.names, shares.tolist(), strict=True))
    names, on_array = priced.program.matrices.names, priced.mapping.on_array[0]
    first = priced.mapping.array_of
    groups = np.arange(len(names)) if first is None else first[0]
    arrays = {
        names[m]: by_name[f"{_ARRAYS}:{names[m]}"] for m in np.unique(groups[on_array]).tolist()
    }
    units = {
        name: share
        for name, share in by_name.items()
        if name.partition(":")[0] != _ARRAYS and not is_mesh_link(name)
    }
    return {"units": units, "arrays": arrays, "mesh_links": _links(run)}


def _links(run: CycleRun) -> dict[str, Any] | None:
    """The busiest links of all meshes by name, and the others that carry data; None if not placed."""
    placed = run.placed
    if placed is None:
        return None
    meshes = placed.chips if isinstance(placed, PlacedChips) else (placed,)
    samples = run.execution.samples
    shares = np.stack([mesh.load_s for mesh in meshes]) * (samples / run.makespan_s)
    used = int(np.count_nonzero(shares))
    order = np.argsort(-shares, axis=None, kind="stable")[: min(used, LISTED)]
    others = used - order.size
    rest = float(shares.sum() - shares.flat[order].sum())
    return {
        "busiest": {
            _name(meshes, *divmod(place, shares.shape[1])): float(shares.flat[place])
            for place in order.tolist()
        },
        "others": others,
        "others_mean": max(rest, 0.0) / others if others else 0.0,
    }


def _name(meshes: tuple[PlacedMesh, ...], number: int, link: int) -> str:
    mesh = meshes[number]
    return link_name(link, mesh.routes.placement.side, mesh.chip)
