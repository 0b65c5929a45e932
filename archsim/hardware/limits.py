"""Physical limits of an array that follow from the same parameters as its costs."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from archsim.fields import Scalar
from archsim.hardware.crossbar import Crossbar

BOLTZMANN_J_PER_K = 1.380649e-23


def settling_ratios(crossbar: Crossbar) -> Mapping[str, Scalar]:
    """Distributed RC delay of each line over the time it is given; above 1 it does not settle.

    Row lines cross `cols` cells and the other way round (Elmore, 0.5 * r * c * n^2).  Reads have
    the integration time, updates one pulse.
    """
    array, gate = crossbar.array, crossbar.device.gate_capacitance_f
    row, col = array.settling_s(array.cols, gate), array.settling_s(array.rows, gate)
    integration, pulse = crossbar.read.integration_s(), crossbar.device.pulse_width_s
    return {
        "forward read": np.maximum(row, col) / integration,
        "update": np.maximum(row, col) / pulse,
    }


def ir_drop(crossbar: Crossbar) -> Scalar:
    """Mean relative output error from wire resistance, G * r * (rows^2 + cols^2) / 3.

    Uniform conductance, all inputs at full scale, both wires, small-drop limit; 2/3 * G * r * N^2
    for a square array.
    """
    array, device = crossbar.array, crossbar.device
    g_r = device.conductance_mean_siemens * array.cell_resistance_ohm
    return g_r * (array.rows**2 + array.cols**2) / 3.0


def read_noise(crossbar: Crossbar, temperature_k: float = 300.0) -> Scalar:
    """Johnson noise of one full column, in units of (weight 1) * (input 1), one sigma.

    A line of `rows` devices of mean conductance G integrated for t has charge noise
    sqrt(2 k T G rows t); the signal of weight 1 at input 1 is g_scale * v * t, where weight 1 is
    half the conductance range.  Differential pairs add the noise of two columns.
    """
    array, device, read = crossbar.array, crossbar.device, crossbar.read
    g_scale = 0.5 * (device.conductance_max_siemens - device.conductance_min_siemens)
    columns = array.columns_per_weight
    total = columns * array.rows * device.conductance_mean_siemens
    time = read.integration_s()
    charge_noise = np.sqrt(2.0 * BOLTZMANN_J_PER_K * temperature_k * total * time)
    return charge_noise / (g_scale * read.voltage_v * time)
