"""Claims about the device: speed, energy, size, endurance."""

from __future__ import annotations

from archsim.hardware.crossbar import Placement, PulseStatistics
from archsim.hardware.limits import settling_ratios
from archsim.validation.claims.array_limits import largest
from archsim.validation.claims.claim import COMPUTED, Claim, Figure, verdict
from archsim.validation.claims.yardsticks import YARDSTICKS, Court


def response(court: Court) -> Claim:
    """The device follows a pulse of 5 ns; the lines of an array must do so too."""
    y, chip = court.yardsticks, court.chip
    update_s = _update_s(court)
    settled = largest(chip, lambda x: float(settling_ratios(x)["update"]), y.settling_bound)
    pulse_s = float(chip.device.pulse_width_s)
    rows = int(chip.array.rows)
    return Claim(
        "response_5ns",
        f"The device responds to a pulse of about {y.response_s * 1e9:.0f} ns.",
        verdict([pulse_s <= y.response_s, settled >= rows, update_s <= y.response_s]),
        f"The device does, and lines follow a pulse of that width up to {settled:,} cells. An update "
        f"of an array is a train of such pulses per sign quadrant and takes "
        f"{update_s / pulse_s:.0f} times as long.",
        (
            Figure("programming pulse", pulse_s, "s", f"{chip.device.name}"),
            Figure(
                "longest stable pulse", float(chip.device.pulse_width_max_s), "s", chip.device.name
            ),
            Figure("update of an array", update_s, "s", COMPUTED),
            Figure("largest array whose lines settle in a pulse", settled, "", COMPUTED),
            Figure("rows of the shipped array", rows, "", chip.name),
        ),
    )


def faster_than_before(court: Court) -> Claim:
    """A million times faster than the previous generation."""
    y = court.yardsticks
    pulse_s = float(court.chip.device.pulse_width_s)
    least, most = y.previous_pulse_min_s / pulse_s, y.previous_pulse_max_s / pulse_s
    later = (y.later_pulse_min_s / pulse_s, y.later_pulse_max_s / pulse_s)
    return Claim(
        "million_times_faster",
        f"The device is {y.previous_ratio:,.0f} times faster than the previous generation.",
        verdict([least >= y.previous_ratio, most >= y.previous_ratio]),
        f"It holds against pulses of {y.previous_ratio * pulse_s * 1e3:.0f} ms and longer; earlier "
        f"devices were driven with {y.previous_pulse_min_s * 1e3:.0f} ms to "
        f"{y.previous_pulse_max_s:.0f} s, that is {least:,.0f} to {most:,.0f} times. Later protonic "
        f"devices of other groups are slower by {later[0]:.0f} to {later[1]:.0f} times.",
        (
            Figure("programming pulse", pulse_s, "s", court.chip.device.name),
            Figure("least ratio", least, "", COMPUTED),
            Figure("largest ratio", most, "", COMPUTED),
            Figure("claimed ratio", y.previous_ratio, "", YARDSTICKS),
            Figure("least ratio to later devices", later[0], "", COMPUTED),
            Figure("largest ratio to later devices", later[1], "", COMPUTED),
        ),
    )


def energy_per_operation(court: Court) -> Claim:
    """15 aJ of proton transfer, 2.5 fJ with the gate, and what an array takes per device."""
    y, chip = court.yardsticks, court.chip
    place, cells = _full(court)
    p = _probability(court)
    pulses = PulseStatistics(p, p, input_signs=1.0, error_signs=2.0)
    total_j = float(sum(chip.crossbar.update_cost(place, pulses).energy_j.values()))
    coincidences = cells * float(chip.update.train_length) * p * p
    per_pulse_j = total_j / coincidences
    alone_j = float(chip.device.transfer_energy_j)
    gate_j = (
        0.5
        * float(chip.device.gate_capacitance_f)
        * (float(chip.device.pulse_up_v) ** 2 + float(chip.device.pulse_down_v) ** 2)
    )
    return Claim(
        "energy_per_operation",
        f"A programming pulse takes {y.transfer_energy_j * 1e18:.0f} aJ, or "
        f"{y.gate_energy_j * 1e15:.1f} fJ with the gate's charge.",
        verdict(
            [
                alone_j <= y.transfer_energy_j * 1.001,
                gate_j <= y.gate_energy_j * 1.001,
                per_pulse_j <= y.gate_energy_j,
            ]
        ),
        f"For the device alone it does. In an array each pulse that moves a device costs "
        f"{per_pulse_j * 1e15:.0f} fJ, {per_pulse_j / y.gate_energy_j:.0f} times the gate's and "
        f"{per_pulse_j / y.transfer_energy_j:,.0f} times the protons' part: lines at half voltage, "
        "conducting channels, drivers and pulse generators.",
        (
            Figure("proton transfer", alone_j, "J", chip.device.name),
            Figure("gate charge, mean of both polarities", gate_j, "J", COMPUTED),
            Figure("array, per pulse that moves a device", per_pulse_j, "J", COMPUTED),
            Figure("array, per device and update", total_j / cells, "J", COMPUTED),
            Figure("probability that a line fires in a slot", p, "", COMPUTED),
        ),
    )


