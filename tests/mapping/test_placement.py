"""Placement on the mesh against naive sums and exhaustive search."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.mapping.layout import TileLayout, lay_out
from archsim.mapping.placement import TilePlacement, place_tiles, snake, traffic_distance
from archsim.mapping.swapping import Swapper
from archsim.mapping.traffic import Traffic

EFFORT = 3_000_000


@st.composite
def cases(draw: st.DrawFn, most: int = 30, per_tile: int = 3) -> tuple[TileLayout, Traffic, int]:
    """Some copies on tiles, traffic among them (also within one), a mesh that holds them."""
    sizes = draw(st.lists(st.integers(1, 7), min_size=2, max_size=8))
    layout = lay_out(np.array(sizes, dtype=float), np.ones(len(sizes)), per_tile, 10_000)
    side = int(np.ceil(np.sqrt(layout.slots))) + draw(st.integers(0, 1))
    number = st.integers(0, len(sizes) - 1)
    edges = draw(st.lists(st.tuples(number, number, st.integers(1, 9)), min_size=1, max_size=most))
    source, target, bits = (np.array(column) for column in zip(*edges, strict=True))
    return layout, Traffic(source, target, bits.astype(float)), side


def naive_distance(layout: TileLayout, traffic: Traffic, side: int, tile: np.ndarray) -> float:
    total = 0.0
    pieces = list(
        zip(
            layout.piece_copy.tolist(),
            layout.piece_slot.tolist(),
            layout.piece_share.tolist(),
            strict=True,
        )
    )
    for a, b, bits in zip(traffic.source, traffic.target, traffic.bits, strict=True):
        for copy_a, slot_a, share_a in pieces:
            for copy_b, slot_b, share_b in pieces:
                if copy_a == a and copy_b == b:
                    p, q = int(tile[slot_a]), int(tile[slot_b])
                    hops = abs(p % side - q % side) + abs(p // side - q // side)
                    total += bits * share_a * share_b * hops
    return total


def one_tile_each(count: int, edges: list[tuple[int, int, float]]) -> tuple[TileLayout, Traffic]:
    layout = lay_out(np.ones(count), np.ones(count), 1, count)
    source, target, bits = zip(*edges, strict=True)
    return layout, Traffic(np.array(source), np.array(target), np.array(bits, dtype=float))


@given(case=cases(), seed=st.integers(0, 100))
def test_traffic_times_distance_is_the_sum_over_all_pairs_of_tiles(
    case: tuple[TileLayout, Traffic, int], seed: int
) -> None:
    layout, traffic, side = case
    tile = np.random.default_rng(seed).permutation(side * side)[: layout.slots]
    expected = naive_distance(layout, traffic, side, tile)
    assert traffic_distance(layout, traffic, side, tile) == pytest.approx(expected)


@given(case=cases(), seed=st.integers(0, 5))
@settings(max_examples=40)
def test_each_slot_has_a_tile_of_its_own_and_the_snake_is_never_better(
    case: tuple[TileLayout, Traffic, int], seed: int
) -> None:
    layout, traffic, side = case
    found = place_tiles(layout, traffic, side, seed=seed, effort=EFFORT)
    assert np.unique(found.tile).size == layout.slots
    assert found.tile.min() >= 0
    assert found.tile.max() < side * side
    assert found.bit_hops == pytest.approx(naive_distance(layout, traffic, side, found.tile))
    plain = snake(side)[: layout.slots]
    assert found.snake_bit_hops == pytest.approx(naive_distance(layout, traffic, side, plain))
    assert found.bit_hops <= found.snake_bit_hops


@given(case=cases(), seed=st.integers(0, 5))
@settings(max_examples=20)
def test_placement_does_not_depend_on_how_the_same_traffic_is_written_down(
    case: tuple[TileLayout, Traffic, int], seed: int
) -> None:
    layout, traffic, side = case
    # Halves of each flow, in another order; bits are whole, so that sums are exact.
    order = np.random.default_rng(seed).permutation(2 * traffic.bits.size)
    halves = Traffic(
        np.tile(traffic.source, 2)[order],
        np.tile(traffic.target, 2)[order],
        np.tile(traffic.bits, 2)[order],
    )
    doubled = Traffic(traffic.source, traffic.target, 2.0 * traffic.bits)
    one, other = (place_tiles(layout, t, side, seed=seed, effort=EFFORT) for t in (halves, doubled))
    again = place_tiles(layout, doubled, side, seed=seed, effort=EFFORT)
    assert one.tile.tolist() == other.tile.tolist() == again.tile.tolist()
    assert one.bit_hops == other.bit_hops


def test_equal_copies_may_trade_names() -> None:
    """Relabelling copies that exchange equal data changes neither tiles nor cost."""
    ring = [(i, (i + 1) % 9, 1.0) for i in range(9)]
    turned = [((i + 4) % 9, (i + 5) % 9, 1.0) for i in range(9)]
    found: list[TilePlacement] = []
    for edges in (ring, turned):
        layout, traffic = one_tile_each(9, edges)
        found.append(place_tiles(layout, traffic, 3))
    assert found[0].tile.tolist() == found[1].tile.tolist()
    assert found[0].bit_hops == found[1].bit_hops


def exhaustive(count: int, side: int, flow: np.ndarray) -> float:
    """The least traffic times distance over all placements of `count` tiles."""
    places = np.arange(side * side)
    hops = np.abs(places[:, None] % side - places % side) + np.abs(
        places[:, None] // side - places // side
    )
    every = np.array(list(itertools.permutations(range(side * side), count)), dtype=np.int8)
    cost = np.zeros(len(every))
    for a in range(count):
        for b in range(count):
            if flow[a, b]:
                cost += flow[a, b] * hops[every[:, a], every[:, b]]
    return float(cost.min())


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize(("count", "side"), [(4, 2), (6, 3), (8, 3)])
def test_tiny_placements_come_within_a_tenth_of_the_best(count: int, side: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    flow = np.triu(rng.integers(0, 10, (count, count)) * (rng.random((count, count)) < 0.6), 1)
    flow[0, 1] += 1
    source, target = np.nonzero(flow)
    layout = lay_out(np.ones(count), np.ones(count), 1, count)
    traffic = Traffic(source, target, flow[source, target].astype(float))
    found = place_tiles(layout, traffic, side)
    best = exhaustive(count, side, flow)
    assert best <= found.bit_hops * (1 + 1e-12)
    assert found.bit_hops <= 1.10 * best


@pytest.mark.parametrize("seed", range(10))
def test_no_swap_of_two_tiles_and_no_move_shortens_a_placement_further(seed: int) -> None:
    rng = np.random.default_rng(seed)
    count = int(rng.integers(2, 9))
    layout = lay_out(rng.integers(1, 8, count).astype(float), np.ones(count), 3, 100)
    side = int(np.ceil(np.sqrt(layout.slots))) + seed % 2
    source, target = rng.integers(0, count, (2, 20))
    traffic = Traffic(source, target, rng.integers(1, 10, 20).astype(float)).merged()
    swapper = Swapper(layout, traffic, side, snake(side)[: layout.slots])
    tile = swapper.improve(np.random.default_rng(0), 5 * EFFORT)
    cost = traffic_distance(layout, traffic, side, tile)
    everywhere = np.concatenate([tile, np.setdiff1d(np.arange(side * side), tile)])
    for a in range(layout.slots):
        for b in range(a + 1, side * side):
            other = everywhere.copy()
            other[[a, b]] = other[[b, a]]
            changed = traffic_distance(layout, traffic, side, other[: layout.slots])
            assert changed >= cost * (1 - 1e-9)


def test_a_chain_of_single_tiles_is_one_hop_from_tile_to_tile() -> None:
    layout, traffic = one_tile_each(64, [(i, i + 1, 1.0) for i in range(63)])
    assert place_tiles(layout, traffic, 8, effort=EFFORT).bit_hops == 63.0


def test_a_placement_that_only_swaps_can_reach_empty_tiles() -> None:
    """Two tiles that talk and a third that does not: the two end up side by side."""
    layout, traffic = one_tile_each(3, [(0, 2, 1.0)])
    found = Swapper(layout, traffic, 3, np.array([0, 1, 8])).improve(
        np.random.default_rng(0), EFFORT
    )
    assert traffic_distance(layout, traffic, 3, found) == 1.0


@pytest.mark.parametrize(("side", "band"), [(1, 1), (4, 1), (5, 2), (6, 4), (7, 7)])
def test_a_snake_visits_every_tile_once_and_walks_within_its_bands(side: int, band: int) -> None:
    order = snake(side, band)
    assert sorted(order.tolist()) == list(range(side * side))
    step = np.abs(np.diff(order % side)) + np.abs(np.diff(order // side))
    same_band = np.diff((order // side) // band) == 0
    assert (step[same_band] == 1).all()
    assert band > 1 or (step == 1).all()


def test_more_slots_than_tiles_are_a_mistake_of_the_caller() -> None:
    layout, traffic = one_tile_each(5, [(0, 1, 1.0)])
    with pytest.raises(ValueError, match="more slots"):
        place_tiles(layout, traffic, 2)
