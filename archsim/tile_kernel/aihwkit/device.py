"""Device presets of aihwkit as devices of ours, and back."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from archsim.config.dumping import dump
from archsim.config.loading import Loaded
from archsim.config.nodes import Source
from archsim.config.overriding import override
from archsim.config.reciting import recited
from archsim.errors import InputError, did_you_mean
from archsim.hardware.device import Device
from archsim.hardware.response import Response
from archsim.hardware.spread import Spread
from archsim.tile_kernel.aihwkit.document import (
    Document,
    class_of,
    difference,
    known_only,
    number,
    refuse_active,
    same,
)
from archsim.tile_kernel.aihwkit.fields import COMMON, INERT, NEUTRAL, OWN, PRESETS
from archsim.tile_kernel.aihwkit.laws import EXPORTS, LAWS, ExponentOffset, WeightRange
from archsim.tile_kernel.state import CycleNoise
from archsim.units import format_quantity


@dataclass(frozen=True, slots=True)
class ImportedDevice:
    """How the weights of a preset move, and all values of the document that are not held.

    `range` are its mean weight bounds.  Both bounds get one absolute spread, the mean of the two
    of the document.  `cycle_noise` says what the noise of a step is relative to.
    """

    name: str
    range: WeightRange
    response: Response
    spread: Spread
    cycle_noise: CycleNoise
    exponent: ExponentOffset
    left_out: Document

    def device_text(self, base: Loaded[Device], name: str) -> str:
        """The YAML text of a device with these steps on the conductances and pulses of `base`.

        Weight zero becomes the reference conductance.  What a preset does not say is that of
        `base`, and assumed.
        """
        device = base.value
        low, high = float(device.conductance_min_siemens), float(device.conductance_max_siemens)
        reference = low + 0.5 * (high - low) * (self.range.zero_state + 1.0)
        steps = 0.5 * (_middle_step(self.response, "step_up") + _middle_step(self.response))
        given: dict[str, object] = {
            "name": name,
            "description": f"steps of {self.name} of aihwkit on {device.name}",
            "conductance_reference": format_quantity(reference, "S", 6),
            "pulses_full_range": max(1, round(2.0 / steps)),
            "response": self.response.model_dump(by_alias=True),
            "spread": self.spread.model_dump(by_alias=True),
            "retention": None,
        }
        if device.drive.kind != "voltage":
            given["drive"] = {"kind": "voltage"}
        loaded = override(base, given)
        imported = Source(note=f"{self.name} of aihwkit")
        kept = Source(note=f"as {device.name}, on which the steps were put")

        def source_of(path: str, present: Source | None) -> Source | None:
            key = path.partition(".")[0]
            if key in ("name", "description"):
                return present if key not in given else None
            return imported if key in given else kept

        return dump(recited(loaded, source_of))


def _middle_step(response: Response, name: str = "step_down") -> float:
    return float(getattr(response, name))


def import_device(document: Document, leave_out: Collection[str] = ()) -> ImportedDevice:
    """The steps, bounds and spread of a pulsed device or preset of aihwkit.

    Fields that are missing have the defaults of its class.  Raises `InputError` for unknown classes
    and fields, and for fields that are set to something that is not modelled unless `leave_out`
    names them.
    """
    name = class_of(document)
    kind = PRESETS.get(name, name)
    if kind not in LAWS:
        raise InputError(
            f"device class '{name}' is not known",
            place="aihwkit",
            remedy=did_you_mean(name, [*LAWS, *PRESETS]),
        )
    fields = {**COMMON, **OWN[kind]}
    known_only(document, {*fields, *INERT}, name)
    values = {**fields, **document}
    refuse_active({**values, **_drift(document)}, {**NEUTRAL, "drift.nu": 0.0}, leave_out, name)
    range_ = _range(values)
    exponent = (
        ExponentOffset(number(values, "a"), number(values, "b"))
        if "a" in fields
        else ExponentOffset()
    )
    imported = ImportedDevice(
        name=name,
        range=range_,
        response=LAWS[kind](values, range_),
        spread=_spread(values, range_),
        cycle_noise="of_step" if values.get("mult_noise", True) else "of_mean_step",
        exponent=exponent,
        left_out={},
    )
    return replace(imported, left_out=difference(document, export_device(imported)))


def from_device(device: Device) -> ImportedDevice:
    """The steps of a device of ours in the units of the kernel: weight 1 is half the range.

    Raises `InputError` for a device of unknown spread.
    """
    if device.spread is None:
        raise InputError(
            f"the spread of {device.name} is unknown, and aihwkit asks for one",
            place="aihwkit",
            remedy="Give the device a spread.",
        )
    zero = float(device.state(device.conductance_reference_siemens))
    return ImportedDevice(
        name=device.name,
        range=WeightRange(-1.0 - zero, 1.0 - zero),
        response=device.effective_response,
        spread=device.spread,
        cycle_noise="of_step",
        exponent=ExponentOffset(),
        left_out={},
    )


def _drift(document: Document) -> dict[str, object]:
    drift = document.get("drift")
    return {"drift.nu": drift.get("nu", 0.0)} if isinstance(drift, Mapping) else {}


def _range(values: Document) -> WeightRange:
    range_ = WeightRange(number(values, "w_min"), number(values, "w_max"))
    if not (range_.low <= 0 <= range_.high and range_.half > 0):
        raise InputError(
            f"weights from {range_.low:g} to {range_.high:g} do not contain 0", place="aihwkit"
        )
    return range_


def _spread(values: Document, range_: WeightRange) -> Spread:
    bounds = 0.5 * (
        number(values, "w_max_dtod") * range_.high - number(values, "w_min_dtod") * range_.low
    )
    noise = number(values, "write_noise_std") if "write_noise_std" in values else 0.0
    return Spread(
        step_devices=number(values, "dw_min_dtod"),
        bounds_devices=bounds / range_.half,
        asymmetry_devices=number(values, "up_down_dtod"),
        bounds_cycles=0.0,
        step_cycles=number(values, "dw_min_std"),
        write_noise=noise * number(values, "dw_min") / range_.half,
    )


def export_device(imported: ImportedDevice) -> dict[str, object]:
    """The document of aihwkit's device class with these steps, bounds and spread, every field.

    Raises `InputError` for responses that no class of aihwkit has.
    """
    response, range_ = imported.response, imported.range
    if response.kind not in EXPORTS:
        raise InputError(
            f"aihwkit has no device class with the steps of kind '{response.kind}'",
            place="aihwkit",
            remedy=f"It has {', '.join(EXPORTS)}.",
        )
    kind, fields_of = EXPORTS[response.kind]
    law = fields_of(response, range_, imported.exponent)
    known = {**COMMON, **OWN[kind]}
    neutral = {name: value for name, value in NEUTRAL.items() if name in known}
    document = {
        "_class": kind,
        **known,
        **neutral,
        **law,
        "w_max": range_.high,
        "w_min": range_.low,
        **_exported_spread(imported.spread, range_, float(str(law["dw_min"]))),
    }
    if "mult_noise" in known:
        document["mult_noise"] = imported.cycle_noise == "of_step"
    return {key: value for key, value in document.items() if key == "_class" or key in known}


def _exported_spread(spread: Spread, range_: WeightRange, step: float) -> dict[str, object]:
    """Unknown entries are exported as none: aihwkit has no word for unknown."""

    def size(value: object) -> float:
        return 0.0 if value is None else float(str(value))

    bounds = size(spread.bounds_devices) * range_.half
    return {
        "dw_min_dtod": size(spread.step_devices),
        "up_down_dtod": size(spread.asymmetry_devices),
        "dw_min_std": size(spread.step_cycles),
        "w_max_dtod": bounds / range_.high if not same(range_.high, 0.0) else 0.0,
        "w_min_dtod": -bounds / range_.low if not same(range_.low, 0.0) else 0.0,
        "write_noise_std": size(spread.write_noise) * range_.half / step,
    }
