"""Parameters go to aihwkit's documents and back, and nothing is dropped without a word."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from archsim.config.loading import load
from archsim.errors import InputError
from archsim.hardware.device import Device
from archsim.hardware.response import Polarity
from archsim.resources import data_folder
from archsim.tile_kernel.aihwkit.device import export_device, from_device, import_device
from archsim.tile_kernel.aihwkit.document import same
from archsim.tile_kernel.aihwkit.io import export_read, import_read
from archsim.tile_kernel.ir_drop import IrDrop
from archsim.tile_kernel.parameters import ReadParameters

DATA = Path(__file__).parents[1] / "data" / "aihwkit"
READS: dict[str, Any] = json.loads((DATA / "read_stats.json").read_text(encoding="utf-8"))
DEVICES: dict[str, Any] = json.loads((DATA / "device_presets.json").read_text(encoding="utf-8"))
UNMODELLED = (
    "gamma_up_dtod",
    "gamma_down_dtod",
    "pow_gamma_dtod",
    "lifetime",
)


@pytest.mark.parametrize("config", READS["io_parameters"])
def test_read_parameters_survive_the_round_trip(config: str) -> None:
    """Import and export give the document again, but for IR drop, which has to be named."""
    document = READS["io_parameters"][config]
    names = ("ir_drop", "ir_drop_g_ratio")
    left_out = {
        n: document[n] for n in names if not same(document[n], export_read(ReadParameters())[n])
    }
    imported = import_read(document, leave_out=list(left_out))
    assert dict(imported.left_out) == left_out
    again = {**export_read(imported.parameters), **imported.left_out}
    for name, value in document.items():
        assert name == "_class" or same(again[name], value), name
    assert import_read(again, leave_out=list(left_out)).parameters == imported.parameters


def test_all_spellings_of_choices_are_read() -> None:
    """Names and values of aihwkit's enumerations mean the same."""
    for spelling in ("NoiseManagementType.ABS_MAX", "ABS_MAX", "AbsMax"):
        assert import_read({"noise_management": spelling}).parameters.noise_management == "abs_max"
    worst = import_read({"bound_management": "IterativeWorstCase"}).parameters
    assert worst.bound_management == "worst_case"
    constant = import_read({"noise_management": "CONSTANT", "nm_thres": 0.5}).parameters
    assert constant.constant_scale == 0.5
    assert export_read(constant)["nm_thres"] == 0.5


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"out_nois": 0.1}, "no field 'out_nois'. Did you mean 'out_noise'"),
        ({"ir_drop": 1.0, "r_series": 0.1}, "sets ir_drop = 1.0 and r_series = 0.1, which archsim"),
        ({"noise_management": "AVERAGE_ABS_MAX"}, "noise_management is AVERAGE_ABS_MAX"),
        ({"w_noise": 0.1, "w_noise_type": "PCM_READ"}, "w_noise_type is PCM_READ"),
        ({"out_bound": float("nan")}, "out_bound is nan, expected a finite number"),
        ({"out_noise": "0.06"}, "out_noise is '0.06', expected a finite number"),
        ({"noise_management": "CONSTANT"}, "nm_thres is 0, but noise_management CONSTANT"),
    ],
)
def test_unknown_and_unsupported_fields_are_named(document: dict[str, object], said: str) -> None:
    """One sentence with the field and its value."""
    with pytest.raises(InputError, match=said):
        import_read(document)


def test_what_aihwkit_cannot_say_is_refused() -> None:
    """Our wire resistance, and converters without bounds."""
    typical = import_read({}).parameters
    with pytest.raises(InputError, match="no field for wire resistance"):
        export_read(replace(typical, ir_drop=IrDrop(1e-4, 1e-4, 0.5)))
    with pytest.raises(InputError, match="the input converter has no bound"):
        export_read(ReadParameters(output_noise=0.1))


