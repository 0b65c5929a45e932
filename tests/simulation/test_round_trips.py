"""Outputs that the buffer does not hold wait for DRAM; saved data are fetched ahead."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from archsim.architecture import Architecture
from archsim.simulation.cycle.run import CycleRun, simulate_step
from archsim.simulation.cycle.space import with_spills
from archsim.simulation.estimate import Estimate, estimate
from archsim.simulation.program import Program
from tests.closeness import close
from tests.networks import Layer
from tests.simulation.architectures import changed
from tests.simulation.test_laws import PROTONIC, program_of

LATENCY_S = 10e-6
SLOW = changed(
    PROTONIC,
    mapping__replication="none",
    schedule__update="immediate",
    schedule__mode="sequential",
    dram__bandwidth_bit_per_s=1e30,
)
LAYERS = [Layer(10, 400), Layer(400, 12), Layer(12, 10)]


def both(bits: float, latency_s: float, rate: float = 1e30) -> tuple[Program, Estimate, CycleRun]:
    tree: Architecture = changed(
        SLOW,
        activation_buffer__capacity_bit=bits,
        dram__latency_s=latency_s,
        dram__bandwidth_bit_per_s=rate,
    )
    program = program_of(LAYERS)
    priced = estimate(program, [tree], [1])
    return program, priced, simulate_step(priced, tree)


def waits(bits: float) -> tuple[dict[str, float], dict[str, float]]:
    """What latency of DRAM adds to each task in both fidelities, in units of that latency."""
    program, quick, quick_run = both(bits, 0.0)
    _, slow, slow_run = both(bits, LATENCY_S)
    analytic = (slow.costs.transfer_s - quick.costs.transfer_s)[0] / LATENCY_S
    cycle = (slow_run.costs.transfer_s - quick_run.costs.transfer_s)[0] / LATENCY_S
    some = [
        {program.names[t]: round(float(w[t]), 6) for t in np.flatnonzero(w > 1e-6)}
        for w in (analytic, cycle)
    ]
    return some[0], some[1]


def test_what_takes_an_output_larger_than_the_buffer_waits_for_a_write_and_a_read() -> None:
    """400 outputs of 16 bit in a buffer of 300 words: two accesses, in both fidelities."""
    room, _ = waits(1e9)
    analytic, _ = waits(300 * 16.0)
    more = {name: w - room.get(name, 0.0) for name, w in analytic.items()}
    waiting = {name for name, w in more.items() if w}
    assert waiting
    assert all(more[name] == 2.0 for name in waiting)
    program = program_of(LAYERS)
    for name in waiting:
        task = program.names.index(name)
        sources = [
            int(a) for a, b in zip(program.edge_from, program.edge_to, strict=True) if b == task
        ]
        assert max(program.output_elements[s] for s in sources) == 400


def test_both_fidelities_wait_for_what_is_larger_than_the_buffer() -> None:
    assert waits(300 * 16.0)[0] == waits(300 * 16.0)[1]


def test_the_cycle_fidelity_waits_for_all_that_is_sent_out_of_queues() -> None:
    """Whatever takes an output of which a part is in DRAM waits for a write and a read."""
    program, priced, run = both(1e9, LATENCY_S)
    tree = changed(SLOW, activation_buffer__capacity_bit=1e9, dram__latency_s=LATENCY_S)
    space = replace(run.space, overflow_share=0.5)
    costs = with_spills(priced.costs, priced, tree, run.asked, space)
    waited_s = (costs.transfer_s - priced.costs.transfer_s)[0]
    takers = np.zeros(program.size, dtype=bool)
    takers[run.asked.taken_by[1]] = True
    assert takers.any()
    assert np.allclose(waited_s, np.where(takers, 2.0 * LATENCY_S, 0.0), rtol=1e-9, atol=1e-18)


def test_saved_data_that_spill_are_fetched_ahead() -> None:
    """A buffer that holds the largest output, but not what is saved besides."""
    _, priced, _ = both(420 * 16.0, LATENCY_S)
    assert priced.spilled_share[0] > 0
    assert waits(420 * 16.0)[0] == waits(1e9)[0]


def test_a_step_is_longer_by_the_round_trips_on_its_way_and_no_unit_is_busier() -> None:
    _, quick, quick_run = both(300 * 16.0, 0.0)
    _, slow, slow_run = both(300 * 16.0, LATENCY_S)
    assert np.array_equal(quick.timeline.bottleneck_s, slow.timeline.bottleneck_s)
    for more in (
        float(slow.step_latency_s[0] - quick.step_latency_s[0]) / LATENCY_S,
        (slow_run.makespan_s - quick_run.makespan_s) / LATENCY_S,
    ):
        assert more >= 2.0
        assert more == close(round(more), rel=1e-3)
