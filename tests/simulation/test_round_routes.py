"""Places and routes of matrices that have the arrays one after the other, in rounds of writing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.architecture import Architecture
from archsim.mapping.rounds import ALWAYS
from archsim.mapping.routing import Heading
from archsim.mapping.traffic import Traffic
from archsim.simulation.estimate import Estimate, estimate
from archsim.simulation.mesh_matrices import MeshMatrices
from archsim.simulation.mesh_places import places_in_rounds
from archsim.simulation.mesh_routes import MeshRoutes, mesh_routes
from archsim.simulation.rounds import moved_bits
from archsim.simulation.weight_ways import weight_ways
from tests.closeness import close
from tests.networks import Layer
from tests.simulation.architectures import changed
from tests.simulation.test_laws import program_of
from tests.simulation.test_mesh_routes import BITS, ONE_EACH, carried

# Four tiles of one array each.
ROUNDS = changed(ONE_EACH, mapping__overflow="reprogram", schedule__batchnorm="running")
WEIGHT_BITS = int(ROUNDS.numbers.parameter_bits)


def routed(layers: list[Layer], tree: Architecture) -> tuple[Estimate, MeshRoutes]:
    priced = estimate(program_of(layers), [tree], [4])
    return priced, mesh_routes(priced.program, tree, priced.mapping, 4)


def test_every_round_has_the_tiles_anew_and_takes_from_where_the_last_one_summed() -> None:
    """Two matrices on tiles 0,0 and 1,0; then four along the snake, of which the first is on 0,0."""
    layers = [Layer(30, 20), Layer(20, 16), *([Layer(16, 16)] * 4)]
    priced, routes = routed(layers, ROUNDS)
    assert priced.mapping.round_of is not None
    assert priced.mapping.round_of[0].tolist() == [0, 0, 1, 1, 1, 1]
    assert routes.placement.tile.tolist() == [0, 1, 0, 1, 3, 2]
    found = carried(priced.program, routes)
    assert found == {
        # In the first round, as if it were the network.
        ("layer1:forward", "EAST", 0, 0): 20 * BITS,
        ("layer0:weight_gradient", "WEST", 1, 0): 20 * BITS,
        # From round to round and back: from tile 1,0 to tile 0,0.
        ("layer2:forward", "WEST", 1, 0): 16 * BITS,
        ("layer1:input_gradient", "EAST", 0, 0): 16 * BITS,
        # Activations from its neighbour, errors from the next round.
        ("layer1:weight_gradient", "EAST", 0, 0): (20 + 16) * BITS,
        # In the second round: 0,0 to 1,0 to 1,1 to 0,1, and errors the other way.
        ("layer3:forward", "EAST", 0, 0): 16 * BITS,
        ("layer3:weight_gradient", "EAST", 0, 0): 16 * BITS,
        ("layer2:input_gradient", "WEST", 1, 0): 16 * BITS,
        # Activations from the round before, errors from its neighbour.
        ("layer2:weight_gradient", "WEST", 1, 0): (16 + 16) * BITS,
        ("layer4:forward", "SOUTH", 1, 0): 16 * BITS,
        ("layer4:weight_gradient", "SOUTH", 1, 0): 16 * BITS,
        ("layer3:input_gradient", "NORTH", 1, 1): 16 * BITS,
        ("layer3:weight_gradient", "NORTH", 1, 1): 16 * BITS,
        ("layer5:forward", "WEST", 1, 1): 16 * BITS,
        ("layer5:weight_gradient", "WEST", 1, 1): 16 * BITS,
        ("layer4:input_gradient", "EAST", 0, 1): 16 * BITS,
        ("layer4:weight_gradient", "EAST", 0, 1): 16 * BITS,
    }


def test_weights_go_along_the_row_of_their_tile_from_the_edge_and_back() -> None:
    """One array at x = 1 in each of two rows; the first and the last round are written once."""
    layers = [Layer(30, 20), Layer(20, 16), *([Layer(16, 16)] * 4)]
    priced, routes = routed(layers, ROUNDS)
    program = priced.program
    ways = weight_ways(program, ROUNDS, priced.mapping, routes)
    found = {
        (transfer, Heading(link // 4).name, link % 4): bits
        for transfer, link, bits in zip(
            ways.transfer.tolist(), ways.link.tolist(), ways.bits.tolist(), strict=True
        )
    }
    # Matrices 1, 3 and 4 are on tiles 1, 1 and 3.
    assert found == {
        (1, "EAST", 0): 20 * 16 * WEIGHT_BITS,
        (3, "EAST", 0): 16 * 16 * WEIGHT_BITS,
        (4, "EAST", 2): 16 * 16 * WEIGHT_BITS,
        (6 + 1, "WEST", 1): 20 * 16 * WEIGHT_BITS,
        (6 + 3, "WEST", 1): 16 * 16 * WEIGHT_BITS,
        (6 + 4, "WEST", 3): 16 * 16 * WEIGHT_BITS,
    }
    assert ways.times.tolist() == [1.0] * 12
    assert ways.bits_per_step.sum() == 2 * (20 + 16 + 16) * 16 * WEIGHT_BITS


networks = st.lists(
    st.builds(Layer, st.integers(10, 90), st.integers(10, 60), vectors=st.integers(1, 9)),
    min_size=3,
    max_size=8,
)


@settings(max_examples=25)
@given(
    layers=networks,
    side=st.sampled_from([3, 4]),
    tiles=st.sampled_from([1, 2]),
    placement=st.sampled_from(["snake", "improved"]),
    packing=st.sampled_from(["none", "shared_arrays"]),
)
def test_bits_times_hops_over_all_links_are_those_of_data_and_weights(
    layers: list[Layer], side: int, tiles: int, placement: str, packing: str
) -> None:
    """Weights by a loop over arrays: as many hops as their tile is from the edge."""
    tree = changed(
        ROUNDS,
        mesh__side=side,
        tile__arrays=tiles,
        mapping__placement=placement,
        mapping__packing=packing,
    )
    priced, routes = routed(layers, tree)
    program, mapping = priced.program, priced.mapping
    times = np.where(program.per_step, 0.25, 1.0)
    assert routes.on_links(times).sum() == close(float((routes.bit_hops * times).sum()))
    assert mapping.round_of is not None
    if mapping.round_of.max() < 1:
        return
    ways = weight_ways(program, tree, mapping, routes)
    moved, layout = moved_bits(program, tree, mapping)[0], routes.layout
    expected = np.zeros(moved.size)
    for m in range(moved.size):
        holder = m if mapping.array_of is None else int(mapping.array_of[0, m])
        for piece in np.flatnonzero(layout.copy_matrix[layout.piece_copy] == holder).tolist():
            tile = int(routes.placement.tile[layout.piece_slot[piece]])
            share = float(layout.piece_arrays[piece]) / float(mapping.arrays_needed[0, holder])
            expected[m] += moved[m] * share * (tile % side)
    assert ways.bit_hops_per_step == close(expected)


@settings(max_examples=40)
@given(
    table=st.lists(
        st.tuples(st.integers(1, 9), st.sampled_from([ALWAYS, 0, 1, 2])), min_size=1, max_size=9
    ),
    tiles=st.integers(1, 4),
    placement=st.sampled_from(["snake", "improved"]),
    seed=st.integers(0, 9),
)
def test_no_tile_holds_more_than_it_can_in_any_round_and_what_stays_has_one_place(
    table: list[tuple[int, int]], tiles: int, placement: str, seed: int
) -> None:
    arrays, round_of = (np.array(column) for column in zip(*table, strict=True))
    most = max(int(arrays[(round_of == r) | (round_of == ALWAYS)].sum()) for r in range(3))
    side = int(np.ceil(np.sqrt(max(most, 1) / tiles)))
    tree = changed(ROUNDS, mesh__side=side, tile__arrays=tiles, mapping__placement=placement)
    size, one = arrays.size, np.ones(arrays.size, dtype=np.int64)
    matrices = MeshMatrices(
        np.arange(size), arrays.astype(float), np.ones(size), one, arrays, one, np.zeros(size)
    )
    rng = np.random.default_rng(seed)
    source, target = rng.integers(0, size, (2, 2 * size))
    between = Traffic(source, target, rng.integers(1, 9, 2 * size).astype(float)).merged()
    places = places_in_rounds(tree, matrices, between, 4, round_of)
    layout, placed = places.layout, places.placement
    matrix, tile = layout.copy_matrix[layout.piece_copy], placed.tile[layout.piece_slot]
    assert np.bincount(matrix, layout.piece_arrays, size).tolist() == arrays.tolist()
    assert layout.piece_first[np.unique(layout.piece_copy, return_index=True)[1]].max() == 0
    for number in range(3):
        here = (round_of[matrix] == number) | (round_of[matrix] == ALWAYS)
        held = np.bincount(tile[here], layout.piece_arrays[here], side * side)
        assert held.max() <= tiles
    # Data between matrices of different rounds are not what rounds are placed by.
    together = round_of[between.source] == round_of[between.target]
    together |= (round_of[between.source] == ALWAYS) | (round_of[between.target] == ALWAYS)
    assert places.exchanged_bits == close(float(between.bits[together].sum()))
    assert placed.bit_hops <= placed.snake_bit_hops * (1 + 1e-12)


def test_equal_rounds_are_placed_alike() -> None:
    """Eight equal layers of two arrays each on four tiles: the two rounds between the ends are equal."""
    tree = changed(ROUNDS, mapping__placement="improved")
    priced, routes = routed([Layer(60, 20)] * 8, tree)
    assert priced.mapping.round_of is not None
    assert priced.mapping.round_of[0].tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    tiles = routes.placement.tile.reshape(4, 4)
    assert tiles[1].tolist() == tiles[2].tolist()


@pytest.mark.parametrize("placement", ["snake", "improved"])
def test_a_round_alone_is_placed_as_without_rounds(placement: str) -> None:
    tree = changed(ROUNDS, mesh__side=3, mapping__placement=placement)
    priced, routes = routed([Layer(60, 20)] * 3, tree)
    alone = changed(tree, mapping__overflow="error")
    _, expected = routed([Layer(60, 20)] * 3, alone)
    assert priced.mapping.round_of is not None
    assert routes.placement.tile.tolist() == expected.placement.tile.tolist()
    assert routes.bits.tolist() == expected.bits.tolist()
