"""Cuts into chips and rounds, against all ways of cutting."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from archsim.mapping import DoesNotFit
from archsim.mapping.chips import multi_chip, reprogram
from archsim.mapping.sequence import LayerSequence, crossing_bits, cut_large_layers, repeated

CAPACITY = 10
LINK = 2.0
rows = st.lists(
    st.tuples(st.integers(0, 10), st.floats(0.0, 9.0), st.floats(0.0, 20.0)),
    min_size=1,
    max_size=8,
)


def sequence_of(table: list[tuple[int, float, float]]) -> LayerSequence:
    arrays, load, bits = zip(*table, strict=True)
    return LayerSequence(
        arrays=np.array(arrays),
        load_s=np.array(load),
        weight_bits=3.0 * np.array(arrays),
        crossing_bits=np.array([5.0, *bits]),
    )


def all_cuts(count: int) -> Iterator[tuple[int, ...]]:
    for size in range(count):
        for inner in itertools.combinations(range(1, count), size):
            yield (0, *inner, count)


def fits(sequence: LayerSequence, cuts: tuple[int, ...]) -> bool:
    return all(sequence.arrays[a:b].sum() <= CAPACITY for a, b in itertools.pairwise(cuts))


def slowest(sequence: LayerSequence, cuts: tuple[int, ...]) -> float:
    loads = [float(sequence.load_s[a:b].sum()) for a, b in itertools.pairwise(cuts)]
    return max(loads + [float(sequence.crossing_bits[c]) / LINK for c in cuts[1:-1]])


@given(table=rows, spare=st.integers(0, 3))
def test_the_slowest_stage_is_the_fastest_of_all_ways_of_cutting(
    table: list[tuple[int, float, float]], spare: int
) -> None:
    sequence = sequence_of(table)
    possible = [cuts for cuts in all_cuts(len(table)) if fits(sequence, cuts)]
    fewest = min(len(cuts) - 1 for cuts in possible)
    plan = multi_chip(sequence, CAPACITY, LINK, fewest + spare)
    best = min(slowest(sequence, cuts) for cuts in possible if len(cuts) - 1 <= fewest + spare)
    cuts = tuple(plan.first.tolist())
    assert plan.bottleneck_s == pytest.approx(best, rel=1e-9, abs=1e-12)
    assert plan.bottleneck_s == pytest.approx(slowest(sequence, cuts), rel=1e-9, abs=1e-12)
    assert plan.chips <= fewest + spare
    assert (plan.arrays <= CAPACITY).all()
    assert multi_chip(sequence, CAPACITY, LINK).chips == fewest
    assert plan.cut_bits.tolist() == [sequence.crossing_bits[c] for c in cuts[1:-1]]


def reprogrammed_bits(sequence: LayerSequence, cuts: tuple[int, ...]) -> tuple[float, float]:
    """Written and read back bits of one step, by walking through its rounds."""
    order = list(range(len(cuts) - 1))
    held, changed = 0, {0}  # what the step before has left: the first round, with its updates
    written = read = 0.0
    for number in order + order[::-1]:
        weights = [float(sequence.weight_bits[a:b].sum()) for a, b in itertools.pairwise(cuts)]
        if number != held:
            if held in changed:
                read += weights[held]
                changed.discard(held)
            written += weights[number]
            held = number
        if number == order[-1] or written > sum(weights[1:]):
            changed.add(number)
    return written, read


@given(table=rows)
def test_rounds_are_as_few_as_can_be_and_write_least(
    table: list[tuple[int, float, float]],
) -> None:
    sequence = sequence_of(table)
    assume(sequence.arrays.min() > 0)
    possible = [cuts for cuts in all_cuts(len(table)) if fits(sequence, cuts)]
    plan = reprogram(sequence, CAPACITY)
    cuts = tuple(plan.first.tolist())
    assert cuts in possible
    assert plan.rounds == min(len(c) - 1 for c in possible)
    written, _ = reprogrammed_bits(sequence, cuts)
    assert plan.written_bits == pytest.approx(written)
    assert plan.written_bits == pytest.approx(
        min(reprogrammed_bits(sequence, c)[0] for c in possible)
    )
    several = plan.rounds > 1
    assert plan.read_back_bits == pytest.approx(sequence.weight_bits.sum() if several else 0.0)


@given(sizes=st.lists(st.integers(1, 60), min_size=1, max_size=6), capacity=st.integers(1, 25))
def test_cutting_large_layers_keeps_arrays_load_and_weights(
    sizes: list[int], capacity: int
) -> None:
    sequence = sequence_of([(size, 1.0 + size, 2.0 * size) for size in sizes])
    pieces = cut_large_layers(sequence, capacity)
    held = pieces.sequence
    assert held.arrays.max() <= capacity
    for whole, part in (
        (sequence.arrays, held.arrays),
        (sequence.load_s, held.load_s),
        (sequence.weight_bits, held.weight_bits),
    ):
        assert np.bincount(pieces.layer, weights=part) == pytest.approx(whole)
    assert np.bincount(pieces.layer).tolist() == [-(-size // capacity) for size in sizes]
    firsts = np.flatnonzero(np.diff(pieces.layer, prepend=-1))
    assert held.crossing_bits[firsts].tolist() == sequence.crossing_bits[:-1].tolist()
    assert held.crossing_bits[-1] == sequence.crossing_bits[-1]


@given(
    table=st.lists(
        st.tuples(st.integers(-1, 6), st.integers(-1, 6), st.integers(1, 9)), max_size=10
    )
)
def test_a_transfer_passes_every_cut_between_its_ends(table: list[tuple[int, int, int]]) -> None:
    source, target, bits = np.array(table, dtype=np.int64).reshape(-1, 3).T
    expected = [sum(b for s, t, b in table if min(s, t) < cut <= max(s, t)) for cut in range(8)]
    assert crossing_bits(7, source, target, bits.astype(float)).tolist() == expected


def test_too_few_chips_are_refused_with_both_numbers() -> None:
    with pytest.raises(DoesNotFit, match=r"needs 3 chips of 10 arrays, but 2 are allowed") as e:
        multi_chip(sequence_of([(10, 1.0, 1.0)] * 3), 10, LINK, 2)
    assert "mesh.side" in e.value.remedy


def test_a_chip_without_arrays_is_refused() -> None:
    for cut in (lambda s: multi_chip(s, 0, LINK), lambda s: reprogram(s, 0)):
        with pytest.raises(DoesNotFit, match="without arrays"):
            cut(sequence_of([(1, 1.0, 1.0)]))


def test_a_network_that_fits_is_one_chip_and_one_round_and_nothing_is_written() -> None:
    sequence = sequence_of([(3, 2.0, 50.0), (7, 1.0, 50.0)])
    plan, rounds = multi_chip(sequence, 10, LINK), reprogram(sequence, 10)
    assert (plan.chips, plan.bottleneck_s, plan.cut_bits.size) == (1, 3.0, 0)
    assert (rounds.rounds, rounds.written_bits, rounds.read_back_bits) == (1, 0.0, 0.0)


def test_no_layers_take_no_chip() -> None:
    none = LayerSequence(np.zeros(0, dtype=np.int64), np.zeros(0), np.zeros(0), np.zeros(1))
    assert multi_chip(none, 5, LINK).chips == 0
    assert reprogram(none, 5).rounds == 0


def large_model(blocks: int) -> LayerSequence:
    """Equal blocks of four matrices of 12,288 channels on arrays of 256 x 128 weights."""
    block = LayerSequence(
        arrays=np.array([13_824, 4_608, 18_432, 18_432]),
        load_s=np.array([3.0, 1.0, 4.0, 4.0]),
        weight_bits=8.0 * np.array([13_824, 4_608, 18_432, 18_432]) * 256 * 128,
        crossing_bits=np.array([2.0, 6.0, 4.0, 8.0, 2.0]),
    )
    none = LayerSequence(np.zeros(0, dtype=np.int64), np.zeros(0), np.zeros(0), np.zeros(1))
    return repeated(none, block, blocks, none)


def test_equal_blocks_make_few_kinds_of_chips() -> None:
    """One matrix of a quarter block fills a chip, so that each block is cut in the same way."""
    plan = multi_chip(large_model(96), 4_624, 1.0)
    assert plan.chips == 96 * 12
    assert plan.kind.max() + 1 <= 12
    for kind in range(int(plan.kind.max()) + 1):
        same = np.flatnonzero(plan.kind == kind)
        assert np.ptp(plan.arrays[same]) == 0
        assert np.ptp(plan.load_s[same]) == pytest.approx(0.0, abs=1e-9)


def test_ten_thousand_chips_are_cut_in_well_under_a_second() -> None:
    started = time.process_time()
    plan = multi_chip(large_model(900), 4_624, 1.0, 12_000)
    assert plan.chips >= 900 * 12
    assert time.process_time() - started < 1.0
