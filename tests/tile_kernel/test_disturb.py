"""Disturb of devices that are not selected, against loops over phases, slots, rows and columns."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from archsim.tile_kernel.coincidences import counts, events, pulsed
from archsim.tile_kernel.disturb import exposures
from archsim.tile_kernel.trains import (
    Disturb,
    Kernel,
    TileTrains,
    UpdateParameters,
    pulse_trains,
)
from archsim.tile_kernel.update import update
from tests.closeness import close
from tests.cotraining.plans import architecture
from tests.tile_kernel.reference_devices import generator, reference_devices

KERNELS = {"pulsed": pulsed, "counts": counts, "events": events}


def naive_slots(trains: TileTrains) -> dict[str, np.ndarray]:
    """Slots per device for trains whose lines fire always or never, phase by phase."""
    rows, cols = trains.p_x.shape[1], trains.p_error.shape[1]
    found = {name: np.zeros((rows, cols)) for name in ("up", "down", "idle_up", "idle_down")}
    for v, (sign_x, sign_e) in product(range(len(trains.length)), product((1, -1), repeat=2)):
        row = (trains.sign_x[v] == sign_x) & (trains.p_x[v] == 1)
        col = (trains.sign_error[v] == sign_e) & (trains.p_error[v] == 1)
        # A phase is there if both sides have lines of its signs.
        if not ((trains.sign_x[v] == sign_x).any() and (trains.sign_error[v] == sign_e).any()):
            continue
        way = "up" if sign_x != sign_e else "down"
        fired = row[:, None].astype(int) + col[None, :]
        found[way] += trains.length[v] * (fired == 1)
        found[f"idle_{way}"] += trains.length[v] * (fired == 0)
    return found


@pytest.mark.parametrize("kernel", KERNELS)
def test_exposures_are_those_of_the_phases(kernel: str) -> None:
    """Slots on one fired line and on none, by the polarity of their phase."""
    rng = np.random.default_rng(3)
    lines = [(5, 4), (5, 3)]
    (sign_x, sign_e) = (rng.choice([-1, 0, 1], size=s).astype(np.float32) for s in lines)
    trains = TileTrains(
        np.abs(sign_x), np.abs(sign_e), sign_x, sign_e, rng.integers(1, 9, 5).astype(np.int64)
    )
    drawn = KERNELS[kernel](trains, generator(0), every_device=True)
    expected = naive_slots(trains)
    ((_, seen),) = exposures(drawn, trains, idle=True)
    for name, slots in expected.items():
        np.testing.assert_allclose(getattr(seen, name).reshape(4, 3), slots, atol=1e-4)


@pytest.mark.parametrize("kernel", KERNELS)
def test_devices_on_idle_lines_move_against_the_phase(kernel: Kernel) -> None:
    """One row and column that fire in all ten slots of a phase up: a device on neither goes down by
    its part of ten steps, and only where idle lines are biased."""
    x = np.array([[1.0, 0.0]], dtype=np.float32)
    error = np.array([[-1.0, 0.0]], dtype=np.float32)
    for idle in (0.0, 0.25):
        devices = reference_devices("ConstantStep", (1, 2, 2), noisy=False)
        disturb = Disturb(0.0, 0.0, idle_up=0.125, idle_down=idle)
        parameters = UpdateParameters(
            10, length_management=False, kernel=kernel, disturb=disturb if idle else None
        )
        update(devices, x, error, 0.01, parameters, generator(0))
        assert float(devices.weights[0, 1, 1]) == close(-10 * idle * devices.step, rel=1e-4)
        assert float(devices.weights[0, 0, 1]) == 0.0


def test_the_selection_of_the_architecture_decides_what_is_disturbed() -> None:
    """At V/2 idle lines are at rest; at V/3 every device sees a third of each pulse."""
    half = UpdateParameters.from_architecture(architecture()).disturb
    third = UpdateParameters.from_architecture(architecture(("update.select", "third"))).disturb
    assert half is not None
    assert third is not None
    assert not half.of_idle_lines
    device = architecture().device
    for found, volts in (
        (third.idle_up, device.pulse_up_v),
        (third.idle_down, device.pulse_down_v),
    ):
        assert found == close(float(device.field_law.step_fraction(1 / 3, volts, 300.0)))
    assert third.up < half.up


def test_slots_of_all_kinds_add_up() -> None:
    """Coincidences, slots on one line and slots on none are all the slots of all phases."""
    rng = np.random.default_rng(0)
    devices = reference_devices("ConstantStep", (1, 6, 5), noisy=False)
    x, error = (rng.normal(size=(8, n)).astype(np.float32) for n in (6, 5))
    # Inputs and errors of both signs: four phases.
    x[:, :2], error[:, :2] = (1.0, -1.0), (1.0, -1.0)
    (trains,) = pulse_trains(devices, x, error, 1e-3, UpdateParameters(10)).tiles
    drawn = pulsed(trains, generator(1), every_device=True)
    for block, seen in exposures(drawn, trains, idle=True):
        assert seen.idle_up is not None
        assert seen.idle_down is not None
        total = block.up + block.down + seen.up + seen.down + seen.idle_up + seen.idle_down
        np.testing.assert_allclose(total, 4 * trains.length.sum())
