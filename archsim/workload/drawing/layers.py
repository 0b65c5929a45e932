"""Layers of a picture: a rank for every box, and an order in every rank with few crossings.

After Sugiyama, Tagawa and Toda (1981), "Methods for visual understanding of hierarchical system
structures": longest-path ranks, waypoints where an edge passes a rank, barycentre ordering.  The
edges that leave one box share their waypoints.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

_SWEEPS = 6


@dataclass(frozen=True, slots=True)
class Layered:
    """Points in ranks, and the links between neighbouring ranks.

    Points below `boxes` are the boxes; the others are waypoints of the box `source[point]`.
    `ranks[r]` lists the points of rank r from left to right; `links` go from a rank to the next.
    """

    boxes: int
    ranks: tuple[tuple[int, ...], ...]
    links: tuple[tuple[int, int], ...]
    source: Mapping[int, int]

    def rank_of(self) -> dict[int, int]:
        """The rank of every point."""
        return {point: rank for rank, points in enumerate(self.ranks) for point in points}


def layered(boxes: int, edges: Iterable[tuple[int, int]]) -> Layered:
    """Layers for boxes 0 ... boxes - 1, numbered so that every edge goes to a larger number."""
    wires = sorted(set(edges))
    rank = _ranks(boxes, wires)
    points, links, source = _waypoints(boxes, wires, rank)
    ranks: list[list[int]] = [[] for _ in range(max(points.values(), default=-1) + 1)]
    for point, level in points.items():
        ranks[level].append(point)
    ordered = _ordered(ranks, links)
    return Layered(boxes, tuple(map(tuple, ordered)), tuple(links), source)


def _ranks(boxes: int, edges: Sequence[tuple[int, int]]) -> list[int]:
    """The longest way from a start; what has no producer stands right before its first reader."""
    rank = [0] * boxes
    for a, b in edges:  # sorted by producer, and producers are numbered first
        rank[b] = max(rank[b], rank[a] + 1)
    readers: dict[int, list[int]] = {}
    for a, b in edges:
        readers.setdefault(a, []).append(b)
    fed = {b for _, b in edges}
    for box, found in readers.items():
        if box not in fed:
            rank[box] = min(rank[b] for b in found) - 1
    return rank


def _waypoints(
    boxes: int, edges: Sequence[tuple[int, int]], rank: Sequence[int]
) -> tuple[dict[int, int], list[tuple[int, int]], dict[int, int]]:
    """Rank of all points, links between neighbouring ranks, and whose waypoint each point is."""
    points = dict(enumerate(rank))
    links: list[tuple[int, int]] = []
    source: dict[int, int] = {}
    trail: dict[int, list[int]] = {box: [box] for box in range(boxes)}
    for a, b in edges:
        way = trail[a]
        while rank[a] + len(way) < rank[b]:
            point = len(points)
            points[point] = rank[a] + len(way)
            source[point] = a
            links.append((way[-1], point))
            way.append(point)
        links.append((way[rank[b] - rank[a] - 1], b))
    return points, links, source


def _ordered(ranks: list[list[int]], links: Sequence[tuple[int, int]]) -> list[list[int]]:
    """Sweeps down and up by barycentres; the order with the fewest crossings is kept."""
    above: dict[int, list[int]] = {}
    below: dict[int, list[int]] = {}
    for a, b in links:
        below.setdefault(a, []).append(b)
        above.setdefault(b, []).append(a)
    best = [list(points) for points in ranks]
    fewest = _crossings(best, below)
    present = [list(points) for points in ranks]
    for sweep in range(_SWEEPS):
        if fewest == 0:
            break
        down = sweep % 2 == 0
        order = range(1, len(ranks)) if down else range(len(ranks) - 2, -1, -1)
        for level in order:
            fixed = present[level - 1 if down else level + 1]
            present[level] = _by_barycentre(present[level], fixed, above if down else below)
        crossings = _crossings(present, below)
        if crossings < fewest:
            fewest, best = crossings, [list(points) for points in present]
    return best


def _by_barycentre(
    points: Sequence[int], fixed: Sequence[int], neighbours: Mapping[int, Sequence[int]]
) -> list[int]:
    """`points` by the mean place of their neighbours; what has none stays where it is."""
    place = {point: index for index, point in enumerate(fixed)}
    scale = max(len(fixed), 1) / max(len(points), 1)

    def barycentre(index: int) -> float:
        found = [place[n] for n in neighbours.get(points[index], ()) if n in place]
        return sum(found) / len(found) if found else index * scale

    order = sorted(range(len(points)), key=lambda index: (barycentre(index), index))
    return [points[index] for index in order]


def _crossings(ranks: Sequence[Sequence[int]], below: Mapping[int, Sequence[int]]) -> int:
    """How many pairs of links cross, over all ranks."""
    total = 0
    for upper, lower in pairwise(ranks):
        place = {point: index for index, point in enumerate(lower)}
        ends: list[int] = []
        for point in upper:
            found = sorted(place[b] for b in below.get(point, ()))
            total += sum(len(ends) - bisect_right(ends, end) for end in found)
            for end in found:
                insort(ends, end)
    return total
