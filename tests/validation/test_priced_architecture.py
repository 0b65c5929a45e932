"""An architecture at full load: closed forms, and what each figure includes."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from archsim.architecture import Architecture
from archsim.config.loading import load
from archsim.hardware.crossbar import Direction, Placement
from archsim.resources import data_folder
from archsim.validation.configurations.priced_architecture import PricedArchitecture
from archsim.validation.estimate import CircuitClass, Estimate
from tests.closeness import close


@pytest.fixture(scope="module")
def chip() -> Architecture:
    return load("protonic_256", Architecture, data_folder("arch_configs")).value


def figures(chip: Architecture, **fields: Any) -> dict[str, Estimate]:
    given: dict[str, Any] = {"arrays": 10, "pulse_probability": 0.2, **fields}
    found = PricedArchitecture(kind="architecture", architecture=chip, **given).estimates()
    return {key: e for key, e in found.items() if isinstance(e, Estimate)}


def test_throughput_is_operations_per_interval(chip: Architecture) -> None:
    found = figures(chip)
    rate = 2 * 256 * 128 / 80e-9
    assert found["array.throughput"].value() == pytest.approx(rate)
    assert found["chip.throughput"].value() == pytest.approx(10 * rate)
    assert found["chip.weights"].value() == 10 * 256 * 128


def test_the_array_takes_what_the_crossbar_model_says(chip: Architecture) -> None:
    cost = chip.crossbar.read_cost(Placement(256.0, 128.0, 1, 1, 1, 1), Direction.FORWARD)
    energy = sum(float(value) for value in cost.energy_j.values())
    found = figures(chip)
    assert found["forward.energy"].value() == close(energy)
    assert found["forward.energy_per_mac"].value() == close(energy / (256 * 128))
    assert found["array.efficiency"].value() == pytest.approx(2 * 256 * 128 / energy)
    assert found["forward.energy"].parts[CircuitClass.ADC] == float(cost.energy_j["adc"])


def test_each_wider_figure_includes_the_narrower(chip: Architecture) -> None:
    found = figures(chip)
    names = ("array.efficiency", "core.efficiency", "chip.efficiency")
    values = [found[name].value() for name in names]
    assert values == sorted(values, reverse=True)
    for narrow, wide in itertools.pairwise(names):
        for name, part in found[narrow].parts.items():
            assert found[wide].parts[name] >= part


def test_repeated_reads_divide_throughput_and_efficiency(chip: Architecture) -> None:
    found = figures(chip, modes={"four": 4})
    for name in ("array.throughput", "array.efficiency"):
        assert found[f"four.{name}"].value() == pytest.approx(found[name].value() / 4)


def test_a_small_layer_is_less_efficient(chip: Architecture) -> None:
    full = figures(chip)["training.efficiency"].value()
    small = figures(chip, layer_inputs=32, layer_outputs=16)["training.efficiency"].value()
    assert small < full


def test_density_is_throughput_over_area(chip: Architecture) -> None:
    found = figures(chip)
    expected = found["array.throughput"].value() / found["array.area"].value()
    assert found["core.density"].value() == pytest.approx(expected)


def test_a_layer_that_does_not_fit_is_refused(chip: Architecture) -> None:
    with pytest.raises(ValueError, match="does not fit into one array of 256 x 128"):
        figures(chip, layer_inputs=257)
