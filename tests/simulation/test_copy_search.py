"""Automatic copies on slow links and for few samples, against all copies that fit."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from archsim.architecture import Architecture
from archsim.config.loading import load
from archsim.resources import data_folder
from archsim.simulation.estimate import estimate
from archsim.simulation.program import Program, lower
from archsim.workload.training import TrainingOptions, training_graph
from tests.closeness import close
from tests.networks import Layer, chain
from tests.simulation.architectures import changed
from tests.simulation.test_replication_bottleneck import with_copies

PROTONIC = load("protonic_256", Architecture, data_folder("arch_configs")).value
COMBINATIONS = 1000
WITHIN = 1.05


def random_layer(rng: np.random.Generator) -> Layer:
    """A convolution, or a layer of few vectors."""
    if rng.random() < 0.6:
        side = int(rng.choice([2, 3, 4, 6, 8, 12, 16, 28]))
        return Layer(
            inputs=9 * int(rng.choice([1, 3, 8, 16, 32, 64])),
            outputs=int(rng.choice([4, 16, 40, 100, 256])),
            vectors=side * side,
            norm=bool(rng.random() < 0.3),
        )
    return Layer(
        inputs=int(rng.choice([20, 100, 400, 900])),
        outputs=int(rng.choice([5, 60, 250, 600])),
        vectors=int(rng.choice([1, 1, 3, 8, 32])),
    )


def random_chip(rng: np.random.Generator) -> Architecture:
    """A chip with links of 10 MB/s to 64 GB/s."""
    choices: dict[str, list[Any]] = {
        "mapping__sync": ["average", "broadcast"],
        "mapping__sync_interval": [1, 10, 100],
        "mapping__max_copies": [6, 1000],
        "mapping__grouped": ["block_diagonal"],
        "schedule__mode": ["pipelined", "pipelined", "sequential"],
        "schedule__update": ["immediate", "deferred"],
        "schedule__batchnorm": ["batch", "running"],
        "schedule__data": ["streamed", "staged"],
        "array__rows": [64, 128, 256],
        "adc__outputs_per_adc": [1, 16, 64],
        "tile__arrays": [1, 2, 4, 16],
    }
    chosen = {name: values[rng.integers(len(values))] for name, values in choices.items()}
    link_bit_per_s = 8.0 * 10.0 ** rng.uniform(7.0, np.log10(64e9))
    return changed(PROTONIC, **chosen, mesh__link_bit_per_s=link_bit_per_s)


def random_case(
    rng: np.random.Generator,
) -> tuple[Program, Architecture, int, list[tuple[int, ...]]]:
    """A network, a chip with some room for copies, a batch, and all copies that fit."""
    while True:
        layers = [random_layer(rng) for _ in range(int(rng.integers(2, 5)))]
        chip, batch = random_chip(rng), int(rng.choice([1, 1, 2, 4, 8, 16, 64]))
        program = lower(training_graph(chain(layers), TrainingOptions(loss="mse")))
        needed = estimate(program, [changed(chip, mapping__replication="none")], [batch])
        arrays = needed.mapping.arrays[0]
        tiles = rng.uniform(1.2, 4.0) * arrays.sum() / chip.tile.arrays
        chip = changed(chip, mesh__side=int(np.ceil(np.sqrt(tiles))), mapping__replication="auto")
        budget = chip.arrays_available
        most = np.minimum((budget - arrays.sum()) // arrays + 1, [x.vectors for x in layers])
        most = np.minimum(most, chip.mapping.max_copies).astype(int)
        if np.prod(most.astype(float)) > 40 * COMBINATIONS:
            continue
        every = itertools.product(*(range(1, number + 1) for number in most))
        fitting = [copies for copies in every if np.dot(copies, arrays) <= budget]
        if 2 <= len(fitting) <= COMBINATIONS:
            return program, chip, batch, fitting


def test_automatic_copies_are_within_5_percent_of_the_best_whatever_the_links_and_the_batch() -> (
    None
):
    rng = np.random.default_rng(17)
    ratios = []
    for _ in range(80):
        program, chip, batch, fitting = random_case(rng)
        automatic = estimate(program, [chip], [batch])
        possible = with_copies(program, chip, batch, fitting)
        ratios.append(automatic.step_latency_s[0] / possible.step_latency_s.min())
    assert max(ratios) <= WITHIN
    assert np.mean(ratios) <= 1.005
    assert min(ratios) >= 1 - 1e-9


# On links that no chip has, samples of a small network do nothing but wait for ports.
SLOW = changed(
    PROTONIC,
    mesh__link_bit_per_s=8e7,
    mapping__grouped="block_diagonal",
    schedule__batchnorm="running",
)
SMALL = lower(
    training_graph(
        chain([Layer(27, 16, vectors=144), Layer(144, 32, vectors=36), Layer(32, 5)]),
        TrainingOptions(loss="mse"),
    )
)


def test_on_slow_links_one_sample_has_copies_that_fill_tiles_of_their_own() -> None:
    one = estimate(SMALL, [changed(SLOW, mapping__replication="none")], [1])
    automatic = estimate(SMALL, [SLOW], [1])
    tiles = np.ceil(automatic.mapping.arrays / SLOW.tile.arrays)[0]
    assert (one.mapping.arrays <= SLOW.tile.arrays).all()
    assert tiles[0] > 1
    # Its data pass through as many ports, and hardly anything else takes time here.
    assert automatic.step_latency_s[0] < 0.7 * one.step_latency_s[0]


def test_copies_searched_for_side_by_side_are_those_that_each_configuration_gets_alone() -> None:
    links = [1e7, 1e8, 1e9, 5e11]
    chips = [changed(SLOW, mesh__link_bit_per_s=8.0 * link) for link in links]
    batches = [1, 8, 2, 64]
    together = estimate(SMALL, chips, batches)
    for row, (chip, batch) in enumerate(zip(chips, batches, strict=True)):
        alone = estimate(SMALL, [chip], [batch])
        assert together.mapping.copies[row].tolist() == alone.mapping.copies[0].tolist()
        assert together.step_latency_s[row] == close(alone.step_latency_s[0])


@pytest.mark.parametrize("batch", [1, 16])
def test_where_every_copy_takes_every_update_slow_links_leave_fewer_copies(batch: int) -> None:
    """Updates go to all copies, over links that many samples wait for."""
    chip = changed(SLOW, mapping__sync="broadcast")
    fast = changed(chip, mesh__link_bit_per_s=8e12)
    slow_copies = estimate(SMALL, [chip], [batch]).mapping.arrays_used[0]
    assert slow_copies < estimate(SMALL, [fast], [batch]).mapping.arrays_used[0]


@pytest.mark.parametrize("mode", ["pipelined", "sequential"])
def test_a_network_that_fits_has_the_copies_of_a_chip_without_rounds(mode: str) -> None:
    """Where arrays that share converters may be written anew but need not be."""
    layers = [Layer(100, 60, 8), Layer(60, 100, 8), Layer(100, 5, 8)]
    program = lower(training_graph(chain(layers), TrainingOptions(loss="mse")))
    chip = changed(
        PROTONIC,
        mapping__overflow="reprogram",
        mapping__sync="broadcast",
        schedule__mode=mode,
        tile__arrays_per_converter_set=4,
        mesh__link_bit_per_s=8e7,
    )
    found = estimate(program, [chip], [8])
    plain = estimate(program, [changed(chip, mapping__overflow="error")], [8])
    assert np.array_equal(found.mapping.copies, plain.mapping.copies)
    assert found.step_latency_s == close(plain.step_latency_s, rel=1e-9)
