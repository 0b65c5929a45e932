"""Which resource limits each segment, and how busy each is: as a plain table of both would say."""

from __future__ import annotations

import numpy as np
from hypothesis import given

from archsim.architecture import Architecture
from archsim.config.loading import load
from archsim.resources import data_folder
from archsim.simulation.columns import SHARED_RESOURCES
from archsim.simulation.estimate import Estimate, estimate
from archsim.simulation.program import lower
from archsim.workload.training import TrainingOptions, training_graph
from tests.closeness import close
from tests.networks import Layer, chain
from tests.simulation.test_laws import architectures, batches, layers

PROTONIC = load("protonic_256", Architecture, data_folder("arch_configs")).value


def busy_table(found: Estimate) -> np.ndarray:
    """Seconds by one sample, [segments, resources], added up task by task."""
    program, costs = found.program, found.costs
    segments, matrices = found.timeline.segments, len(found.program.matrices.names)
    table = np.zeros((segments.count, matrices + len(SHARED_RESOURCES)))
    for task in range(program.size):
        segment, matrix = int(segments.segment[task]), int(program.matrix[task])
        if matrix >= 0:
            table[segment, matrix] += costs.array_s[0, task]
        for index, name in enumerate(SHARED_RESOURCES):
            table[segment, matrices + index] += costs.shared_s[name][0, task]
    return table


def check(found: Estimate, batch: int) -> None:
    table, timeline = busy_table(found), found.timeline
    repeats = np.where(timeline.segments.per_step, 1.0, float(batch))
    assert timeline.bottleneck_s[0] == close(table.max(axis=1), rel=1e-12)
    chosen = table[np.arange(len(table)), timeline.bottleneck[0]]
    assert chosen == close(table.max(axis=1), rel=1e-12)
    assert timeline.resource_s[0] == close((table * repeats[:, None]).sum(axis=0), rel=1e-9)
    assert len(timeline.resources) == table.shape[1]


@given(layers=layers, architecture=architectures, batch=batches)
def test_busiest_resource_is_that_of_the_whole_table(
    layers: list[Layer], architecture: Architecture, batch: int
) -> None:
    program = lower(training_graph(chain(layers), TrainingOptions(loss="mse")))
    check(estimate(program, [architecture], [batch]), batch)


def test_long_network_with_many_barriers_keeps_no_table_of_all_pairs() -> None:
    """A thousand matrices in two thousand segments: their pairs alone would take 16 MB."""
    program = lower(
        training_graph(chain([Layer(8, 8, norm=True)] * 1000), TrainingOptions(loss="mse"))
    )
    found = estimate(program, [PROTONIC], [4])
    assert found.timeline.segments.count > 1000
    check(found, 4)
