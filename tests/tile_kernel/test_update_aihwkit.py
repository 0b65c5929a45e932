"""Weight changes and response curves against those of another simulator (tests/data/aihwkit)."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from archsim.hardware.response import PowerStep
from archsim.tile_kernel.pulsing import apply_pulses
from archsim.tile_kernel.state import DeviceArray, make_devices
from archsim.tile_kernel.step_law import CurvedLaw, straight_law
from archsim.tile_kernel.trains import UpdateParameters
from archsim.tile_kernel.update import update
from tests.tile_kernel.reference_devices import (
    REFERENCES,
    generator,
    one,
    reference_devices,
)

DATA = Path(__file__).parents[1] / "data" / "aihwkit"
SIZE = 256
# Update management and length management of each mode.
MODES = {"fixed31_noUM": (False, False), "fixed31_UM": (True, False), "ublm_UM": (True, True)}
REPEATS = 24
DEVICES = 4096


def table(name: str) -> list[dict[str, str]]:
    """The rows of one data file."""
    with (DATA / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


RECORDS = table("update_stats_256.csv")
CURVES = table("pulse_response.csv")


def inputs(pattern: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weights, inputs and errors of the records, from their stated generator."""
    rng = np.random.default_rng(7)
    weights = rng.uniform(-0.3, 0.3, (SIZE, SIZE)).astype("float32")
    x = rng.uniform(-1.0, 1.0, (64, SIZE)).astype("float32")
    error = (0.1 * rng.standard_normal((64, SIZE))).astype("float32")
    return weights.T, np.abs(x) if pattern == "nonneg" else x, error


def label(record: Mapping[str, str]) -> str:
    """Name of a record in the test's report."""
    return "-".join(record[key] for key in ("device", "mode", "target_pulses", "pattern"))


# A fifth of the records, spread over devices, modes and densities; all were compared once.
SOME = [record for index, record in enumerate(RECORDS) if index % 5 == 0]


def draw(record: Mapping[str, str]) -> tuple[np.ndarray, float]:
    """Our weight changes [repeat, row, col] for a record, and pulses per device and minibatch."""
    weights, x, error = inputs(record["pattern"])
    management, length = MODES[record["mode"]]
    parameters = UpdateParameters(31, management, length)
    rng = generator(5)
    changes, pulses = [], 0.0
    for _ in range(REPEATS):
        devices = reference_devices(record["device"], (1, SIZE, SIZE))
        devices.weights[0] = weights
        report = update(devices, x, error, float(record["lr"]), parameters, rng)
        pulses += report.pulses_up + report.pulses_down
        changes.append(devices.weights[0] - weights)
    return np.array(changes, dtype=np.float64), pulses / REPEATS / SIZE**2


def along_inputs(draws: np.ndarray, x: np.ndarray) -> float:
    """Variance over repeats of the change times each of eight inputs of unit length, averaged."""
    u = x[:8] / np.linalg.norm(x[:8], axis=1, keepdims=True)
    return float(np.einsum("kij,qi->kqj", draws, u).var(axis=0, ddof=1).mean())


@pytest.mark.parametrize("record", SOME, ids=label)
def test_weight_changes_agree(record: Mapping[str, str]) -> None:
    """Mean change, variance per weight and along inputs and errors, and pulses of one minibatch.

    Mean change: five standard errors, plus half a per cent for merging the minibatch.  Variances:
    3 % per weight, 8 % along errors and inputs, 15 % along inputs where a hundred pulses of a
    device with soft bounds are merged.  Pulses: 5 %.
    """
    _, x, error = inputs(record["pattern"])
    draws, pulses = draw(record)
    ideal = -float(record["lr"]) * (x.T.astype(np.float64) @ error)
    slopes = np.einsum("kij,ij->k", draws, ideal) / np.sum(ideal**2)
    theirs = float(record["regression_slope_vs_ideal"])
    between_tiles = float(record["slope_se_between_tiles"])
    allowed = 5 * np.hypot(slopes.std(ddof=1) / np.sqrt(REPEATS), between_tiles) + 0.005
    assert slopes.mean() == pytest.approx(theirs, abs=allowed)
    per_weight = draws.var(axis=0, ddof=1).mean()
    assert per_weight == pytest.approx(float(record["variance_per_weight"]), rel=0.03)
    merged = record["target_pulses"] == "100" and record["device"] != "ConstantStep"
    assert along_inputs(draws, x) == pytest.approx(
        float(record["var_dW_xhat"]), rel=0.15 if merged else 0.08
    )
    along_errors = along_inputs(draws.swapaxes(1, 2), error)
    assert along_errors == pytest.approx(float(record["var_dhatT_dW"]), rel=0.08)
    assert pulses == pytest.approx(float(record["pulses_per_weight_mean"]), rel=0.05)


