"""Small matrices share arrays, and the network takes several chips or rounds of writing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.architecture import Architecture
from archsim.mapping.packing import units
from archsim.mapping.rounds import arrays_at_once
from archsim.simulation.cycle.reference import simulate
from archsim.simulation.cycle.run import simulate_step
from archsim.simulation.estimate import Estimate, estimate
from tests.closeness import close
from tests.networks import Layer
from tests.simulation import test_rounds_of_writing, test_several_chips
from tests.simulation.architectures import changed
from tests.simulation.test_laws import program_of

# Four arrays of 64 x 64 to a chip, or to a round.
CHIPS = changed(test_several_chips.SMALL, mapping__packing="shared_arrays")
ROUNDS = changed(
    test_rounds_of_writing.SMALL,
    mapping__packing="shared_arrays",
    mapping__replication="none",
)
# Small matrices, of which four and more share an array, between those that take one or two.
SMALL_ONES = [Layer(16, 8), Layer(8, 8), Layer(8, 8), Layer(8, 64), Layer(64, 64), Layer(64, 16)]
layers = st.lists(
    st.builds(Layer, st.integers(1, 64), st.integers(1, 64), st.integers(1, 10)),
    min_size=1,
    max_size=12,
)
trees = st.builds(
    changed,
    st.sampled_from([CHIPS, ROUNDS]),
    mapping__replication=st.sampled_from(["auto", "none"]),
)


def places(found: Estimate) -> np.ndarray:
    """The chip, or the round, of each matrix, [M]; nothing is cut."""
    if found.mapping.round_of is not None:
        return np.asarray(found.mapping.round_of[0])
    if found.costs.chips is None:
        return np.zeros(found.mapping.copies.shape[1], dtype=np.intp)
    assert (found.costs.chips.matrix_count == 1).all()
    return np.asarray(found.costs.chips.matrix_first[0])


@given(layers=layers, tree=trees)
@settings(max_examples=25)
def test_matrices_that_share_an_array_are_in_one_place_and_all_places_have_room(
    layers: list[Layer], tree: Architecture
) -> None:
    found = estimate(program_of(layers), [tree], [3])
    mapping = found.mapping
    assert found.fits.all()
    assert mapping.array_of is not None
    place = places(found)
    assert (place == place[mapping.array_of[0]]).all()
    assert (np.diff(place) >= 0).all()
    held = arrays_at_once(mapping.arrays, place[None])
    assert held[0] <= 4
    assert set(place.tolist()) <= set(range(int(max(place.max() + 1, mapping.chips[0]))))


@given(
    array_of=st.lists(st.integers(0, 11), min_size=1, max_size=12),
)
def test_units_are_cut_wherever_no_array_reaches_across(array_of: list[int]) -> None:
    """By the definition: a cut before m is free if no pair of matrices on both sides shares."""
    first = np.minimum(np.array(array_of), np.arange(len(array_of)))
    found = units(first)
    cuts = [
        m for m in range(1, len(array_of)) if not any(first[k] < m for k in range(m, len(array_of)))
    ]
    assert found.tolist() == [sum(cut <= m for cut in cuts) for m in range(len(array_of))]


@pytest.mark.parametrize("base", [CHIPS, ROUNDS])
def test_sharing_takes_fewer_chips_or_rounds(base: Architecture) -> None:
    program = program_of(SMALL_ONES * 3)

    def taken(tree: Architecture) -> int:
        found = estimate(program, [tree], [3])
        return int(places(found).max()) + 1

    assert taken(base) < taken(changed(base, mapping__packing="none"))


def test_arrays_that_are_shared_are_written_one_matrix_after_the_other() -> None:
    """Rows of those that share an array add up, and of those that do not the most counts."""
    # Two matrices share the first array; the next two fill two arrays each.
    program = program_of([Layer(16, 16), Layer(16, 16), Layer(16, 64), Layer(64, 64)])
    tree = changed(ROUNDS, tile__arrays=3)
    found = estimate(program, [tree], [3])
    assert found.mapping.array_of is not None
    assert found.mapping.array_of.tolist() == [[0, 0, 2, 3]]
    assert found.mapping.round_of is not None
    assert found.mapping.round_of.tolist() == [[0, 0, 0, 1]]
    rows = {0: 32.0, 1: 64.0}
    write, read = (
        test_rounds_of_writing.row_write(tree, found.mapping.place, pulses, 1.0)
        for pulses in (tree.programming.pulses / tree.programming.passes, 0.0)
    )
    write_s = tree.programming.passes * float(np.asarray(write.seconds)[0, 0])
    read_s = float(np.asarray(read.seconds)[0, 0])
    expected = sum(
        rows[leaving] * read_s + rows[coming] * write_s for leaving, coming in ((0, 1), (1, 0))
    )
    assert found.timeline.writing_s.sum() == close(expected)


@pytest.mark.parametrize("base", [CHIPS, ROUNDS])
def test_the_cycle_fidelity_lets_them_take_turns(base: Architecture) -> None:
    """One sample at a time: no sooner than by analysis, which counts the same turns without queues."""
    program = program_of(SMALL_ONES * 2)
    tree = changed(base, schedule__mode="sequential", schedule__update="deferred")
    found = estimate(program, [tree], [3])
    run = simulate_step(found, tree)
    rounding = run.schedule.tasks.size * run.tick_s
    assert run.makespan_s >= found.step_latency_s[0] - rounding
    assert np.array_equal(simulate(run.schedule.tasks).finish, run.schedule.finish)
    assert (run.schedule.utilisation <= 1.0).all()
