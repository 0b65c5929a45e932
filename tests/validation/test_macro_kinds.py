"""Kinds of configurations of macros and of NeuroSim's tables, against loops and closed forms."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil
from pathlib import Path

import pytest

from archsim.errors import InputError
from archsim.validation.comparison import compare
from archsim.validation.configurations.digital_macro import DigitalMacroKind
from archsim.validation.configurations.macro import MacroKind
from archsim.validation.configurations.neurosim_mlp import NeurosimMlpKind
from archsim.validation.configurations.tiled_network import TiledNetworkKind
from archsim.validation.estimate import Estimate
from archsim.validation.published import load_system, load_systems, published_folder
from tests.closeness import close

MACROS = [
    (system.name, system.configuration)
    for system in load_systems()
    if isinstance(system.configuration, MacroKind)
]


def estimates(
    configuration: MacroKind | DigitalMacroKind | TiledNetworkKind | NeurosimMlpKind,
) -> Mapping[str, Estimate]:
    found = configuration.estimates()
    return {key: e for key, e in found.items() if isinstance(e, Estimate)}


@pytest.mark.parametrize(("name", "kind"), MACROS)
def test_efficiency_is_operations_over_energy(name: str, kind: MacroKind) -> None:
    """Efficiency, energy per op and per output, and density agree with each other."""
    found = estimates(kind)
    macro = kind.macro
    for key, point in kind.points.items():
        ops = macro.operations(point) / macro.array.units
        energy = found[f"{key}.energy"].value()
        assert found[f"{key}.efficiency"].value() == pytest.approx(ops / energy)
        assert found[f"{key}.energy_per_op"].value() == close(energy / ops)
        rate = macro.operations(point) / macro.vector_s(point)
        assert found[f"{key}.throughput"].value() == pytest.approx(rate)
        density = rate / macro.array.units / found["area"].value()
        assert found[f"{key}.density"].value() == pytest.approx(density)


@pytest.mark.parametrize(("name", "kind"), MACROS)
def test_classes_add_up_to_the_components(name: str, kind: MacroKind) -> None:
    """No joule and no square metre is lost between components and circuit classes."""
    found = estimates(kind)
    for key, point in kind.points.items():
        components = kind.macro.energy_j(point)
        assert sum(found[f"{key}.energy"].parts.values()) == close(
            sum(share.value for share in components.values())
        )
        for group, members in kind.groups.items():
            parts = found[f"{key}.energy.{group}"].parts if f"{key}.energy.{group}" in found else {}
            expected = sum(components[m].value for m in members if m in components)
            assert sum(parts.values()) == close(expected)


@pytest.mark.parametrize(("name", "kind"), MACROS)
def test_the_total_area_is_that_of_all_units(name: str, kind: MacroKind) -> None:
    found = estimates(kind)
    total = sum(found["area"].value() for _unit in range(kind.macro.array.units))
    assert found["total_area"].value() == close(total)
    assert found["total_area"].basis == found["area"].basis


def test_cells_without_published_area_are_a_prediction() -> None:
    """The same array is a roll-up if the publication states the area of its cells."""
    kind = macro_kind("su_2023")
    assert estimates(kind)["total_area"].basis == "prediction"
    stated = {"cell_transistors": None, "cell_area_m2": 1e-12}
    array = kind.macro.array.model_copy(update=stated)
    macro = kind.macro.model_copy(update={"array": array})
    found = estimates(kind.model_copy(update={"macro": macro}))
    assert found["total_area"].basis == "rollup"


def test_a_product_of_su_takes_two_passes_of_four_bits() -> None:
    """16 inputs and 12 outputs of 8 bits in each of four banks; 32 conversions per output."""
    macro = macro_kind("su_2023").macro
    point = macro_kind("su_2023").points["v090"]
    assert macro.operations(point) == 2 * 4 * 16 * 12
    assert macro.counts(point).passes * macro.array.conversions == 12 * 32
    assert macro.vector_s(point) == close(7.2e-9)


def test_the_published_throughput_of_jia_is_arithmetic() -> None:
    """2 * 2304 * 256 operations in 54 cycles of 40 MHz."""
    found = estimates(macro_kind("jia_2020"))
    assert found["low.throughput"].value() == pytest.approx(2 * 2304 * 256 / (54 / 40e6))
    assert found["low.throughput"].basis == "rollup"


def test_a_macro_at_another_supply_is_a_prediction() -> None:
    found = estimates(macro_kind("sinangil_2021"))
    assert found["out15.throughput"].basis == "rollup"
    assert found["high_out15.throughput"].basis == "prediction"


def test_what_the_publication_states_is_no_prediction() -> None:
    found = estimates(macro_kind("wan_2022"))
    assert found["in4.energy_per_op.neurons"].basis == "rollup"
    assert found["in4.efficiency"].basis == "rollup"
    assert found["in4.energy_per_op.word_lines"].basis == "prediction"
    assert found["area.cells"].basis == "rollup"


def macro_kind(name: str) -> MacroKind:
    configuration = load_system(name).value.configuration
    assert isinstance(configuration, MacroKind)
    return configuration


def test_writes_without_skipping_are_counted_row_by_row() -> None:
    """Each row of both layers, group by group of columns that share write drivers: 7000 writes."""
    kind = load_system("mlp_neurosim_v2_devices_14nm").value.configuration
    assert isinstance(kind, NeurosimMlpKind)
    writes = 0
    for rows, cols in kind.layers:
        for _row in range(rows):
            drivers = ceil(cols / kind.write_mux)
            left = cols
            while left > 0:
                left -= drivers
                writes += 1
    assert kind.row_writes == writes == 7000
    found = estimates(kind)["pcmo.latency_naive"].value()
    assert found == pytest.approx(1e6 * writes * 50 * 2e-3)


def test_devices_that_conduct_more_need_wider_switches() -> None:
    kind = load_system("mlp_neurosim_v3_devices_32nm").value.configuration
    assert isinstance(kind, NeurosimMlpKind)
    found = estimates(kind)
    order = ["ag_asi", "taox_hfox", "alox_hfo2"]
    areas = [found[f"{device}.area"].value() for device in order]
    assert areas == sorted(areas)


def test_a_network_on_tiles_by_loops() -> None:
    """Arrays, copies and filled cells of VGG-8, array by array."""
    kind = load_system("neurosim_v2_vgg8_training").value.configuration
    assert isinstance(kind, TiledNetworkKind)
    found = estimates(kind)
    arrays = 0
    for name, layer in kind.layers.items():
        own, filled = 0, 0
        for row in range(0, layer.rows, 128):
            for col in range(0, layer.cols, 128):
                own += 1
                filled += min(128, layer.rows - row) * min(128, layer.cols - col)
        copies = 0
        while copies == 0 or (copies + 1) * own <= layer.arrays_per_tile:
            copies += 1
        arrays += own * copies
        assert found[f"{name}.copies"].value() == copies
        assert found[f"{name}.utilisation"].value() == pytest.approx(filled / (own * 128**2))
    assert found["area.cells"].value() == close(arrays * 128**2 * 16 * 32e-9**2)
    reads = sum(
        layer.vectors * ceil(layer.rows / 128) * ceil(layer.cols / 128)
        for layer in kind.layers.values()
    )
    each = sum(share.value for share in kind.macro.energy_j(kind.point).values())
    assert found["forward.energy"].value() == pytest.approx(5e4 * reads * each)


def test_a_digital_macro_splits_what_it_adds_up() -> None:
    kind = load_system("colonnade_2021").value.configuration
    assert isinstance(kind, DigitalMacroKind)
    found = estimates(kind)
    parts = ("cells", "input_lines", "registers")
    for figure in ("energy_per_mac", "area"):
        split = sum(found[f"w8.{figure}.{part}"].value() for part in parts)
        assert split == close(found[f"w8.{figure}"].value())


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("jia_2020", "array: [cells,", "array: [cell,", "did you mean 'cells'"),
        ("jia_2020", "clock: 40 MHz, input_bits: 2", "input_bits: 2", "needs a clock"),
        ("jia_2020", "input_bits: 2, weight_bits: 1", "input_bits: 2, weight_bits: 33", "33"),
        ("wang_2022", "{supply: 0.8 V", "{supply: 0.2 V", "threshold"),
        ("wang_2022", "node: 22 nm", "node: 5 nm", "7 nm"),
        ("colonnade_2021", "b1_v06: {supply: 0.6 V", "b1_v06: {supply: 0.3 V", "threshold"),
    ],
)
def test_an_impossible_macro_is_refused(
    tmp_path: Path, name: str, old: str, new: str, message: str
) -> None:
    text = (published_folder() / f"{name}.yaml").read_text(encoding="utf-8")
    assert old in text
    path = tmp_path / "changed.yaml"
    path.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(InputError) as caught:
        load_system(str(path))
    assert message.lower() in str(caught.value).lower()


OTHER = """
title: A macro from elsewhere
configuration:
  kind: macro
  macro:
    node: 28 nm
    input_bits: 4
    nominal: 0.9 V
    array: {rows: 256, cols: 64, bits_per_cell: 2, cell_area: 0.3 um^2}
    encoding: {kind: bit_serial}
    cell: {kind: resistive, conductance: 4 uS, read: 0.2 V, pulse: 10 ns}
    input: {kind: binary}
    lines:
      words: {axis: row, per_axis: 1, cell_pitch: 0.5 um, terminals: 1, toggles: each_pass}
    converter: {kind: sar, bits: 6}
    converter_mux: 4
    timing: {kind: clocked, cycles: 8}
  points:
    nominal: {supply: 0.9 V, clock: 200 MHz, input_bits: 4, weight_bits: 4, output_bits: 6, mean_input: 0.5, mean_weight: 0.5}
published:
  - {id: nominal.efficiency, quantity: energy efficiency, value: 40, unit: TOPS/W, evidence: seen}
  - {id: nominal.throughput, quantity: throughput, value: 0.0512, unit: TOPS, evidence: seen}
"""


def test_a_new_macro_is_one_file(tmp_path: Path) -> None:
    """A chip that does not ship is compared like those that do."""
    path = tmp_path / "elsewhere.yaml"
    path.write_text(OTHER, encoding="utf-8")
    system = load_system(str(path)).value
    rows = {row.id: row for row in compare([*load_systems(), system]).rows}
    throughput = rows["elsewhere.nominal.throughput"]
    expected = 2 * 256 * 32 * 200e6 / (4 * 8) / 1e12
    assert throughput.estimate == pytest.approx(expected)
    efficiency = rows["elsewhere.nominal.efficiency"]
    assert efficiency.row_class == "prediction"
    assert efficiency.calibrated_relative_error is not None
