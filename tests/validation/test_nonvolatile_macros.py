"""Published macros with resistive cells: what their rows are made of."""

from __future__ import annotations

import pytest

from archsim.validation.configurations.macro import MacroKind
from archsim.validation.estimate import CircuitClass, Estimate
from archsim.validation.published import PublishedSystem, load_system
from tests.closeness import close

NAMES = ("yao_2024", "li_2025", "wei_2025")


def system(name: str) -> PublishedSystem:
    return load_system(name).value


def estimate(name: str, row: str) -> Estimate:
    found = system(name).configuration.estimates()[row]
    assert isinstance(found, Estimate)
    return found


@pytest.mark.parametrize("name", NAMES)
def test_power_is_energy_over_time(name: str) -> None:
    """Power, energy per vector and throughput of each point agree with each other."""
    kind = system(name).configuration
    assert isinstance(kind, MacroKind)
    for key, point in kind.points.items():
        rate = estimate(name, f"{key}.throughput").value() / kind.macro.operations(point)
        for group in ("", *(f".{group}" for group in kind.groups)):
            energy = estimate(name, f"{key}.energy{group}").value() * kind.macro.array.units
            assert estimate(name, f"{key}.power{group}").value() == pytest.approx(energy * rate)


def test_published_rates_are_cycles_of_published_clocks() -> None:
    """15 cycles for 512 x 64 and 512 x 512 products."""
    assert estimate("yao_2024", "full.throughput").value() == close(2 * 512 * 64 * 650e6 / 15)
    assert estimate("li_2025", "rows_512.throughput").value() == close(2 * 512 * 512 * 500e6 / 15)
    for name, row in (("yao_2024", "full.throughput"), ("li_2025", "rows_512.throughput")):
        assert estimate(name, row).basis == "rollup"


def test_the_shares_of_a_chain_add_up_to_the_whole() -> None:
    """Published shares of input drivers, array, conversion and others are those of 1251 TOPS/W."""
    rows = {row.id: row.value or 0.0 for row in system("wei_2025").published}
    whole = 2 * 320 * 128 / rows["full.efficiency"]
    parts = ("full.energy.inputs", "full.energy.array", "full.energy.converters", "others")
    assert sum(rows[part] for part in parts) == pytest.approx(whole, rel=1e-3)


def test_amplifiers_are_analog_circuits() -> None:
    """Their energy is calibrated as that of analog circuits, not with lines or converters."""
    parts = estimate("yao_2024", "full.power.converters").parts
    assert set(parts) == {CircuitClass.ADC, CircuitClass.ANALOG}
    buffers = estimate("yao_2024", "full.power.buffers").parts
    assert set(buffers) == {CircuitClass.CELLS, CircuitClass.LINES, CircuitClass.ANALOG}


def test_the_current_of_the_cells_comes_from_the_buffers_supply() -> None:
    """512 x 64 pairs of 5.4 uS at half of 150 mV from 1.2 V."""
    kind = system("yao_2024").configuration
    assert isinstance(kind, MacroKind)
    cells = kind.macro.energy_j(kind.points["full"])["cells"].value
    assert cells == close(512 * 64 * 5.4e-6 * 0.075 * 1.2 * 23.08e-9)
