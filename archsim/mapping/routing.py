"""Routes on the mesh: dimension order, x before y, with multicast and reduction.

A flow joins one root tile and its leaves.  Outward it is a multicast: the union of the XY paths from
the root to every leaf, where each link carries the data once.  Inward it is a reduction: the union of
the XY paths from every leaf to the root, along which partial sums are added.  Both are trees.  A
reduction is thus the mirror image, about the diagonal, of a multicast run backwards; were it the
multicast itself run backwards (y before x), turns of both orders on one network could deadlock.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from archsim.fields import FloatArray

IntArray: TypeAlias = NDArray[np.int64]
BoolArray: TypeAlias = NDArray[np.bool_]


class Heading(IntEnum):
    """The way in which a link leaves its tile: along +x, -x, +y, -y."""

    EAST = 0
    WEST = 1
    SOUTH = 2
    NORTH = 3


@dataclass(frozen=True, slots=True)
class Flows:
    """F flows of `bits` each, between a `root` tile and leaves; tiles are `y * side + x`.

    `inward` flows are reductions, the others multicasts.  `leaf_flow` and `leaf` are [L]: a flow's
    number and a tile.  A leaf may be the root itself, and may be listed more than once.
    """

    root: IntArray
    bits: FloatArray
    inward: BoolArray
    leaf_flow: IntArray
    leaf: IntArray


@dataclass(frozen=True, slots=True)
class Routes:
    """The links of every flow, each once: `flow` and `link` are [N], in the order of flows.

    Link `heading * side**2 + tile` leaves `tile` in that heading.  `hops` [F] is the number of links
    of a flow (its tree's length), `depth` [F] the longest way between its root and a leaf.
    """

    side: int
    flow: IntArray
    link: IntArray
    hops: IntArray
    depth: IntArray


@dataclass(frozen=True, slots=True)
class _Arms:
    """Straight runs of links, [A]: along `axis` (0: x, 1: y) at `across`, over edges low to high.

    Edge e joins coordinates e and e + 1; `rising` runs are passed towards larger ones.
    """

    flow: IntArray
    axis: IntArray
    across: IntArray
    low: IntArray
    high: IntArray
    rising: BoolArray


def route(flows: Flows, side: int) -> Routes:
    """The links that each flow takes on a `side` x `side` mesh."""
    arms = _arms(flows, side)
    length = arms.high - arms.low
    arm = np.repeat(np.arange(length.size), length)
    edge = arms.low[arm] + np.arange(arm.size) - np.repeat(np.cumsum(length) - length, length)
    # A link passed towards smaller coordinates leaves the farther end of its edge.
    leaves = np.where(arms.rising[arm], edge, edge + 1)
    along_x = arms.axis[arm] == 0
    tile = np.where(along_x, arms.across[arm] * side + leaves, leaves * side + arms.across[arm])
    heading = 2 * arms.axis[arm] + np.where(arms.rising[arm], 0, 1)
    order = np.argsort(arms.flow[arm], kind="stable")
    count = flows.root.size
    root = flows.root[flows.leaf_flow]
    away = np.abs(flows.leaf % side - root % side) + np.abs(flows.leaf // side - root // side)
    depth = np.zeros(count, dtype=np.int64)
    np.maximum.at(depth, flows.leaf_flow, away)
    return Routes(
        side=side,
        flow=arms.flow[arm][order],
        link=(heading * side * side + tile)[order],
        hops=np.bincount(arms.flow[arm], minlength=count),
        depth=depth,
    )


def link_bits(routes: Routes, bits: FloatArray) -> FloatArray:
    """Bits on every link, [4, side, side] by heading, y and x, given those of every flow [F]."""
    side = routes.side
    total = np.bincount(routes.link, weights=bits[routes.flow], minlength=4 * side * side)
    return np.asarray(total.reshape(4, side, side), dtype=np.float64)


def _arms(flows: Flows, side: int) -> _Arms:
    """A trunk through the root, and branches from it.

    A multicast's trunk runs along x and its branches along y; a reduction's the other way round.
    """
    root_x, root_y = flows.root % side, flows.root // side
    leaf_x, leaf_y = flows.leaf % side, flows.leaf // side
    inward = flows.inward[flows.leaf_flow]
    trunk_axis = np.where(flows.inward, 1, 0)
    # Coordinates of root and leaves along the trunk and along the branches.
    root_a, root_b = np.where(flows.inward, root_y, root_x), np.where(flows.inward, root_x, root_y)
    leaf_a, leaf_b = np.where(inward, leaf_y, leaf_x), np.where(inward, leaf_x, leaf_y)
    trunk_low, trunk_high = root_a.copy(), root_a.copy()
    np.minimum.at(trunk_low, flows.leaf_flow, leaf_a)
    np.maximum.at(trunk_high, flows.leaf_flow, leaf_a)
    branch, back = np.unique(flows.leaf_flow * side + leaf_a, return_inverse=True)
    owner, at = branch // side, branch % side
    branch_low, branch_high = root_b[owner], root_b[owner]
    np.minimum.at(branch_low, back, leaf_b)
    np.maximum.at(branch_high, back, leaf_b)
    every = np.arange(flows.root.size)
    # Two runs of each: beyond the root, and before it.
    flow = np.concatenate([every, every, owner, owner])
    beyond = np.concatenate(
        [np.full(every.size, value) for value in (True, False)]
        + [np.full(owner.size, value) for value in (True, False)]
    )
    return _Arms(
        flow=flow,
        axis=np.concatenate([trunk_axis, trunk_axis, 1 - trunk_axis[owner], 1 - trunk_axis[owner]]),
        across=np.concatenate([root_b, root_b, at, at]),
        low=np.concatenate([root_a, trunk_low, root_b[owner], branch_low]),
        high=np.concatenate([trunk_high, root_a, branch_high, root_b[owner]]),
        rising=beyond != flows.inward[flow],
    )
