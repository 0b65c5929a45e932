"""Signal over noise of reads and updates: formulas against draws, and what they follow."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from archsim.architecture import Architecture
from archsim.config.loading import load
from archsim.config.overriding import override
from archsim.resources import data_folder
from archsim.result.limits import limit_rows
from archsim.result.proxies import proxies_section, read_snr, update_snr
from archsim.simulation.estimate import estimate
from archsim.simulation.program import lower
from archsim.workload.builders.mlp import mlp
from archsim.workload.onnx_reader import workload_from_model
from archsim.workload.training import TrainingOptions, training_graph
from tests.closeness import close


def tree(**settings: Any) -> Architecture:
    """The default architecture with some values changed."""
    loaded = load("protonic_256", Architecture, data_folder("arch_configs"))
    return override(loaded, {k.replace("__", "."): v for k, v in settings.items()}).value


def section(architecture: Architecture) -> dict[str, Any]:
    """The proxies of a perceptron with a layer of 784 inputs and one of 64."""
    model = mlp("net", widths=(784, 64, 10), activation="relu")
    workload = workload_from_model(model, name="net", sha256="", batch=1)
    priced = estimate(lower(training_graph(workload, TrainingOptions())), [architecture], [32])
    found = proxies_section(priced, architecture, limit_rows(priced, architecture))
    assert found is not None
    return found


def test_the_read_ratio_is_that_of_drawn_vectors() -> None:
    """Random weights of variance 1/K and random inputs, with the stated noise on every partial sum."""
    rng = np.random.default_rng(0)
    inputs, splits, noise = 600, 3, 0.05
    architecture = tree()
    scale = np.sqrt(3 * float(architecture.read.mean_square_input))
    x = scale * rng.uniform(-1, 1, (4000, inputs))
    w = rng.normal(0, 1 / np.sqrt(inputs), (inputs, 20))
    exact = x @ w
    noisy = exact + rng.normal(0, noise, (splits, *exact.shape)).sum(axis=0)
    found = exact.std() / (noisy - exact).std()
    assert read_snr(architecture, noise, splits) == close(found, rel=0.05)


def test_the_update_ratio_is_that_of_drawn_pulses() -> None:
    """Poisson counts of steps that vary, without disturb; and with disturb alone it is 1 / d."""
    rng = np.random.default_rng(0)
    architecture = tree(device__spread__step_cycles=0.5)
    counts = rng.poisson(20, 20000)
    moved = counts + 0.5 * np.sqrt(counts) * rng.normal(size=20000)
    limit = {"pulses_per_device_per_step": 20.0, "disturb_per_pulse": 0.0}
    assert update_snr(architecture, limit) == close(moved.mean() / moved.std(), rel=0.03)
    many = {"pulses_per_device_per_step": 1e9, "disturb_per_pulse": 4.0}
    assert update_snr(architecture, many) == close(0.25, rel=1e-3)
    idle = {"pulses_per_device_per_step": None, "disturb_per_pulse": None}
    assert update_snr(architecture, idle) is None


def test_the_worst_layer_is_the_one_with_most_arrays() -> None:
    """784 inputs are four partial sums of 256 rows, 64 are one: twice the noise."""
    found = section(tree())
    first, second = found["layers"]
    assert found["kind"] == "proxies"
    assert "not an accuracy" in found["label"]
    assert found["worst_read_layer"] == first["matrix"]
    assert second["read_snr"] == close(2 * first["read_snr"])


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({"read__voltage": "0.4 V"}, "worst_read_snr"),
        ({"adc__bits": 12}, "worst_read_snr"),
        ({"update__pulses_per_sample": 4}, "worst_update_snr"),
    ],
)
def test_better_hardware_has_better_proxies(settings: dict[str, Any], key: str) -> None:
    """More read voltage, finer converters, denser pulses, which disturb less per wanted one."""
    assert section(tree(**settings))[key] > section(tree())[key]
