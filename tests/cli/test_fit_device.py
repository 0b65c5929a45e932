"""`archsim fit-device`: files that the loader accepts, one result in two forms, refusals."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from archsim.architecture import Architecture
from archsim.config.assumptions import unsourced
from archsim.config.loading import load
from archsim.config.overriding import override
from archsim.fitting.families import FAMILIES
from archsim.hardware.device import Device
from archsim.resources import data_folder
from tests.closeness import close
from tests.fitting.curves import curve_of, truth

Runner = Callable[..., Any]
DIGITISED = Path(__file__).parents[1] / "data" / "fitting" / "onen2022_fig2a.csv"
KINDS = {family.kind for family in FAMILIES}


@pytest.fixture(scope="module")
def curve(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The curve of a known protonic device as a file, 130 pulses up and 130 down, with noise."""
    made = curve_of(truth("protonic"), 0.2e-9, seed=5)
    rows = zip(made.pulses, made.conductance_siemens * 1e9, strict=True)
    path = tmp_path_factory.mktemp("curves") / "known.csv"
    lines = ["pulse,conductance (nS)", *(f"{n},{g:.4f}" for n, g in rows)]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def test_every_model_becomes_a_device_that_runs(
    archsim_here: Runner, tmp_path: Path, curve: Path
) -> None:
    """Each file loads, cites a source for every number, holds its fit, and serves in a chip."""
    found = archsim_here("fit-device", curve, "--turn", 130, "--all", "--out", "d.yaml", "--json")
    assert (found.code, found.err) == (0, "")
    assert {model["kind"] for model in found.json["models"]} == KINDS
    chip = load("protonic_256", Architecture, data_folder("arch_configs"))
    for model in found.json["models"]:
        path = tmp_path / model["device_file"]
        loaded = load(path, Device, tmp_path)
        device = loaded.value
        assert device.response.kind == model["kind"]
        assert unsourced(loaded) == ()
        assert curve.name in loaded.sources["response.kind"].note
        assert "protonic_onen2022" in loaded.sources["gate_capacitance"].note
        assert device.conductance_reference_siemens == pytest.approx(
            model["symmetry_point_siemens"], rel=1e-4
        )
        assert override(chip, {"device": str(path)}).value.device == device


def test_the_text_and_the_document_agree(archsim_here: Runner, tmp_path: Path, curve: Path) -> None:
    """The best model, its R^2 and its parameters stand in both; the plot shows every model."""
    arguments = ("fit-device", curve, "--turn", 130, "--range", "20 nS", "180 nS")
    document = archsim_here(*arguments, "--json").json
    text = archsim_here(*arguments)
    best = document["models"][0]
    assert document["best"] == best["kind"] == "protonic"
    assert f"{best['r_squared']:.5f}" in text.out
    assert "Best: protonic." in text.out
    for parameter in best["parameters"]:
        assert f"{parameter['value']:.4g}" in text.out
    assert [m["delta_aicc"] for m in document["models"] if m["determined"]] == sorted(
        m["delta_aicc"] for m in document["models"] if m["determined"]
    )
    assert max(map(len, text.out.splitlines())) <= 80
    device = load(tmp_path / "known.yaml", Device, tmp_path).value
    assert (device.name, device.conductance_min_siemens) == ("known", 20e-9)
    plot = ET.parse(tmp_path / document["plot"])
    drawn = " ".join(plot.getroot().itertext())
    assert all(kind in drawn for kind in KINDS)


def test_what_is_known_beside_the_curve_enters_the_file(
    archsim_here: Runner, tmp_path: Path, curve: Path
) -> None:
    """Amplitudes, width, name and the base device are the user's."""
    found = archsim_here(
        *("fit-device", curve, "--turn", 130, "--pulse-up", "3 V", "--pulse-down", "-2 V"),
        *("--pulse-width", "20 ns", "--name", "mine", "--base", "ecram_mo", "--out", "m.yaml"),
    )
    assert found.code == 0
    loaded = load(tmp_path / "m.yaml", Device, tmp_path)
    device = loaded.value
    assert (device.name, device.pulse_up_v, device.pulse_down_v) == ("mine", 3.0, -2.0)
    assert device.pulse_width_s == 20e-9
    assert device.gate_capacitance_f == close(0.174e-15)
    assert loaded.sources["pulse_up"].note == "given with the curve"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("missing.csv",), "missing.csv: the file cannot be read (No such file or directory)."),
        ((DIGITISED, "--base", "onen"), "there is no 'onen'"),
        ((DIGITISED, "--base", "h100"), "'h100' is a GPU, expected a device."),
        ((DIGITISED, "--range", "5 nS", "4 nS"), "--range: found 5 nS to 4 nS, expected two"),
        ((DIGITISED, "--range", "5 nA", "9 nA"), "--range: '5 nA' has the unit 'nA'"),
        ((DIGITISED, "--pulse-up", "10 m"), "pulse_up"),
        ((DIGITISED, "--pulse-width", "1 ms"), "pulse_width exceeds pulse_width_max"),
        ((DIGITISED, "--turn", 5000), "the turning point 5000 is not inside the curve"),
        ((DIGITISED, "--out", "device.txt"), "--out 'device.txt' is no YAML file."),
        ((DIGITISED, "--unit", "bananas"), "'bananas' is no unit of conductance"),
    ],
)
def test_bad_input_is_one_sentence_and_leaves_nothing(
    archsim_here: Runner, tmp_path: Path, arguments: tuple[object, ...], message: str
) -> None:
    """Exit code 2, a message, no traceback, no file."""
    found = archsim_here("fit-device", *arguments)
    assert found.code == 2
    assert message in found.err
    assert found.out == ""
    assert list(tmp_path.iterdir()) == []


def test_the_curve_itself_is_never_overwritten(archsim_here: Runner, tmp_path: Path) -> None:
    """A file whose name ends like the output would be is refused as the output."""
    odd = tmp_path / "odd.yaml"
    odd.write_bytes(DIGITISED.read_bytes())
    found = archsim_here("fit-device", "odd.yaml")
    assert found.code == 2
    assert "would overwrite the curve" in found.err
    assert odd.read_bytes() == DIGITISED.read_bytes()
