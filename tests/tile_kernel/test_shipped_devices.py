"""Shipped devices in the kernel beside the curves that their numbers come from."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from archsim.config.loading import load
from archsim.hardware.device import Device
from archsim.resources import data_folder
from archsim.tile_kernel.aihwkit.device import import_device
from archsim.tile_kernel.pulsing import apply_pulses
from archsim.tile_kernel.state import NO_SPREAD, DeviceArray, sample_devices
from tests.tile_kernel.reference_devices import generator

DATA = Path(__file__).parents[1] / "data"
PRESETS = json.loads((DATA / "aihwkit" / "device_presets.json").read_text("utf-8"))
# Shipped devices and the preset that their response was taken from.
SOURCES = {
    "capacitor": "CapacitorPreset",
    "ecram_li": "EcRamPreset",
    "ecram_mo": "EcRamMOPreset",
    "reram_hfo2": "ReRamESPreset",
    "rpu_spec": "ConstantStep",
}
TURN = 1000
# Noise and leak do not belong to the curves.
ANY = ["lifetime", "lifetime_dtod", "write_noise_std", "dw_min_std_add", "dw_min_std_slope"]


def quiet(name: str, state: float) -> tuple[Device, DeviceArray]:
    """One device without spread and noise, at a state in [-1, 1]."""
    device = load(name, Device, data_folder("arch_configs") / "devices").value
    device = device.model_copy(update={"spread": NO_SPREAD})
    devices = sample_devices(device, (1, 1, 1), generator(0))
    devices.stored[...] = state - float(device.state(device.conductance_reference_siemens))
    return device, devices


def states_at(device: Device, devices: DeviceArray, pulses: list[int]) -> list[float]:
    """The state after each number of pulses, 1000 of them up and the rest down."""
    reference = float(device.state(device.conductance_reference_siemens))
    reached, found = 0, []
    none = np.zeros(1, dtype=np.float32)
    for pulse in pulses:
        up = max(0, min(pulse, TURN) - reached)
        down = pulse - reached - up
        apply_pulses(devices, slice(0, 1), none + np.float32(up), none, generator(0))
        apply_pulses(devices, slice(0, 1), none, none + np.float32(down), generator(0))
        reached = pulse
        found.append(float(devices.weights[0, 0, 0]) + reference)
    return found


@pytest.mark.parametrize("name", sorted(SOURCES))
def test_shipped_devices_follow_the_preset_they_come_from(name: str) -> None:
    """A thousand pulses up and a thousand down: within half a per cent of the range of the curve
    that the preset was recorded with, whose range is the device's."""
    preset = import_device(PRESETS[SOURCES[name]]["deterministic"], leave_out=ANY)
    with (DATA / "aihwkit" / "device_curves.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["device"] == SOURCES[name]]
    pulses = [int(row["pulse"]) for row in rows]
    theirs = [(float(row["mean"]) - preset.range.middle) / preset.range.half for row in rows]
    device, devices = quiet(name, theirs[0])
    ours = states_at(device, devices, pulses)
    assert max(theirs) - min(theirs) > 0.2
    np.testing.assert_allclose(ours, theirs, atol=0.01)


def test_the_protonic_device_follows_its_measured_curve() -> None:
    """Pulses 0 to 2000 of figure 2A of Onen et al. (2022): 1.7 nS root mean square, as the fit that
    the shipped response is."""
    with (DATA / "fitting" / "onen2022_fig2a.csv").open(encoding="utf-8") as file:
        points = [line.split(",") for line in file if line[0].isdigit()]
    pulses = [int(point[0]) for point in points]
    measured = 1e-9 * np.array([float(point[1]) for point in points])
    assert measured.max() - measured.min() > 150e-9
    deviations = []
    # Where the sweep began was not printed: the fit left it free.
    for start in np.arange(14e-9, 30e-9, 1e-9):
        device = quiet("protonic_onen2022", 0.0)[0]
        known, devices = quiet("protonic_onen2022", float(device.state(start)))
        ours = known.conductance_siemens(states_at(known, devices, pulses))
        deviations.append(float(np.sqrt(np.mean(np.square(ours - measured)))))
    assert min(deviations) < 2e-9