def curves() -> dict[str, list[tuple[int, float]]]:
    found: dict[str, list[tuple[int, float]]] = {}
    with (DATA / "device_curves.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            found.setdefault(row["device"], []).append((int(row["pulse"]), float(row["mean"])))
    return found


CURVES = curves()


@pytest.mark.parametrize("name", DEVICES)
def test_imported_steps_follow_the_recorded_curve(name: str) -> None:
    """1000 pulses up and 1000 down from weight zero, as aihwkit itself took them."""
    imported = import_device(DEVICES[name]["deterministic"], UNMODELLED)
    state = np.float64(imported.range.zero_state)
    path = [0.0]
    for pulse in range(2000):
        polarity = Polarity.UP if pulse < 1000 else Polarity.DOWN
        state = state + imported.response.step(state, polarity)
        path.append(float(state) * imported.range.half + imported.range.middle)
    told = CURVES[name]
    assert len(told) == 24
    for pulse, weight in told:
        assert path[pulse] == pytest.approx(weight, abs=5e-4 * imported.range.half), pulse


@pytest.mark.parametrize("kind", ["d2d", "deterministic"])
@pytest.mark.parametrize("name", DEVICES)
def test_devices_survive_the_round_trip(name: str, kind: str) -> None:
    """Every field of the document is exported again or is listed as left out, never both."""
    document = DEVICES[name][kind]
    imported = import_device(document, UNMODELLED)
    exported = export_device(imported)
    for field, value in document.items():
        if field == "_class":
            continue
        kept = field in exported and same(exported[field], value)
        assert kept != (field in imported.left_out), field
    again = import_device(exported, UNMODELLED)
    assert again.response.model_dump() == pytest.approx(imported.response.model_dump())
    assert again.spread.model_dump() == pytest.approx(imported.spread.model_dump())
    assert again.left_out == {}
    held = {"dw_min", "w_max", "w_min", "dw_min_dtod", "dw_min_std", "up_down", "gamma_up", "A_up"}
    assert not held & set(imported.left_out)


def test_what_is_not_modelled_must_be_named() -> None:
    """Leak and spread of slopes are refused with their values, unless left out."""
    with pytest.raises(
        InputError,
        match=r"CapacitorPresetDevice sets lifetime = 1000000.0 and gamma_up_dtod = 0.01 and "
        r"gamma_down_dtod = 0.01, which archsim does not model. Go on without .*'lifetime'",
    ):
        import_device(DEVICES["CapacitorPreset"]["d2d"])
    imported = import_device(DEVICES["CapacitorPreset"]["d2d"], UNMODELLED)
    assert imported.left_out["lifetime"] == 1e6
    with pytest.raises(InputError, match="Did you mean 'SoftBoundsDevice'"):
        import_device({"_class": "SoftBoundDevice"})
    with pytest.raises(InputError, match="SoftBoundsDevice has no field 'gamma_up'"):
        import_device({"_class": "SoftBoundsDevice", "gamma_up": 0.1})
    with pytest.raises(InputError, match="do not contain 0"):
        import_device({"_class": "ConstantStepDevice", "w_min": 0.1})


def test_a_preset_becomes_a_device_file(tmp_path: Path) -> None:
    """The text loads as a device with the imported steps, weight zero at the reference."""
    folder = data_folder("arch_configs")
    base = load("devices/ecram_li", Device, folder)
    imported = import_device(DEVICES["EcRamPreset"]["d2d"], UNMODELLED)
    text = imported.device_text(base, "my_ecram")
    file = tmp_path / "my_ecram.yaml"
    file.write_text(text, encoding="utf-8")
    device = load(str(file), Device, folder).value
    shipped = base.value
    assert device.name == "my_ecram"
    states = np.linspace(-1, 1, 21)
    for polarity in Polarity:
        expected = shipped.response.step_size(states, polarity)
        np.testing.assert_allclose(device.response.step_size(states, polarity), expected, rtol=1e-3)
    reference = pytest.approx(shipped.conductance_reference_siemens, rel=1e-3)
    assert device.conductance_reference_siemens == reference
    assert device.spread is not None
    assert device.spread.step_devices == 0.1


@pytest.mark.parametrize("name", ["rpu_spec", "ecram_li", "ecram_mo", "reram_hfo2", "capacitor"])
def test_devices_of_ours_are_exported(name: str) -> None:
    """Exported and imported again, the steps at every state are those of the device."""
    device = load(f"devices/{name}", Device, data_folder("arch_configs")).value
    again = import_device(export_device(from_device(device)))
    states = np.linspace(-1, 1, 21)
    for polarity in Polarity:
        np.testing.assert_allclose(
            again.response.step_size(states, polarity),
            device.effective_response.step_size(states, polarity),
            rtol=1e-9,
        )
    assert again.range.zero_state == pytest.approx(
        float(device.state(device.conductance_reference_siemens))
    )


def test_steps_without_a_class_are_refused() -> None:
    """The protonic response has no counterpart, and the sentence says which kinds have."""
    device = load("devices/protonic_onen2022", Device, data_folder("arch_configs")).value
    known = device.model_copy(
        update={"spread": import_device({"_class": "ConstantStepDevice"}).spread}
    )
    with pytest.raises(InputError, match="no device class with the steps of kind"):
        export_device(from_device(known))
    with pytest.raises(InputError, match=r"spread of .* is unknown"):
        from_device(device.model_copy(update={"spread": None}))
