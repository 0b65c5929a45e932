"""Coordinates of a layered picture: ranks downwards, cut into columns that stand side by side.

Most networks are long and thin.  Cut into columns they fill a screen, and what passes from the
bottom of a column to the top of the next goes through the gutter between them.
All lengths are pixels; y grows downwards.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from archsim.workload.drawing.layers import Layered

RANK_GAP_PX = 30.0
_POINT_GAP_PX = 14.0
_LANE_PX = 9.0
_GUTTER_PX = 30.0
# Width over height that the columns together come close to, and the width that they keep to.
_ASPECT = 1.5
_WIDEST_PX = 3000.0
_MOST_COLUMNS = 12
_SWEEPS = 40
_ALIGNMENTS = 3
# A link between waypoints, or in a chain, is drawn straight before another between boxes is.
_STRAIGHT = (1.0, 2.0, 8.0)
# What another link through a gutter weighs against a worse format of the picture.
_CUT_PENALTY = 0.25


@dataclass(frozen=True, slots=True)
class Size:
    """Width and height of a box."""

    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Wire:
    """A way for tensors: a line through `via`, corners in order, from one point to another."""

    source: int
    target: int
    via: tuple[tuple[float, float], ...]
    gutter: bool = False


@dataclass(frozen=True, slots=True)
class Placed:
    """The finished layout: the middle of every point, the wires, and the size of it all."""

    x: Mapping[int, float]
    y: Mapping[int, float]
    wires: tuple[Wire, ...]
    size: Size


def placed(layout: Layered, sizes: Mapping[int, Size]) -> Placed:
    """Coordinates for `layout`; `sizes` gives every box and waypoint its size."""
    if not layout.ranks:
        return Placed({}, {}, (), Size(0.0, 0.0))
    cuts = _best_cuts(layout, sizes)
    bounds = [0, *cuts, len(layout.ranks)]
    columns = [_Column(layout.ranks[a:b], layout.links, sizes) for a, b in pairwise(bounds)]
    passing = [_passing(layout, cut) for cut in cuts]
    return _assembled(columns, passing, layout, sizes)


class _Column:
    """The points of some ranks with coordinates of their own, from 0."""

    def __init__(
        self,
        ranks: Sequence[Sequence[int]],
        links: Iterable[tuple[int, int]],
        sizes: Mapping[int, Size],
    ) -> None:
        self.ranks = ranks
        inside = {point for points in ranks for point in points}
        self.links = [(a, b) for a, b in links if a in inside and b in inside]
        self.x = _across(ranks, self.links, sizes)
        self.y: dict[int, float] = {}
        bottom = 0.0
        self.bottom: dict[int, float] = {}
        self.top: dict[int, float] = {}
        for points in ranks:
            height = max(sizes[point].height for point in points)
            for point in points:
                self.y[point] = bottom + height / 2
                self.top[point], self.bottom[point] = bottom, bottom + height
            bottom += height + RANK_GAP_PX
        self.height = bottom - RANK_GAP_PX
        left = min(self.x[point] - sizes[point].width / 2 for point in self.x)
        right = max(self.x[point] + sizes[point].width / 2 for point in self.x)
        self.x = {point: x - left for point, x in self.x.items()}
        self.width = right - left


def _across(
    ranks: Sequence[Sequence[int]], links: Sequence[tuple[int, int]], sizes: Mapping[int, Size]
) -> dict[int, float]:
    """Horizontal places: every point near its neighbours, in order, and apart from the others."""
    weights = _weights(links, sizes)
    near: dict[int, list[tuple[int, float]]] = {}
    for (a, b), weight in weights.items():
        near.setdefault(a, []).append((b, weight))
        near.setdefault(b, []).append((a, weight))
    x: dict[int, float] = {}
    for points in ranks:
        middle = (len(points) - 1) / 2
        x.update(_apart(points, {p: i - middle for i, p in enumerate(points)}, {}, sizes))
    for sweep in range(_SWEEPS):
        for points in ranks if sweep % 2 == 0 else ranks[::-1]:
            wanted, pulls = {}, {}
            for point in points:
                found = near.get(point, ())
                total = sum(weight for _, weight in found)
                pulls[point] = total or 0.1
                wanted[point] = sum(x[n] * w for n, w in found) / total if total else x[point]
            x.update(_apart(points, wanted, pulls, sizes))
    straight = [link for link, weight in weights.items() if weight == _STRAIGHT[-1]]
    for _ in range(_ALIGNMENTS):
        _align(x, ranks, straight, sizes)
    return x


def _weights(
    links: Sequence[tuple[int, int]], sizes: Mapping[int, Size]
) -> dict[tuple[int, int], float]:
    """How strongly each link pulls its ends to one line."""
    leaving, entering = Counter(a for a, _ in links), Counter(b for _, b in links)
    weights = {}
    for a, b in links:
        chain = leaving[a] == entering[b] == 1
        bends = (sizes[a].height == 0) + (sizes[b].height == 0)
        weights[a, b] = _STRAIGHT[2 if chain else bends]
    return weights


def _align(
    x: dict[int, float],
    ranks: Sequence[Sequence[int]],
    links: Sequence[tuple[int, int]],
    sizes: Mapping[int, Size],
) -> None:
    """Put the points of each chain of `links` on one line, as far as their neighbours let them."""
    room: dict[int, tuple[float, float]] = {}
    for points in ranks:
        inner = [x[b] - x[a] - _least(a, b, sizes) for a, b in pairwise(points)]
        gaps = [math.inf, *(max(gap, 0.0) for gap in inner), math.inf]
        for point, (left, right) in zip(points, pairwise(gaps), strict=True):
            # Neighbours may both move, each over half of what is between them.
            room[point] = (x[point] - left / 2, x[point] + right / 2)
    follows = dict(links)
    for start in follows.keys() - follows.values():
        chain, low, high = [start], *room[start]
        point = start
        while point in follows:
            point = follows[point]
            left, right = room[point]
            if max(low, left) > min(high, right):
                _move(x, chain, low, high)
                chain, low, high = [], -math.inf, math.inf
            chain.append(point)
            low, high = max(low, left), min(high, right)
        _move(x, chain, low, high)


def _move(x: dict[int, float], chain: Sequence[int], low: float, high: float) -> None:
    mean = sum(x[point] for point in chain) / len(chain)
    x.update(dict.fromkeys(chain, min(max(mean, low), high)))


def _least(a: int, b: int, sizes: Mapping[int, Size]) -> float:
    """How far apart the middles of neighbours in a rank must be."""
    return (sizes[a].width + sizes[b].width) / 2 + _POINT_GAP_PX


def _apart(
    points: Sequence[int],
    wanted: Mapping[int, float],
    weights: Mapping[int, float],
    sizes: Mapping[int, Size],
) -> dict[int, float]:
    """The places nearest to those `wanted` (least squares) in which no two points overlap.

    Less the room that the points on its left need, places must not fall from left to right:
    isotonic regression, by pooling adjacent violators.
    """
    offsets = [0.0]
    for a, b in pairwise(points):
        offsets.append(offsets[-1] + _least(a, b, sizes))
    pools: list[tuple[float, float, int]] = []  # mean, weight, members
    for point, offset in zip(points, offsets, strict=True):
        mean, weight, members = wanted[point] - offset, weights.get(point, 1.0), 1
        while pools and pools[-1][0] > mean:
            before, before_weight, before_members = pools.pop()
            mean = (before * before_weight + mean * weight) / (before_weight + weight)
            weight, members = weight + before_weight, members + before_members
        pools.append((mean, weight, members))
    means = [mean for mean, _, members in pools for _ in range(members)]
    return {
        point: mean + offset for point, mean, offset in zip(points, means, offsets, strict=True)
    }


def _passing(layout: Layered, cut: int) -> list[tuple[int, int]]:
    """The links that pass from rank `cut - 1` to rank `cut`, from left to right."""
    upper = {point: i for i, point in enumerate(layout.ranks[cut - 1])}
    lower = {point: i for i, point in enumerate(layout.ranks[cut])}
    found = [(a, b) for a, b in layout.links if a in upper and b in lower]
    return sorted(found, key=lambda link: (upper[link[0]], lower[link[1]]))


def _best_cuts(layout: Layered, sizes: Mapping[int, Size]) -> list[int]:
    """Ranks at which a new column begins: a good format, and few links across."""
    heights = [max(sizes[p].height for p in points) + RANK_GAP_PX for points in layout.ranks]
    widths = [sum(sizes[p].width + _POINT_GAP_PX for p in points) for points in layout.ranks]
    rank_of = layout.rank_of()
    across = [0] * (len(layout.ranks) + 1)
    for _, b in layout.links:
        across[rank_of[b]] += 1
    best: tuple[float, list[int]] = (math.inf, [])
    for columns in range(1, min(_MOST_COLUMNS, max(1, len(heights) // 3)) + 1):
        cuts = _even_cuts(heights, across, columns)
        bounds = [0, *cuts, len(heights)]
        spans = list(pairwise(bounds))
        width = sum(max(widths[a:b]) for a, b in spans)
        width += sum(_GUTTER_PX * 2 + _LANE_PX * across[cut] for cut in cuts)
        if columns > 1 and width > _WIDEST_PX:
            break
        height = max(sum(heights[a:b]) for a, b in spans)
        score = abs(math.log(width / height / _ASPECT))
        score += _CUT_PENALTY * sum(across[cut] - 1 for cut in cuts)
        best = min(best, (score, cuts))
    return best[1]


def _even_cuts(heights: Sequence[float], across: Sequence[int], columns: int) -> list[int]:
    """Cuts near those that make columns equally high, moved to where few links pass."""
    total = sum(heights)
    cuts: list[int] = []
    room = total / columns / 3
    for index in range(1, columns):
        ideal = total * index / columns
        candidates, top = [], 0.0
        for rank, height in enumerate(heights):
            later = not cuts or rank > cuts[-1]
            if rank and later and abs(top - ideal) <= max(room, height):
                candidates.append((across[rank], abs(top - ideal), rank))
            top += height
        if candidates:
            cuts.append(min(candidates)[2])
    return cuts


def _assembled(
    columns: Sequence[_Column],
    passing: Sequence[Sequence[tuple[int, int]]],
    layout: Layered,
    sizes: Mapping[int, Size],
) -> Placed:
    """The columns side by side, with lanes above and below them and gutters between them."""
    lanes = max((len(links) for links in passing), default=0)
    head = lanes * _LANE_PX + (RANK_GAP_PX if lanes else 0.0)
    x: dict[int, float] = {}
    y: dict[int, float] = {}
    ways: list[Wire] = []
    left = 0.0
    for index, column in enumerate(columns):
        x.update({point: value + left for point, value in column.x.items()})
        y.update({point: value + head for point, value in column.y.items()})
        for a, b in column.links:
            ways.append(_straight(a, b, column, head, x, sizes))
        if index < len(passing):
            gutter = left + column.width + _GUTTER_PX
            left = gutter + len(passing[index]) * _LANE_PX + _GUTTER_PX
            ways += _through_gutter(passing[index], columns, index, head, gutter, left, x, sizes)
    right = left + columns[-1].width
    tail = max(
        column.height + (len(links) * _LANE_PX + RANK_GAP_PX / 2 if links else 0.0)
        for column, links in zip(columns, [*passing, []], strict=True)
    )
    return Placed(x, y, tuple(ways), Size(right, head + tail))


def _straight(
    a: int, b: int, column: _Column, head: float, x: Mapping[int, float], sizes: Mapping[int, Size]
) -> Wire:
    """From the lower edge of a point to the upper edge of one in the next rank."""
    start = column.y[a] + sizes[a].height / 2 + head
    end = column.y[b] - sizes[b].height / 2 + head
    corners = [(x[a], start), (x[a], column.bottom[a] + head)]
    corners += [(x[b], column.top[b] + head), (x[b], end)]
    return Wire(a, b, tuple(corners))


def _through_gutter(
    links: Sequence[tuple[int, int]],
    columns: Sequence[_Column],
    index: int,
    head: float,
    gutter: float,
    left: float,
    x: Mapping[int, float],
    sizes: Mapping[int, Size],
) -> list[Wire]:
    """Ways from the bottom of a column to the top of the next; nested, so that none cross."""
    column, after = columns[index], columns[index + 1]
    found = []
    for place, (a, b) in enumerate(links):
        inner = len(links) - 1 - place
        low = head + column.height + RANK_GAP_PX / 2 + inner * _LANE_PX
        high = head - RANK_GAP_PX / 2 - (len(links) - 1 - inner) * _LANE_PX
        lane = gutter + inner * _LANE_PX
        start = column.y[a] + sizes[a].height / 2 + head
        end = after.y[b] - sizes[b].height / 2 + head
        target = after.x[b] + left
        corners = ((x[a], start), (x[a], low), (lane, low), (lane, high), (target, high))
        found.append(Wire(a, b, (*corners, (target, end)), gutter=True))
    return found
