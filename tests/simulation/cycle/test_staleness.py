"""What biases do to samples on their way: nothing.  What happens once per step is no barrier."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest

from archsim.architecture import Architecture
from archsim.cli.pricing import Job
from archsim.config.loading import load
from archsim.resources import data_folder
from archsim.simulation.cycle.reference import simulate
from archsim.simulation.cycle.repricing import timed_by_cycle
from archsim.simulation.cycle.run import CycleRun, simulate_step
from archsim.simulation.estimate import Estimate, estimate
from archsim.simulation.program import Program, lower
from archsim.workload.training import TaskKind, training_graph
from tests.simulation.architectures import changed

IMMEDIATE = changed(
    load("protonic_256", Architecture, data_folder("arch_configs")).value,
    schedule__update="immediate",
)
BIASED = ("mlp", "lenet")


@lru_cache(maxsize=4)
def program_of(network: str) -> Program:
    found = Job(model=network).read()
    return lower(training_graph(found.workload, found.options))


def run_of(network: str, samples: int, batchnorm: str = "batch") -> tuple[Estimate, CycleRun]:
    tree = changed(IMMEDIATE, schedule__batchnorm=batchnorm)
    priced = estimate(program_of(network), [tree], [samples])
    run = simulate_step(priced, tree)
    return timed_by_cycle(priced, tree, run), run


def counted(program: Program, run: CycleRun) -> int:
    """Most samples that begin a forward read before an earlier one's update has ended, pair by pair."""
    found, offsets = simulate(run.schedule.tasks), run.lowered.template.offsets
    place = {int(t): i for i, t in enumerate(run.lowered.program_task) if t >= 0}
    samples, worst = run.execution.samples, 0
    for matrix in range(len(program.matrices.names)):
        of_matrix = program.matrix == matrix
        (read,) = [t for t in program.select(TaskKind.FORWARD) if of_matrix[t]]
        (update,) = [t for t in program.select(TaskKind.WEIGHT_GRADIENT) if of_matrix[t]]
        begins = found.start[offsets[place[read]] : offsets[place[read] + 1]].tolist()
        ends = found.finish[offsets[place[update]] : offsets[place[update] + 1]].tolist()
        for sample, end in enumerate(ends):
            later = begins[sample + 1 :]
            assert len(later) == samples - sample - 1
            worst = max(worst, sum(begin < end for begin in later))
    return worst


@pytest.mark.parametrize("network", BIASED)
def test_without_normalisations_their_statistics_change_nothing(network: str) -> None:
    """Biases have an optimizer, once per step: as with running statistics all samples are bounded."""
    (batch, by_batch), (running, by_running) = (
        run_of(network, 64, n) for n in ("batch", "running")
    )
    assert by_batch.execution == by_running.execution
    assert by_batch.execution.in_flight is not None
    np.testing.assert_array_equal(by_batch.schedule.finish, by_running.schedule.finish)
    assert batch.staleness_samples == running.staleness_samples
    assert batch.timeline.segments.count == running.timeline.segments.count


@pytest.mark.parametrize("network", BIASED)
@pytest.mark.parametrize("samples", [3, 24])
def test_biases_leave_staleness_to_the_samples_in_flight(network: str, samples: int) -> None:
    """Counted pair by pair on the plain engine's schedule; fewer than are on their way at once."""
    priced, run = run_of(network, samples)
    worst = counted(program_of(network), run)
    assert priced.staleness_samples[0] == worst
    assert run.execution.in_flight is not None
    assert 0 < worst < run.execution.in_flight


@pytest.mark.parametrize("network", [*BIASED, "lstm-ptb", "resnet18"])
def test_a_barrier_has_work_of_samples_behind_it(network: str) -> None:
    """Else it would stop no sample; normalisations by minibatch statistics are barriers both ways."""
    program = program_of(network)
    follows = np.zeros(program.size, dtype=bool)
    follows[program.edge_from[~program.per_step[program.edge_to]]] = True
    assert (
        follows[program.barrier] | program.of_kind(TaskKind.DIGITAL_BACKWARD)[program.barrier]
    ).all()
    assert int(program.barrier.sum()) == program.minibatch_norms
    assert program.minibatch_norms == (40 if network == "resnet18" else 0)
