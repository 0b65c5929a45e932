"""`archsim list devices`: what an architect compares devices by."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from archsim.cli.console import (
    USUAL,
    FittingTable,
    literal_row,
    plain_table,
    show,
    width,
    write_json,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from archsim.cli.list import Entry
    from archsim.hardware.device import Device


@dataclass(frozen=True, slots=True)
class DeviceRow:
    """One device in short: its pulse, its range, its response and how long it lasts.

    `mean_asymmetry` is |up - down| over the mean step, averaged over the range, as driven.
    """

    name: str
    terminals: str
    pulse_width_s: float
    pulse_up_v: float
    pulse_down_v: float
    conductance_min_siemens: float
    conductance_max_siemens: float
    response: str
    drive: str
    mean_asymmetry: float
    half_select_step_fraction: float
    endurance_pulses: float
    endurance_published: str


def list_devices(folder: Path, entries: Sequence[Entry], *, as_json: bool) -> None:
    """Print the devices in `folder`, for each of which there is an entry with its sources."""
    from archsim.config.loading import load
    from archsim.hardware.device import Device

    rows = [_row(load(entry.name, Device, folder).value) for entry in entries]
    if as_json:
        both = zip(entries, rows, strict=True)
        write_json([asdict(entry) | asdict(row) for entry, row in both])
        return
    _print(rows, entries)


def _row(device: Device) -> DeviceRow:
    return DeviceRow(
        name=device.name,
        terminals=device.terminals,
        pulse_width_s=float(device.pulse_width_s),
        pulse_up_v=float(device.pulse_up_v),
        pulse_down_v=float(device.pulse_down_v),
        conductance_min_siemens=float(device.conductance_min_siemens),
        conductance_max_siemens=float(device.conductance_max_siemens),
        response=device.response.kind,
        drive=device.drive.kind,
        mean_asymmetry=device.effective_response.mean_asymmetry(),
        half_select_step_fraction=float(device.half_select_step_fraction(0.5)),
        endurance_pulses=float(device.endurance_pulses),
        endurance_published=device.endurance_published,
    )


def _print(rows: Sequence[DeviceRow], entries: Sequence[Entry]) -> None:
    """A table of figures, and below it what each device is and what stands behind it."""
    columns = ("name", "pulse", "volts", "range", "asym.", "endurance")
    table = plain_table(*columns, right=("pulse", "asym.", "endurance"))
    for row in rows:
        literal_row(table, *_cells(row))
    texts = plain_table("name", "description", "source")
    for column in texts.columns[1:]:
        column.no_wrap, column.overflow = False, "fold"
    for entry in entries:
        literal_row(texts, entry.name, entry.description, entry.source)
    show(
        FittingTable(table, ["volts", "endurance"]) if width() < USUAL else table,
        "",
        "asym.: |up - down| over the mean step, averaged over the range, as driven. endurance: in "
        "pulses; * not published for this device.",
        "",
        FittingTable(texts, ["source"]) if width() < USUAL else texts,
    )


def _cells(row: DeviceRow) -> tuple[str, ...]:
    from archsim.units import format_quantity

    low = format_quantity(row.conductance_min_siemens, "S")
    high = format_quantity(row.conductance_max_siemens, "S")
    star = "*" if row.endurance_published == "none" else ""
    return (
        row.name,
        format_quantity(row.pulse_width_s, "s"),
        f"{row.pulse_up_v:+g}/{row.pulse_down_v:+g}",
        f"{low} to {high}",
        f"{100 * row.mean_asymmetry:.0f} %",
        f"{row.endurance_pulses:.0e}".replace("e+0", "e").replace("e+", "e") + star,
    )
