"""Routes against walks hop by hop."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from archsim.mapping.routing import Flows, Heading, link_bits, route

STEP = {Heading.EAST: (1, 0), Heading.WEST: (-1, 0), Heading.SOUTH: (0, 1), Heading.NORTH: (0, -1)}
Case = tuple[int, list[tuple[int, list[int], int, bool]]]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    side = draw(st.integers(1, 6))
    tile = st.integers(0, side * side - 1)
    flow = st.tuples(tile, st.lists(tile, min_size=1, max_size=6), st.integers(1, 9), st.booleans())
    return side, draw(st.lists(flow, min_size=1, max_size=6))


def flows_of(table: list[tuple[int, list[int], int, bool]]) -> Flows:
    return Flows(
        root=np.array([root for root, *_ in table]),
        bits=np.array([float(bits) for _, _, bits, _ in table]),
        inward=np.array([inward for *_, inward in table]),
        leaf_flow=np.array([f for f, (_, leaves, *_) in enumerate(table) for _ in leaves]),
        leaf=np.array([leaf for _, leaves, *_ in table for leaf in leaves]),
    )


def walk(start: int, end: int, side: int) -> list[tuple[Heading, int, int]]:
    """Links (heading, y, x) of the XY path, hop by hop."""
    x, y, links = start % side, start // side, []
    while (x, y) != (end % side, end // side):
        if x != end % side:
            heading = Heading.EAST if end % side > x else Heading.WEST
        else:
            heading = Heading.SOUTH if end // side > y else Heading.NORTH
        links.append((heading, y, x))
        x, y = x + STEP[heading][0], y + STEP[heading][1]
    return links


def tree(flow: tuple[int, list[int], int, bool], side: int) -> set[tuple[Heading, int, int]]:
    root, leaves, _, inward = flow
    paths = [walk(leaf, root, side) if inward else walk(root, leaf, side) for leaf in leaves]
    return {link for path in paths for link in path}


@given(case=cases())
def test_the_links_of_a_flow_are_the_union_of_its_paths_walked_hop_by_hop(case: Case) -> None:
    side, table = case
    flows = flows_of(table)
    routes = route(flows, side)
    expected = np.zeros((4, side, side))
    for f, flow in enumerate(table):
        links = tree(flow, side)
        flat = sorted(h * side * side + y * side + x for h, y, x in links)
        assert sorted(routes.link[routes.flow == f].tolist()) == flat
        assert routes.hops[f] == len(links)
        assert routes.depth[f] == max(len(walk(flow[0], leaf, side)) for leaf in flow[1])
        for link in links:
            expected[link] += flow[2]
    assert (link_bits(routes, flows.bits) == expected).all()


@given(case=cases())
def test_bits_on_all_links_are_those_of_all_flows_times_the_lengths_of_their_trees(
    case: Case,
) -> None:
    side, table = case
    flows = flows_of(table)
    routes = route(flows, side)
    on_links = link_bits(routes, flows.bits)
    assert on_links.sum() == (flows.bits * routes.hops).sum()


@given(case=cases(), mirror=st.sampled_from(["x", "y"]))
def test_mirrored_flows_load_the_mirrored_links(case: Case, mirror: str) -> None:
    side, table = case

    def flip(tile: int) -> int:
        x, y = tile % side, tile // side
        return y * side + side - 1 - x if mirror == "x" else (side - 1 - y) * side + x

    flows = flows_of(table)
    flipped = flows_of([(flip(r), [flip(v) for v in leaves], b, i) for r, leaves, b, i in table])
    plain = link_bits(route(flows, side), flows.bits)
    axis, swapped = (2, [1, 0, 2, 3]) if mirror == "x" else (1, [0, 1, 3, 2])
    expected = np.flip(plain, axis=axis)[swapped]
    assert (link_bits(route(flipped, side), flipped.bits) == expected).all()


@given(case=cases())
def test_a_reduction_is_a_multicast_run_backwards_about_the_diagonal(case: Case) -> None:
    side, table = case

    def turn(tile: int) -> int:
        return (tile % side) * side + tile // side

    inward = flows_of([(r, leaves, b, True) for r, leaves, b, _ in table])
    outward = flows_of(
        [(turn(r), [turn(v) for v in leaves], b, False) for r, leaves, b, _ in table]
    )
    assert (route(inward, side).hops == route(outward, side).hops).all()


@given(case=cases())
def test_no_link_leaves_the_mesh(case: Case) -> None:
    side, table = case
    flows = flows_of(table)
    on_links = link_bits(route(flows, side), flows.bits)
    assert on_links[Heading.EAST, :, -1].sum() == 0
    assert on_links[Heading.WEST, :, 0].sum() == 0
    assert on_links[Heading.SOUTH, -1].sum() == 0
    assert on_links[Heading.NORTH, 0].sum() == 0


def test_a_multicast_counts_a_shared_trunk_once() -> None:
    # From (0, 0) to both ends of the last column of a 4 x 4 mesh: 3 along x, 3 along y.
    routes = route(flows_of([(0, [3, 15], 1, False)]), 4)
    assert routes.hops.tolist() == [6]
    assert routes.depth.tolist() == [6]


def test_no_flows_load_no_links() -> None:
    none = np.zeros(0, dtype=np.int64)
    flows = Flows(none, np.zeros(0), np.zeros(0, dtype=bool), none, none)
    assert link_bits(route(flows, 3), flows.bits).sum() == 0.0
