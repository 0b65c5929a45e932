"""Routes of a step's data: bits are conserved, and small cases come out as by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.algorithm import TikiTakaV2
from archsim.architecture import Architecture
from archsim.mapping.routing import Heading
from archsim.simulation.cycle.placed import place_on_mesh
from archsim.simulation.estimate import Estimate, estimate
from archsim.simulation.mesh_routes import MeshRoutes, mesh_routes
from archsim.simulation.program import Program
from archsim.simulation.transfers import transfer_traffic
from tests.closeness import close
from tests.networks import Layer, layer_lists
from tests.simulation.architectures import changed
from tests.simulation.test_laws import PROTONIC, program_of

# One array to a tile: neighbouring layers are on neighbouring tiles.
ONE_EACH = changed(
    PROTONIC,
    tile__arrays=1,
    mesh__side=2,
    array__rows=32,
    array__cols=64,  # 32 differential weights
    mapping__replication="none",
    mapping__placement="snake",
)
BITS = int(PROTONIC.numbers.activation_bits)
SUM_BITS = int(PROTONIC.numbers.partial_sum_bits)


def routed(
    program: Program, architecture: Architecture, samples: int = 4
) -> tuple[Estimate, MeshRoutes]:
    priced = estimate(program, [architecture], [samples])
    return priced, mesh_routes(program, architecture, priced.mapping, samples)


def carried(program: Program, routes: MeshRoutes) -> dict[tuple[str, str, int, int], float]:
    """Bits by task, heading and tile that the link leaves."""
    found = {}
    side = routes.placement.side
    for task, link, bits in zip(routes.task, routes.link, routes.bits, strict=True):
        heading, tile = divmod(int(link), side * side)
        key = (program.names[task], Heading(heading).name, tile % side, tile // side)
        found[key] = float(bits)
    return found


def test_two_layers_on_two_tiles_exchange_what_the_second_takes_and_gives() -> None:
    """Activations and their copy for the update go east, errors for both uses come west."""
    program = program_of([Layer(30, 20), Layer(20, 10)])
    _, routes = routed(program, ONE_EACH)
    assert carried(program, routes) == {
        ("layer1:forward", "EAST", 0, 0): 20 * BITS,
        ("layer1:weight_gradient", "EAST", 0, 0): 20 * BITS,
        ("layer0:weight_gradient", "WEST", 1, 0): 20 * BITS,
    }
    assert routes.depth.max() == 1
    # The placement counts the same three.
    assert routes.placement.bit_hops == 3 * 20 * BITS
    assert routes.mean_hops == close(60 / (60 + 2 * 10))


def test_partial_sums_of_row_splits_meet_in_the_first_tile_and_inputs_enter_from_the_edge() -> None:
    """Two arrays above each other on tiles 0 and 1: half of the input goes on to the second."""
    program = program_of([Layer(60, 10)])
    _, routes = routed(program, ONE_EACH)
    found = carried(program, routes)
    assert found == {
        ("layer0:forward", "EAST", 0, 0): 30 * BITS,
        ("layer0:forward", "WEST", 1, 0): 10 * SUM_BITS,
        ("layer0:weight_gradient", "EAST", 0, 0): (30 + 10) * BITS,
    }
    forward = program.names.index("layer0:forward")
    assert routes.depth[forward] == 2


def test_copies_exchange_their_weights_along_a_chain() -> None:
    """Two copies of a matrix, one array each, on two tiles: all weights there and back."""
    program = program_of([Layer(30, 20, vectors=64)])
    architecture = changed(
        ONE_EACH, mapping__replication="auto", mapping__max_copies=2, mapping__sync="average"
    )
    architecture = changed(architecture, mapping__sync_interval=5)
    priced, routes = routed(program, architecture)
    assert priced.mapping.copies[0, 0] == 2
    found = carried(program, routes)
    each = 30 * 20 * SUM_BITS / 5
    assert found["w0 (copies)", "EAST", 0, 0] == close(each)
    assert found["w0 (copies)", "WEST", 1, 0] == close(each)


def test_everything_on_one_tile_uses_no_link() -> None:
    program = program_of([Layer(30, 20, vectors=9), Layer(20, 10)])
    _, routes = routed(program, changed(ONE_EACH, tile__arrays=16, mesh__side=1))
    assert routes.bits.size == 0
    assert routes.placement.bit_hops == routes.mean_hops == 0


chips = st.builds(
    changed,
    st.just(PROTONIC),
    mapping__replication=st.sampled_from(["auto", "none"]),
    mapping__sync=st.sampled_from(["average", "broadcast"]),
    mapping__placement=st.sampled_from(["snake", "improved"]),
    tile__arrays=st.sampled_from([1, 3, 16]),
    array__rows=st.sampled_from([32, 64, 256]),
    mesh__side=st.sampled_from([9, 16]),
)
networks = layer_lists(most=4, inputs=300, outputs=300, vectors=30, blocks=(1, 1, 4), norm=True)


@settings(max_examples=40)
@given(layers=networks, architecture=chips, samples=st.integers(1, 40))
def test_bits_on_links_are_bits_times_hops(
    layers: list[Layer], architecture: Architecture, samples: int
) -> None:
    """Summed over links, tasks or entries alike; improvement never makes copies farther apart."""
    program = program_of(layers)
    priced, routes = routed(program, architecture, samples)
    times = np.where(program.per_step, 1.0 / samples, 1.0)
    total = float((routes.bit_hops * times).sum())
    assert routes.on_links(times).sum() == close(total)
    assert (routes.bits * times[routes.task]).sum() == close(total)
    assert (routes.bits > 0).all()
    assert routes.placement.bit_hops <= routes.placement.snake_bit_hops * (1 + 1e-12)
    # Only what is on arrays sends anything, and nothing goes farther than the mesh is wide.
    senders = np.unique(routes.task)
    assert priced.mapping.on_array[0][program.matrix[senders]].all()
    assert routes.depth.max(initial=0) <= 4 * (routes.placement.side - 1)


@settings(max_examples=40)
@given(layers=networks, architecture=chips)
def test_no_tile_is_left_by_less_than_others_need_from_it(
    layers: list[Layer], architecture: Architecture
) -> None:
    """What a forward read takes crosses the cut around its tiles at least once.

    With one copy of each matrix, a second method: the input of a layer whose tiles and whose
    predecessor's tiles are disjoint enters its tiles in full.
    """
    architecture = changed(architecture, mapping__replication="none")
    program = program_of(layers)
    priced, routes = routed(program, architecture)
    side, layout = routes.placement.side, routes.layout
    place = routes.placement.tile[layout.piece_slot]
    for m in np.flatnonzero(priced.mapping.on_array[0]).tolist():
        task = program.names.index(f"layer{m}:forward")
        own = set(place[layout.copy_matrix[layout.piece_copy] == m].tolist())
        before = m - 1
        if before < 0 or not priced.mapping.on_array[0, before]:
            continue
        if own & set(place[layout.copy_matrix[layout.piece_copy] == before].tolist()):
            continue
        entering = 0.0
        for link, bits in zip(
            routes.link[routes.task == task], routes.bits[routes.task == task], strict=True
        ):
            heading, tile = divmod(int(link), side * side)
            step = {0: 1, 1: -1, 2: side, 3: -side}[heading]
            if tile not in own and tile + step in own:
                entering += float(bits)
        needed = float(program.input_elements[task]) * BITS
        assert entering >= needed * (1 - 1e-9)


def test_a_mesh_too_small_is_refused() -> None:
    """The layout says so; nothing is placed beside the mesh."""
    program = program_of([Layer(300, 300)])
    priced = estimate(program, [ONE_EACH], [4])
    with pytest.raises(Exception, match="tiles"):
        mesh_routes(program, ONE_EACH, priced.mapping, 4)


def test_words_of_transfers_go_to_where_their_columns_are_summed_and_come_back() -> None:
    """Two row splits on tiles 0 and 1: the line of the second is read over the link between them."""
    program = program_of([Layer(60, 10)])
    tree = changed(ONE_EACH, algorithm=TikiTakaV2(kind="tiki_taka_v2", reference="zero"))
    _, plain = routed(program, ONE_EACH)
    priced, routes = routed(program, tree)
    sent = transfer_traffic(program, tree, priced.mapping, np.array([[4.0]]))
    assert sent is not None
    update = program.names.index("layer0:weight_gradient")
    assert sent.task.tolist() == [update]
    # Fast and slow arrays follow each other: the second row split begins on tile 2, two tiles on.
    tiles = routes.placement.tile
    first, second = (divmod(int(tiles[slot]), routes.placement.side) for slot in (0, 2))
    hops = abs(first[0] - second[0]) + abs(first[1] - second[1])
    assert hops >= 1
    expected = hops * (sent.read_bits[0] + sent.pulse_bits[0]) / 2
    assert routes.transfer_bit_hops[update] == close(float(expected))
    assert routes.transfer_bit_hops.sum() == close(float(expected))
    assert not plain.transfer_bit_hops.any()
    # A line of ten outputs per strip, at the width of partial sums.
    assert sent.read_bits[0] == close(2 * 10 * SUM_BITS)


def test_words_of_transfers_take_links_and_their_energy() -> None:
    """Slow links make the step of a transferring algorithm longer in the cycle fidelity."""
    program = program_of([Layer(60, 10, 4)])
    tree = changed(ONE_EACH, algorithm=TikiTakaV2(kind="tiki_taka_v2", reference="zero"))
    priced = estimate(program, [tree], [4])
    placed = place_on_mesh(priced, tree)
    assert placed is not None
    update = program.names.index("layer0:weight_gradient")
    each = tree.mesh.energy_j(placed.routes.transfer_bit_hops[update], tree.hop_m)
    assert placed.costs.energy_j["transfer_mesh"][0, update] == close(float(np.asarray(each)))
    data = placed.routes.bit_hops[update] - placed.routes.transfer_bit_hops[update]
    assert placed.costs.energy_j["mesh"][0, update] == close(
        float(np.asarray(tree.mesh.energy_j(data, tree.hop_m)))
    )


def test_a_lone_tile_has_no_links() -> None:
    """Both fidelities: nothing travels, so that the mesh takes neither time nor energy."""
    program = program_of([Layer(30, 20), Layer(20, 10)])
    tree = changed(ONE_EACH, mesh__side=1, tile__arrays=4)
    priced = estimate(program, [tree], [4])
    placed = place_on_mesh(priced, tree)
    assert placed is not None
    for costs in (priced.costs, placed.costs):
        assert not costs.energy_j["mesh"].any()
    assert not priced.costs.shared_s["mesh"].any()
    assert placed.costs.transfer_s == close(priced.costs.transfer_s)
