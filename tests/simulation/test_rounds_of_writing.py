"""Arrays that are written anew within a step: order of the rounds, time, energy, wear."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from archsim.architecture import Architecture
from archsim.fields import NotStackable
from archsim.mapping import DoesNotFit, check_fit
from archsim.mapping.rounds import ALWAYS, NOWHERE, arrays_at_once, rounds_of
from archsim.mapping.row_write import row_write
from archsim.result.latency import WRITING, attribute
from archsim.simulation.estimate import estimate
from archsim.simulation.rounds import phases_of, times_written
from archsim.workload.training import TaskKind
from tests.closeness import close
from tests.networks import Layer
from tests.simulation.architectures import changed
from tests.simulation.test_laws import PROTONIC, architectures, batches, program_of
from tests.simulation.test_laws import layers as any_layers

# Four arrays in all.
SMALL = changed(
    PROTONIC,
    array__rows=64,
    array__cols=64,
    tile__arrays=4,
    mesh__side=1,
    mapping__overflow="reprogram",
    mapping__grouped="block_diagonal",
)
# Each layer takes two arrays, so that two of them are a round.
PAIRS = [Layer(64, 64, 3)] * 6


@settings(max_examples=12)
@given(layers=any_layers, architecture=architectures, batch=batches)
def test_a_network_that_fits_costs_what_it_costs_anyway(
    layers: list[Layer], architecture: Architecture, batch: int
) -> None:
    program = program_of(layers)
    plain = estimate(program, [architecture], [batch])
    assume(plain.fits.all())
    found = estimate(program, [changed(architecture, mapping__overflow="reprogram")], [batch])
    for name in ("step_latency_s", "step_energy_j", "pulses_per_step"):
        got, expected = getattr(found, name).tolist(), getattr(plain, name).tolist()
        # Sums over rows of another number may differ in the last bit.
        assert got[0] == close(expected[0], rel=1e-12), name


@settings(max_examples=60)
@given(
    sizes=st.lists(st.integers(0, 9), min_size=1, max_size=9),
    shared=st.lists(st.booleans(), min_size=9, max_size=9),
    room=st.integers(1, 20),
)
def test_every_round_fits_and_rounds_follow_the_network(
    sizes: list[int], shared: list[bool], room: int
) -> None:
    arrays = np.array(sizes, dtype=np.float64)
    uses = np.where(shared[: len(sizes)], 2.0, 1.0)
    found = rounds_of(arrays, uses, float(room))
    if (found == NOWHERE).any():
        stays = arrays[(uses > 1)].sum()
        assert stays + arrays[uses == 1].max(initial=1.0) > room
        return
    assert arrays_at_once(arrays[None], found[None])[0] <= room
    turns = found[found != ALWAYS]
    assert (np.diff(turns) >= 0).all()
    assert set(turns.tolist()) == set(range(int(turns.max(initial=0)) + 1)) or not turns.size


def test_a_step_goes_forward_through_the_rounds_and_back_again() -> None:
    program = program_of(PAIRS)
    found = estimate(program, [SMALL], [5])
    assert found.fits.all()
    assert found.mapping.round_of is not None
    assert found.mapping.round_of.tolist() == [[0, 0, 1, 1, 2, 2]]
    assert found.mapping.arrays_used.tolist() == [4.0]
    phase = phases_of(program, found.mapping)
    assert phase is not None
    matrix, kind = program.matrix, program.kind
    for task in range(program.size):
        if matrix[task] < 0 or kind[task] is None:
            continue
        turn = int(found.mapping.round_of[0, matrix[task]])
        assert phase[task] == (turn if kind[task] is TaskKind.FORWARD else 4 - turn)
    segment = found.timeline.segments.segment
    for source, target in zip(program.edge_from, program.edge_to, strict=True):
        assert segment[source] <= segment[target] or program.per_step[source]


def test_time_and_energy_are_those_of_all_writes_and_reads() -> None:
    """By a walk through the step: what is on the arrays, what was updated, what comes next."""
    program = program_of(PAIRS)
    found = estimate(program, [SMALL], [5])
    place, scheme = found.mapping.place, SMALL.programming
    write = row_write(SMALL, place, scheme.pulses / scheme.passes, 1.0)
    read = row_write(SMALL, place, 0.0, 1.0)
    rows, weights = 64.0, 64 * 64
    writing_s = spent_j = 0.0
    bits = 0.0
    held, updated = 0, {0}  # the step before has ended with the first round, and updated it
    for step, turn in enumerate((0, 1, 2, 1, 0)):
        if turn != held:
            both = 2 * weights * 32.0
            moved = both
            seconds = scheme.passes * rows * np.asarray(write.seconds)[0, 0]
            if held in updated:
                seconds += rows * np.asarray(read.seconds)[0, 0]
                spent_j += (
                    2 * rows * sum(float(np.asarray(e)[0, 0]) for e in read.energy_j.values())
                )
                moved += both
                updated.discard(held)
            each_j = sum(float(np.asarray(e)[0, 0]) for e in write.energy_j.values())
            spent_j += 2 * scheme.passes * rows * each_j
            writing_s += max(seconds, moved / SMALL.dram.bandwidth_bit_per_s)
            bits += moved
            held = turn
        if step >= 2:  # from the last round on, the backward pass
            updated.add(turn)
    assert found.timeline.writing_s.sum() == close(writing_s)
    split = attribute(found)
    assert split.by_limit_s[WRITING] == close(writing_s)
    assert sum(split.by_limit_s.values()) == close(found.step_latency_s[0])
    assert sum(split.by_phase_s.values()) == close(found.step_latency_s[0])
    columns = slice(program.size - 6, program.size)
    at_matrices = sum(float(e[0, columns].sum()) for e in found.costs.energy_j.values())
    assert at_matrices == close(spent_j + bits * SMALL.dram.energy_j_per_bit)


def test_devices_wear_by_what_is_written() -> None:
    program = program_of(PAIRS)
    found = estimate(program, [SMALL], [5])
    roomy = estimate(program, [changed(SMALL, mesh__side=8, mapping__replication="none")], [5])
    assert times_written(program, np.array([0, 0, 1, 1, 2, 2])).tolist() == [1, 1, 2, 2, 1, 1]
    anew = found.pulses_per_step[0] - roomy.pulses_per_step[0]
    assert anew.tolist() == close([250.0 * n for n in (1, 1, 2, 2, 1, 1)])


def test_a_matrix_that_no_round_holds_is_refused() -> None:
    program = program_of([Layer(64, 64, 3), Layer(64, 500, 3)])
    found = estimate(program, [SMALL], [5])
    assert not found.fits.any()
    with pytest.raises(DoesNotFit, match="'w1' alone needs 16 arrays, and the chip has 4") as no:
        check_fit(SMALL, program.matrices, found.mapping)
    assert "multi_chip" in (no.value.remedy or "")


def test_configurations_with_rounds_of_their_own_are_not_priced_together() -> None:
    with pytest.raises(NotStackable):
        estimate(program_of(PAIRS), [SMALL, changed(SMALL, mesh__side=8)], [5, 5])
