"""Drawings of docs/explanation/tile-update.md: changes along lines, time, response curves.

OPENBLAS_NUM_THREADS=1 python benchmarks/tile_update_plots.py [--out docs/images] [--only NAME ...]

Inputs are uniform in +-1 and errors normal with 0.1, 64 vectors, train length 31, without update
management, so that lines fire as often as they can.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from archsim.config.files import names_in
from archsim.config.loading import load
from archsim.hardware.device import Device
from archsim.report.xy_plot import Axis, Series, xy_plot
from archsim.resources import data_folder
from archsim.tile_kernel.aihwkit.device import import_device
from archsim.tile_kernel.pulsing import apply_pulses
from archsim.tile_kernel.state import NO_SPREAD, DeviceArray, make_devices, sample_devices
from archsim.tile_kernel.step_law import straight_law
from archsim.tile_kernel.trains import Kernel, UpdateParameters
from archsim.tile_kernel.update import update
from benchmarks.tile_update import median_ms, soft_bounds

SIZE, BATCH, STEP, REPEATS = 128, 64, 0.001, 200
DENSITIES = (0.3, 1, 3, 10, 30, 100)
TIMED = (0.03, 0.13, 0.4, 1.28, 4, 12.8, 40, 128)
# Medians of aihwkit 1.2.0, one thread, 512 x 512, at nominal pulses per device, in ms.
THEIRS = ((0.13, 1.85), (1.28, 3.9), (12.8, 30.0), (128, 319.0))
TESTED = Path(__file__).parents[1] / "tests" / "data"
RECORDED = TESTED / "aihwkit" / "pulse_response.csv"
# Shipped devices of more than a constant step, and the preset that their response was taken from.
SOURCES = {
    "capacitor": "CapacitorPreset",
    "ecram_li": "EcRamPreset",
    "ecram_mo": "EcRamMOPreset",
    "reram_hfo2": "ReRamESPreset",
}
# Noise and leak, which the recorded curves leave out.
NOT_IN_CURVES = (
    "lifetime",
    "lifetime_dtod",
    "write_noise_std",
    "dw_min_std_add",
    "dw_min_std_slope",
)
PULSES = 1000


def one(value: float) -> Any:
    return np.full((1, 1, 1), value, dtype=np.float32)


def constant(size: int) -> DeviceArray:
    """Wide constant-step devices: what is seen is the trains and the noise of single steps."""
    law = straight_law(one(STEP), one(0), one(STEP), one(0))
    return make_devices((1, size, size), law, (one(-9), one(9)), STEP, cycle_noise=0.3)


def pair(size: int) -> tuple[Any, Any]:
    rng = np.random.default_rng(7)
    x = rng.uniform(-1, 1, (BATCH, size)).astype(np.float32)
    return x, (0.1 * rng.standard_normal((BATCH, size))).astype(np.float32)


def rate_for(pulses: float, x: Any, error: Any) -> float:
    return float(pulses * STEP / np.mean(np.abs(x).T @ np.abs(error)))


def along(draws: Any, unit: Any) -> float:
    """Standard deviation of the change times vectors of unit length, in steps."""
    return float(np.sqrt(np.einsum("kij,qi->kqj", draws, unit).var(axis=0, ddof=1).mean()) / STEP)


def against_lines() -> list[Series]:
    """Right and wrong kernels: the same per device, not along the input."""
    x, error = pair(SIZE)
    u = x[:8] / np.linalg.norm(x[:8], axis=1, keepdims=True)
    rng = np.random.Generator(np.random.SFC64(2))
    shown: dict[str, list[float]] = {}
    for pulses in DENSITIES:
        rate = rate_for(pulses, x, error)
        found: dict[str, Any] = {}
        kernels: tuple[Kernel, ...] = ("pulsed", "counts", "events")
        for kernel in kernels:
            parameters = UpdateParameters(31, False, False, kernel=kernel)
            draws = []
            for _ in range(REPEATS):
                devices = constant(SIZE)
                update(devices, x, error, rate, parameters, rng)
                draws.append(devices.weights[0])
            found[kernel] = np.array(draws, dtype=np.float64)
        exact = found["pulsed"]
        spread = exact.std(axis=0, ddof=1)
        found["independent noise per device (wrong)"] = exact.mean(
            axis=0
        ) + spread * rng.standard_normal(exact.shape)
        for name, draws_of in found.items():
            shown.setdefault(f"{name}, along an input", []).append(along(draws_of, u))
        shown.setdefault("all of them, per device", []).append(
            float(np.sqrt((spread**2).mean()) / STEP)
        )
    return [
        Series(name, DENSITIES, values, "marks" if "counts" in name or "events" in name else "line")
        for name, values in shown.items()
    ]


def against_density() -> list[Series]:
    """Processor time of an update of 512 x 512 soft-bounds devices with spread."""
    rng = np.random.Generator(np.random.SFC64(3))
    devices = soft_bounds(512, 512, rng)
    x, error = pair(512)
    shown: dict[str, list[float]] = {}
    kernels: tuple[Kernel, ...] = ("auto", "counts", "events", "pulsed")
    for pulses in TIMED:
        rate = rate_for(pulses, x, error)
        for kernel in kernels:
            if kernel == "events" and pulses > 20:
                shown[kernel].append(float("nan"))
                continue
            parameters = UpdateParameters(31, kernel=kernel)

            def work(rate: float = rate, parameters: Any = parameters) -> object:
                return update(devices, x, error, rate, parameters, rng)

            shown.setdefault(kernel, []).append(median_ms(work, 9))
    series = [
        Series(name, TIMED, values, "marks" if name == "auto" else "line")
        for name, values in shown.items()
    ]
    return [*series, Series("aihwkit 1.2.0", *zip(*THEIRS, strict=True), kind="dashed")]


def trace(devices: DeviceArray, marks: Sequence[int], pulses: int) -> list[float]:
    """Mean weight after each number of pulses: `pulses` up, then as many down."""
    rng, reached, found = np.random.Generator(np.random.SFC64(4)), 0, []
    size = devices.weights.size
    none = np.zeros(size, dtype=np.float32)
    for mark in marks:
        up = max(0, min(mark, pulses) - reached)
        down = mark - reached - up
        apply_pulses(devices, slice(0, size), none + np.float32(up), none, rng)
        apply_pulses(devices, slice(0, size), none, none + np.float32(down), rng)
        reached = mark
        found.append(float(devices.weights.mean()))
    return found


def responses() -> list[Series]:
    """Shipped devices, from the lowest conductance up and down again, without noise.

    The ideal device is the constant step of another, and protonic_onen2021 has the response of
    protonic_onen2022.
    """
    folder = data_folder("arch_configs") / "devices"
    quiet = NO_SPREAD
    series = []
    for name in sorted(set(names_in(folder)) - {"ideal", "protonic_onen2021"}):
        device = load(name, Device, folder).value.model_copy(update={"spread": quiet})
        devices = sample_devices(device, (1, 1, 1), np.random.default_rng(0))
        devices.stored[...] = devices.lower
        pulses = int(device.pulses_full_range)
        marks = [round(2 * pulses * k / 100) for k in range(101)]
        shift = float(device.state(device.conductance_reference_siemens))
        states = [weight + shift for weight in trace(devices, marks, pulses)]
        series.append(Series(name, [k / 50 for k in range(101)], states))
    return series


def against_recorded() -> list[Series]:
    """Curves with noise beside those that aihwkit produced."""
    with RECORDED.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["variant"] == "c2c_only"]
    laws = {
        "ConstantStep": (0.6, 0.6, 0.001, 0.0, 0.0),
        "SoftBounds": (0.6, 0.6, 0.001, 1 / 0.6, 1 / 0.6),
        "EcRamPreset": (0.8276, 1.1724, 0.002, 0.1153 / 1.1724, 0.5085 / 0.8276),
    }
    series = []
    for name, (lower, upper, step, up, down) in laws.items():
        law = straight_law(one(step), one(step * up), one(step), one(step * down))
        devices = make_devices((1, 1, 4096), law, (one(-lower), one(upper)), step, cycle_noise=0.3)
        marks = list(range(0, 2 * PULSES + 1, 20))
        theirs = [row for row in rows if row["device"] == name]
        series.append(Series(f"{name}, ours", marks, trace(devices, marks, PULSES)))
        series.append(
            Series(
                f"{name}, aihwkit",
                [float(row["pulse"]) for row in theirs],
                [float(row["mean"]) for row in theirs],
                "marks",
            )
        )
    return series


def shipped(name: str, state: float) -> tuple[Device, DeviceArray]:
    """One shipped device without spread, at a state in [-1, 1]."""
    folder = data_folder("arch_configs") / "devices"
    device = load(name, Device, folder).value.model_copy(update={"spread": NO_SPREAD})
    devices = sample_devices(device, (1, 1, 1), np.random.default_rng(0))
    devices.stored[...] = state - float(device.state(device.conductance_reference_siemens))
    return device, devices


def against_sources() -> list[Series]:
    """Shipped devices beside the recorded curves of the presets that their numbers come from."""
    presets = json.loads((TESTED / "aihwkit" / "device_presets.json").read_text("utf-8"))
    with (TESTED / "aihwkit" / "device_curves.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    series = []
    for name, preset in SOURCES.items():
        range_ = import_device(presets[preset]["deterministic"], leave_out=NOT_IN_CURVES).range
        theirs = [row for row in rows if row["device"] == preset]
        states = [(float(row["mean"]) - range_.middle) / range_.half for row in theirs]
        device, devices = shipped(name, states[0])
        shift = float(device.state(device.conductance_reference_siemens))
        marks = list(range(0, 2 * PULSES + 1, 20))
        ours = [weight + shift for weight in trace(devices, marks, PULSES)]
        series.append(Series(name, marks, ours))
        pulses = [float(row["pulse"]) for row in theirs]
        series.append(Series(f"{preset} of aihwkit", pulses, states, "marks"))
    return series


def against_measured() -> list[Series]:
    """The protonic device beside the points of its published curve, in nS; the start was fitted."""
    path = TESTED / "fitting" / "onen2022_fig2a.csv"
    points = [line.split(",") for line in path.read_text("utf-8").splitlines() if line[0].isdigit()]
    pulses = [int(point[0]) for point in points]
    measured = np.array([float(point[1]) for point in points])

    def curve(start_ns: float, marks: Sequence[int]) -> Any:
        device = shipped("protonic_onen2022", 0.0)[0]
        device, devices = shipped("protonic_onen2022", float(device.state(1e-9 * start_ns)))
        shift = float(device.state(device.conductance_reference_siemens))
        states = np.array(trace(devices, marks, PULSES)) + shift
        return 1e9 * device.conductance_siemens(states)

    starts = np.arange(14.0, 30.0, 0.5)
    best = min(starts, key=lambda start: float(np.square(curve(start, pulses) - measured).sum()))
    marks = list(range(0, 2 * PULSES + 1, 20))
    return [
        Series("protonic_onen2022", marks, list(curve(best, marks))),
        Series("Onen et al. (2022), figure 2A", pulses, list(measured), "marks"),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("docs/images"))
    parser.add_argument("--only", nargs="*", help="names of drawings; all if not given")
    arguments = parser.parse_args()
    out = arguments.out
    drawings = {
        "tile-update-lines": (
            "Spread of a weight change, per device and along an input",
            Axis("nominal pulses per device and minibatch", "log", 0.25, 120),
            Axis("standard deviation (steps)", "log"),
            against_lines,
        ),
        "tile-update-time": (
            "Update of 512 x 512 devices, batch 64, one thread",
            Axis("nominal pulses per device and minibatch", "log", 0.02, 200),
            Axis("processor time (ms)", "log"),
            against_density,
        ),
        "tile-update-devices": (
            "Shipped devices: full range up, then down",
            Axis("pulses over the pulses of a full range"),
            Axis("state, -1 lowest to 1 highest conductance", low=-1.05, high=1.05),
            responses,
        ),
        "tile-update-recorded": (
            "A thousand pulses up, a thousand down",
            Axis("pulses"),
            Axis("mean weight"),
            against_recorded,
        ),
        "tile-update-sources": (
            "Shipped devices beside their sources",
            Axis("pulses, a thousand up and a thousand down"),
            Axis("state, -1 lowest to 1 highest conductance", low=-1.05, high=1.05),
            against_sources,
        ),
        "tile-update-protonic": (
            "The protonic device beside its measured curve",
            Axis("pulses, a thousand up and a thousand down"),
            Axis("conductance (nS)", low=0),
            against_measured,
        ),
    }
    for name, (title, x_axis, y_axis, draw) in drawings.items():
        if arguments.only and name not in arguments.only:
            continue
        shown = draw()
        (out / f"{name}.svg").write_text(xy_plot(title, x_axis, y_axis, shown) + "\n", "utf-8")
        for line in shown:
            print(name, line.label, " ".join(f"{value:.3g}" for value in line.y))


if __name__ == "__main__":
    main()
