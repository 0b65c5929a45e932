"""The summary that `archsim limits` prints."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archsim.cli.console import literal_row, plain_table, show, show_line
from archsim.report.text import count, percent, quantity

if TYPE_CHECKING:
    from rich.table import Table

_LIMITS = {
    "read_noise": "read noise",
    "ir_drop": "IR drop",
    "settling_read": "RC delay over the read",
    "settling_update": "RC delay over a pulse",
}


def print_limits(report: Mapping[str, Any], plot: Path | None) -> None:
    """Limits against size, the largest arrays, and the lifetime, in 80 columns."""
    size = f"{report['rows']} x {report['cols']}"
    show(
        f"{report['architecture']}: arrays of {size} {report['device']}; what their size does",
        "",
        _sizes(report),
        "",
        _largest(report),
        "",
        *_lifetime(report["lifetime"]),
    )
    if plot is not None:
        show_line(f"Plot: {plot}")


def _sizes(report: Mapping[str, Any]) -> Table:
    columns = ("size", "noise", "IR drop", "RC/read", "RC/pulse", "read", "update")
    energies = ("read/MAC", "update/MAC")
    table = plain_table(*columns, *energies, right=(*columns, *energies))
    for row in report["sizes"]:
        literal_row(
            table,
            f"{row['size']}",
            f"{row['read_noise']:.3f}",
            percent(row["ir_drop_nodal"]),
            f"{row['settling_read']:.1g}",
            f"{row['settling_update']:.1g}",
            quantity(row["read_s"], "s"),
            quantity(row["update_s"], "s"),
            quantity(row["mac_energy_j"], "J"),
            quantity(row["update_energy_j"], "J"),
        )
    return table


def _largest(report: Mapping[str, Any]) -> Table:
    table = plain_table("largest square array before", "exceeds", "is", right=("exceeds", "is"))
    for entry in report["largest"]:
        share = entry["limit"] == "ir_drop"
        bound = percent(entry["bound"]) if share else f"{entry['bound']:.3g}"
        size = "beyond 65536" if entry["size"] is None else f"{entry['size']:,}"
        literal_row(table, _LIMITS[entry["limit"]], bound, size)
    return table


def _lifetime(life: Mapping[str, Any]) -> list[str]:
    runs = f"{life['training_runs']:.2g} training runs of {count(life['samples_per_run'])} samples"
    each = f"{life['pulses_per_device_per_sample']:.3g} for each device and sample"
    lasts = f"Endurance: {life['endurance_pulses']:.3g} pulses last for {runs},"
    if life["firing_probability"] is None:
        return [
            lasts,
            f"{each}, which are written line by line.",
            "The columns of updates are those of parallel ones, which this algorithm does not make.",
        ]
    fires = percent(life["firing_probability"])
    return [
        lasts,
        f"{each}; lines fire in {fires} of the slots,",
        f"so that a device is half-selected {life['half_selects_per_pulse']:.3g} times per pulse",
        f"and takes {life['disturb_per_pulse']:.2g} steps unasked for each one on purpose.",
    ]
