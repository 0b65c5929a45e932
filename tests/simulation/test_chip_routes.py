"""Data on the meshes of several chips: against each chip's part of the network on its own."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.architecture import Architecture
from archsim.result.mesh import mesh_section
from archsim.simulation.chip_routes import chip_routes
from archsim.simulation.cycle.placed import PlacedChips
from archsim.simulation.cycle.reference import simulate
from archsim.simulation.cycle.run import simulate_step
from archsim.simulation.estimate import Estimate, estimate
from archsim.simulation.mesh_routes import MeshRoutes, mesh_routes
from archsim.workload.training import TaskKind
from tests.closeness import close
from tests.networks import Layer
from tests.simulation.architectures import changed
from tests.simulation.cycle.simpy_oracle import Oracle
from tests.simulation.test_laws import program_of
from tests.simulation.test_several_chips import SMALL

# Chips of 3 x 3 tiles with one array each, which follow the plain snake.
CHIPS = changed(SMALL, mesh__side=3, tile__arrays=1, mapping__placement="snake")
ONE = changed(CHIPS, mapping__overflow="error", system=None)
# Nine arrays each: one, two and four.
PART = [Layer(60, 30, 3), Layer(30, 60, 3), Layer(60, 60, 3), Layer(60, 64, 3), Layer(64, 60, 3)]


def on_chips(layers: list[Layer], tree: Architecture) -> tuple[Estimate, tuple[MeshRoutes, ...]]:
    priced = estimate(program_of(layers), [tree], [4])
    assert priced.costs.chips is not None
    found = chip_routes(priced.program, tree, priced.mapping, 4, priced.costs.chips)
    return priced, found


def bit_hops(priced: Estimate, routes: MeshRoutes) -> dict[tuple[str, str], float]:
    """Bits times hops of each task on arrays, by its kind and operator."""
    program = priced.program
    return {
        (str(program.kind[t]), program.ops[t]): float(routes.bit_hops[t])
        for t in np.flatnonzero(program.matrix >= 0).tolist()
        if program.kind[t] is not None
    }


def test_each_chip_routes_its_part_as_if_that_were_the_network() -> None:
    """Apart from what the parts exchange: errors of the last layer here, those of the first there."""
    priced, (first, second) = on_chips(PART * 2, CHIPS)
    assert priced.costs.chips is not None
    assert priced.costs.chips.matrix_first.tolist() == [[0] * 5 + [1] * 5]
    alone = estimate(program_of(PART), [ONE], [4])
    routes = bit_hops(alone, mesh_routes(alone.program, ONE, alone.mapping, 4))
    found = bit_hops(priced, first)
    exchanged = {("forward", "layer4"), ("input_gradient", "layer4"), ("weight_gradient", "layer4")}
    for key, hops in routes.items():
        if key not in exchanged:
            assert found[key] == close(hops), key
    later = bit_hops(priced, second)
    for (kind, op), hops in routes.items():
        there = (kind, f"layer{int(op[5:]) + 5}")
        assert later[there] == close(hops), there
    # What is not on a chip has no way there.
    assert all(later[key] == 0 for key in routes)


def test_what_goes_to_another_chip_travels_to_the_edge_once() -> None:
    priced, (first, second) = on_chips(PART * 2, CHIPS)
    program = priced.program
    bits = CHIPS.numbers.activation_bits

    def tiles(routes: MeshRoutes, matrix: int) -> np.ndarray:
        layout = routes.layout
        pieces = layout.copy_matrix[layout.piece_copy] == matrix
        return np.asarray(routes.placement.tile[layout.piece_slot[pieces]])

    # Layer 4 is 64 x 60 on two arrays: two column slices, one tile each.
    task = program.names.index(
        next(
            n
            for n, o, k in zip(program.names, program.ops, program.kind, strict=True)
            if o == "layer4" and k is TaskKind.FORWARD
        )
    )
    out_bits = program.output_elements[task] * bits
    mean_x = float(np.mean(tiles(first, 4) % 3))
    alone = estimate(program_of(PART), [ONE], [4])
    routes = bit_hops(alone, mesh_routes(alone.program, ONE, alone.mapping, 4))
    extra = bit_hops(priced, first)["forward", "layer4"] - routes["forward", "layer4"]
    assert mean_x > 0
    assert extra == close(out_bits * mean_x)
    # Its error comes back through the first layer of the next chip, to the edge there.
    assert bit_hops(priced, second)["input_gradient", "layer5"] > 0


def test_equal_chips_are_placed_alike() -> None:
    """Those between the first, which takes no input gradient, and the last, which has the loss."""
    tree = changed(CHIPS, mapping__placement="improved")
    _, found = on_chips(PART * 4, tree)
    assert len(found) == 4
    tiles = [routes.placement.tile.tolist() for routes in found]
    assert tiles[1] == tiles[2]
    assert found[1].placement is found[2].placement


@given(
    sizes=st.lists(st.sampled_from([20, 60, 64, 100, 300]), min_size=6, max_size=9),
    link=st.sampled_from([1e9, 1e10, 5e11]),
    update=st.sampled_from(["immediate", "deferred"]),
    packing=st.sampled_from(["none", "shared_arrays"]),
    samples=st.integers(1, 5),
)
@settings(max_examples=10)
def test_simpy_times_chips_with_links_of_their_own_alike(
    sizes: list[int], link: float, update: str, packing: str, samples: int
) -> None:
    tree = changed(
        CHIPS,
        mesh__link_bit_per_s=link,
        schedule__update=update,
        mapping__packing=packing,
        mesh__side=2,
        tile__arrays=2,
    )
    layers = [Layer(a, b, 3) for a, b in itertools.pairwise(sizes)]
    priced = estimate(program_of(layers), [tree], [samples])
    run = simulate_step(priced, tree)
    tasks = run.schedule.tasks
    oracle = Oracle(tasks).run()
    assert np.array_equal(run.schedule.finish, oracle.finish)
    assert np.array_equal(simulate(tasks).finish, oracle.finish)
    assert (run.schedule.utilisation <= 1.0).all()
    if isinstance(run.placed, PlacedChips):
        rounding = tasks.size * run.tick_s
        assert run.makespan_s >= run.placed.busiest_s * samples - rounding


def test_a_result_sums_over_the_meshes_and_names_the_chip_of_a_link() -> None:
    tree = changed(CHIPS, mesh__link_bit_per_s=1e8)
    priced = estimate(program_of(PART * 2), [tree], [4])
    run = simulate_step(priced, tree)
    section = mesh_section(priced, tree, run)
    assert isinstance(run.placed, PlacedChips)
    once = run.placed.chips[0].once
    by_link = sum(float(mesh.routes.on_links(once).sum()) for mesh in run.placed.chips)
    assert section["bit_hops_per_sample"] == close(by_link)
    assert section["tiles"] is None
    assert section["links"]["total"] == 2 * 24
    assert section["busiest"][0]["link"].startswith("mesh:chip ")
    assert section["links"]["delaying"] > 0
    assert section["energy_per_sample_j"] == close(
        float(np.asarray(tree.mesh.energy_j(by_link, tree.hop_m)))
    )
