"""One line at a time: reads and writes of a line against those of whole arrays."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.algorithm import PlainSgd, TikiTaka
from archsim.architecture import Architecture
from archsim.config.loading import load
from archsim.hardware.crossbar import Direction, Placement
from archsim.mapping.line_access import line_read, line_write
from archsim.mapping.row_write import row_write
from archsim.mapping.weight_reads import weight_read
from archsim.resources import data_folder
from tests.closeness import close
from tests.simulation.architectures import changed

PROTONIC = load("protonic_256", Architecture, data_folder("arch_configs")).value
ENCODINGS = ("pulse_width", "bit_serial", "amplitude")


def on_one_array(rows: int, outputs: int) -> Placement:
    return Placement(float(rows), float(outputs), 1.0, 1.0, 1.0, 1.0)


@pytest.mark.parametrize("encoding", ENCODINGS)
@given(rows=st.integers(1, 256), outputs=st.integers(1, 128))
@settings(max_examples=20)
def test_as_many_line_reads_as_lines_conduct_as_one_read_of_full_inputs(
    encoding: str, rows: int, outputs: int
) -> None:
    """Devices and lines: n one-hot reads take what one read takes whose inputs are all one."""
    tree = changed(PROTONIC, read__encoding=encoding)
    place = on_one_array(rows, outputs)
    one = line_read(tree, place, with_reference=False)
    full = changed(tree, read__mean_abs_input=1.0, read__mean_square_input=1.0)
    whole = full.crossbar.read_cost(place, Direction.FORWARD)
    # Bit by bit a full input conducts in every slot, an average one in half of them.
    bits = 2.0 if encoding == "bit_serial" else 1.0
    assert rows * one.energy_j["array_devices"] == close(
        bits * whole.energy_j["array_devices"], rel=1e-12
    )
    for component in ("array_lines", "input_drivers"):
        assert rows * one.energy_j[component] == close(whole.energy_j[component], rel=1e-12)
    # What is sensed and converted is as much for one driven line as for all.
    for component in ("integrators", "sample_hold", "adc", "multiplexers"):
        assert one.energy_j[component] == close(whole.energy_j[component], rel=1e-12)
    assert one.seconds == close(whole.interval_s, rel=1e-12)


def test_a_reference_line_doubles_the_driven_side_only() -> None:
    place = on_one_array(100, 50)
    alone = line_read(PROTONIC, place, with_reference=False)
    beside = line_read(PROTONIC, place, with_reference=True)
    ratios = {name: beside.energy_j[name] / value for name, value in alone.energy_j.items()}
    assert ratios["array_devices"] == ratios["array_lines"] == ratios["input_drivers"] == 2.0
    assert ratios["adc"] == ratios["integrators"] == 1.0
    assert beside.seconds == alone.seconds


@given(
    rows=st.integers(1, 256),
    outputs=st.integers(1, 128),
    slots=st.integers(1, 100),
    density=st.floats(0.01, 1.0),
)
@settings(max_examples=30)
def test_a_line_write_is_a_row_write_of_other_length(
    rows: int, outputs: int, slots: int, density: float
) -> None:
    """With a train of BL slots at half density it is the write of a row without its read."""
    place = on_one_array(rows, outputs)
    train = PROTONIC.update.train_length
    same = line_write(PROTONIC, place, train, 0.5)
    row = row_write(PROTONIC, place, np.asarray(1.0), 0.0)
    assert same.seconds == close(float(row.seconds), rel=1e-12)
    for component, value in same.energy_j.items():
        assert value == close(row.energy_j[component], rel=1e-12)
    other = line_write(PROTONIC, place, slots, density)
    pulse_s = PROTONIC.device.pulse_width_s + PROTONIC.update.gap_s
    assert other.seconds == close(2 * slots * pulse_s + PROTONIC.update.setup_s, rel=1e-12)
    # Coincidences: both columns of each weight, in `slots * density` slots.
    gate = PROTONIC.device.gate_capacitance_f
    v2 = 0.5 * (PROTONIC.device.pulse_up_v**2 + PROTONIC.device.pulse_down_v**2)
    each = 0.5 * gate * v2 + PROTONIC.device.transfer_energy_j
    assert other.energy_j["update_devices"] == close(2 * outputs * slots * density * each, rel=1e-9)


@pytest.mark.parametrize("double", [True, False])
@pytest.mark.parametrize("repeats", [1, 3])
@pytest.mark.parametrize("outputs_per_adc", [1, 64])
def test_two_arrays_integrate_together_and_convert_one_after_the_other(
    double: bool, repeats: int, outputs_per_adc: int
) -> None:
    plain = changed(
        PROTONIC,
        adc__outputs_per_adc=outputs_per_adc,
        read__repeats=repeats,
        periphery__sample_hold__double_buffered=double,
        algorithm=PlainSgd(kind="sgd"),
    )
    two = changed(plain, algorithm=TikiTaka(kind="tiki_taka", fast_share=0.5))
    place = on_one_array(256, 128)
    for direction in Direction:
        one, both = (weight_read(tree, place, direction) for tree in (plain, two))
        converting = 2 * one.conversion_s
        slowest = max(one.integration_s, converting) if double else one.integration_s + converting
        assert both.interval_s == close(repeats * slowest, rel=1e-12)
        # One more digital stage adds the two, in the last of the repeats.
        before = one.latency_s - one.conversion_s - (repeats - 1) * one.interval_s / repeats
        expected = before + converting + (repeats - 1) * slowest + 2e-9
        assert both.latency_s == close(expected, rel=1e-9)
        assert both.energy_j["adc"] == close(2 * one.energy_j["adc"], rel=1e-12)
