"""Where tiles lie on the mesh: a snake in network order, then local improvement.

What counts is traffic times Manhattan distance, in bit-hops per sample.  Data between two copies are
taken as spread evenly over the tiles of each, in proportion to the arrays that a tile holds of it.
Distances along x and y add up, so that the distance of copies a and b is
`hx[a] A hx[b] + hy[a] A hy[b]` with their histograms over columns and rows and `A = |i - j|`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from archsim.fields import FloatArray
from archsim.mapping.layout import TileLayout
from archsim.mapping.swapping import Swapper
from archsim.mapping.traffic import Traffic

IntArray: TypeAlias = NDArray[np.int64]

# Bands wider than this make compact copies of more tiles than a copy usually has.
_WIDEST_BAND = 16
# Element operations of local improvement: a fixed part and one per tile, together 0.1 s on a mesh of
# 300 tiles and less than a second on one of 4,096.
_EFFORT = 120_000_000
_EFFORT_PER_TILE = 60_000
# Larger cases keep the best snake: tables of places by side, and of copies by side, are held while
# tiles are swapped.
_LARGEST_TABLE = 4_000_000
_LARGEST_FIELD = 16_000_000
# Where that many elements make one evaluation slow, fewer snakes are tried.
_FEW_BANDS = (1, 4)
_MANY_ELEMENTS = 4_000_000


@dataclass(frozen=True, slots=True)
class TilePlacement:
    """The tile `y * side + x` of each slot of a layout, and what that saves, in bit-hops per sample.

    `snake_bit_hops` is the cost of the plain snake, `bit_hops` that of this placement.
    """

    side: int
    tile: IntArray
    snake_bit_hops: float
    bit_hops: float


def place_tiles(
    layout: TileLayout,
    traffic: Traffic,
    side: int,
    *,
    seed: int = 0,
    effort: int | None = None,
    staying: IntArray | None = None,
) -> TilePlacement:
    """Place the slots of `layout` on a `side` x `side` mesh so that `traffic` travels little.

    `traffic` is between copies (see `copy_traffic`).  The best of snakes in bands of 1, 2, ... rows
    is improved by swapping tiles for about `effort` element operations (None: `usual_effort`); the
    result is never worse than the plain snake, and depends on nothing but the arguments.
    `staying` are tiles of the first slots, which keep these (None: no slot does); snakes go around them.
    """
    if layout.slots > side * side:
        raise ValueError("the layout has more slots than the mesh has tiles")
    traffic = traffic.merged()
    size = (layout.copy_matrix.size + traffic.bits.size) * side
    bands = range(1, _WIDEST_BAND + 1) if size <= _MANY_ELEMENTS else _FEW_BANDS
    fixed = np.zeros(0, dtype=np.int64) if staying is None else staying
    starts = [_around(fixed, snake(side, b))[: layout.slots] for b in bands if b <= side]
    costs = [traffic_distance(layout, traffic, side, start) for start in starts]
    best = int(np.argmin(costs))
    tile, cost = starts[best], costs[best]
    if cost > 0 and side**3 <= _LARGEST_TABLE and size <= _LARGEST_FIELD:
        allowed = usual_effort(side) if effort is None else effort
        swapper = Swapper(layout, traffic, side, tile, fixed.size)
        found = swapper.improve(np.random.default_rng(seed), allowed)
        improved = traffic_distance(layout, traffic, side, found)
        if improved < cost:
            tile, cost = found, improved
    return TilePlacement(side, tile, costs[0], cost)


def usual_effort(side: int) -> int:
    """Element operations that take 0.1 s on 300 tiles, less than a second on 4,096."""
    return _EFFORT + _EFFORT_PER_TILE * side**2


def _around(fixed: IntArray, order: IntArray) -> IntArray:
    """The tiles `fixed`, then the others of `order`."""
    return np.concatenate([fixed, order[~np.isin(order, fixed)]]) if fixed.size else order


def keep_snake(layout: TileLayout, traffic: Traffic, side: int) -> TilePlacement:
    """The slots of `layout` along the plain snake; `traffic` as for `place_tiles`."""
    tile = snake(side)[: layout.slots]
    cost = traffic_distance(layout, traffic.merged(), side, tile)
    return TilePlacement(side, tile, cost, cost)


def snake(side: int, band: int = 1) -> IntArray:
    """Tiles in the order of a snake through bands of `band` rows, [side * side].

    A band is passed column by column, up and down in turns; the next band in the other direction.
    Consecutive tiles are neighbours, except at the turn from a band to one of other height.
    """
    order = []
    for number, top in enumerate(range(0, side, band)):
        lines = np.arange(top, min(top + band, side))
        columns = np.tile(lines, (side, 1))
        columns[1::2] = lines[::-1]
        across = np.arange(side) if number % 2 == 0 else np.arange(side)[::-1]
        order.append((columns * side + across[:, None]).reshape(-1))
    return np.concatenate(order)


def traffic_distance(layout: TileLayout, traffic: Traffic, side: int, tile: IntArray) -> float:
    """Bit-hops per sample of `traffic` between copies whose slots lie on `tile` ([slots])."""
    place = tile[layout.piece_slot]
    total, step = 0.0, max(1, _MANY_ELEMENTS // side)
    for first in range(0, traffic.bits.size, step):
        edges = slice(first, first + step)
        ends = np.concatenate([traffic.source[edges], traffic.target[edges]])
        copies, number = np.unique(ends, return_inverse=True)
        source, target = number.reshape(2, -1)
        rank = np.full(layout.copy_matrix.size, -1)
        rank[copies] = np.arange(copies.size)
        rank = rank[layout.piece_copy]
        here = rank >= 0
        for coordinate in (place % side, place // side):
            share = np.bincount(
                (rank * side + coordinate)[here],
                weights=layout.piece_share[here],
                minlength=copies.size * side,
            ).reshape(copies.size, side)
            field = share @ _apart(side)
            mean = (share[source] * field[target]).sum(axis=1)
            total += float((traffic.bits[edges] * mean).sum())
    return total


def _apart(side: int) -> FloatArray:
    line = np.arange(side, dtype=np.float64)
    return np.asarray(np.abs(line[:, None] - line))
