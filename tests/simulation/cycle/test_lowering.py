"""Both fidelities price the same step: they agree where nothing contends, and obey each other's bounds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.simulation.analytic import Timeline, schedule, segment_tasks
from archsim.simulation.columns import SHARED_RESOURCES, TaskCosts
from archsim.simulation.cycle.execution import Execution
from archsim.simulation.cycle.fast import simulate_template
from archsim.simulation.cycle.lowering import Lowered, lower_cycle
from archsim.simulation.cycle.reference import simulate
from archsim.simulation.cycle.template import expand
from archsim.simulation.estimate import estimate
from archsim.simulation.program import Program, lower
from archsim.workload.training import TaskKind, TrainingOptions, training_graph
from tests.networks import Layer, chain, layer_lists
from tests.simulation.architectures import changed
from tests.simulation.test_laws import PROTONIC, program_of

Modes = tuple[str, str, bool]
MODES = [
    (mode, update, barriers)
    for mode in ("pipelined", "sequential")
    for update in ("immediate", "deferred")
    for barriers in (False, True)
]


def costs_of(program: Program, main_s: np.ndarray, array_s: np.ndarray) -> TaskCosts:
    zero = np.zeros((1, program.size))
    shared = {name: zero.copy() for name in SHARED_RESOURCES}
    return TaskCosts(main_s[None, :], zero, array_s[None, :], shared, {})


def analytic(program: Program, costs: TaskCosts, execution: Execution) -> Timeline:
    segments = segment_tasks(
        program, batch_barriers=execution.barriers, deferred=execution.update == "deferred"
    )
    batch = np.array([[float(execution.samples)]])
    return schedule(program, costs, segments, batch, pipelined=execution.mode == "pipelined")


def run_s(lowered: Lowered) -> float:
    found = simulate_template(lowered.template)
    assert found.makespan == simulate(expand(lowered.template)).makespan
    return found.makespan * lowered.template.tick_s


def forward_only(program: Program) -> np.ndarray:
    """One on forward tasks, zero elsewhere: a pipeline whose stages share nothing."""
    cost = np.zeros(program.size)
    cost[program.select(TaskKind.FORWARD)] = 1.0
    return cost


@given(
    layers=st.lists(
        st.builds(Layer, st.just(8), st.just(8), norm=st.booleans()), min_size=1, max_size=4
    ),
    data=st.data(),
    mode=st.sampled_from(MODES),
    samples=st.integers(1, 9),
)
def test_fidelities_agree_where_no_two_tasks_share_a_resource(
    layers: list[Layer], data: st.DataObject, mode: Modes, samples: int
) -> None:
    """Chains of forward stages of any times: to the rounding of ticks."""
    program = program_of(layers)
    times = data.draw(st.lists(st.floats(1e-9, 1e-6), min_size=program.size, max_size=program.size))
    main_s = forward_only(program) * np.array(times)
    weighted = (program.matrix >= 0) & (main_s > 0)
    costs = costs_of(program, main_s, np.where(weighted, main_s, 0.0))
    if mode[2] or mode[0] == "sequential":
        execution = Execution(samples, mode[0], mode[1], mode[2])  # type: ignore[arg-type]
    else:
        execution = Execution(samples, "pipelined", mode[1], False)  # type: ignore[arg-type]
        vector = np.where(weighted, 0.0, main_s)
        costs = replace(costs, main_s=costs.main_s - vector)
    expected = analytic(program, costs, execution).makespan_s[0]
    assert run_s(lower_cycle(program, costs, execution)) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("mode", MODES)
def test_single_layer_takes_the_sum_of_its_parts(mode: Modes) -> None:
    """One layer without an input gradient: read, then update, in every mode."""
    program = program_of([Layer(8, 8)])
    main_s = np.zeros(program.size)
    main_s[program.select(TaskKind.FORWARD)] = 3e-9
    main_s[program.select(TaskKind.WEIGHT_GRADIENT)] = 2e-9
    costs = costs_of(program, main_s, main_s)
    execution = Execution(10, *mode)  # type: ignore[arg-type]
    found = run_s(lower_cycle(program, costs, execution))
    assert found == pytest.approx(10 * 5e-9, abs=1e-13)
    assert analytic(program, costs, execution).makespan_s[0] == pytest.approx(50e-9)


architectures = st.builds(
    changed,
    st.just(PROTONIC),
    schedule__mode=st.sampled_from(["pipelined", "sequential"]),
    schedule__update=st.sampled_from(["immediate", "deferred"]),
    schedule__batchnorm=st.sampled_from(["batch", "running"]),
)


@settings(max_examples=25)
@given(
    layers=layer_lists(most=4, inputs=400, outputs=400, vectors=60, norm=True),
    architecture=architectures,
    samples=st.integers(1, 12),
)
def test_no_schedule_beats_the_busiest_resource_or_the_longest_path(
    layers: list[Layer], architecture: object, samples: int
) -> None:
    """And a pipeline is never slower than one sample after the other, on chains with full costs."""
    program = lower(training_graph(chain(layers), TrainingOptions(loss="mse")))
    found = estimate(program, [architecture], [samples])  # type: ignore[list-item]
    policy = architecture.schedule  # type: ignore[attr-defined]
    barriers = policy.batchnorm == "batch" and bool(program.barrier.any())
    executions = [
        Execution(samples, mode, policy.update, barriers) for mode in ("pipelined", "sequential")
    ]
    pipelined, sequential = (run_s(lower_cycle(program, found.costs, e)) for e in executions)
    rounding = 1e-15 * 2 * program.size * (samples + 2)
    assert pipelined <= sequential + rounding
    busiest = found.timeline.resource_s[0].max()
    assert pipelined >= busiest - rounding
    one = analytic(program, found.costs, Execution(1, "pipelined", policy.update, barriers))
    assert pipelined >= one.finish_s[0].max() - rounding


def test_every_task_of_the_program_appears_once_with_its_time() -> None:
    program = program_of([Layer(30, 20, norm=True), Layer(20, 10)])
    found = estimate(program, [PROTONIC], [4])
    for mode in ("pipelined", "sequential"):
        lowered = lower_cycle(program, found.costs, Execution(4, mode, "deferred", True))  # type: ignore[arg-type]
        real = lowered.program_task >= 0
        assert sorted(lowered.program_task[real]) == list(range(program.size))
        seconds = (found.costs.main_s + found.costs.transfer_s)[0, lowered.program_task[real]]
        ticks = lowered.template.duration[real] * lowered.template.tick_s
        assert ticks == pytest.approx(seconds, abs=lowered.template.tick_s)


def test_samples_in_flight_bound_the_overlap() -> None:
    """One at a time is sequential; more never start later."""
    program = program_of([Layer(64, 64, 20), Layer(64, 64, 20), Layer(64, 64, 20)])
    found = estimate(program, [changed(PROTONIC, schedule__batchnorm="running")], [12])

    def step_s(in_flight: int | None) -> float:
        execution = Execution(12, "pipelined", "immediate", False, in_flight)
        return run_s(lower_cycle(program, found.costs, execution))

    sequential = run_s(
        lower_cycle(program, found.costs, Execution(12, "sequential", "immediate", False))
    )
    assert step_s(1) == pytest.approx(sequential, rel=1e-9)
    assert step_s(4) <= step_s(3) < 0.75 * step_s(1)
    assert step_s(12) == pytest.approx(step_s(None), rel=1e-9)
