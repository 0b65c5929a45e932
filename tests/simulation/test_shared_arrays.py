"""Small matrices that share an array: fewer arrays, one at a time."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.fields import stack
from archsim.hardware.chip import PowerGating
from archsim.mapping.packing import pack, shared_arrays, shares_array, taken_together
from archsim.mapping.partition import partition
from archsim.result.large_system import shared
from archsim.result.latency import attribute
from archsim.simulation.cycle.run import simulate_step
from archsim.simulation.estimate import estimate
from tests.closeness import close
from tests.networks import Layer, layer_lists
from tests.simulation.architectures import changed
from tests.simulation.test_laws import PROTONIC, program_of

PLAIN = changed(
    PROTONIC,
    mapping__replication="none",
    mapping__grouped="block_diagonal",
    schedule__batchnorm="running",
)
PACKED = changed(PLAIN, mapping__packing="shared_arrays")
layers = layer_lists(most=6, inputs=300, outputs=200, vectors=40, blocks=(1, 1, 3))


@settings(max_examples=20)
@given(layers=layers, bias=st.booleans())
def test_packing_takes_as_many_arrays_as_the_packer_says(layers: list[Layer], bias: bool) -> None:
    program = program_of(layers)
    own = changed(PLAIN, array__bias_row=bias)
    alone = estimate(program, [own], [4])
    found = estimate(program, [changed(own, mapping__packing="shared_arrays")], [4])
    place = alone.mapping.place
    height = np.asarray(place.inputs * place.blocks_per_array)[0]
    width = np.asarray(place.outputs * place.blocks_per_array)[0]
    alone_fits = alone.mapping.arrays_per_copy[0] == 1
    packed = pack(height, width, 256, 128, alone_fits)
    saved = float(alone.mapping.arrays_used[0] - found.mapping.arrays_used[0])
    assert saved == packed.arrays_saved
    assert (found.mapping.arrays_used <= alone.mapping.arrays_used).all()


@settings(max_examples=15)
@given(layers=layers, batch=st.integers(1, 40))
def test_matrices_of_one_array_are_one_stage(layers: list[Layer], batch: int) -> None:
    """Per sample the array is busy for the sum of their times, and no step gets shorter by it."""
    program = program_of(layers)
    alone, found = (estimate(program, [chip], [batch]) for chip in (PLAIN, PACKED))
    assert found.mapping.array_of is not None
    matrices = len(layers)
    busy = alone.timeline.resource_s[:, :matrices]
    together = taken_together(found.mapping.array_of, busy)
    assert found.timeline.resource_s[0, :matrices].tolist() == close(together[0].tolist())
    assert found.step_latency_s[0] >= alone.step_latency_s[0] * (1 - 1e-12)
    for name, energy in alone.costs.energy_j.items():
        assert found.costs.energy_j[name].tolist() == energy.tolist()


def test_matrices_of_one_array_never_work_at_the_same_moment_in_the_cycle_fidelity() -> None:
    program = program_of([Layer(40, 30, 20), Layer(30, 40, 20), Layer(40, 30, 20)])
    found = estimate(program, [PACKED], [16])
    assert shared(found) == [["w0", "w1", "w2"]]
    run = simulate_step(found, PACKED)
    names = run.lowered.template.resources.names
    assert next(name for name in names if name.startswith("arrays:")) == "arrays:w0"
    holds = run.lowered.template.holds
    users = {
        int(run.lowered.program_task[t])
        for t, r in zip(holds.row.tolist(), holds.item.tolist(), strict=True)
        if names[r] == "arrays:w0"
    }
    assert {int(program.matrix[t]) for t in users} == {0, 1, 2}
    busy = float(found.timeline.resource_s[0, 0])
    assert run.makespan_s >= busy * (1 - 1e-6)
    assert run.makespan_s == close(found.step_latency_s[0], rel=0.05)


def test_a_network_shares_arrays_only_as_far_as_that_helps() -> None:
    """With copies to choose it takes its own arrays where there are enough, and shares where not."""
    program = program_of([Layer(40, 30, 20), Layer(30, 40, 20), Layer(40, 30, 20)])
    choose = changed(PACKED, mapping__replication="auto")
    plain = changed(PLAIN, mapping__replication="auto")
    found, alone = (estimate(program, [chip], [16]) for chip in (choose, plain))
    assert found.step_latency_s[0] == close(alone.step_latency_s[0])
    assert shared(found) == []
    tiny = {"mesh__side": 1, "tile__arrays": 1}
    assert not estimate(program, [changed(plain, **tiny)], [16]).fits.any()
    small = estimate(program, [changed(choose, **tiny)], [16])
    assert small.fits.all()
    assert small.mapping.arrays_used.tolist() == [1.0]
    assert small.mapping.copies.tolist() == [[1.0, 1.0, 1.0]]


def test_blocks_of_a_grouped_matrix_stay_together() -> None:
    table = [np.array([v]) for v in (9.0, 1.0, 40.0, 0.0)]
    inputs, outputs, blocks, bias = (
        np.append(a, b) for a, b in zip(table, (30, 20, 1, 0), strict=True)
    )
    array = stack([PLAIN]).array
    place = partition(array, inputs, outputs, blocks, bias)
    one = np.ones((1, 2), dtype=bool)
    # 28 blocks of 9 inputs fill the rows of an array: 40 take two, and stay alone.
    assert shared_arrays(array, place, one).tolist() == [[0, 1]]
    few = partition(array, inputs, outputs, np.array([8.0, 1.0]), bias)
    together = shared_arrays(array, few, one)
    assert together.tolist() == [[0, 0]]
    assert shares_array(together).all()


def test_power_gating_keeps_a_shared_array_on_while_any_of_its_matrices_works() -> None:
    program = program_of([Layer(40, 30, 20, norm=True), Layer(30, 40, 20, norm=True)])
    gating = {"retained_share": 0.1, "wake_energy_j": 1e-12, "wake_s": 1e-8}
    chip = changed(PACKED, chip__power_gating=PowerGating(**gating), schedule__batchnorm="batch")
    found = estimate(program, [chip], [8])
    own = estimate(program, [changed(chip, mapping__packing="none")], [8])
    woken = found.static_power_w["power_gating"][0] * found.step_latency_s[0] / 1e-12
    assert woken == close(round(woken), rel=1e-6)
    assert 0 < woken <= own.static_power_w["power_gating"][0] * own.step_latency_s[0] / 1e-12


@settings(max_examples=20)
@given(layers=layers, mode=st.sampled_from(["pipelined", "sequential"]), batch=st.integers(1, 20))
def test_the_time_of_a_shared_array_is_that_of_all_matrices_on_it(
    layers: list[Layer], mode: str, batch: int
) -> None:
    """Where it limits a segment, time by phase and by limit still adds up to the step."""
    for update in ("immediate", "deferred"):
        tree = changed(PACKED, schedule__mode=mode, schedule__update=update)
        found = estimate(program_of(layers), [tree], [batch])
        split = attribute(found)
        for parts in (split.by_phase_s, split.by_limit_s):
            assert sum(parts.values()) == close(float(found.step_latency_s[0]))
            assert min(parts.values()) >= 0
