"""Laws of the cost of update algorithms, over all of them and random networks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.algorithm.operations import Operations, Pulsed, Role, RoleArray, Unit, Work
from archsim.architecture import Architecture
from archsim.architecture.weight_arrays import arrays_per_weight, structure, weight_arrays
from archsim.config.loading import load
from archsim.fields import Component, signature
from archsim.resources import data_folder
from archsim.simulation.algorithm_state import STATE, STATE_IN_DRAM
from archsim.simulation.cycle.run import simulate_step
from archsim.simulation.estimate import Estimate, estimate
from archsim.simulation.program import Program, lower
from archsim.workload.training import TaskKind, TrainingOptions, training_graph
from tests.algorithms import KINDS, OTHERS, algorithm
from tests.closeness import close
from tests.networks import Layer, chain, layer_lists
from tests.simulation.architectures import changed

PROTONIC = load("protonic_256", Architecture, data_folder("arch_configs")).value
# No copies, nothing on the matrix unit, room for every array: what is left is the algorithm.
FIXED = changed(
    PROTONIC, mapping__replication="none", mapping__grouped="block_diagonal", mesh__side=64
)
BUFFERED = ("tiki_taka_v2", "chopped_tiki_taka_v2", "agad")
EVERY = {"one_sided": "refresh_every"}


def chip(kind: str, base: Architecture = FIXED, **fields: Any) -> Architecture:
    return changed(base, algorithm=algorithm(kind, **fields))


def program_of(layers: list[Layer]) -> Program:
    return lower(training_graph(chain(layers), TrainingOptions(loss="mse")))


def by_component(priced: Estimate) -> dict[str, float]:
    repeats = np.where(priced.program.per_step, 1.0, priced.batch[0])
    return {name: float((e[0] * repeats).sum()) for name, e in priced.costs.energy_j.items()}


layers = layer_lists(most=3, inputs=600, outputs=600, vectors=60, blocks=(1, 1, 1, 3))
batches = st.integers(1, 40)
kinds = st.sampled_from(OTHERS)
modes = st.builds(
    changed,
    st.just(FIXED),
    schedule__mode=st.sampled_from(["pipelined", "sequential"]),
    schedule__update=st.sampled_from(["immediate", "deferred"]),
    mapping__replication=st.sampled_from(["auto", "none"]),
    mapping__sync=st.sampled_from(["average", "broadcast"]),
    array__encoding=st.sampled_from(["differential", "reference"]),
)


@settings(max_examples=30)
@given(layers=layers, batch=batches, kind=kinds, base=modes)
def test_energy_is_what_tasks_spend_plus_static_power_times_time(
    layers: list[Layer], batch: int, kind: str, base: Architecture
) -> None:
    priced = estimate(program_of(layers), [chip(kind, base)], [batch])
    assert all((energy >= 0).all() for energy in priced.costs.energy_j.values())
    static = sum(power[0] for power in priced.static_power_w.values())
    total = sum(by_component(priced).values()) + static * priced.step_latency_s[0]
    assert priced.step_energy_j[0] == close(total, rel=1e-9)
    step = priced.step_latency_s[0] * (1 + 1e-12)
    assert step >= priced.timeline.resource_s[0].max()


@settings(max_examples=30)
@given(layers=layers, batch=batches, kind=kinds)
def test_arrays_are_those_of_the_plain_algorithm_times_arrays_per_weight(
    layers: list[Layer], batch: int, kind: str
) -> None:
    tree, program = chip(kind), program_of(layers)
    plain = estimate(program, [chip("sgd")], [batch]).mapping.arrays_used[0]
    found = estimate(program, [tree], [batch]).mapping.arrays_used[0]
    assert found == plain * arrays_per_weight(tree)


def test_pairs_pulsed_by_sign_are_the_two_columns_of_differential_weights() -> None:
    """One array holds both devices; with a shared reference column two arrays are needed."""
    pairs = chip("one_sided")
    assert [a.role for a in weight_arrays(pairs)] == [Role.WEIGHT]
    apart = changed(pairs, array__encoding="reference")
    assert [a.role for a in weight_arrays(apart)] == [Role.UP, Role.DOWN]


@settings(max_examples=30)
@given(layers=layers, batch=batches, kind=kinds)
def test_traffic_of_the_state_is_the_words_that_the_algorithm_states(
    layers: list[Layer], batch: int, kind: str
) -> None:
    """Energy of the state equals words, counted array by array in a plain loop, times a bit's."""
    program, tree = program_of(layers), chip(kind)
    priced = estimate(program, [tree], [batch])
    words = 0.0
    for layer in layers:
        for lines, arrays in strips_of(layer, tree):
            asked = tree.algorithm.operations(float(lines), float(layer.outputs))
            transfers = asked.transfers_per_minibatch(layer.vectors * batch)
            words += arrays * asked.per_transfer.words_moved * transfers
        whole = tree.algorithm.operations(float(layer.inputs), float(layer.outputs))
        each = whole.per_vector.words_moved * layer.vectors * layer.blocks
        words += batch * each
    buffer = tree.activation_buffer
    per_bit = 0.5 * (buffer.read_energy_j_per_bit + buffer.write_energy_j_per_bit)
    away = priced.state.off_chip_share[0]
    per_bit = (1 - away) * per_bit + away * tree.dram.energy_j_per_bit
    spent = by_component(priced)
    moved = spent.get(STATE, 0.0) + spent.get(STATE_IN_DRAM, 0.0)
    assert moved == close(words * tree.numbers.parameter_bits * per_bit, rel=1e-9)


