"""Initial programming: writing every weight once, and setting the references."""

from __future__ import annotations

from typing import Any

import numpy as np

from archsim.architecture import Architecture
from archsim.config.loading import load
from archsim.config.overriding import override
from archsim.fields import stack
from archsim.hardware.crossbar import Bystanders, Direction, Placement, PulseStatistics
from archsim.resources import data_folder
from archsim.simulation.estimate import estimate
from archsim.simulation.program import lower
from archsim.simulation.programming import Programming, programming
from archsim.workload.training import TrainingOptions, training_graph
from tests.closeness import close
from tests.networks import Layer, chain

PROTONIC = load("protonic_256", Architecture, data_folder("arch_configs"))
ONE = chain([Layer(inputs=200, outputs=128)])
PROGRAM = lower(training_graph(ONE, TrainingOptions(loss="mse")))


def chip(**paths: Any) -> Architecture:
    changes = {path.replace("__", "."): value for path, value in paths.items()}
    return override(PROTONIC, {"mapping.replication": "none", **changes}).value


def programmed(*chips: Architecture) -> Programming:
    priced = estimate(PROGRAM, list(chips), [1] * len(chips))
    return programming(stack(chips), priced.mapping)


def test_programming_is_that_of_going_through_the_rows() -> None:
    """200 rows, two passes, each a read and trains of ten slots that hold five pulses."""
    one = chip()
    crossbar = one.crossbar
    row = Placement(1, 128, 1, 1, 1, 1)
    read = crossbar.read_cost(row, Direction.FORWARD)
    write = crossbar.update_cost(row, PulseStatistics(1.0, 0.5, 1.0, 2.0), Bystanders(199.0, 0.0))
    seconds, joules = 0.0, 0.0
    for _ in range(2):
        for _ in range(200):
            seconds += float(np.asarray(read.interval_s))
            joules += sum(float(np.asarray(j)) for j in read.energy_j.values())
            for _ in range(25):
                seconds += float(np.asarray(write.duration_s))
                joules += sum(float(np.asarray(j)) for j in write.energy_j.values())
    found = programmed(one)
    assert found.seconds[0] == close(seconds, rel=1e-9)
    assert sum(j[0] for j in found.energy_j.values()) == close(joules, rel=1e-9)


def test_programming_is_no_part_of_the_step() -> None:
    costs = [
        estimate(PROGRAM, [chip(programming__pulses=pulses)], [1]).step_energy_j[0]
        for pulses in (0, 1000)
    ]
    assert costs[0] == costs[1]


def test_more_pulses_and_passes_take_more_time_and_energy() -> None:
    def total(found: Programming) -> tuple[float, float]:
        return float(found.seconds[0]), float(sum(j[0] for j in found.energy_j.values()))

    base = total(programmed(chip()))
    assert np.all(np.array(total(programmed(chip(programming__pulses=2000)))) > base)
    assert np.all(np.array(total(programmed(chip(programming__passes=5)))) > base)


def test_references_are_calibrated_all_at_once() -> None:
    """Time does not grow with the array; a shared reference column takes less than one per pair."""
    pairs = programmed(chip())
    larger = programmed(chip(array__rows=1024, array__cols=1024))
    shared = programmed(chip(array__encoding="reference"))
    assert larger.calibration_s[0] == close(pairs.calibration_s[0])
    assert shared.calibration_j[0] < 0.7 * pairs.calibration_j[0]


def test_stacked_chips_are_programmed_as_each_alone() -> None:
    chips = [chip(programming__pulses=pulses) for pulses in (0, 123, 1000)]
    together = programmed(*chips)
    for index, one in enumerate(chips):
        alone = programmed(one)
        assert together.seconds[index] == close(alone.seconds[0])
        assert together.calibration_j[index] == close(alone.calibration_j[0])
        for name, energy in alone.energy_j.items():
            assert together.energy_j[name][index] == close(energy[0])
