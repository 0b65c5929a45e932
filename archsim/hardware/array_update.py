"""An outer-product update: pulses on lines, coincidences at devices, and what both take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from archsim.fields import Scalar
from archsim.hardware.placement import Bystanders, Firing, Placement, PulseStatistics, UpdateCost

if TYPE_CHECKING:
    from archsim.hardware.crossbar import Crossbar


@dataclass(frozen=True, slots=True)
class _UpdateCounts:
    """Counts of one vector pair over all arrays of a matrix.

    `row_pulses` and `column_pulses` of all lines, `line_slots` lines times slots, `cells` that
    weights are in, `coincidences` and `half_selects` of devices, `idle_slots` those in which a
    device is on no fired line, `slots` of the whole update, `conducting` cells whose channels lie
    between driven columns.
    """

    row_pulses: Scalar
    column_pulses: Scalar
    line_slots: Scalar
    coincidences: Scalar
    half_selects: Scalar
    idle_slots: Scalar
    slots: Scalar
    conducting: Scalar
    fired_columns: Scalar


def update_cost(
    crossbar: Crossbar,
    place: Placement,
    pulses: PulseStatistics,
    bystanders: Bystanders | None = None,
) -> UpdateCost:
    """One outer-product update of a whole matrix, all its arrays in parallel.

    A row fires with probability p_x in each slot of every phase of its sign, that is once per sign
    of the error; a column once per sign of the input.  Blocks that share an array take turns, since
    firing them together would also program the cells between them.  `bystanders` are lines that
    hold other weights and do not fire.
    """
    update, circuits = crossbar.update, crossbar.periphery
    phases = update.phases(pulses.input_signs, pulses.error_signs)
    duration_s = place.blocks_per_array * update.duration_s(phases, crossbar.device.pulse_width_s)
    count = _counts(crossbar, place, pulses, bystanders or Bystanders())
    supplied = _supplied_energy_j(crossbar, count)
    total = sum(supplied.values())
    energy = {
        **supplied,
        "update_supply_loss": total * (1.0 / circuits.supply.efficiency - 1.0),
        "pulse_drivers": _driver_energy_j(crossbar, count),
        "pulse_generators": count.line_slots * circuits.pulse_generator.slot_energy_j,
    }
    if circuits.registers is not None:
        codes = count.line_slots / count.slots
        bits = codes * crossbar.read.input_bits
        energy["input_registers"] = bits * circuits.registers.bit_energy_j
    if crossbar.device.drive.kind != "voltage":
        energy["drive_circuits"] = count.coincidences * crossbar.device.drive.energy_j
    return UpdateCost(duration_s=duration_s, energy_j=energy)


def peak_power_w(crossbar: Crossbar, firing_share: Scalar) -> Scalar:
    """Power that the supply of one array gives in a slot in which `firing_share` of its lines fire.

    What lines and devices take in the slot, over its length (pulse and gap).
    """
    array, share = crossbar.array, firing_share
    fires = Firing(row=share, column=share, both=share * share, phases=1.0)
    count = _UpdateCounts(
        row_pulses=array.physical_rows * fires.row,
        column_pulses=array.physical_cols * fires.column,
        line_slots=0.0,
        coincidences=array.cells * fires.both,
        half_selects=array.cells * fires.one_line,
        idle_slots=array.cells * fires.no_line,
        slots=1.0,
        conducting=array.cells,
        fired_columns=share,
    )
    slot_s = crossbar.device.pulse_width_s + crossbar.update.gap_s
    total = sum(_supplied_energy_j(crossbar, count).values())
    return total / crossbar.periphery.supply.efficiency / slot_s


def _counts(
    crossbar: Crossbar, place: Placement, pulses: PulseStatistics, beside: Bystanders
) -> _UpdateCounts:
    array, update = crossbar.array, crossbar.update
    columns, length = array.columns_per_weight, update.train_length
    rows = place.inputs * place.blocks * place.col_splits
    cols = place.outputs * columns * place.blocks * place.row_splits
    cells = place.inputs * place.outputs * columns * place.blocks
    fires = update.firing(pulses)
    slots = fires.phases * length
    # Cells of bystanding rows under columns that fire, the other way round, and of both.
    under, along = cols * beside.rows, rows * beside.cols
    apart = place.blocks * place.row_splits * place.col_splits * beside.rows * beside.cols
    own_cols = place.outputs * columns / place.col_splits
    return _UpdateCounts(
        row_pulses=rows * length * fires.row,
        column_pulses=cols * length * fires.column,
        line_slots=(rows + cols) * slots,
        coincidences=cells * length * fires.both,
        half_selects=length * (cells * fires.one_line + under * fires.column + along * fires.row),
        idle_slots=length
        * (
            cells * fires.no_line
            + under * (fires.phases - fires.column)
            + along * (fires.phases - fires.row)
            + apart * fires.phases
        ),
        slots=slots,
        conducting=(cells + under + along) * place.blocks_per_array + apart,
        fired_columns=pulses.probability_error
        / pulses.error_signs
        * (own_cols / (own_cols + beside.cols)),
    )


def _supplied_energy_j(crossbar: Crossbar, count: _UpdateCounts) -> dict[str, Scalar]:
    """What the programming supply gives: lines, devices, channels, access transistors."""
    bias, v2 = crossbar.update.bias, crossbar.pulse_mean_square_v2
    rows_j = bias.row_swing**2 * count.row_pulses * crossbar.row_line_f()
    columns_j = bias.column_swing**2 * count.column_pulses * crossbar.column_line_f()
    energy = {
        "update_lines": v2 * (rows_j + columns_j),
        "update_devices": _device_energy_j(crossbar, count),
        "update_channels": _channel_energy_j(crossbar, count),
    }
    if crossbar.array.access is not None:
        energy["access_transistors"] = _access_energy_j(crossbar, count)
    return energy


def _device_energy_j(crossbar: Crossbar, count: _UpdateCounts) -> Scalar:
    """Energy of devices beyond what their lines were charged with, averaged over polarities.

    Three terminals: with swings a V of the row and b V of the column, the gate stack draws
    (a + b)^2 C V^2 when both fire, of which the lines hold (a^2 + b^2) C V^2 already; the rest is
    2 a b C V^2.  Behind an access transistor it is no load of the lines and draws all of C V^2.
    The transferred charge comes on top.  Two terminals: V^2 g t of conduction, at the full voltage
    where lines coincide, at parts of it elsewhere.
    """
    device, bias, v2 = crossbar.device, crossbar.update.bias, crossbar.pulse_mean_square_v2
    if device.terminals == "three_terminal":
        share = 2.0 * bias.row_swing * bias.column_swing
        if crossbar.array.access is not None:
            share = 1.0
        gate_j = share * device.gate_capacitance_f * v2
        return count.coincidences * (gate_j + device.transfer_energy_j)
    conducted_j = v2 * device.conductance_mean_siemens * device.pulse_width_s
    slots = (
        count.coincidences
        + bias.half_selected**2 * count.half_selects
        + bias.unselected**2 * count.idle_slots
    )
    return slots * conducted_j + count.coincidences * device.transfer_energy_j


def _channel_energy_j(crossbar: Crossbar, count: _UpdateCounts) -> Scalar:
    """Conduction through the channels of three-terminal devices during an update.

    Fired columns differ from the others by the column swing, and the floating row line joins all
    channels of a row: it settles at the fraction f of columns that fire, and each cell conducts
    (b V)^2 * g * f * (1 - f) on average, in every slot, whether its row fires or not.  With access
    transistors the channels are grounded.
    """
    device, bias = crossbar.device, crossbar.update.bias
    if device.terminals == "two_terminal" or crossbar.array.access is not None:
        return 0.0
    fired = count.fired_columns
    power_w = bias.column_swing**2 * crossbar.pulse_mean_square_v2 * device.conductance_mean_siemens
    shape = fired * (1.0 - fired) * device.pulse_width_s
    return count.conducting * count.slots * power_w * shape


def _access_energy_j(crossbar: Crossbar, count: _UpdateCounts) -> Scalar:
    """Charging the access lines of fired rows, and leakage of closed transistors under columns."""
    array, access, device = crossbar.wired, crossbar.array.access, crossbar.device
    if access is None:
        return 0.0
    line_f = array.line_capacitance_f(array.physical_cols, access.gate_capacitance_f)
    opened_j = count.row_pulses * line_f * access.gate_voltage_v**2
    leak_w = access.off_current_a * np.sqrt(crossbar.pulse_mean_square_v2)
    leaked_j = count.column_pulses * array.physical_rows * leak_w * device.pulse_width_s
    return opened_j + leaked_j


def _driver_energy_j(crossbar: Crossbar, count: _UpdateCounts) -> Scalar:
    """What the level shifters take beyond their lines."""
    driver, lines = crossbar.periphery.pulse_driver, line_voltages(crossbar)
    return count.row_pulses * driver.pulse_energy_j(
        lines.row_f, lines.row_swing_v, lines.row_mean_square_v2
    ) + count.column_pulses * driver.pulse_energy_j(
        lines.column_f, lines.column_swing_v, lines.column_mean_square_v2
    )


@dataclass(frozen=True, slots=True)
class LineVoltages:
    """What the update drivers of rows and columns must drive: load, swing, rating, mean square."""

    row_f: Scalar
    column_f: Scalar
    row_swing_v: Scalar
    column_swing_v: Scalar
    row_rated_v: Scalar
    column_rated_v: Scalar
    row_mean_square_v2: Scalar
    column_mean_square_v2: Scalar


def line_voltages(crossbar: Crossbar) -> LineVoltages:
    """The demands on update drivers; rows with access transistors drive the transistors' gates."""
    bias, device, array = crossbar.update.bias, crossbar.device, crossbar.array
    full_v = np.maximum(np.abs(device.pulse_up_v), np.abs(device.pulse_down_v))
    v2 = crossbar.pulse_mean_square_v2
    row_f: Scalar = crossbar.row_line_f()
    row_swing_v: Scalar = bias.row_swing * full_v
    row_rated_v: Scalar = bias.row_level * full_v
    row_v2: Scalar = bias.row_swing**2 * v2
    if array.access is not None:
        row_f = crossbar.wired.line_capacitance_f(
            array.physical_cols, array.access.gate_capacitance_f
        )
        row_swing_v = row_rated_v = array.access.gate_voltage_v
        row_v2 = array.access.gate_voltage_v**2
    return LineVoltages(
        row_f=row_f,
        column_f=crossbar.column_line_f(),
        row_swing_v=row_swing_v,
        column_swing_v=bias.column_swing * full_v,
        row_rated_v=row_rated_v,
        column_rated_v=bias.column_level * full_v,
        row_mean_square_v2=row_v2,
        column_mean_square_v2=bias.column_swing**2 * v2,
    )