def strips_of(layer: Layer, tree: Architecture) -> list[tuple[int, int]]:
    """Lines of every strip of arrays of a layer, and how many strips have so many."""
    rows, cols = int(tree.array.rows), int(tree.array.weight_columns)
    together = max(1, min(rows // layer.inputs, cols // layer.outputs, layer.blocks))
    if together > 1:
        full, rest = divmod(layer.blocks, together)
        return [(layer.inputs * together, full), (layer.inputs * rest, 1 if rest else 0)]
    full, rest = divmod(layer.inputs, rows)
    return [(rows, full * layer.blocks), (rest, layer.blocks if rest else 0)]


@settings(max_examples=30)
@given(
    inputs=st.integers(1, 256),
    outputs=st.integers(1, 128),
    vectors=st.integers(1, 50),
    kind=st.sampled_from(BUFFERED),
    every=st.integers(1, 50),
)
def test_a_transfer_of_one_array_is_a_one_hot_read_and_a_sparse_write(
    inputs: int, outputs: int, vectors: int, kind: str, every: int
) -> None:
    """Time and energy of the transfers of a layer on one array, from the formulas alone."""
    tree = chip(kind, transfer_every=every)
    priced = estimate(program_of([Layer(inputs, outputs, vectors)]), [tree], [1])
    transfers = vectors / every
    read_s = 2**7 * 0.625e-9
    adcs = int(np.ceil(128 / 16))
    interval = max(read_s, np.ceil(outputs / adcs) * 5e-9)
    # Pulses of a device of the slow array per write, and the chance that a line needs one at all.
    pulses = min(tree.algorithm.written_pulses_per_sample * inputs / transfers, 1.0)
    written = 1 - (1 - pulses) ** outputs
    write_s = 2 * 1 * (5e-9 + 1e-9) + 10e-9
    update = priced.program.select(TaskKind.WEIGHT_GRADIENT)
    plain = estimate(priced.program, [chip("sgd")], [1]).costs.array_s[0, update].sum()
    found = priced.costs.array_s[0, update].sum()
    assert found - plain == close(transfers * (interval + written * write_s), rel=1e-6)
    spent = by_component(priced)
    # A tenth of a converter's energy is leakage, which flows whether it converts or not.
    conversion_j = 0.9 * tree.adc.conversion_energy_j()
    assert spent["transfer_adc"] == close(transfers * outputs * conversion_j, rel=1e-9)
    referenced = 2 if kind == "tiki_taka_v2" else 1
    devices = 2 * outputs * 0.1**2 * tree.device.conductance_mean_siemens * read_s
    assert spent["transfer_array_devices"] == close(referenced * transfers * devices, rel=1e-6)
    line_j = 256 * (0.2e-9 * 0.2e-6 + tree.device.gate_capacitance_f) * 0.1**2
    assert spent["transfer_array_lines"] == close(referenced * transfers * line_j, rel=1e-2)


@pytest.mark.parametrize("kind", OTHERS)
@settings(max_examples=10)
@given(layers=layers, batch=batches, every=st.integers(1, 1000))
def test_fewer_transfers_never_take_more_time_or_energy(
    kind: str, layers: list[Layer], batch: int, every: int
) -> None:
    name = EVERY.get(kind, "transfer_every")
    program = program_of(layers)
    often = estimate(program, [chip(kind, **{name: every})], [batch])
    seldom = estimate(program, [chip(kind, **{name: 2 * every})], [batch])
    assert seldom.step_latency_s[0] <= often.step_latency_s[0] * (1 + 1e-9)
    assert seldom.step_energy_j[0] <= often.step_energy_j[0] * (1 + 1e-9)


@pytest.mark.parametrize("kind", ["tiki_taka", *BUFFERED])
@settings(max_examples=10)
@given(layers=layers, batch=batches)
def test_without_transfers_a_step_is_plain_descent_on_more_arrays(
    kind: str, layers: list[Layer], batch: int
) -> None:
    """As transfers become rare, what remains is the reads of one array and updates of another."""
    program = program_of(layers)
    rare = estimate(program, [chip(kind, transfer_every=1e9, transfer_unit="minibatch")], [batch])
    plain = estimate(program, [chip("sgd")], [batch])
    assert rare.step_latency_s[0] == close(plain.step_latency_s[0], rel=1e-6)
    assert rare.dynamic_energy_j[0] == close(plain.dynamic_energy_j[0], rel=1e-5)


@settings(max_examples=30)
@given(layers=layers, batch=batches)
def test_reading_two_arrays_doubles_what_arrays_spend(layers: list[Layer], batch: int) -> None:
    """W = share * A + C: conversions and devices double, and converters are shared in time."""
    program = program_of(layers)
    one = by_component(estimate(program, [chip("tiki_taka", fast_share=0.0)], [batch]))
    two = by_component(estimate(program, [chip("tiki_taka", fast_share=0.5)], [batch]))
    for component in ("adc", "array_devices", "array_lines", "input_drivers"):
        assert two[component] == close(2 * one[component], rel=1e-9)
    assert two["update_lines"] == one["update_lines"]


@settings(max_examples=30)
@given(layers=layers, batch=batches, kind=kinds, base=modes)
def test_configurations_priced_together_equal_each_priced_alone(
    layers: list[Layer], batch: int, kind: str, base: Architecture
) -> None:
    """Numbers of an algorithm are an axis like any other."""
    name, program = EVERY.get(kind, "transfer_every"), program_of(layers)
    trees = [chip(kind, base, **{name: every}) for every in (1, 7, 300)]
    assert len({signature(tree) for tree in trees}) == 1
    together = estimate(program, trees, [batch] * 3)
    for i, tree in enumerate(trees):
        alone = estimate(program, [tree], [batch])
        assert together.step_latency_s[i] == close(alone.step_latency_s[0], rel=1e-12)
        assert together.step_energy_j[i] == close(alone.step_energy_j[0], rel=1e-12)
        assert together.state.bits[i] == close(alone.state.bits[0], rel=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_both_fidelities_agree_where_nothing_contends(kind: str) -> None:
    """Sample after sample on a mesh without delay: the cycle fidelity takes the analytic time."""
    quick = changed(
        FIXED, schedule__mode="sequential", mesh__hop_latency_s=0.0, mesh__link_bit_per_s=1e30
    )
    tree = chip(kind, quick)
    priced = estimate(program_of([Layer(300, 200, 5), Layer(200, 30, 5)]), [tree], [3])
    run = simulate_step(priced, tree)
    assert run.makespan_s == close(float(priced.step_latency_s[0]), rel=1e-4)


@settings(max_examples=30)
@given(layers=layers, batch=batches, kind=kinds, capacity=st.floats(1e3, 1e9))
def test_a_smaller_buffer_sends_more_of_the_state_to_dram(
    layers: list[Layer], batch: int, kind: str, capacity: float
) -> None:
    """State that does not fit costs energy; none of it is lost, and none of it is in two places."""
    program = program_of(layers)
    shares = []
    for bits in (capacity, 4 * capacity):
        tree = changed(chip(kind), activation_buffer__capacity_bit=bits)
        priced = estimate(program, [tree], [batch])
        share = priced.state.off_chip_share[0]
        assert 0 <= share <= 1
        assert priced.state.bits[0] * (1 - share) <= bits * (1 + 1e-12)
        shares.append(share)
    assert shares[1] <= shares[0]


@settings(max_examples=30)
@given(layers=layers, batch=batches)
def test_the_fast_array_takes_the_pulses_and_the_slow_one_few(
    layers: list[Layer], batch: int
) -> None:
    priced = estimate(program_of(layers), [chip("tiki_taka_v2")], [batch])
    plain = estimate(priced.program, [chip("sgd")], [batch])
    pulses = priced.pulses_by_role
    np.testing.assert_allclose(pulses[Role.FAST], plain.pulses_per_step)
    assert (pulses[Role.SLOW] <= 3e-4 * batch * (1 + 1e-9)).all()
    assert (pulses[Role.REFERENCE] == 0).all()
    np.testing.assert_array_equal(priced.pulses_per_step, pulses[Role.FAST])


def test_a_sum_over_a_sample_moves_the_state_once_per_sample() -> None:
    """With one product of matrices per sample chi is read and written R times less often."""
    program = program_of([Layer(100, 50, vectors=20)])
    spent = [
        by_component(estimate(program, [chip("mixed_precision", accumulate=how)], [1]))
        for how in ("vector", "sample")
    ]
    # Beside the outer products, each step reads and writes chi once.
    assert spent[0][STATE] / spent[1][STATE] == close((20 + 1) / (1 + 1), rel=1e-9)
    assert spent[0]["algorithm_digital"] == close(spent[1]["algorithm_digital"], rel=1e-9)


class Written(Component):
    """An algorithm from outside: every vector pair writes a line of the weight, read first."""

    kind: Literal["written_line"]

    def operations(self, inputs: Any, outputs: Any) -> Operations:
        return Operations(
            arrays=(RoleArray(Role.WEIGHT, Pulsed.WRITTEN, read=1),),
            state_words=0.0,
            per_vector=Work(),
            per_transfer=Work(
                line_reads=1.0, conversions=outputs, line_writes=1.0, write_slots=1.0
            ),
            transfer_every=1.0,
            transfer_unit=Unit.VECTOR,
            written_pulses_per_sample=1.0,
        )


def test_an_algorithm_from_outside_is_one_class() -> None:
    """What it states is all that pricing asks; no part of the simulation knows its name."""
    tree = changed(FIXED, algorithm=Written(kind="written_line"))
    priced = estimate(program_of([Layer(64, 64, 3)]), [tree], [4])
    spent = by_component(priced)
    assert spent["transfer_adc"] > 0
    assert spent["transfer_update_lines"] > 0
    assert "update_lines" not in spent
    assert structure(tree).arrays_read == 1


def test_operations_of_a_transfer_scale_with_lines() -> None:
    """Words of the state follow the shape; one line more is one line of words more."""
    for kind in BUFFERED:
        rule = algorithm(kind)
        more, less = rule.operations(9.0, 5.0), rule.operations(8.0, 5.0)
        flags = rule.flags_per_line
        assert more.state_words - less.state_words == rule.words_per_weight * 5.0 + flags
        assert replace(more, state_words=0.0) == replace(less, state_words=0.0)
