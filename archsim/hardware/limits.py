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
from archsim.hardware.array_update import line_voltages
from archsim.hardware.crossbar import Crossbar
from archsim.hardware.device import ROOM_TEMPERATURE_K
from archsim.hardware.field_law import BOLTZMANN_J_PER_K
from archsim.hardware.placement import Direction, PulseStatistics
from archsim.hardware.quantisation import code_step
from archsim.hardware.response.model import Polarity


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

    Row lines cross all columns and the other way round; unused and spare cells load a line as well,
    behind an access transistor with its drain in the place of the gate.
    """
    array, load_f = crossbar.wired, crossbar.gate_on_line_f()
    return np.maximum(
        array.settling_s(array.physical_cols, load_f), array.settling_s(array.physical_rows, load_f)
    )


def _update_delay_s(crossbar: Crossbar) -> Scalar:
    """As `line_delay_s`, with the lines that open access transistors."""
    array, delay = crossbar.wired, line_delay_s(crossbar)
    if array.access is None:
        return delay
    opening = array.settling_s(array.physical_cols, array.access.gate_capacitance_f)
    return np.maximum(delay, opening)


def settling_ratios(crossbar: Crossbar) -> Mapping[str, Scalar]:
    """Distributed RC delay of a line over the time it is given; above 1 it does not settle.

    Reads have the integration time, or one slot of it if inputs are fed bit by bit; updates have
    what the driver's edge leaves of a pulse.
    """
    pulse_s = crossbar.device.pulse_width_s
    # What the driver's edge leaves of a pulse; an edge as long as the pulse leaves next to nothing.
    left_s = np.maximum(pulse_s - edge_s(crossbar), 1e-6 * pulse_s)
    return {
        "forward read": line_delay_s(crossbar) / crossbar.read.slot_s,
        "update": _update_delay_s(crossbar) / left_s,
    }


def edge_s(crossbar: Crossbar) -> Scalar:
    """Time that the update drivers take to charge their slower line, in s: C V over the current."""
    driver, lines = crossbar.periphery.pulse_driver, line_voltages(crossbar)

    def edge(line_f: Scalar, swing_v: Scalar) -> Scalar:
        return line_f * swing_v / (driver.width(line_f, swing_v) * driver.drive_current_a)

    rows_s, columns_s = (
        edge(lines.row_f, lines.row_swing_v),
        edge(lines.column_f, lines.column_swing_v),
    )
    return np.maximum(rows_s, columns_s)


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
    return crossbar.device.conductance_mean_siemens * crossbar.wired.cell_resistance_ohm


def weight_conductance_siemens(crossbar: Crossbar) -> Scalar:
    """Conductance that stands for weight 1: half the range of the device."""
    device = crossbar.device
    return 0.5 * (device.conductance_max_siemens - device.conductance_min_siemens)


def unit_charge_c(crossbar: Crossbar) -> Scalar:
    """Charge on a line that stands for weight 1 times input 1 in one conversion, in coulomb."""
    read = crossbar.read
    return weight_conductance_siemens(crossbar) * read.voltage_v * read.slot_s


def bit_weight(crossbar: Crossbar) -> Scalar:
    """Noise of an output over that of each of its conversions; 1 unless inputs are fed bit by bit.

    Bits that are converted one by one are added with weights 2^b / (2^n - 1), their noise in
    quadrature: sqrt((4^n - 1) / 3) / (2^n - 1).
    """
    read = crossbar.read
    if read.encoding != "bit_serial":
        return 1.0
    bits = np.asarray(read.input_bits, dtype=np.float64)
    return np.asarray(np.sqrt((4.0**bits - 1.0) / 3.0) / (2.0**bits - 1.0))


def device_noise(
    crossbar: Crossbar,
    direction: Direction = Direction.FORWARD,
    temperature_k: float = ROOM_TEMPERATURE_K,
) -> Scalar:
    """Johnson noise of one output, in units of (weight 1) * (input 1), one sigma.

    A line of N devices of mean conductance G integrated for t has charge noise sqrt(2 k T G N t).
    All cells of a line count, since each joins it to a driven or grounded one.  A forward output is
    the difference of two columns, those of a pair or one and its reference; a transposed one is a
    row.  A transimpedance amplifier, which does not integrate, lets more of it through.
    """
    array, device, read = crossbar.array, crossbar.device, crossbar.read
    cells = 2.0 * array.rows if direction is Direction.FORWARD else array.cols
    total = cells * device.conductance_mean_siemens
    charge = np.sqrt(2.0 * BOLTZMANN_J_PER_K * temperature_k * total * read.slot_s)
    passed = crossbar.periphery.sensing.device_noise_factor
    return np.asarray(charge * passed / unit_charge_c(crossbar) * bit_weight(crossbar))


def _conversions(crossbar: Crossbar, direction: Direction) -> int:
    """Lines that are integrated and converted apart for one output.

    Both columns of a pair unless they are subtracted before; a shared reference column always.
    """
    if direction is Direction.TRANSPOSED:
        return 1
    shared = crossbar.array.encoding == "reference"
    return 2 if shared or not crossbar.periphery.subtract_before_adc else 1


def integrator_noise(
    crossbar: Crossbar,
    direction: Direction = Direction.FORWARD,
    temperature_k: float = ROOM_TEMPERATURE_K,
) -> Scalar:
    """Noise of the sensing circuits, in units of (weight 1) * (input 1), one sigma.

    An integrating capacitor holds `read.output_bound` units of charge at a swing of
    `read.output_swing`; its reset leaves sqrt(k T C) of charge.  The feedback resistor of a
    transimpedance amplifier of the same swing has sqrt(bits * ln 2) times as much.
    """
    read, unit = crossbar.read, unit_charge_c(crossbar)
    capacitance = _conversions(crossbar, direction) * read.output_bound * unit / read.output_swing_v
    charge = np.sqrt(BOLTZMANN_J_PER_K * temperature_k * capacitance)
    own = crossbar.periphery.sensing.own_noise_factor
    return np.asarray(charge * own / unit * bit_weight(crossbar))


def converter_noise(crossbar: Crossbar, direction: Direction = Direction.FORWARD) -> Scalar:
    """Quantisation of the converter, one step over sqrt(12), in units of (weight 1) * (input 1)."""
    step = code_step(crossbar.read.output_bound, crossbar.adc.bits)
    noise = step * np.sqrt(_conversions(crossbar, direction) / 12.0)
    return np.asarray(noise * bit_weight(crossbar))


def read_noise(crossbar: Crossbar, direction: Direction = Direction.FORWARD) -> Scalar:
    """Noise of one full read: devices, integrator and converter, in quadrature, one sigma."""
    variance = (
        np.square(device_noise(crossbar, direction))
        + np.square(integrator_noise(crossbar, direction))
        + np.square(converter_noise(crossbar, direction))
    )
    return np.asarray(np.sqrt(variance))


def read_noise_steps(crossbar: Crossbar) -> Scalar:
    """Noise of one device that is read alone at full input, in its mean steps at weight 0, one sigma.

    All devices of the line add to it, driven or not, so it is that of a full read.
    """
    device = crossbar.device
    zero = device.conductance_reference_siemens
    steps = [np.abs(device.step_siemens(zero, polarity)) for polarity in Polarity]
    step = 0.5 * (steps[0] + steps[1]) / weight_conductance_siemens(crossbar)
    return np.asarray(read_noise(crossbar) / step)


def half_selects_per_pulse(crossbar: Crossbar, pulses: PulseStatistics) -> Scalar:
    """Slots in which a device is on one fired line only, for each pulse that it is meant to take.

    1/p_x + 1/p_error - 2 for unsigned operands; signed ones make lines fire in more phases.
    """
    fires = crossbar.update.firing(pulses)
    return np.asarray(fires.one_line / fires.both)


def disturb_per_pulse(crossbar: Crossbar, pulses: PulseStatistics) -> Scalar:
    """Steps that a device takes unasked for each pulse that it is meant to take.

    Devices on one fired line see `bias.half_selected` of the pulse, those on none
    `bias.unselected`; the field law of the device says what step that gives.  Steps of both
    polarities count alike, though they cancel in part.
    """
    bias, fraction = crossbar.update.bias, crossbar.device.half_select_step_fraction
    half = half_selects_per_pulse(crossbar, pulses)
    fires = crossbar.update.firing(pulses)
    none = fires.no_line / fires.both
    return np.asarray(half * fraction(bias.half_selected) + none * fraction(bias.unselected))


def line_write_disturb_per_pulse(
    crossbar: Crossbar, slots_per_pulse: Scalar, rows: Scalar, own_rows: Scalar
) -> Scalar:
    """As `disturb_per_pulse`, where the rows of an array are written one by one, all equally often.

    While its own row is written, that fires in `slots_per_pulse` slots of either polarity for each
    pulse of the device, its column in one of them.  Of `rows` rows `own_rows` share the
    column (all but those of other packed blocks), and each of these fires it once per pulse of its own device there: about one half-select
    per other row.
    """
    bias, fraction = crossbar.update.bias, crossbar.device.half_select_step_fraction
    slots = 2.0 * np.asarray(slots_per_pulse)
    others, beside = own_rows - 1.0, np.maximum(rows - own_rows, 0.0)
    half = np.maximum(slots - 1.0, 0.0) + others
    none = np.maximum(slots - 1.0, 0.0) * others + slots * beside
    return np.asarray(half * fraction(bias.half_selected) + none * fraction(bias.unselected))


def far_step(crossbar: Crossbar) -> Scalar:
    """Step of the device at the far ends of its lines over that at the near ends, 0 to 1.

    The field law turns the amplitude that is left there into a step.
    """
    return crossbar.device.half_select_step_fraction(far_amplitude(crossbar))
