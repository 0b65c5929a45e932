"""Every GPU that ships loads, is cited, and is possible."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from archsim.baseline.estimate import estimate
from archsim.baseline.gpu_spec import GpuSpec
from archsim.baseline.numerics import Precision
from archsim.config.loading import Loaded, load
from archsim.resources import data_folder
from archsim.workload.training import TrainingGraph

FOLDER = data_folder("arch_configs") / "gpu"
NAMES = sorted(path.stem for path in Path(FOLDER).glob("*.yaml"))

# Data sheets: dense half-precision rate (TFLOP/s), bandwidth (GB/s), board power (W).
DATA_SHEETS = {
    "h100": (989.4, 3350, 700),
    "a100": (312, 2039, 400),
    "v100": (125, 898, 300),
    "rtx3090": (71.2, 936, 350),
}


def loaded(name: str) -> Loaded[GpuSpec]:
    return load(name, GpuSpec, FOLDER)


def test_the_gpus_of_the_first_release_ship() -> None:
    assert set(DATA_SHEETS) <= set(NAMES)


@pytest.mark.parametrize("name", sorted(DATA_SHEETS))
def test_quantities_arrive_in_si(name: str) -> None:
    """A byte is 8 bits, a TFLOP is 1e12."""
    gpu = loaded(name).value
    amp, bandwidth, power = DATA_SHEETS[name]
    assert gpu.peak.amp_flop_per_s == pytest.approx(amp * 1e12)
    assert gpu.memory_bandwidth_bit_per_s == pytest.approx(bandwidth * 8e9)
    assert gpu.power.limit_w == pytest.approx(power)


@pytest.mark.parametrize("name", NAMES)
def test_every_number_of_a_gpu_has_a_source(name: str) -> None:
    """A source is a reference or says that the number is assumed; an efficiency is assumed."""
    config = loaded(name)
    numbers = {path for path, value in _leaves(config.tree) if _is_number(value)}
    assert numbers - set(config.sources) == set()
    assert all(config.sources[p].assumed for p in numbers if p.startswith("stack."))
    assert not config.sources["memory_bandwidth"].assumed


def _leaves(tree: object, path: str = "") -> Iterator[tuple[str, object]]:
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield from _leaves(value, f"{path}.{key}" if path else str(key))
    else:
        yield path, tree


def _is_number(value: object) -> bool:
    return not isinstance(value, bool) and str(value)[:1].isdigit()


@pytest.mark.parametrize("name", NAMES)
def test_every_gpu_prices_a_step_between_its_bounds(name: str, cnn: TrainingGraph) -> None:
    gpu = loaded(name).value
    found = estimate(cnn, gpu, 256)
    assert found.step_latency_s > 0
    assert 0 < found.mfu < 1
    assert float(gpu.power.idle_w) <= found.average_power_w <= float(gpu.power.limit_w)
    assert found.fits
    assert not found.calibrated


@pytest.mark.parametrize("name", NAMES)
def test_mixed_precision_is_never_slower_than_float32(name: str, cnn: TrainingGraph) -> None:
    gpu = loaded(name).value
    times = {
        p: estimate(cnn, gpu, 256, p.value).step_latency_s for p in (Precision.FP32, Precision.AMP)
    }
    assert times[Precision.AMP] <= times[Precision.FP32]
