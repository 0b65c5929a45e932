"""What drives the cost of an architecture: the few figures that explain most differences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from archsim.hardware.mesh import Mesh
from archsim.report.lookup import number, numbers, section, setting
from archsim.report.rows import ResultMapping
from archsim.report.text import NO_VALUE, count, percent, quantity


@dataclass(frozen=True, slots=True)
class Driver:
    """A figure of several architectures: its name, and its text for each of them."""

    label: str
    values: tuple[str, ...]


def drivers(results: Sequence[ResultMapping]) -> tuple[Driver, ...]:
    """The figures that at least one of the results states, in the order of the data's way."""
    found = (Driver(label, tuple(show(r) for r in results)) for label, show in _FIGURES)
    return tuple(driver for driver in found if set(driver.values) != {NO_VALUE})


def _used(result: ResultMapping) -> str:
    used = number(result, "architecture", "arrays_used")
    available = number(result, "architecture", "arrays_available")
    if used is None or not available:
        return count(used)
    return f"{count(used)} of {count(available)}"


def _copies(result: ResultMapping) -> str:
    """Mean and most copies of a weight matrix."""
    copies = list(numbers(result, "architecture", "replication", "copies").values())
    if not copies:
        return NO_VALUE
    return f"{sum(copies) / len(copies):.3g}, at most {count(max(copies))}"


def _interval(direction: str) -> Callable[[ResultMapping], str]:
    """Time between two vectors of a full array, and which part of a read sets it."""

    def show(result: ResultMapping) -> str:
        read = section(result, "accelerator", "read")
        interval_s = number(read, f"{direction}_interval_s")
        integration_s = number(read, f"{direction}_integration_s")
        conversion_s = number(read, f"{direction}_conversion_s")
        if interval_s is None or integration_s is None or conversion_s is None:
            return quantity(interval_s, "s")
        part = "conversion" if conversion_s > integration_s else "integration"
        if interval_s > max(conversion_s, integration_s):
            part = "both"
        return f"{quantity(interval_s, 's')} ({part})"

    return show


def _hops(result: ResultMapping) -> str:
    """Mean distance of two tiles."""
    side = setting(result, "mesh.side")
    if not side.isdecimal() or not int(side):
        return NO_VALUE
    return f"{float(Mesh.model_construct(side=float(side)).mean_hops):.3g}"


def _spilled(result: ResultMapping) -> str:
    """Share of what waits between layers that goes to DRAM."""
    kept = number(result, "accelerator", "saved_activation_bytes_on_chip")
    spilled = number(result, "accelerator", "saved_activation_bytes_spilled")
    if kept is None or spilled is None:
        return NO_VALUE
    return percent(spilled / (kept + spilled) if kept + spilled else 0.0)


def _static(result: ResultMapping) -> str:
    energy_j = numbers(result, "accelerator", "energy_by_phase_j")
    total_j = number(result, "accelerator", "step_energy_j")
    return percent(energy_j["static"] / total_j) if total_j and "static" in energy_j else NO_VALUE


_FIGURES: tuple[tuple[str, Callable[[ResultMapping], str]], ...] = (
    ("Arrays used", _used),
    ("Copies of a matrix, mean", _copies),
    ("Arrays busy", lambda r: percent(number(r, "accelerator", "array_utilisation"))),
    ("Cells that hold weights", lambda r: percent(number(r, "accelerator", "cell_utilisation"))),
    ("Interval of forward reads", _interval("forward")),
    ("Interval of transposed reads", _interval("transposed")),
    (
        "Pulses per device and step",
        lambda r: count(number(r, "accelerator", "endurance", "pulses_per_device_per_step")),
    ),
    ("Hops between two tiles, mean", _hops),
    ("Waiting data in DRAM", _spilled),
    ("Energy that is static", _static),
)
