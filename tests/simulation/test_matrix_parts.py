"""Matrices that are cut over chips: what each part takes and gives, and where it goes on its chip."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.algorithm import TikiTakaV2
from archsim.architecture import Architecture
from archsim.mapping.flows import Slices, Transfers
from archsim.mapping.layout import lay_out
from archsim.mapping.placement import TilePlacement
from archsim.simulation.chip_routes import chip_routes
from archsim.simulation.chip_spread import CHIP_LINK
from archsim.simulation.cycle.placed import PlacedChips
from archsim.simulation.cycle.replay import replay
from archsim.simulation.cycle.run import simulate_step
from archsim.simulation.estimate import Estimate, estimate
from archsim.simulation.matrix_parts import cut_into, data_of_parts, parts_of
from archsim.simulation.mesh_matrices import MeshMatrices
from archsim.simulation.mesh_routes import MeshRoutes
from archsim.simulation.program import Program
from archsim.simulation.weight_data import WeightData, weight_data
from archsim.workload.training import TaskKind
from tests.closeness import close
from tests.networks import Layer
from tests.simulation.architectures import changed
from tests.simulation.test_chip_routes import CHIPS
from tests.simulation.test_laws import program_of
from tests.simulation.test_mesh_routes import BITS, SUM_BITS, carried

# Four tiles of one array to a chip, along the snake 0,0 - 1,0 - 1,1 - 0,1.
FOUR = changed(CHIPS, mesh__side=2)
# Eight columns of one array between a small layer and one of four rows of arrays.
CUT = [Layer(30, 60), Layer(60, 240), Layer(240, 32)]


def routed(layers: list[Layer], tree: Architecture) -> tuple[Estimate, tuple[MeshRoutes, ...]]:
    priced = estimate(program_of(layers), [tree], [4])
    assert priced.costs.chips is not None
    assert (priced.costs.chips.matrix_count > 1).any()
    found = chip_routes(priced.program, tree, priced.mapping, 4, priced.costs.chips)
    return priced, found


def test_each_part_takes_all_inputs_and_its_columns_and_sums_its_rows() -> None:
    """Two parts of four columns; the third and the fourth are in the second row, the first at x = 0."""
    priced, (_, one, other, _) = routed(CUT, FOUR)
    assert priced.costs.chips is not None
    assert priced.costs.chips.matrix_count.tolist() == [[1, 2, 1]]
    found = carried(priced.program, one)
    assert found == {
        # All inputs to all four tiles, and 30 outputs of each column back to the edge.
        ("layer1:forward", "EAST", 0, 0): 60 * BITS,
        ("layer1:forward", "SOUTH", 0, 0): 60 * BITS,
        ("layer1:forward", "SOUTH", 1, 0): 60 * BITS,
        ("layer1:forward", "WEST", 1, 0): 30 * BITS,
        ("layer1:forward", "WEST", 1, 1): 30 * BITS,
        # Errors of 30 columns to each tile, partial sums of all rows to the first.
        ("layer1:input_gradient", "EAST", 0, 0): 30 * BITS,
        ("layer1:input_gradient", "EAST", 0, 1): 30 * BITS,
        ("layer1:input_gradient", "WEST", 1, 0): 60 * SUM_BITS,
        ("layer1:input_gradient", "WEST", 1, 1): 60 * SUM_BITS,
        ("layer1:input_gradient", "NORTH", 0, 1): 60 * SUM_BITS,
        # Activations to all tiles and errors of their columns.
        ("layer1:weight_gradient", "EAST", 0, 0): (60 + 30) * BITS,
        ("layer1:weight_gradient", "SOUTH", 0, 0): 60 * BITS,
        ("layer1:weight_gradient", "SOUTH", 1, 0): 60 * BITS,
        ("layer1:weight_gradient", "EAST", 0, 1): 30 * BITS,
    }
    assert carried(priced.program, other) == found


def test_partial_sums_pass_from_part_to_part() -> None:
    """Three parts whose first tile is one hop from the edge: out of the last two, into the first two."""
    program = program_of([Layer(30, 60), Layer(60, 360)])
    parts = cut_into(np.array([1, 3]))
    tree = changed(CHIPS, mesh__side=4)
    priced = estimate(program, [tree], [4])
    data = data_of_parts(program, weight_data(program, tree, priced.mapping, 4), parts)
    assert parts.number(np.array([1, 1, 1]), np.arange(3)).tolist() == [1, 2, 3]
    assert data.leaves.target.tolist() == [2, 3]
    assert data.arrivals.target.tolist() == [1, 2]
    sums = np.full(2, 60.0 * SUM_BITS)
    assert data.leaves.bits == close(sums)
    assert data.arrivals.bits == close(sums)
    assert not data.leaves.to_columns.any()
    gradient = program.names.index("layer1:input_gradient")
    assert data.leaving.tolist() == data.arriving.tolist() == [gradient] * 2


@st.composite
def cuts(draw: st.DrawFn) -> tuple[Program, WeightData, np.ndarray]:
    """The data of a chain of layers, and in how many parts each of its matrices is."""
    sizes = draw(st.lists(st.integers(10, 90), min_size=3, max_size=6))
    layers = [Layer(a, b, 3) for a, b in itertools.pairwise(sizes)]
    program = program_of(layers)
    tree = changed(CHIPS, mesh__side=12)
    priced = estimate(program, [tree], [4])
    count = draw(st.lists(st.integers(1, 4), min_size=len(layers), max_size=len(layers)))
    return program, weight_data(program, tree, priced.mapping, 4), np.array(count)


def naive_transfers(
    program: Program, moved: Transfers, giver: np.ndarray, count: np.ndarray
) -> dict[tuple[int, int, int, int], float]:
    """Bits from part to part, by intervals of what is given in order and taken in order."""
    found: dict[tuple[int, int, int, int], float] = {}
    for e in range(moved.bits.size):
        source, target = int(moved.source[e]), int(moved.target[e])
        whole = moved.from_rows[e] and program.kind[giver[e]] is TaskKind.INPUT_GRADIENT
        given = 1 if whole else int(count[source])
        for i in range(given):
            for j in range(int(count[target])):
                low, high = i / given, (i + 1) / given
                if moved.to_columns[e]:
                    low = max(low, j / count[target])
                    high = min(high, (j + 1) / count[target])
                if high - low > 1e-9:
                    key = (e, i, j, source)
                    found[key] = float(moved.bits[e]) * (high - low)
    return found


@settings(max_examples=40)
@given(case=cuts())
def test_parts_exchange_what_whole_matrices_do(
    case: tuple[Program, WeightData, np.ndarray],
) -> None:
    """Transfers against a loop over parts; sums of shares are the whole, full inputs one for each."""
    program, data, count = case
    parts = cut_into(count)
    found = data_of_parts(program, data, parts)
    expected = naive_transfers(program, data.transfers, data.giver, count)
    moved = found.transfers
    got = sorted(
        (
            int(found.giver[n]),
            int(found.taker[n]),
            int(parts.matrix[moved.source[n]]),
            int(parts.rank[moved.source[n]]),
            int(parts.rank[moved.target[n]]),
            round(float(moved.bits[n]), 3),
        )
        for n in range(moved.bits.size)
    )
    assert got == sorted(
        (int(data.giver[e]), int(data.taker[e]), source, i, j, round(bits, 3))
        for (e, i, j, source), bits in expected.items()
    )
    tasks = program.size
    for own, whole, columns, bits, plain in (
        (found.enters, data.enters, data.entries.to_columns, found.entries.bits, data.entries.bits),
        (
            found.summing,
            data.summing,
            ~(data.from_rows & program.of_kind(TaskKind.INPUT_GRADIENT)[data.summing]),
            found.sums,
            data.sums,
        ),
    ):
        target = data.entries.target if whole is data.enters else data.summed
        times = np.where(columns, 1.0, count[target])
        total = np.bincount(own, bits, minlength=tasks)
        assert total == close(np.bincount(whole, plain * times, minlength=tasks))


@settings(max_examples=60)
@given(
    rows=st.integers(1, 6),
    cols=st.integers(1, 9),
    groups=st.integers(1, 3),
    held_in=st.integers(1, 3),
    count=st.integers(2, 5),
    per_tile=st.integers(1, 4),
)
def test_parts_have_all_arrays_and_no_slice_of_a_part_is_empty(
    rows: int, cols: int, groups: int, held_in: int, count: int, per_tile: int
) -> None:
    whole = rows * cols * groups * held_in
    count = min(count, whole)
    one = np.ones(1, dtype=np.int64)
    matrices = MeshMatrices(
        0 * one, one * float(whole), one * 1.0, one * rows, one * cols, one * groups, np.zeros(1)
    )
    parts = parts_of(matrices, cut_into(np.array([count])))
    if count == 1:
        assert parts.arrays.tolist() == [whole]
        assert [int(side[0]) for side in parts.grids] == [rows, cols, groups]
        return
    assert parts.arrays.sum() == whole
    assert parts.arrays.max() - parts.arrays.min() <= 1
    assert parts.groups.tolist() == [1] * count
    layout = lay_out(parts.arrays, parts.copies, per_tile, 10_000)
    side = int(np.ceil(np.sqrt(layout.slots)))
    placement = TilePlacement(side, np.arange(layout.slots), 0.0, 0.0)
    slices = Slices(layout, placement, *parts.grids)
    for part in range(count):
        for way, lines in ((0, parts.rows), (1, parts.cols)):
            every = np.arange(int(lines[part]))
            number = slices.of(np.full(every.size, part), np.full(every.size, way), every)
            index, tile = slices.leaves(number)
            assert np.unique(index).tolist() == every.tolist()
            own = layout.piece_slot[layout.piece_copy == part]
            assert set(tile.tolist()) <= set(own.tolist())


def test_words_of_transfers_stay_within_a_part() -> None:
    """As many bits times hops on every chip with a part, which are alike."""
    tree = changed(FOUR, algorithm=TikiTakaV2(kind="tiki_taka_v2", reference="zero"))
    priced, found = routed([Layer(30, 60), Layer(120, 240), Layer(240, 32)], tree)
    update = priced.program.names.index("layer1:weight_gradient")
    hops = np.array([routes.transfer_bit_hops[update] for routes in found])
    assert priced.costs.chips is not None
    first, count = (
        int(column[0, 1])
        for column in (priced.costs.chips.matrix_first, priced.costs.chips.matrix_count)
    )
    assert count > 1
    assert (hops[first : first + count] > 0).all()
    assert hops.sum() == close(float(hops[first : first + count].sum()))


NEAR = {"mesh__link_bit_per_s": 1e20, "mesh__hop_latency_s": 0.0}


@pytest.mark.parametrize("samples", [1, 3])
@pytest.mark.parametrize(
    ("tree", "layers"),
    [(FOUR, CUT), (FOUR, [Layer(300, 300), Layer(60, 60)]), (CHIPS, [Layer(300, 300)])],
    ids=["columns", "between columns", "alone"],
)
def test_both_fidelities_agree_where_nothing_contends(
    tree: Architecture, layers: list[Layer], samples: int
) -> None:
    """Samples one by one, and links of a mesh that take no time."""
    tree = changed(tree, schedule__mode="sequential", schedule__update="deferred", **NEAR)
    priced = estimate(program_of(layers), [tree], [samples])
    assert priced.costs.chips is not None
    assert (priced.costs.chips.matrix_count > 1).any()
    run = simulate_step(priced, tree)
    rounding = run.schedule.tasks.size * run.tick_s
    assert abs(run.makespan_s - priced.step_latency_s[0]) <= rounding


@settings(max_examples=8)
@given(
    factor=st.floats(1.0, 50.0),
    link=st.sampled_from([1e8, 1e9, 1e10]),
    update=st.sampled_from(["immediate", "deferred"]),
)
def test_faster_links_slow_nothing_in_a_fixed_order(
    factor: float, link: float, update: str
) -> None:
    tree = changed(FOUR, mesh__link_bit_per_s=link, schedule__update=update)
    run = simulate_step(estimate(program_of(CUT), [tree], [4]), tree)
    assert isinstance(run.placed, PlacedChips)
    tasks = run.schedule.tasks
    names = tasks.resources.names
    links = np.array([name.startswith("mesh:chip") for name in names], dtype=bool)
    assert "mesh" not in names
    assert any(name.startswith(CHIP_LINK) for name in names)
    ticks = np.where(
        links[tasks.holds.item], (tasks.hold_ticks / factor).astype(np.int64), tasks.hold_ticks
    )
    after = replay(replace(tasks, hold_ticks=ticks), run.schedule.rank)
    assert (after.finish <= run.schedule.finish).all()
    rounding = tasks.size * run.tick_s
    assert run.makespan_s >= 4 * run.placed.busiest_s - rounding
