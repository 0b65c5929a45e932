"""The links of the mesh that can delay a step, as resources.

All data of a task are claimed on all of its links at once, and every link serves claims in the same
order.  So a link that holds each task no longer than another resource does never ends later than that
one, and need not be simulated:

* another link, or the activation buffer, which stream as well;
* a unit that tasks keep, for which its time and the task's own both count.

Leaving those out changes no time of any task.  Where arrays are written anew within a step, weights move
between its phases, when nothing else does: for them DRAM may be the slower one, for data another.  If more than `MOST_LINKS` are left, or their claims in a
step are more than `MOST_CLAIMS`, those with the least load are left out as well.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from archsim.fields import FloatArray
from archsim.mapping.routing import Heading
from archsim.simulation.mesh_routes import MeshRoutes
from archsim.simulation.program import IntArray

# Links that are resources of their own; the shipped meshes have 960.
MOST_LINKS = 1024
# Claims of links in a step, which take about a second for each four million.
MOST_CLAIMS = 10_000_000
# Links of the largest load, among which they are sought.
_CONSIDERED = 4 * MOST_LINKS
_STEP = {Heading.EAST: (1, 0), Heading.WEST: (-1, 0), Heading.SOUTH: (0, 1), Heading.NORTH: (0, -1)}
# The mesh as one resource; a link's name begins with it.
MESH = "mesh"


@dataclass(frozen=True, slots=True)
class LinkTimes:
    """L links by number (see `archsim.mapping.routing.Routes`) and how long each holds every task.

    `held_s` is [L, T] seconds.  At most `left_out` further links may delay tasks too; they carry less
    than these.
    """

    link: IntArray
    held_s: FloatArray
    left_out: int = 0


def link_name(link: int, side: int, chip: int | None = None) -> str:
    """A link of the mesh by the tiles that it joins: `mesh:x,y->x,y`.

    Of several chips with that of the mesh: `mesh:chip 3 x,y->x,y`.
    """
    heading, tile = divmod(link, side * side)
    y, x = divmod(tile, side)
    right, down = _STEP[Heading(heading)]
    of_chip = "" if chip is None else f"chip {chip} "
    return f"{MESH}:{of_chip}{x},{y}->{x + right},{y + down}"


def is_mesh_link(resource: str) -> bool:
    """Whether a resource of a schedule is a link of the mesh."""
    return resource.startswith(f"{MESH}:")


def link_times(routes: MeshRoutes, link_bit_per_s: float, once: FloatArray) -> LinkTimes:
    """The links of the largest load, in the order of load.

    `once` [T] is how often each task happens per sample, which weighs its load.
    """
    load = routes.on_links(once)
    used = int(np.count_nonzero(load))
    link = np.lexsort((np.arange(load.size), -load))[: min(used, _CONSIDERED)]
    place = np.full(load.size, -1)
    place[link] = np.arange(link.size)
    here = place[routes.link] >= 0
    held_s = np.zeros((link.size, routes.depth.size))
    held_s[place[routes.link[here]], routes.task[here]] = routes.bits[here] / link_bit_per_s
    return LinkTimes(link, held_s, used - link.size)


def contending(links: LinkTimes, slower: FloatArray, samples: int, meshes: int = 1) -> LinkTimes:
    """Those of `links` that may delay tasks of a step of `samples`.

    They are of one of `meshes`, which share the bounds on links and claims.

    `slower` [U, T] are seconds for which other resources hold tasks, such that a link that holds
    none longer than one of them never delays.
    """
    kept: list[int] = []
    most, most_claims = max(MOST_LINKS // meshes, 1), MOST_CLAIMS // meshes
    known = np.concatenate([slower, np.zeros((most, slower.shape[1]))])
    count, claims = slower.shape[0], 0
    for number, times in enumerate(links.held_s):
        some = np.flatnonzero(times)
        if (known[:count, some] >= times[some]).all(axis=1).any():
            continue
        claims += some.size * samples
        if len(kept) == most or claims > most_claims:
            left_out = links.left_out + links.link.size - number
            return LinkTimes(links.link[kept], links.held_s[kept], left_out)
        kept.append(number)
        known[count], count = times, count + 1
    return LinkTimes(links.link[kept], links.held_s[kept], links.left_out)
