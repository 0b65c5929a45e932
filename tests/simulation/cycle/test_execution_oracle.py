"""Whole steps with caps, finite buffers, blocks of rows and a host link, in SimPy as well."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.architecture import Architecture
from archsim.cli.pricing import Job
from archsim.hardware.memory import Link
from archsim.simulation.cycle.reference import simulate
from archsim.simulation.cycle.run import simulate_step
from archsim.simulation.estimate import estimate
from archsim.simulation.program import Program, lower
from archsim.workload.training import training_graph
from tests.simulation.architectures import changed
from tests.simulation.cycle.simpy_oracle import Oracle
from tests.simulation.test_laws import PROTONIC

LINK = Link(
    bandwidth_bit_per_s=1e11,
    energy_j_per_bit=1e-11,
    latency_s=1e-7,
    static_power_w=0.0,
    area_m2=0.0,
)
trees = st.builds(
    changed,
    st.just(changed(PROTONIC, host_link=LINK)),
    mapping__replication=st.sampled_from(["auto", "none"]),
    schedule__mode=st.sampled_from(["pipelined", "sequential"]),
    schedule__update=st.sampled_from(["immediate", "deferred"]),
    schedule__row_blocks=st.integers(1, 5),
    schedule__accumulate=st.integers(1, 3),
    activation_buffer__capacity_bit=st.floats(1e4, 1e7),
    chip__update_power_limit_w=st.one_of(st.none(), st.floats(0.05, 2.0)),
    tile__arrays_per_converter_set=st.sampled_from([1, 2, 16]),
    adc__outputs_per_adc=st.sampled_from([4, 64]),
    periphery__sides=st.sampled_from(["doubled", "shared"]),
)


def network() -> Program:
    found = Job(model="lenet").read()
    return lower(training_graph(found.workload, found.options))


LENET = network()


@given(tree=trees, samples=st.integers(1, 5))
@settings(max_examples=15)
def test_simpy_times_a_step_with_all_features_alike(tree: Architecture, samples: int) -> None:
    """And its makespan obeys the bounds: every busy time, and utilisation of at most one."""
    run = simulate_step(estimate(LENET, [tree], [samples]), tree)
    tasks = run.schedule.tasks
    oracle = Oracle(tasks).run()
    assert np.array_equal(run.schedule.start, oracle.start)
    assert np.array_equal(run.schedule.finish, oracle.finish)
    assert np.array_equal(simulate(tasks).finish, oracle.finish)
    assert (run.schedule.utilisation <= 1.0).all()
    assert run.schedule.makespan >= (run.schedule.busy / tasks.resources.capacity).max()
