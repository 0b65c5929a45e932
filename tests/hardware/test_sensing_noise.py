"""Noise behind a sensing circuit against the spectrum that it lets through."""

from __future__ import annotations

import math

import numpy as np
import pytest

from archsim.config.overriding import override
from archsim.hardware.field_law import BOLTZMANN_J_PER_K
from archsim.hardware.limits import device_noise, integrator_noise, unit_charge_c
from tests.closeness import close
from tests.hardware.chips import CHANGES, PROTONIC

TEMPERATURE_K = 300.0


def passed_hz(tau_s: float) -> float:
    """Noise bandwidth of one pole by quadrature of 1 / (1 + (2 pi f tau)^2) over all frequencies."""
    angle = (np.arange(200_000) + 0.5) / 200_000 * math.pi / 2.0  # f = tan(angle) / (2 pi tau)
    height = 1.0 / (1.0 + np.tan(angle) ** 2)
    width = 1.0 / (2.0 * math.pi * tau_s * np.cos(angle) ** 2)
    return float(np.mean(height * width) * math.pi / 2.0)


@pytest.mark.parametrize("bits", [4, 9, 12])
def test_an_amplifier_passes_the_noise_of_its_bandwidth(bits: int) -> None:
    """4 k T G of the devices and of the feedback resistor, each times the bandwidth of one pole."""
    change = CHANGES["transimpedance"] | {"periphery.sensing.settling_bits": bits}
    crossbar = override(PROTONIC, change).value.crossbar
    slot_s = float(crossbar.read.slot_s)
    bandwidth_hz = passed_hz(slot_s / (bits * math.log(2.0)))
    unit_a = float(unit_charge_c(crossbar)) / slot_s
    swing_v, bound = float(crossbar.read.output_swing_v), float(crossbar.read.output_bound)
    feedback_siemens = bound * unit_a / swing_v
    cells = 2 * 256 * float(crossbar.device.conductance_mean_siemens)
    for found, conductance in (
        (device_noise(crossbar, temperature_k=TEMPERATURE_K), cells),
        (integrator_noise(crossbar, temperature_k=TEMPERATURE_K), feedback_siemens),
    ):
        density = 4.0 * BOLTZMANN_J_PER_K * TEMPERATURE_K * conductance
        assert float(found) * unit_a == close(math.sqrt(density * bandwidth_hz), rel=1e-6)


def test_an_integrator_passes_half_a_hertz_per_second_of_a_slot() -> None:
    """The average over a slot lets sinc^2 through, whose bandwidth is 1 / (2 slot), by quadrature."""
    crossbar = PROTONIC.value.crossbar
    slot_s = float(crossbar.read.slot_s)
    frequency = (np.arange(4_000_000) + 0.5) * (2000.0 / slot_s / 4_000_000)
    bandwidth_hz = float(np.sum(np.sinc(frequency * slot_s) ** 2) * (frequency[1] - frequency[0]))
    cells = 2 * 256 * float(crossbar.device.conductance_mean_siemens)
    density = 4.0 * BOLTZMANN_J_PER_K * TEMPERATURE_K * cells
    found = float(device_noise(crossbar, temperature_k=TEMPERATURE_K))
    current = found * float(unit_charge_c(crossbar)) / slot_s
    assert current == close(math.sqrt(density * bandwidth_hz), rel=1e-4)
