"""Physical limits of an array that follow from the same parameters as its costs.

All are functions of a `Crossbar` and, where a layer uses only a part of an array, of the `Extent`
of that part.  Formulas and constants are those of docs/reference/physical-limits.md; the nodal
solution (`archsim.hardware.nodal`) is the reference for IR drop.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from archsim.fields import Scalar
from archsim.hardware.crossbar import Crossbar

BOLTZMANN_J_PER_K = 1.380649e-23


@dataclass(frozen=True, slots=True)
class Extent:
    """The rows and physical columns of an array that a layer uses."""

    rows: Scalar
    cols: Scalar


def whole(crossbar: Crossbar) -> Extent:
    """All cells of an array."""
    return Extent(crossbar.array.rows, crossbar.array.cols)


def line_delay_s(crossbar: Crossbar) -> Scalar:
    """Distributed RC delay of the slower line, 0.5 * r * c * n^2 (Elmore), in s.

    Row lines cross `cols` cells and the other way round; unused cells load a line as well.
    """
    array, gate = crossbar.array, crossbar.device.gate_capacitance_f
    return np.maximum(array.settling_s(array.cols, gate), array.settling_s(array.rows, gate))


def settling_ratios(crossbar: Crossbar) -> Mapping[str, Scalar]:
    """Distributed RC delay of a line over the time it is given; above 1 it does not settle.

    Reads have the integration time, or one slot of it if inputs are fed bit by bit; updates have
    one pulse.
    """
    delay, read = line_delay_s(crossbar), crossbar.read
    slot = read.time_step_s if read.encoding == "bit_serial" else read.integration_s()
    return {"forward read": delay / slot, "update": delay / crossbar.device.pulse_width_s}


def far_amplitude(crossbar: Crossbar) -> Scalar:
    """Share of its amplitude that an update pulse reaches at the far end of a line, 0 to 1.

    The far end of a distributed line follows 1 - (4/pi) * exp(-(pi/2)^2 * t / (r*c*n^2)) of a step
    (first mode of the diffusion equation), at least 0; r*c*n^2 is twice the Elmore delay.
    """
    ratio = np.maximum(np.asarray(settling_ratios(crossbar)["update"]), 1e-12)
    decay = np.exp(-((np.pi / 2.0) ** 2) / (2.0 * ratio))
    return np.asarray(np.maximum(1.0 - 4.0 / np.pi * decay, 0.0))


def ir_drop(crossbar: Crossbar, extent: Extent | None = None) -> Scalar:
    """Mean relative output error from wire resistance, G * r * (rows^2 + cols^2) / 3.

    Uniform conductance, all inputs at full scale, both wires, small-drop limit; 2/3 * G * r * N^2
    for a square array.  The layer is taken to sit at the driven and sensed corner of its array.
    """
    used = extent or whole(crossbar)
    return _drop(crossbar) * (np.square(used.rows) + np.square(used.cols)) / 3.0


def ir_drop_farthest(crossbar: Crossbar, extent: Extent | None = None) -> Scalar:
    """IR drop of the output farthest from the drivers, G * r * (rows^2 / 3 + cols^2 / 2)."""
    used = extent or whole(crossbar)
    return _drop(crossbar) * (np.square(used.rows) / 3.0 + np.square(used.cols) / 2.0)


def _drop(crossbar: Crossbar) -> Scalar:
    return crossbar.device.conductance_mean_siemens * crossbar.array.cell_resistance_ohm


def weight_conductance_siemens(crossbar: Crossbar) -> Scalar:
    """Conductance that stands for weight 1: half the range of the device."""
    device = crossbar.device
    return 0.5 * (device.conductance_max_siemens - device.conductance_min_siemens)


def unit_charge_c(crossbar: Crossbar) -> Scalar:
    """Charge on a line that stands for weight 1 times input 1, in coulomb."""
    read = crossbar.read
    return weight_conductance_siemens(crossbar) * read.voltage_v * read.integration_s()


def device_noise(crossbar: Crossbar, temperature_k: float = 300.0) -> Scalar:
    """Johnson noise of one full column, in units of (weight 1) * (input 1), one sigma.

    A line of `rows` devices of mean conductance G integrated for t has charge noise
    sqrt(2 k T G rows t).  All cells of a column count, since each joins it to a driven or grounded
    row.  Differential pairs add the noise of two columns.
    """
    array, device, read = crossbar.array, crossbar.device, crossbar.read
    total = array.columns_per_weight * array.rows * device.conductance_mean_siemens
    charge = np.sqrt(2.0 * BOLTZMANN_J_PER_K * temperature_k * total * read.integration_s())
    return np.asarray(charge / unit_charge_c(crossbar))


def integrator_noise(crossbar: Crossbar, temperature_k: float = 300.0) -> Scalar:
    """kT/C noise of the integrating capacitors, in units of (weight 1) * (input 1), one sigma.

    The capacitor holds `read.output_bound` units of charge at a swing of `read.output_swing`; its
    reset leaves sqrt(k T C) of charge, once per column of a pair unless pairs share an integrator.
    """
    array, read = crossbar.array, crossbar.read
    unit = unit_charge_c(crossbar)
    capacitance = read.output_bound * unit / read.output_swing_v
    shared = crossbar.periphery.subtract_before_adc or array.encoding == "reference"
    columns = 1 if shared else array.columns_per_weight
    return np.sqrt(columns * BOLTZMANN_J_PER_K * temperature_k * capacitance) / unit


def converter_noise(crossbar: Crossbar) -> Scalar:
    """Quantisation of the converter, one step over sqrt(12), in units of (weight 1) * (input 1)."""
    step = 2.0 * crossbar.read.output_bound / 2.0**crossbar.adc.bits
    return step / np.sqrt(12.0)


def read_noise(crossbar: Crossbar, temperature_k: float = 300.0) -> Scalar:
    """Noise of one full read: devices, integrator and converter, in quadrature, one sigma."""
    return np.sqrt(
        np.square(device_noise(crossbar, temperature_k))
        + np.square(integrator_noise(crossbar, temperature_k))
        + np.square(converter_noise(crossbar))
    )


def half_selects_per_pulse(probability_x: Scalar, probability_error: Scalar) -> Scalar:
    """Half-selected slots that a device sees for each wanted pulse, 1/p_x + 1/p_error - 2."""
    return 1.0 / np.asarray(probability_x) + 1.0 / np.asarray(probability_error) - 2.0