def synapse_speed(court: Court) -> Claim:
    """Ten thousand times faster than a biological synapse."""
    y = court.yardsticks
    pulse_s, update_s = float(court.chip.device.pulse_width_s), _update_s(court)
    device, array = y.synapse_response_s / pulse_s, y.synapse_response_s / update_s
    return Claim(
        "synapse_speed",
        f"The device is {y.synapse_speed_ratio:,.0f} times faster than a biological synapse.",
        verdict([device >= y.synapse_speed_ratio, array >= y.synapse_speed_ratio]),
        f"Against a transmission of {y.synapse_response_s * 1e3:.0f} ms a pulse is {device:,.0f} times faster and the "
        f"update of a whole array {array:,.0f} times.",
        (
            Figure("pulse against synapse", device, "", COMPUTED),
            Figure("array update against synapse", array, "", COMPUTED),
            Figure("claimed ratio", y.synapse_speed_ratio, "", YARDSTICKS),
        ),
    )


def synapse_size(court: Court) -> Claim:
    """A thousand times smaller than a biological synapse."""
    y = court.yardsticks
    synapse_m2 = y.synapse_side_m**2
    channel = synapse_m2 / (y.channel_width_m * y.channel_length_m)
    cell = synapse_m2 / float(court.chip.array.cell_pitch_m) ** 2
    volume = (y.synapse_side_m / (y.channel_width_m * y.channel_length_m) ** 0.5) ** 3
    return Claim(
        "synapse_size",
        f"The device is {y.synapse_size_ratio:,.0f} times smaller than a biological synapse.",
        verdict([v >= y.synapse_size_ratio for v in (channel, cell, volume)]),
        f"Against a bouton of {y.synapse_side_m * 1e6:.0f} micrometre the channel is {channel:.0f} times smaller in area and "
        f"about {volume:,.0f} times in volume; a cell of an array with its three lines is "
        f"{cell:.0f} times smaller in area.",
        (
            Figure("channel against synapse, area", channel, "", COMPUTED),
            Figure("channel against synapse, volume of equal shape", volume, "", COMPUTED),
            Figure("array cell against synapse, area", cell, "", COMPUTED),
            Figure("claimed ratio", y.synapse_size_ratio, "", YARDSTICKS),
        ),
    )


def endurance(court: Court) -> Claim:
    """A million operations against the pulses of a training run."""
    y, device = court.yardsticks, court.chip.device
    fast, slow = "arrays that take every update", "arrays that take transfers only"
    need = {
        f"{fast}, least": y.pulses_fast_min * y.training_samples,
        f"{fast}, most": y.pulses_fast_max * y.training_samples,
        f"{slow}, least": y.pulses_slow_min * y.training_samples,
        f"{slow}, most": y.pulses_slow_max * y.training_samples,
    }
    least, most, transfers = need[f"{fast}, least"], need[f"{fast}, most"], need[f"{slow}, most"]
    shown, claimed = float(device.endurance_pulses), y.cycles
    sweep = 2.0 * float(device.pulses_full_range)
    return Claim(
        "million_cycles",
        f"{claimed:,.0f} operations are enough for training.",
        verdict([claimed >= pulses for pulses in need.values()]),
        f"In a training run of {y.training_samples:,.0f} samples with one vector each, arrays that "
        f"take every update need {least:,.0f} to {most:,.0f} pulses, {least / claimed:.0f} times the "
        f"claim at least; arrays that take only transfers need {transfers:,.0f} at most. Shown were "
        f"{shown:,.0f} pulses. Full cycles of {sweep:.0f} pulses each would be {claimed * sweep:,.0f} "
        "pulses and enough; convolutions multiply the need by their positions.",
        (
            *(
                Figure(f"pulses needed, {name}", value, "", COMPUTED)
                for name, value in need.items()
            ),
            Figure("pulses shown", shown, "", device.name),
            Figure("claimed operations", claimed, "", YARDSTICKS),
            Figure("pulses in a million full cycles", claimed * sweep, "", COMPUTED),
        ),
    )


def _full(court: Court) -> tuple[Placement, float]:
    array = court.chip.array
    place = Placement(float(array.rows), float(array.weight_columns), 1.0, 1.0, 1.0, 1.0)
    return place, float(array.rows) * float(array.weight_columns) * array.columns_per_weight


def _probability(court: Court) -> float:
    """Chance that a line fires in a slot, for a fully connected layer."""
    return float(court.chip.update.firing_probability(1.0))


def _update_s(court: Court) -> float:
    """Duration of an update of inputs of one sign and signed errors."""
    update = court.chip.update
    return float(update.duration_s(update.phases(1.0, 2.0), court.chip.device.pulse_width_s))
