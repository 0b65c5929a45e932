"""The kind of configuration for macros with adder trees."""

from __future__ import annotations

from pathlib import Path

import pytest

from archsim.errors import InputError
from archsim.validation.configurations.adder_tree_macro import AdderTreeMacroKind
from archsim.validation.estimate import Estimate
from archsim.validation.published import load_system, published_folder
from tests.closeness import close


def kind(name: str) -> AdderTreeMacroKind:
    found = load_system(name).value.configuration
    assert isinstance(found, AdderTreeMacroKind)
    return found


def value(found: object) -> float:
    assert isinstance(found, Estimate)
    return found.value()


@pytest.mark.parametrize("name", ["tu_2022", "guo_2023"])
def test_parts_add_up_and_efficiency_is_two_operations_per_product(name: str) -> None:
    found = kind(name).estimates()
    for whole in ("area", "v09.energy_per_mac"):
        parts = [row for key, row in found.items() if key.startswith(f"{whole}.")]
        assert sum(map(value, parts)) == close(value(found[whole]))
    assert value(found["v09.efficiency"]) == close(2.0 / value(found["v09.energy_per_mac"]))


def test_throughput_is_that_of_the_stated_clock() -> None:
    """64 macros of 32 x 6 products in four cycles of 195 MHz."""
    found = kind("tu_2022").estimates()["v09.throughput"]
    assert isinstance(found, Estimate)
    assert found.basis == "rollup"
    assert found.value() == close(2 * 64 * 32 * 6 / 4 * 195e6)


def test_without_data_or_clock_there_is_no_energy_and_no_throughput() -> None:
    assert "v09.efficiency" not in kind("yan_2022").estimates()
    assert "v10.throughput" not in kind("tu_2022").estimates()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("v06: {supply: 0.6 V", "v06: {supply: 0.3 V", "threshold"),
        ("clock: 182 MHz, input_toggle: 0.5,", "clock: 182 MHz,", "together"),
        ("summing: weight_bits", "summing: bits", "weight_bits"),
    ],
)
def test_an_impossible_configuration_is_refused(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    text = (published_folder() / "guo_2023.yaml").read_text(encoding="utf-8")
    assert old in text
    path = tmp_path / "changed.yaml"
    path.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(InputError) as caught:
        load_system(str(path))
    assert message in str(caught.value)
