"""Every shipped device: fast kernels and a plain loop over single pulses draw from one distribution."""

from __future__ import annotations

from functools import cache
from typing import Literal

import numpy as np
import pytest

from archsim.config.files import names_in
from archsim.config.loading import load
from archsim.hardware.device import Device
from archsim.hardware.response import Polarity
from archsim.resources import data_folder
from archsim.tile_kernel.state import NO_SPREAD, DeviceArray, sample_devices
from archsim.tile_kernel.trains import Trains, UpdateParameters, pulse_trains
from archsim.tile_kernel.update import update
from tests.tile_kernel.naive_update import naive_update
from tests.tile_kernel.reference_devices import generator
from tests.tile_kernel.test_coincidences import COLS, LARGEST_Z, ROWS, pair, worst_z

FOLDER = data_folder("arch_configs") / "devices"
DEVICES = names_in(FOLDER)
# Noise of one step, so that the law of its growth is part of what is compared.
CYCLES = 0.3
# Nodes of the loop's own table of single pulses: far more than any step is wide.
NODES = 20_001
# Pulses that the device with the largest product of input and error is meant to take.
WANTED = 8.0
# One pulse of an abrupt reset crosses half of the range; kernels take it for a fast, smooth way.
ABRUPT = ["pcm"]
GRADUAL = [name for name in DEVICES if name not in ABRUPT]
Kernel = Literal["pulsed", "counts", "events"]


@cache
def device(name: str) -> Device:
    """A shipped device without differences between devices, and with a known noise of its steps."""
    known = load(name, Device, FOLDER).value
    spread = NO_SPREAD.model_copy(update={"step_cycles": CYCLES})
    return known.model_copy(update={"spread": spread})


def devices(name: str, tiles: int) -> DeviceArray:
    """Equal devices, spread over the middle of their range by row and column."""
    found = sample_devices(device(name), (tiles, ROWS, COLS), generator(2), unknown=NO_SPREAD)
    low, high = float(found.lower.min()), float(found.upper.max())
    shares = np.linspace(0.3, 0.7, ROWS * COLS, dtype=np.float32).reshape(ROWS, COLS)
    found.stored[...] = low + shares * (high - low)
    found.weights[...] = found.stored
    found.changed()
    return found


def rate_of(found: DeviceArray) -> float:
    """A learning rate with which the largest product wants `WANTED` pulses."""
    x, error = pair()
    return WANTED * found.step / float(np.abs(x[:, :, None] * error[:, None, :]).max())


def trains_of(found: DeviceArray) -> Trains:
    """The trains of the pair at that rate."""
    x, error = pair()
    parameters = UpdateParameters(15, length_management=False)
    return pulse_trains(found, x, error, rate_of(found), parameters)


def loop_draws(name: str, repeats: int) -> np.ndarray:
    """Weight changes [repeat, row, col] pulse by pulse, by the response of the device's file."""
    found, response = devices(name, 1), device(name).response
    low, high = float(found.lower.min()), float(found.upper.max())
    states = np.linspace(-1.0, 1.0, NODES)
    change = {
        way: 0.5 * (high - low) * (np.asarray(response.after_pulses(states, 1, polarity)) - states)
        for way, polarity in ((1, Polarity.UP), (-1, Polarity.DOWN))
    }

    def step_at(weight: float, way: int) -> float:
        return float(change[way][round((weight - low) / (high - low) * (NODES - 1))])

    rng, start = np.random.default_rng(5), found.weights[0].astype(float)
    trains = trains_of(found)
    return np.array(
        [
            naive_update(start, trains, step_at, (low, high), CYCLES, rng) - start
            for _ in range(repeats)
        ]
    )


def kernel_draws(name: str, kernel: Kernel, repeats: int) -> np.ndarray:
    """The same by a kernel, each tile a repeat."""
    found = devices(name, repeats)
    start = found.weights.astype(float).copy()
    x, error = (np.repeat(side[:, np.newaxis], repeats, axis=1) for side in pair())
    parameters = UpdateParameters(15, kernel=kernel, merge="sample", length_management=False)
    update(found, x, error, rate_of(found), parameters, generator(11))
    return found.weights.astype(float) - start


@pytest.fixture(scope="module")
def loops() -> dict[str, np.ndarray]:
    """What the plain loop draws, made when a device is first asked for."""
    return {}


@pytest.mark.parametrize("name", GRADUAL)
@pytest.mark.parametrize("kernel", ["pulsed", "counts", "events"])
def test_kernels_agree_with_single_pulses_of_every_shipped_device(
    loops: dict[str, np.ndarray], name: str, kernel: Kernel
) -> None:
    """Mean and variance per device, along the input, along the error and along both."""
    if name not in loops:
        loops[name] = loop_draws(name, 300)
    z = worst_z(kernel_draws(name, kernel, 1200), loops[name])
    assert max(z.values()) < LARGEST_Z, z


@pytest.mark.parametrize("name", ABRUPT)
def test_abrupt_devices_end_within_a_tenth_of_the_range_of_single_pulses(name: str) -> None:
    """The stated limit of merged pulses where one of them is no small step."""
    ours, theirs = kernel_draws(name, "pulsed", 100), loop_draws(name, 300)
    assert np.abs(theirs.mean(axis=0)).max() > 0.5
    found = devices(name, 1)
    span = float(found.upper.max() - found.lower.min())
    assert np.abs(ours.mean(axis=0) - theirs.mean(axis=0)).max() < 0.1 * span
