"""Pulses that keep copies equal, against copies that are played through pulse by pulse."""

from __future__ import annotations

import numpy as np
import pytest

from archsim.architecture import Architecture
from archsim.config.loading import load
from archsim.hardware.limits import read_noise_steps
from archsim.mapping.write_back import WriteBack, write_backs
from archsim.resources import data_folder
from archsim.tile_kernel.analog_matrix import AnalogMatrix
from archsim.tile_kernel.state import NO_SPREAD
from tests.closeness import close
from tests.simulation.architectures import changed

PROTONIC = load("protonic_256", Architecture, data_folder("arch_configs")).value
# Nothing but noise that falls as the voltage grows.
QUIET = changed(PROTONIC, adc__bits=30)


def with_noise(steps: float, train_length: int) -> Architecture:
    """Reads whose noise is so many steps of a device."""
    voltage = PROTONIC.read.voltage_v
    for _ in range(60):
        tree = changed(QUIET, read__voltage_v=voltage, update__train_length=train_length)
        voltage = voltage * float(read_noise_steps(tree.crossbar)) / steps
    return tree


def write_back(tree: Architecture, pulses: int, copies: float) -> WriteBack:
    """Of a device that takes `pulses` between two averagings."""
    batch = np.array([[pulses / float(tree.update.pulses_per_sample)]])
    (found,) = write_backs(tree, batch, copies)
    return found


def played(pulses: int, noise: float, copies: int, train_length: int) -> tuple[float, ...]:
    """Pulses per device and averaging, the largest of each line of 256, and what is left apart."""
    rng = np.random.default_rng(3)
    held = np.zeros((copies, 4 * 256))
    mean, largest, apart = [], [], []
    for averaging in range(150):
        held += 2.0 * rng.binomial(pulses, 0.5, held.shape) - pulses
        read = held + noise * rng.normal(size=held.shape)
        wanted = np.floor(read.mean(axis=0) - read + rng.random(held.shape))
        written = np.clip(wanted, -train_length, train_length)
        held += written
        if averaging >= 110:
            mean.append(np.abs(written).mean())
            largest.append(np.abs(written).reshape(copies, 4, 256).max(axis=2).mean())
            apart.append(np.square(held - held.mean(axis=0)).mean())
    return float(np.mean(mean)), float(np.mean(largest)), float(np.sqrt(np.mean(apart)))


@pytest.mark.parametrize("copies", [2, 4, 16])
@pytest.mark.parametrize(
    ("pulses", "noise", "train_length"),
    [
        (64, 0.01, 100),
        (16, 3.0, 100),
        (4, 9.0, 200),
        (1, 0.3, 31),
        (0, 2.0, 31),
        (64, 20.0, 10),
        (256, 99.0, 10),
    ],
    ids=["drift", "both", "noise", "parts", "only noise", "cut off", "cut much"],
)
def test_as_many_pulses_are_written_as_copies_that_are_played_through_take(
    pulses: int, noise: float, train_length: int, copies: int
) -> None:
    """Drift, noise of this and of the last read-out, and parts of pulses, for few and many copies.

    Single pulses are not normally distributed: about one per averaging is right to a tenth only.
    """
    found = write_back(with_noise(noise, train_length), pulses, copies)
    mean, largest, apart = played(pulses, noise, copies, train_length)
    assert float(found.pulses[0, 0]) == close(mean, rel=0.1 if pulses == 1 else 0.04)
    assert abs(float(found.slots[0, 0]) - largest) < max(0.25 * largest, 1.5)
    # Parts of pulses, 0.4 of one, are not in it.
    assert abs(float(found.left_apart(train_length)[0, 0]) - apart) < max(0.05 * apart, 0.45)


def test_the_noise_in_steps_is_that_of_lines_that_the_kernel_reads() -> None:
    """Read by read out of the same devices, over their nominal step at weight zero."""
    tree = with_noise(4.0, 31)
    rng = np.random.Generator(np.random.SFC64(1))
    matrix = AnalogMatrix.from_architecture(
        tree, np.zeros((16, 16), np.float32), rng, unknown=NO_SPREAD
    )
    reads = np.stack([matrix.read_out()["weights"] for _ in range(40)])
    noise = reads.std(axis=0, ddof=1)[:, :16, :16]
    step = matrix._arrays()["weights"].step
    # Of 40 reads of 256 devices.
    assert np.sqrt(np.square(noise).mean()) / step == close(4.0, rel=0.05)


def test_one_copy_has_nothing_to_write_and_never_more_than_a_train() -> None:
    """Nor do copies that are far apart take more."""
    assert write_back(PROTONIC, 10, 1).pulses[0, 0] == 0
    for noise in (1.0, 100.0, 1e4):
        found = write_back(with_noise(noise, 20), 10**6, np.inf)
        assert found.pulses[0, 0] <= 20
        assert found.slots[0, 0] == 20
