"""Automatic copies of whole networks, against all copies that fit, by the simulator's own times."""

from __future__ import annotations

import itertools
from dataclasses import replace
from unittest.mock import patch

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from archsim.architecture import Architecture
from archsim.config.loading import load
from archsim.mapping import Mapping, mapping_candidates
from archsim.resources import data_folder
from archsim.simulation import estimate as pricing
from archsim.simulation.estimate import Estimate, estimate
from archsim.simulation.program import Program, lower
from archsim.workload.training import TrainingOptions, training_graph
from tests.networks import Layer, chain
from tests.simulation.architectures import changed

PROTONIC = load("protonic_256", Architecture, data_folder("arch_configs")).value
# More combinations of copies than this are not priced for one case.
COMBINATIONS = 1500
WITHIN = 1.05

# A convolution is a matrix that many positions of an image go through.
convolutions = st.builds(
    Layer,
    inputs=st.integers(1, 64).map(lambda channels: 9 * channels),
    outputs=st.integers(1, 256),
    vectors=st.integers(1, 28).map(lambda side: side * side),
    norm=st.booleans(),
)
dense = st.builds(
    Layer,
    inputs=st.integers(1, 900),
    outputs=st.integers(1, 600),
    vectors=st.sampled_from([1, 1, 3, 8, 32]),
)
networks = st.lists(st.one_of(convolutions, dense), min_size=2, max_size=4)
chips = st.builds(
    changed,
    st.just(PROTONIC),
    mapping__sync=st.sampled_from(["average", "broadcast"]),
    mapping__sync_interval=st.sampled_from([1, 10, 100]),
    mapping__max_copies=st.sampled_from([6, 1000]),
    mapping__grouped=st.just("block_diagonal"),
    schedule__mode=st.just("pipelined"),
    schedule__update=st.sampled_from(["immediate", "deferred"]),
    schedule__batchnorm=st.sampled_from(["batch", "running"]),
    schedule__data=st.sampled_from(["streamed", "staged"]),
    array__rows=st.sampled_from([64, 128, 256, 512]),
    array__cols=st.sampled_from([128, 256]),
    adc__outputs_per_adc=st.sampled_from([1, 4, 16, 64]),
    tile__arrays=st.sampled_from([1, 2, 4]),
    read__encoding=st.sampled_from(["pulse_width", "bit_serial", "amplitude"]),
    update__scheme=st.sampled_from(["half_bias", "two_phase"]),
    update__train_length=st.sampled_from([10, 31, 200]),
)
batches = st.sampled_from([8, 64, 256])


def interval_s(priced: Estimate) -> np.ndarray:
    """Time per sample of a pipeline that has filled, [C]: forward, backward and update.

    Segments between barriers follow each other; what happens once per step is shared by its samples.
    """
    timeline = priced.timeline
    once = timeline.latency_s / priced.batch[:, None]
    each = np.where(timeline.segments.per_step[None, :], once, timeline.interval_s)
    return np.asarray(each.sum(axis=1))


def with_copies(
    program: Program, architecture: Architecture, batch: int, copies: list[tuple[int, ...]]
) -> Estimate:
    """The step with each of these numbers of copies, as one stack of configurations."""

    def only(*arguments: object) -> tuple[tuple[Mapping, ...], ...]:
        one = mapping_candidates(*arguments)[0][0]  # type: ignore[arg-type]
        return ((replace(one, copies=np.array(copies, dtype=float)),),)

    single = changed(architecture, mapping__replication="none")
    with patch.object(pricing, "mapping_candidates", only):
        return estimate(program, [single] * len(copies), [batch] * len(copies))


@given(layers=networks, chip=chips, batch=batches, room=st.floats(1.0, 3.0))
@settings(max_examples=100)
def test_the_bottleneck_of_automatic_copies_is_within_5_percent_of_the_best_that_fit(
    layers: list[Layer], chip: Architecture, batch: int, room: float
) -> None:
    program = lower(training_graph(chain(layers), TrainingOptions(loss="mse")))
    single = estimate(program, [changed(chip, mapping__replication="none")], [batch])
    needed = single.mapping.arrays[0]
    side = int(np.ceil(np.sqrt(room * needed.sum() / chip.tile.arrays)))
    chip = changed(chip, mesh__side=side, mapping__replication="auto")
    budget = chip.arrays_available
    spare = budget - needed.sum()
    most = np.minimum(spare // needed + 1, [layer.vectors for layer in layers])
    most = np.minimum(most, chip.mapping.max_copies)
    assume(np.prod(most) <= 40 * COMBINATIONS)
    every = itertools.product(*(range(1, int(number) + 1) for number in most))
    fitting = [copies for copies in every if np.dot(copies, needed) <= budget]
    assume(2 <= len(fitting) <= COMBINATIONS)

    automatic = estimate(program, [chip], [batch])
    possible = with_copies(program, chip, batch, fitting)
    assert (automatic.mapping.copies * needed).sum() <= budget
    assert interval_s(automatic)[0] <= interval_s(possible).min() * WITHIN
    assert automatic.step_latency_s[0] <= possible.step_latency_s.min() * WITHIN
    assert automatic.step_latency_s[0] >= possible.step_latency_s.min() * (1 - 1e-9)
