"""Data that are moved before and after the work of a task, not beside it."""

from __future__ import annotations

import numpy as np

from archsim.simulation.columns import stream_s
from archsim.simulation.cycle.execution import Execution
from archsim.simulation.cycle.lowering import lower_cycle
from archsim.simulation.cycle.reference import simulate
from archsim.simulation.cycle.template import expand
from archsim.simulation.estimate import Estimate, estimate
from tests.closeness import close
from tests.networks import Layer
from tests.simulation.architectures import changed
from tests.simulation.test_laws import PROTONIC, program_of

PLAIN = changed(PROTONIC, mapping__replication="none", schedule__batchnorm="running")
LAYERS = [Layer(64, 32, 10), Layer(32, 8, 10)]


def priced(**changes: object) -> Estimate:
    return estimate(program_of(LAYERS), [changed(PLAIN, **changes)], [3])


def test_a_staged_task_takes_its_work_and_all_of_its_data_one_after_the_other() -> None:
    """Times differ by what streamed beside the work, and by what the tiles' buffers feed."""
    streamed, staged = (priced(schedule__data=how) for how in ("streamed", "staged"))
    program = streamed.program
    moved = stream_s(streamed.costs.shared_s)
    beside = np.minimum(moved, streamed.costs.main_s)
    added = staged.costs.transfer_s - streamed.costs.transfer_s
    digital = program.matrix < 0
    np.testing.assert_allclose(added[:, digital], beside[:, digital], rtol=1e-9)
    reads = program.names.index("layer0:forward")
    # 64 inputs of 7 bits and 32 outputs of 16 through 128 GB/s, for each of 10 vectors.
    feed_s = 10 * (64 * 7 + 32 * 16) / (128e9 * 8)
    assert staged.costs.main_s[0, reads] - streamed.costs.main_s[0, reads] == close(feed_s)


def test_energy_does_not_depend_on_when_data_move() -> None:
    streamed, staged = (priced(schedule__data=how) for how in ("streamed", "staged"))
    for name, energy in streamed.costs.energy_j.items():
        np.testing.assert_allclose(staged.costs.energy_j[name], energy, rtol=1e-12)


def test_both_fidelities_wait_for_staged_data() -> None:
    """One sample through a chain of tasks has nothing to overlap with."""
    one = estimate(
        program_of(LAYERS),
        [changed(PLAIN, schedule__data="staged", schedule__mode="sequential")],
        [1],
    )
    lowered = lower_cycle(one.program, one.costs, Execution(1, "sequential", "deferred", False))
    run = simulate(expand(lowered.template))
    assert run.makespan_s == close(float(one.step_latency_s[0]), rel=1e-3)


def test_spilled_data_lengthen_a_staged_task_by_all_of_their_time() -> None:
    # A single output that does not fit would wait for DRAM besides.
    small = {"activation_buffer__capacity_bit": 1.0, "dram__latency_s": 0.0}
    kept, spilled = (
        priced(schedule__data="staged", dram__latency_s=0.0),
        priced(schedule__data="staged", **small),
    )
    dram = spilled.costs.shared_s["dram"] - kept.costs.shared_s["dram"]
    before, after = (stream_s(e.costs.shared_s) for e in (kept, spilled))
    waited = spilled.costs.transfer_s - kept.costs.transfer_s
    assert (dram > 0).any()
    np.testing.assert_allclose(waited, after - before, rtol=1e-9, atol=1e-18)
