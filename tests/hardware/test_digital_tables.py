"""Digital energies, SRAM and off-chip memories: published points, monotony, files of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim.architecture import Architecture
from archsim.config.files import names_in
from archsim.config.loading import load
from archsim.config.overriding import override
from archsim.config.references import load_references
from archsim.errors import InputError
from archsim.fields import stack
from archsim.hardware.digital.operations import OPERATIONS, TableEnergies
from archsim.hardware.digital.scaling import area_ratio, energy_ratio, nominal_supply_v
from archsim.hardware.memory import Link, SramBuffer
from archsim.simulation.estimate import estimate
from tests.closeness import close
from tests.hardware.chips import CONFIGS, PROTONIC
from tests.hardware.test_circuit_library import PROGRAM

REFERENCES = load_references()
nodes = st.floats(7e-9, 45e-9)
precisions = st.sampled_from(["int8", "int32", "fp16", "bf16", "fp32"])


def table(precision: str, node: float, **more: Any) -> dict[str, float]:
    values = {"kind": "table", "precision": precision, "node": node, **more}
    energies = TableEnergies.model_validate(values).by_operation_j()
    return {name: float(np.asarray(energies[name])) for name in OPERATIONS}


@pytest.mark.parametrize("precision", ["int8", "int32", "fp16", "fp32"])
@pytest.mark.parametrize("operation", ["add", "mul"])
@pytest.mark.parametrize(("prefix", "node"), [("h", 45e-9), ("t", 7e-9)])
def test_arithmetic_is_the_published_one_at_its_nodes(
    precision: str, operation: str, prefix: str, node: float
) -> None:
    published = REFERENCES[f"mac.{prefix}_{precision}_{operation}"].value
    assert table(precision, node)[operation] == close(published * 1e-12, rel=1e-12)


def test_the_table_gives_what_the_shipped_vector_unit_states() -> None:
    stated = PROTONIC.value.vector_unit.energy.by_operation_j()
    found = table("fp16", 22e-9)
    for name in ("add", "mul", "div", "exp", "log", "sqrt", "compare"):
        assert found[name] == close(float(np.asarray(stated[name])), rel=0.02)


@given(precision=precisions, node=nodes, factor=st.floats(1.0, 3.0))
def test_operations_do_not_get_cheaper_at_a_larger_node(
    precision: str, node: float, factor: float
) -> None:
    small, large = table(precision, node), table(precision, min(node * factor, 45e-9))
    assert all(large[name] >= small[name] * (1 - 1e-12) for name in OPERATIONS)


@given(precision=precisions, node=nodes, volts=st.floats(0.5, 1.3), more=st.floats(0.0, 0.5))
def test_operations_do_not_get_cheaper_at_a_higher_supply(
    precision: str, node: float, volts: float, more: float
) -> None:
    low = table(precision, node, supply=volts)
    high = table(precision, node, supply=min(volts + more, 1.3))
    assert all(high[name] >= low[name] * (1 - 1e-12) for name in OPERATIONS)


@given(node=nodes, precision=precisions)
def test_the_nominal_supply_changes_nothing(node: float, precision: str) -> None:
    nominal = float(np.asarray(nominal_supply_v(node)))
    assert table(precision, node, supply=nominal) == close(table(precision, node))


@given(a=nodes, b=nodes, volts=st.floats(0.5, 1.3))
def test_scaling_there_and_back_is_no_scaling(a: float, b: float, volts: float) -> None:
    there = energy_ratio(a, volts, b, volts) * area_ratio(a, b)
    back = energy_ratio(b, volts, a, volts) * area_ratio(b, a)
    assert there * back == close(1.0)


def test_area_scales_as_in_the_published_matrix() -> None:
    """Row by row of the matrix, two digits each, against our one column."""
    published = REFERENCES["stillmaker.area"].value
    for i, source in enumerate(published["nodes"]):
        for j, target in enumerate(published["nodes"]):
            found = float(np.asarray(area_ratio(source * 1e-9, target * 1e-9)))
            assert found == close(published["matrix"][i][j], rel=0.06)


def sram(kib: float, node: float = 22e-9, **more: Any) -> SramBuffer:
    return SramBuffer.model_validate({"kind": "sram", "capacity": kib * 8192, "node": node, **more})


@pytest.mark.parametrize("node_nm", [22, 32, 45])
@pytest.mark.parametrize(("name", "kib"), [("1KB", 1), ("8KB", 8), ("64KB", 64), ("1MB", 1024)])
def test_sram_is_that_of_the_table_at_its_points(node_nm: int, name: str, kib: int) -> None:
    read, write = REFERENCES[f"sram.cacti{node_nm}.{name}"].value
    memory = sram(kib, float(f"{node_nm}e-9"))
    assert float(memory.read_energy_j_per_bit) * 1e15 == close(read, rel=1e-9)
    assert float(memory.write_energy_j_per_bit) * 1e15 == close(write, rel=1e-9)


@given(
    kib=st.floats(1, 512),
    factor=st.floats(1.0, 2.0),
    node=st.floats(7e-9, 45e-9),
    coarser=st.floats(1.0, 6.0),
)
def test_sram_does_not_get_cheaper_with_capacity_or_node(
    kib: float, factor: float, node: float, coarser: float
) -> None:
    small = sram(kib, node)
    for large in (sram(kib * factor, node), sram(kib, min(node * coarser, 45e-9))):
        assert large.read_energy_j_per_bit >= small.read_energy_j_per_bit * (1 - 1e-12)
        assert large.write_energy_j_per_bit >= small.write_energy_j_per_bit * (1 - 1e-12)
        assert large.area_m2 >= small.area_m2 * (1 - 1e-12)


@pytest.mark.parametrize("node_nm", [7, 10, 14, 16])
def test_sram_below_the_table_follows_logic_bit_cells_and_the_rule_for_finfets(
    node_nm: int,
) -> None:
    small, known = sram(64, node_nm * 1e-9), sram(64)
    volts = [nominal_supply_v(nm * 1e-9) for nm in (22, node_nm)]
    energy = energy_ratio(22e-9, volts[0], node_nm * 1e-9, volts[1])
    cells = REFERENCES["sram.cells"].value
    assert small.read_energy_j_per_bit / known.read_energy_j_per_bit == close(float(energy))
    assert small.area_m2 / known.area_m2 == close(cells[str(node_nm)] / cells["22"])
    assert small.leakage_w / known.leakage_w == close(0.79 * (node_nm / 22) ** 0.5)


@given(banks=st.integers(1, 64))
def test_banks_deliver_together_and_cost_one_bank_s_energy(banks: int) -> None:
    one, many = sram(64), sram(64 * banks, banks=banks)
    assert many.bandwidth_bit_per_s == banks * one.bandwidth_bit_per_s
    assert float(many.read_energy_j_per_bit) == close(float(one.read_energy_j_per_bit))


def test_a_stack_of_memories_costs_what_each_costs_alone() -> None:
    ones = [sram(2), sram(100, 30e-9), sram(900, 45e-9)]
    many = stack(ones)
    for name in ("read_energy_j_per_bit", "write_energy_j_per_bit", "leakage_w", "area_m2"):
        alone = [float(getattr(one, name)) for one in ones]
        assert np.asarray(getattr(many, name)).reshape(-1) == close(alone)


def test_the_shipped_buffers_are_those_of_the_table() -> None:
    found, stated = sram(64), PROTONIC.value.tile.buffer
    for name in ("read_energy_j_per_bit", "write_energy_j_per_bit", "leakage_w", "area_m2"):
        assert float(getattr(found, name)) == close(float(getattr(stated, name)))


def test_a_bank_outside_the_table_is_refused() -> None:
    with pytest.raises(InputError, match="1 KiB to 1 MiB"):
        override(PROTONIC, {"tile.buffer": {"kind": "sram", "capacity": "4 MiB", "node": "22 nm"}})


@pytest.mark.parametrize("name", names_in(CONFIGS / "memories"))
def test_every_shipped_memory_works_in_a_chip(name: str) -> None:
    file = {"extends": f"memories/{name}"}
    on_chip = name.startswith(("sram", "edram"))
    chip = override(PROTONIC, {"tile.buffer" if on_chip else "dram": file}).value
    assert estimate(PROGRAM, [chip], [2]).step_energy_j[0] > 0


@pytest.mark.parametrize("name", names_in(CONFIGS / "links"))
def test_a_transfer_over_a_link_takes_its_latency_and_its_bits(name: str) -> None:
    link = load(str(CONFIGS / "links" / f"{name}.yaml"), Link, CONFIGS / "links").value
    bits = np.array([0.0, 1e6, 2e6])
    times, joules = link.transfer_s(bits), link.transfer_j(bits)
    assert times[0] == link.latency_s
    assert times[2] - times[1] == close(1e6 / link.bandwidth_bit_per_s)
    assert joules[2] == close(2 * joules[1])


@pytest.mark.parametrize("path", ["tile.buffer", "activation_buffer", "dram"])
def test_no_memory_is_larger_than_any_chip_has(path: str) -> None:
    """A slip of the unit is refused; a pebibyte is not."""
    key = f"{path}.capacity"
    override(PROTONIC, {key: "1024 TiB"})
    for wrong in ("1025 TiB", "1e30 KiB"):
        with pytest.raises(InputError, match=f"found '{wrong}', expected .* at most 9.01 Pbit"):
            override(PROTONIC, {key: wrong})


def test_a_memory_is_one_file_outside_the_package(tmp_path: Path) -> None:
    (tmp_path / "cache.yaml").write_text("kind: sram\ncapacity: 16 KiB\nnode: 28 nm\n")
    (tmp_path / "slow.yaml").write_text(
        "capacity: 1 GB\nenergy: 50 pJ/bit\nbandwidth: 10 GB/s\nlatency: 1 us\nstatic_power: 1 W\n"
    )
    (tmp_path / "chip.yaml").write_text(
        "extends: protonic_256\ndram: {extends: slow}\ntile: {buffer: {extends: cache}}\n"
    )
    chip = load(str(tmp_path / "chip.yaml"), Architecture, CONFIGS).value
    mine = estimate(PROGRAM, [chip], [2])
    theirs = estimate(PROGRAM, [PROTONIC.value], [2])
    assert mine.static_power_w["static_dram"][0] == close(1.0)
    ratio = mine.costs.energy_j["dram"].sum() / theirs.costs.energy_j["dram"].sum()
    assert ratio == close(50 / 4.3)


def test_a_vector_unit_may_take_its_energies_from_the_table() -> None:
    table = {"kind": "table", "precision": "int8", "node": "7 nm"}
    cheap = override(PROTONIC, {"vector_unit.energy": table}).value
    energies = [
        estimate(PROGRAM, [one], [2]).costs.energy_j["vector_unit"].sum()
        for one in (cheap, PROTONIC.value)
    ]
    assert energies[0] < 0.2 * energies[1]
