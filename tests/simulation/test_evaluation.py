"""Evaluation passes: the forward part of a step, and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.architecture.static_power import static_power
from archsim.simulation.cycle.forward import simulate_forward
from archsim.simulation.cycle.placed import place_on_mesh
from archsim.simulation.estimate import estimate
from archsim.simulation.evaluation import forward_pass
from archsim.workload.training import TaskKind
from tests.closeness import close
from tests.networks import Layer, layer_lists
from tests.simulation.architectures import changed
from tests.simulation.test_laws import PROTONIC, program_of
from tests.simulation.test_several_chips import LINK, SMALL, SYSTEM, with_link

PLAIN = changed(
    PROTONIC,
    mapping__replication="none",
    mapping__grouped="block_diagonal",
    activation_buffer__capacity_bit=1e15,
)
layers = layer_lists(most=4, inputs=300, outputs=300, vectors=40, norm=True)


@given(layers=layers, samples=st.integers(1, 30))
@settings(max_examples=30)
def test_a_pass_is_the_forward_chain_of_a_step_without_barriers(
    layers: list[Layer], samples: int
) -> None:
    """Latency is the sum over the chain, the interval the busiest resource, energy the sum."""
    program = program_of(layers)
    priced = estimate(program, [PLAIN], [samples])
    found = forward_pass(priced, PLAIN)
    assert found is not None
    own = [t for t, kind in enumerate(program.kind) if kind is TaskKind.FORWARD]
    costs = priced.costs
    busy = {name: held[0, own].sum() for name, held in costs.shared_s.items()}
    for task in own:
        if program.matrix[task] >= 0:
            name = f"arrays:{program.matrices.names[program.matrix[task]]}"
            busy[name] = busy.get(name, 0.0) + costs.array_s[0, task]
    latency_s = (costs.main_s + costs.transfer_s)[0, own].sum()
    assert found.interval_s == close(max(busy.values()))
    assert busy[found.bottleneck] == close(found.interval_s)
    assert found.latency_s == close(max(latency_s, found.interval_s))
    static_w = sum(static_power(PLAIN).whole_chip_w(PLAIN.arrays_available).values())
    dynamic_j = sum(energy[0, own].sum() for energy in costs.energy_j.values())
    assert found.energy_j == close(dynamic_j + static_w * found.interval_s)
    assert samples * found.interval_s <= priced.step_latency_s[0] * (1 + 1e-12)


def test_what_spills_in_training_does_not_in_evaluation() -> None:
    """Nothing is saved: a buffer that holds single outputs suffices, though it slows the step down."""
    program = program_of([Layer(200, 200, 40, norm=True), Layer(200, 200, 40, norm=True)])
    tight = changed(PLAIN, activation_buffer__capacity_bit=2e5, dram__bandwidth_bit_per_s=1e9)
    slow, fast = (
        (estimate(program, [tree], [50]), tree)
        for tree in (tight, changed(tight, activation_buffer__capacity_bit=1e15))
    )
    assert slow[0].step_latency_s[0] > 1.5 * fast[0].step_latency_s[0]
    tight_pass, loose_pass = forward_pass(*slow), forward_pass(*fast)
    assert tight_pass is not None
    assert loose_pass is not None
    assert tight_pass.interval_s == close(loose_pass.interval_s)


def test_one_sample_after_the_other_takes_its_latency_each() -> None:
    tree = changed(PLAIN, schedule__mode="sequential")
    found = forward_pass(estimate(program_of([Layer(20, 20), Layer(20, 9)]), [tree], [5]), tree)
    assert found is not None
    assert found.interval_s == pytest.approx(found.latency_s)


# Three layers that fill a chip each, so that their outputs pass two links.
OVER_CHIPS = [Layer(128, 64, 7), Layer(64, 128, 7), Layer(128, 64, 7)]
CROSSING_BITS = (7 * 64 * 16, 7 * 128 * 16)


def test_a_pass_over_chips_sends_outputs_forward_and_nothing_back() -> None:
    """A slow link sets the pace, by the outputs that cross it once; energy by bit, static of all chips."""
    program = program_of(OVER_CHIPS)
    tree = with_link(SMALL, bandwidth_bit_per_s=1e9)
    priced = estimate(program, [tree], [10])
    assert priced.mapping.chips.tolist() == [3]
    found = forward_pass(priced, tree)
    assert found is not None
    assert found.bottleneck == "chip_link"
    assert found.interval_s == close(max(CROSSING_BITS) / 1e9)
    own = [t for t, kind in enumerate(program.kind) if kind is TaskKind.FORWARD]
    alone = [name for name in priced.costs.energy_j if name != "chip_links"]
    dynamic_j = sum(priced.costs.energy_j[name][0, own].sum() for name in alone)
    dynamic_j += sum(CROSSING_BITS) * LINK.energy_j_per_bit
    chip_w = sum(static_power(tree).whole_chip_w(tree.arrays_available).values())
    static_w = 3 * chip_w + 4 * LINK.static_power_w
    assert found.energy_j == close(dynamic_j + static_w * found.interval_s)
    on_way_s = sum(bits / 1e9 + LINK.latency_s for bits in CROSSING_BITS)
    one_chip = estimate(program, [changed(tree, mesh__side=2)], [10]).costs
    chain_s = (one_chip.main_s + one_chip.transfer_s)[0, own].sum()
    assert found.latency_s >= on_way_s
    assert found.latency_s == pytest.approx(on_way_s + chain_s, rel=0.05)


def test_a_pass_over_chips_is_as_fast_by_both_fidelities() -> None:
    """Without a link that is slow each chip works as if it were alone, on its own mesh."""
    program = program_of(OVER_CHIPS)
    priced = estimate(program, [SMALL], [10])
    closed, found = (
        forward_pass(priced, SMALL),
        simulate_forward(priced, SMALL, place_on_mesh(priced, SMALL)),
    )
    assert closed is not None
    assert found is not None
    assert found.interval_s == pytest.approx(closed.interval_s, rel=1e-6)
    assert found.latency_s == pytest.approx(closed.latency_s, rel=0.05)
    assert found.energy_j == pytest.approx(closed.energy_j, rel=0.05)


def test_one_chip_of_a_system_passes_as_it_does_without_the_others() -> None:
    program = program_of([Layer(100, 60, 9), Layer(60, 30, 9)])
    several = changed(PLAIN, mapping__overflow="multi_chip", system=SYSTEM)
    passes = [forward_pass(estimate(program, [t], [5]), t) for t in (PLAIN, several)]
    assert passes[0] is not None
    assert passes[0] == passes[1]


@pytest.mark.parametrize("cycle", [False, True])
def test_matrices_that_share_an_array_take_turns_in_a_pass(cycle: bool) -> None:
    """Packed layers are read one after the other, so the pace is that of all of them."""
    program = program_of([Layer(30, 30, 50), Layer(30, 30, 40), Layer(30, 30, 30)])
    found = []
    for packing in ("none", "shared_arrays"):
        tree = changed(PLAIN, mapping__packing=packing, vector_unit__units=1e4)
        priced = estimate(program, [tree], [5])
        passed = simulate_forward(priced, tree, None) if cycle else forward_pass(priced, tree)
        assert passed is not None
        found.append(passed)
    alone, packed = found
    assert priced.mapping.array_of is not None
    assert alone.bottleneck == packed.bottleneck == "arrays:w0"
    assert packed.interval_s == close(alone.interval_s * (50 + 40 + 30) / 50)


def test_arrays_that_are_written_anew_have_no_pass_of_their_own() -> None:
    tree = changed(SMALL, mapping__overflow="reprogram", system=None)
    priced = estimate(program_of(OVER_CHIPS), [tree], [10])
    assert forward_pass(priced, tree) is None
    assert simulate_forward(priced, tree, None) is None