def test_projection_on_the_input_needs_shared_trains() -> None:
    """Where lines fire most, the variance along the input is more than three times the variance
    per weight, which independent devices would give."""
    (record,) = (r for r in RECORDS if label(r) == "ConstantStep-fixed31_noUM-100-signed")
    draws, _ = draw(record)
    assert along_inputs(draws, inputs("signed")[1]) > 3 * draws.var(axis=0, ddof=1).mean()


def power_devices(shape: tuple[int, int, int]) -> DeviceArray:
    """Power-step devices of the record: exponent 1 over their own range, hence twice the step
    that a state of the whole range would give at its bottom."""
    response = PowerStep(
        kind="power", step_up=0.0005, step_down=0.0005, exponent_up=1, exponent_down=1
    )
    law = CurvedLaw(response, one(1.0), one(1.0))
    return make_devices(shape, law, (one(-0.6), one(0.6)), 0.0005, cycle_noise=0.3)


def curve(devices: DeviceArray, marks: list[int]) -> dict[int, np.ndarray]:
    """Weights after each number of pulses: a thousand up, then a thousand down."""
    rng, reached, found = generator(8), 0, {}
    zeros = np.zeros(devices.weights.size, dtype=np.float32)
    for mark in marks:
        up = max(0, min(mark, 1000) - reached)
        down = mark - reached - up
        everything = slice(0, devices.weights.size)
        apply_pulses(devices, everything, zeros + np.float32(up), zeros, rng)
        apply_pulses(devices, everything, zeros, zeros + np.float32(down), rng)
        reached = mark
        found[mark] = devices.weights.reshape(-1).copy()
    return found


def reference_curve(device: str, variant: str) -> dict[int, tuple[float, float]]:
    """Mean and standard deviation by pulse."""
    return {
        int(row["pulse"]): (float(row["mean"]), float(row["std"]))
        for row in CURVES
        if (row["device"], row["variant"]) == (device, variant)
    }


@pytest.mark.parametrize("device", sorted(REFERENCES))
def test_response_curves_without_noise(device: str) -> None:
    """All pulses between two marks taken at once give the curve of single pulses, to 1e-4 of the
    range."""
    reference = reference_curve(device, "deterministic")
    ours = curve(reference_devices(device, (1, 1, 1), noisy=False), sorted(reference))
    for pulse, (mean, _) in reference.items():
        assert ours[pulse][0] == pytest.approx(mean, abs=2e-4)


@pytest.mark.parametrize("device", [*sorted(REFERENCES), "PowStep"])
def test_response_curves_with_cycle_noise(device: str) -> None:
    """Mean and spread with noise from pulse to pulse, up to the marks where pulses are merged.

    The spread grows with the square root of the pulses and shrinks towards a soft bound.  Where
    noise is cut by a bound (constant steps after 600 pulses; the metal-oxide device, whose noise is
    twice its step) merged pulses are an approximation, and those marks are left out.
    """
    reference = reference_curve(device, "c2c_only")
    cut = 500 if device in ("ConstantStep", "LinearStep") else 2000
    marks = [pulse for pulse in sorted(reference) if 0 < pulse <= cut]
    shape = (1, 1, DEVICES)
    devices = power_devices(shape) if device == "PowStep" else reference_devices(device, shape)
    ours = curve(devices, marks)
    for pulse in marks:
        mean, std = reference[pulse]
        # Their mean step is off by 1/sqrt(32768) of its noise from tile to tile.
        table_error = REFERENCES.get(device, REFERENCES["SoftBounds"])[3] / np.sqrt(32768)
        allowed = 5 * std / np.sqrt(DEVICES) + 3 * table_error * abs(mean) + 5e-4
        assert ours[pulse].mean() == pytest.approx(mean, abs=allowed)
        assert ours[pulse].std() == pytest.approx(std, rel=0.12, abs=1e-4)


@pytest.mark.parametrize("device", ["ConstantStep", "SoftBounds"])
def test_response_curves_with_device_spread(device: str) -> None:
    """Thirty per cent of spread in step and bounds give their mean and spread over devices."""
    shape = (1, 1, DEVICES)
    rng = generator(21)

    def spread(mean: float) -> np.ndarray:
        drawn = rng.standard_normal(shape, dtype=np.float32)
        return np.abs(np.float32(mean) * (1 + np.float32(0.3) * drawn))

    step, upper, lower = spread(0.001), spread(0.6), spread(0.6)
    up_fall, down_fall = one(0.0), one(0.0)
    if device == "SoftBounds":
        up_fall, down_fall = step / upper, step / lower
    law = straight_law(step, up_fall, step, down_fall)
    devices = make_devices(shape, law, (-lower, upper), 0.001, cycle_noise=0.3)
    reference = reference_curve(device, "spread")
    ours = curve(devices, [100, 300, 1000, 1100, 1500, 2000])
    for pulse, weights in ours.items():
        mean, std = reference[pulse]
        assert weights.mean() == pytest.approx(mean, abs=5 * std * np.sqrt(2 / DEVICES) + 1e-3)
        assert weights.std() == pytest.approx(std, rel=0.08)
