"""Devices left alone, and the weight to which alternating pulses lead."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from archsim.config.files import names_in
from archsim.config.loading import load
from archsim.errors import InputError
from archsim.hardware.device import Device
from archsim.hardware.retention import ExponentialRetention
from archsim.resources import data_folder
from archsim.tile_kernel.drift import drift
from archsim.tile_kernel.pulsing import apply_pulses
from archsim.tile_kernel.state import NO_SPREAD, DeviceArray, sample_devices
from archsim.tile_kernel.symmetry import symmetry_points
from tests.tile_kernel.reference_devices import generator

FOLDER = data_folder("arch_configs") / "devices"
DEVICES = {name: load(name, Device, FOLDER).value for name in names_in(FOLDER)}
DRIFTING = sorted(name for name, device in DEVICES.items() if device.retention is not None)


def sampled(name: str, count: int = 9) -> DeviceArray:
    """Devices of the shipped kind, without spread where it is unknown, over their range."""
    device = DEVICES[name]
    devices = sample_devices(device, (1, 1, count), generator(2), unknown=NO_SPREAD)
    low, high = np.broadcast_arrays(devices.lower, devices.upper)
    share = np.linspace(0.05, 0.95, count, dtype=np.float32)
    devices.stored[...] = low + share * (high - low)
    devices.weights[...] = devices.stored
    return devices


@pytest.mark.parametrize("name", DRIFTING)
def test_drift_in_two_parts_is_drift_at_once(name: str) -> None:
    """A minute and then an hour leave what sixty-one minutes leave."""
    once, twice = sampled(name), sampled(name)
    drift(once, DEVICES[name], 0.0, 3660.0)
    drift(twice, DEVICES[name], 0.0, 60.0)
    drift(twice, DEVICES[name], 60.0, 3600.0)
    np.testing.assert_allclose(once.weights, twice.weights, atol=1e-5)


@pytest.mark.parametrize("name", DRIFTING)
def test_drift_takes_its_share_of_the_conductance(name: str) -> None:
    """The conductance, or the weight of a leaking capacitor, falls by what the retention says."""
    device, devices = DEVICES[name], sampled(name)
    before = devices.weights.astype(np.float64)
    drift(devices, device, 0.0, 100.0)
    assert device.retention is not None
    share = float(device.retention.relative_drift(100.0))
    rest = 0.0
    if not isinstance(device.retention, ExponentialRetention):
        rest = device.conductance_reference_siemens / float(device.half_range_siemens)
    expected = np.clip((before + rest) * (1 - share) - rest, devices.lower, devices.upper)
    np.testing.assert_allclose(devices.weights, expected, atol=1e-5)


def test_unknown_retention_and_negative_times_are_refused() -> None:
    """One sentence each, and the weights stay."""
    devices = sampled("ecram_li")
    with pytest.raises(InputError, match="retention of device 'ecram_li' is unknown"):
        drift(devices, DEVICES["ecram_li"], 0.0, 1.0)
    with pytest.raises(InputError, match="duration of a drift is -1"):
        drift(devices, DEVICES["protonic_onen2022"], 0.0, -1.0)


@pytest.mark.parametrize("name", sorted(DEVICES))
def test_alternating_pulses_stay_at_the_symmetry_point(name: str) -> None:
    """A pulse up and one down leave a device at its symmetry point, to a third of a step."""
    devices = sampled(name, 5)
    devices.stored[...] = symmetry_points(devices)
    start = devices.stored.copy().reshape(-1)
    inside = (start > devices.lower.reshape(-1) + 0.01) & (start < devices.upper.reshape(-1) - 0.01)
    steps = devices.steps(start)
    ones, none = np.ones(5, dtype=np.float32), np.zeros(5, dtype=np.float32)
    everything = slice(0, 5)
    quiet = replace(devices, cycle_noise=0.0)
    apply_pulses(quiet, everything, ones, none, generator(0))
    apply_pulses(quiet, everything, none, ones, generator(0))
    moved = np.abs(quiet.stored.reshape(-1) - start)
    # Constant steps that differ by their spread have no such point: one direction wins.
    assert inside.any() or DEVICES[name].response.kind == "constant"
    assert np.all(moved[inside] <= 0.33 * np.broadcast_to(steps.up_rate, 5)[inside])


@pytest.mark.parametrize("name", sorted(DEVICES))
def test_the_symmetry_point_is_the_reference_of_the_device(name: str) -> None:
    """The reference conductance that ships is where up and down are equal: weight zero, to 5 % of
    the range."""
    response = DEVICES[name].effective_response
    exact = response.symmetry_point() - float(
        DEVICES[name].state(DEVICES[name].conductance_reference_siemens)
    )
    assert abs(exact) < 0.1
    alone = sample_devices(
        DEVICES[name].model_copy(update={"spread": NO_SPREAD}), (1, 1, 1), generator(0)
    )
    assert float(symmetry_points(alone)[0, 0, 0]) == pytest.approx(exact, abs=2e-3)
