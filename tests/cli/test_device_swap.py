"""Every device serves in a chip, whichever it is and wherever its file lies."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from archsim.config.files import names_in
from archsim.config.loading import load
from archsim.hardware.device import Device
from archsim.resources import data_folder
from tests.closeness import close

Runner = Callable[..., Any]
FOLDER = data_folder("arch_configs") / "devices"


def swapped(name: str, terminals: str) -> list[str]:
    cell = f"array.line_map=cells/{terminals}"
    return ["run", "mlp", "--arch", "protonic_256", "--set", f"device={name}", "--set", cell]


@pytest.mark.parametrize("name", names_in(FOLDER))
def test_a_network_is_trained_on_each_device(archsim_here: Runner, name: str) -> None:
    """`run` prices a small network with the device and the line map of its terminals."""
    terminals = load(name, Device, FOLDER).value.terminals
    found = archsim_here(*swapped(f"devices/{name}", terminals), "--json")
    assert (found.code, found.json["architecture"]["device"]) == (0, name)
    assert found.json["accelerator"]["step_latency_s"] > 0


def test_slower_pulses_make_slower_training(archsim_here: Runner) -> None:
    """Pulses of milliseconds against nanoseconds, all else equal: far slower steps."""
    seconds = {}
    for name in ("protonic_onen2022", "protonic_onen2021"):
        found = archsim_here(*swapped(f"devices/{name}", "three_terminal"), "--json")
        seconds[name] = found.json["accelerator"]["step_latency_s"]
    assert seconds["protonic_onen2021"] > 1e4 * seconds["protonic_onen2022"]


def test_the_drive_shows_in_energy_and_area(archsim_here: Runner) -> None:
    """Circuits in the cells take energy and area under their own name; voltage drive has none."""
    energy, area = {}, {}
    for kind in ("voltage", "current", "compensated"):
        found = archsim_here(
            *("run", "mlp", "--arch", "protonic_256", "--set", f"device.drive=drives/{kind}"),
            "--json",
        ).json["accelerator"]
        energy[kind] = found["energy_by_component_j"].get("drive_circuits", 0.0)
        area[kind] = found["area_by_component_m2"].get("drive_circuits", 0.0)
    assert (energy["voltage"], area["voltage"]) == (0, 0)
    # 0.25 against 1 fJ per pulse, 0.23 against 0.5 um^2 per cell.
    assert energy["compensated"] == close(4 * energy["current"], rel=1e-9)
    assert area["compensated"] == close(0.5 / 0.23 * area["current"], rel=1e-9)
    assert min(energy["current"], area["current"]) > 0


def test_a_device_from_outside_is_one_file(archsim_here: Runner, tmp_path: Path) -> None:
    """A file of the user's, extending a shipped one, is all that a new device takes."""
    (tmp_path / "mine.yaml").write_text(
        "extends: devices/protonic_onen2022\nname: mine\npulse_width: 8 ns\n"
        "response: {kind: soft_bounds, step_up: 0.002, step_down: 0.002}\n",
        encoding="utf-8",
    )
    found = archsim_here(*swapped("mine.yaml", "three_terminal"), "--json")
    assert (found.code, found.json["architecture"]["device"]) == (0, "mine")


def test_devices_are_listed_with_their_figures(archsim_here: Runner) -> None:
    """Pulse, range, asymmetry and endurance, with the source, in both forms."""
    found = {row["name"]: row for row in archsim_here("list", "devices", "--json").json}
    row = found["protonic_onen2022"]
    assert (row["pulse_width_s"], row["pulse_up_v"], row["pulse_down_v"]) == (5e-9, 10.0, -8.5)
    assert row["mean_asymmetry"] == pytest.approx(0.38, abs=0.02)
    assert row["endurance_published"] == "cycles"
    assert "onen22.pulse_width" in row["sources"]
    lines = archsim_here("list", "devices").out.splitlines()
    line = next(text for text in lines if text.startswith("protonic_onen2022"))
    figures = ["5 ns", "+10/-8.5", "11.4 nS to 234 nS", "38 %", "1e5"]
    assert " ".join(line.split()) == " ".join(["protonic_onen2022", *figures])


@pytest.mark.parametrize(
    ("setting", "component"),
    [
        ("chip.power_gating=power_gating/idle_arrays", "power_gating"),
        ("periphery.supply=supplies/pump", "update_supply_loss"),
    ],
)
def test_an_option_that_a_chip_lacks_is_switched_on_by_name(
    archsim_here: Runner, setting: str, component: str
) -> None:
    """A name is the file of a block, whether or not the chip has such a block already."""
    found = archsim_here("run", "mlp", "--arch", "protonic_256", "--set", setting, "--json")
    assert component in found.json["accelerator"]["energy_by_component_j"]
