"""Laws of every circuit that ships, alone, on an array, and over a whole training step."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim.architecture import Architecture
from archsim.architecture.static_power import static_power
from archsim.config.assumptions import unsourced
from archsim.config.extending import Extender
from archsim.config.loading import load
from archsim.config.nodes import dotted
from archsim.config.overriding import override
from archsim.errors import InputError
from archsim.fields import stack
from archsim.hardware.crossbar import Crossbar, Direction, Placement, PulseStatistics
from archsim.hardware.limits import ir_drop, settling_ratios
from archsim.simulation.estimate import Estimate, estimate
from archsim.simulation.program import lower
from archsim.workload.training import TrainingOptions, training_graph
from tests.closeness import close
from tests.hardware.chips import ACCESS, CHANGES, CONFIGS, PROTONIC, chip, scaled
from tests.networks import Layer, chain

PROGRAM = lower(
    training_graph(
        chain([Layer(200, 100, vectors=9, norm=True), Layer(100, 150)]),
        TrainingOptions(loss="mse"),
    )
)
every_chip = pytest.mark.parametrize("name", CHANGES)


def full(crossbar: Crossbar) -> Placement:
    return Placement(crossbar.array.rows, crossbar.array.weight_columns, 1, 1, 1, 1)


def prices(priced: Estimate, index: int) -> dict[str, float]:
    """Everything that an estimate says of one configuration, by name."""
    return {
        "step_s": float(priced.step_latency_s[index]),
        "step_j": float(priced.step_energy_j[index]),
        **{f"dynamic {k}": float(v[index].sum()) for k, v in priced.costs.energy_j.items()},
        **{k: float(v[index]) for k, v in priced.static_power_w.items()},
        **{f"area {k}": float(v[index]) for k, v in priced.area_by_component_m2.items()},
    }


@every_chip
def test_a_stack_of_chips_costs_what_each_costs_alone(name: str) -> None:
    chips = [scaled(chip(name), factor) for factor in (1.0, 1.07, 0.93)]
    together = estimate(PROGRAM, chips, [4, 4, 4])
    for index, one in enumerate(chips):
        alone = estimate(PROGRAM, [one], [4])
        assert prices(together, index) == close(prices(alone, 0), rel=1e-9)


@every_chip
def test_every_price_is_finite_and_at_least_zero(name: str) -> None:
    values = prices(estimate(PROGRAM, [chip(name)], [4]), 0).values()
    assert all(np.isfinite(value) and value >= 0.0 for value in values)


@every_chip
def test_energy_is_that_of_operations_and_of_static_power_over_time(name: str) -> None:
    priced = estimate(PROGRAM, [chip(name)], [4])
    repeats = np.where(PROGRAM.per_step, 1.0, 4.0)
    dynamic = sum(float((j[0] * repeats).sum()) for j in priced.costs.energy_j.values())
    static = sum(float(w[0]) for w in priced.static_power_w.values())
    total = dynamic + static * float(priced.step_latency_s[0])
    assert float(priced.step_energy_j[0]) == close(total, rel=1e-12)


@every_chip
def test_a_component_that_takes_energy_has_an_area_or_is_none_of_the_chip_s(name: str) -> None:
    """Lines, channels and what a supply loses lie in components that have one."""
    priced = estimate(PROGRAM, [chip(name)], [4])
    elsewhere = {
        "array_lines",
        "update_lines",
        "update_devices",
        "update_channels",
        "update_supply_loss",
        "dram",
    }
    spent = {k for k, v in priced.costs.energy_j.items() if v.any()} - elsewhere
    assert spent <= set(priced.area_by_component_m2)


def test_power_gating_takes_no_more_static_power_and_no_less_time() -> None:
    always = estimate(PROGRAM, [chip("as shipped")], [4])
    gated = estimate(PROGRAM, [chip("power_gating/idle_arrays")], [4])
    assert gated.step_latency_s[0] > always.step_latency_s[0]
    for name in static_power(PROTONIC.value).per_array_w:
        assert gated.static_power_w[name][0] <= always.static_power_w[name][0]


def test_free_power_gating_changes_nothing_but_idle_arrays() -> None:
    """With all leakage retained and waking for free, a gated chip is an ungated one."""
    always = estimate(PROGRAM, [chip("as shipped")], [4])
    free = {"retained_share": 1.0, "wake_energy": "0 J", "wake": "0 s"}
    gated = estimate(PROGRAM, [chip("as shipped", chip__power_gating=free)], [4])
    assert gated.step_energy_j == close(always.step_energy_j, rel=1e-12)
    assert gated.step_latency_s == close(always.step_latency_s, rel=1e-12)


def test_a_pump_for_sparse_updates_is_larger_than_its_array() -> None:
    area = chip("supplies/pump").crossbar.area_by_component_m2()
    assert float(np.asarray(area["pumps"])) > 100 * float(np.asarray(area["array_devices"]))


def test_peak_power_is_the_energy_of_one_slot_over_its_time() -> None:
    """All lines fire in a train of one slot, one phase."""
    one = chip("as shipped", update__train_length=1, update__setup="0 s")
    cost = one.crossbar.update_cost(full(one.crossbar), PulseStatistics(1.0, 1.0, 1.0, 1.0))
    supplied = ("update_lines", "update_devices", "update_channels", "update_supply_loss")
    slot_j = sum(float(np.asarray(cost.energy_j[name])) for name in supplied)
    peak = float(np.asarray(one.crossbar.update_peak_power_w(1.0)))
    assert peak == close(slot_j / float(np.asarray(cost.duration_s)), rel=1e-12)


def test_thirds_swing_lines_by_two_thirds_of_the_pulse() -> None:
    """(2/3)^2 against (1/2)^2: 16/9 of the line energy for 1/3 instead of 1/2 of the disturb."""
    pulses = PulseStatistics(0.3, 0.3, 2.0, 2.0)
    half, third = chip("as shipped").crossbar, chip("thirds").crossbar
    lines = [
        float(np.asarray(x.update_cost(full(x), pulses).energy_j["update_lines"]))
        for x in (half, third)
    ]
    assert lines[1] == close(lines[0] * 16 / 9, rel=1e-12)
    assert third.update.bias.half_selected < half.update.bias.half_selected


def test_line_and_device_terms_count_a_coincidence_once() -> None:
    """Charging a gate to the whole change of voltage between its lines is all that is taken.

    A cell alone, no wire: two lines and a coincidence take C * (a + b)^2 * V^2 together.
    """
    for name in ("as shipped", "thirds"):
        one = chip(name, array__rows=1, array__cols=2, array__wire_capacitance="0 F/m")
        x = one.crossbar
        x_cost = x.update_cost(Placement(1, 1, 1, 1, 1, 1), PulseStatistics(1.0, 1.0, 1.0, 1.0))
        bias, c = x.update.bias, float(one.device.gate_capacitance_f)
        slots, v2 = float(one.update.train_length), float(np.asarray(x.pulse_mean_square_v2))
        # The row crosses two cells, each column one.
        gates = 2 * c * v2 * (bias.row_swing + bias.column_swing) ** 2
        expected = slots * (gates + 2 * float(one.device.transfer_energy_j))
        found = x_cost.energy_j["update_lines"] + x_cost.energy_j["update_devices"]
        assert float(np.asarray(found)) == close(expected, rel=1e-12)


def test_access_transistors_take_away_channels_and_half_selects_and_take_area() -> None:
    plain, access = chip("as shipped").crossbar, chip("access transistors").crossbar
    pulses = PulseStatistics(0.3, 0.3, 2.0, 2.0)
    cost = access.update_cost(full(access), pulses)
    assert float(np.asarray(cost.energy_j["update_channels"])) == 0.0
    assert access.update.bias.half_selected == 0.0
    areas = plain.area_by_component_m2(), access.area_by_component_m2()
    assert sum(map(float, areas[1].values())) > sum(map(float, areas[0].values()))
    # Larger cells have longer wires.
    assert access.array.cell_resistance_ohm > plain.array.cell_resistance_ohm


@pytest.mark.parametrize("gated", [False, True])
def test_drive_circuits_in_the_cells_make_lines_longer(gated: bool) -> None:
    """By hand: a cell of 0.2 um with 0.5 um^2 of circuits is as large as one of their summed area."""
    changes = ACCESS if gated else {}
    side_m = (0.2e-6**2 + 0.5e-12) ** 0.5
    driven = override(PROTONIC, changes | CHANGES["current drive"]).value.crossbar
    spaced = override(PROTONIC, changes | {"array.cell_pitch": f"{side_m * 1e6} um"}).value.crossbar
    plain = override(PROTONIC, changes).value.crossbar
    for line in ("row_line_f", "column_line_f"):
        found = float(np.asarray(getattr(driven, line)()))
        assert found == close(float(np.asarray(getattr(spaced, line)())))
        assert found > float(np.asarray(getattr(plain, line)()))
    assert float(ir_drop(driven)) == close(float(ir_drop(spaced)))
    ratios = settling_ratios(spaced)
    assert {name: float(r) for name, r in settling_ratios(driven).items()} == close(
        {name: float(r) for name, r in ratios.items()}
    )
    # The circuits are an area of their own; the cells under them stay as they are.
    areas = [one.area_by_component_m2() for one in (driven, plain)]
    assert float(areas[0]["array_devices"]) == close(float(areas[1]["array_devices"]))
    assert float(areas[0]["drive_circuits"]) == close(256 * 256 * 0.5e-12)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"read.encoding": "amplitude"}, "input_driver.kind is 'pulse_width'"),
        ({"update.select": "access_transistor"}, "needs cells with array.access"),
        ({**ACCESS, "update.select": "half"}, "need update.select 'access_transistor'"),
        ({**ACCESS, "array.line_map.gate": "row"}, "must be on the 'column' axis"),
        ({"update.select": "third", "update.scheme": "two_phase"}, "two_phase"),
        ({"adc": {"extends": "adcs/isaac_8b", "bits": 9}}, "hold up to 8 bits"),
        ({"adc": {"extends": "adcs/isaac_8b", "rate": "2 GHz"}}, "use another converter"),
        ({"adc": {"kind": "sigma_delta"}}, "sar"),
    ],
)
def test_impossible_combinations_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        override(PROTONIC, change)


def test_a_converter_is_one_file_outside_the_package(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(
        "kind: entered\nbits: 6\nbits_max: 6\nrate: 500 MHz\nrate_max: 500 MHz\n"
        "outputs_per_adc: 8\nenergy: 0.3 pJ\narea: 400 um^2\nleakage_share: 0.05\n"
        "sources: {energy: 'assumed: measured in our laboratory'}\n"
    )
    (tmp_path / "chip.yaml").write_text("extends: protonic_256\nadc: {extends: mine}\n")
    loaded = load(str(tmp_path / "chip.yaml"), Architecture, CONFIGS)
    priced = estimate(PROGRAM, [loaded.value], [2])
    crossbar = loaded.value.crossbar
    cost = crossbar.read_cost(full(crossbar), Direction.FORWARD)
    conversions = 128
    assert float(np.asarray(cost.energy_j["adc"])) == close(conversions * 0.3e-12 * 0.95, rel=1e-12)
    assert priced.step_energy_j[0] > 0


GROWTH = {
    "array__rows": (64, 512),
    "array__cols": (64, 512),
    "adc__bits": (4, 12),
    "read__input_bits": (2, 10),
}


@pytest.mark.parametrize("path", GROWTH)
@given(share=st.floats(0.0, 1.0), more=st.floats(0.0, 1.0))
def test_arrays_do_not_shrink_with_size_and_bits(path: str, share: float, more: float) -> None:
    low, high = GROWTH[path]
    small = round(low + share * (high - low))
    large = round(small + more * (high - small))
    areas = [
        sum(float(np.asarray(v)) for v in one.crossbar.area_by_component_m2().values())
        for one in (chip("as shipped", **{path: small}), chip("as shipped", **{path: large}))
    ]
    assert areas[1] >= areas[0] * (1 - 1e-12)


@pytest.mark.parametrize("name", ["as shipped", "drivers/isaac_1bit", "drivers/brahms_dac"])
@given(bits=st.integers(1, 15))
def test_input_drivers_do_not_get_cheaper_with_bits(name: str, bits: int) -> None:
    driver = chip(name).periphery.input_driver
    assert driver.vector_energy_j(bits + 1) >= driver.vector_energy_j(bits)
    assert driver.line_area_m2(bits + 1) >= driver.line_area_m2(bits)


@given(side=st.integers(8, 500), more=st.integers(0, 500))
def test_a_larger_full_array_takes_no_less_energy(side: int, more: int) -> None:
    totals = []
    for size in (side, side + more):
        crossbar = chip("as shipped", array__rows=size, array__cols=size).crossbar
        read = crossbar.read_cost(full(crossbar), Direction.FORWARD)
        write = crossbar.update_cost(full(crossbar), PulseStatistics(0.3, 0.3, 2.0, 2.0))
        totals.append({**read.energy_j, **write.energy_j})
    small, large = totals
    assert all(large[name] >= small[name] * (1 - 1e-12) for name in small)


@given(volts=st.floats(1.0, 20.0), factor=st.floats(1.0, 3.0))
def test_updates_take_more_energy_and_area_at_more_voltage(volts: float, factor: float) -> None:
    totals = []
    for v in (volts, volts * factor):
        one = chip("supplies/pump", device__pulse_up=f"{v} V", device__pulse_down=f"{-v} V")
        cost = one.crossbar.update_cost(full(one.crossbar), PulseStatistics(0.3, 0.3, 2.0, 2.0))
        area = one.crossbar.area_by_component_m2()
        totals.append(
            [
                float(np.asarray(cost.energy_j["update_lines"])),
                float(np.asarray(cost.energy_j["pulse_drivers"])),
                float(np.asarray(area["pulse_drivers"])),
                float(np.asarray(area["pumps"])),
            ]
        )
    assert all(b >= a * (1 - 1e-12) for a, b in zip(*totals, strict=True))


def test_stacked_components_are_arrays_of_configurations() -> None:
    tree = stack([chip("as shipped"), chip("as shipped", adc__bits=8)])
    power = static_power(tree).per_array_w["static_adc"]
    assert np.asarray(power).shape == (2, 1)
    assert power[0, 0] > power[1, 0]


LIBRARY = [
    path
    for folder in ("access", "adcs", "drivers", "links", "memories", "power_gating", "supplies")
    for path in sorted((CONFIGS / folder).glob("*.yaml"))
]


@pytest.mark.parametrize("path", LIBRARY, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_number_of_a_component_has_a_source(path: Path) -> None:
    leaves = Extender((CONFIGS,)).file(path).leaves()
    words = {"name", "description", "kind"}
    unsourced = {dotted(route) for route, leaf in leaves if leaf.source is None}
    assert unsourced <= words


@pytest.mark.parametrize("name", ["protonic_256", "protonic_1024", "rpu_4096"])
def test_every_number_of_a_chip_has_a_source(name: str) -> None:
    assert unsourced(load(name, Architecture, CONFIGS)) == ()


def test_a_misspelt_kind_is_answered_with_the_kinds_there_are() -> None:
    with pytest.raises(InputError, match=r"adc\.kind.*flsh.*sar, ramp, flash, entered"):
        override(PROTONIC, {"adc.kind": "flsh"})
