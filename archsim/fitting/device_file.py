"""A fitted response as a device file that the loader accepts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath

from archsim.config.dumping import dump
from archsim.config.loading import Loaded
from archsim.config.nodes import Source
from archsim.config.overriding import override
from archsim.config.reciting import recited
from archsim.fitting.curve import Curve
from archsim.fitting.fit import Fit
from archsim.hardware.device import Device
from archsim.units import format_quantity

_DIGITS = 6
# Texts that no source stands behind.
_LABELS = frozenset({"name", "description"})


@dataclass(frozen=True)
class Measured:
    """What the user knows beyond the curve: values of the device file by key, such as `pulse_up`."""

    values: Mapping[str, str]


def device_text(fit: Fit, curve: Curve, base: Loaded[Device], name: str, measured: Measured) -> str:
    """The YAML text of a device with the fitted response, its range and its symmetry point.

    What a curve cannot tell (capacitance, endurance, voltages that are not in `measured`) is taken
    from `base` and marked as assumed; spread and retention become unknown.  Raises `InputError` if
    the result is no valid device.
    """
    given = _given(fit, curve, base, name) | dict(measured.values)
    loaded = override(base, given)
    file = PurePath(curve.name).name
    found = Source(note=f"fitted to {file}, R^2 {fit.r_squared:.4f}")
    assumed = Source(note=f"as {base.value.name}, which was the base of the fit")
    unknown = Source(note="not in the curve")
    fitted = ("response", "conductance_min", "conductance_max", "conductance_reference")

    def source_of(path: str, present: Source | None) -> Source | None:
        key = path.partition(".")[0]
        if key in _LABELS:
            return present if path not in given else None
        if key in fitted:
            return found
        if key in measured.values:
            return Source(note="given with the curve")
        if key == "pulses_full_range":
            return Source(note=f"pulses of the longest branch in {file}")
        return unknown if given.get(key, "") is None else assumed

    return dump(recited(loaded, source_of))


def _given(fit: Fit, curve: Curve, base: Loaded[Device], name: str) -> dict[str, object]:
    """The values that the fit decides, by key of the device file."""
    low, high = fit.conductance_min_siemens, fit.conductance_max_siemens
    reference = low + 0.5 * (high - low) * (fit.response.symmetry_point() + 1.0)
    given: dict[str, object] = {
        "name": name,
        "description": f"{fit.kind} response fitted to {PurePath(curve.name).name}",
        "conductance_min": format_quantity(low, "S", _DIGITS),
        "conductance_max": format_quantity(high, "S", _DIGITS),
        "conductance_reference": format_quantity(reference, "S", _DIGITS),
        "pulses_full_range": max(branch.pulses for branch in curve.branches),
        "endurance_published": "none",
        "endurance_cycles": None,
        "endurance_cycle_pulses": None,
        "response": _rounded(fit.response.model_dump(by_alias=True)),
        "spread": None,
        "retention": None,
    }
    if base.value.drive.kind != "voltage":
        given["drive"] = {"kind": "voltage"}
    return given


def _rounded(values: Mapping[str, object]) -> dict[str, object]:
    """The parameters of a response with as many digits as mean anything."""

    def short(value: object) -> object:
        if isinstance(value, float):
            return float(f"{value:.{_DIGITS}g}")
        if isinstance(value, (tuple, list)):
            return [short(item) for item in value]
        return value

    return {key: short(value) for key, value in values.items()}
