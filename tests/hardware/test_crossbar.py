"""Costs of one array against published checks, closed forms and limits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim.architecture import Architecture
from archsim.config.loading import load
from archsim.hardware.adc import survey_area_m2, survey_energy_j
from archsim.hardware.crossbar import Crossbar, Direction, Placement, PulseStatistics
from archsim.hardware.limits import device_noise, edge_s, ir_drop, settling_ratios
from archsim.resources import data_folder
from tests.closeness import close
from tests.simulation.architectures import changed

PROTONIC = load("protonic_256", Architecture, data_folder("arch_configs")).value
RPU = load("rpu_4096", Architecture, data_folder("arch_configs")).value


def full_array(crossbar: Crossbar) -> Placement:
    return Placement(crossbar.array.rows, crossbar.array.weight_columns, 1, 1, 1, 1)


def test_line_energy_of_a_4096_array_is_the_published_check() -> None:
    """Reference `check.update_energy_4096`: 865.5 nJ, 8192 lines * 31 * 0.5 * C * 25 V^2."""
    architecture = changed(
        PROTONIC,
        array__rows=4096,
        array__cols=4096,
        device__pulse_up_v=10.0,
        device__pulse_down_v=-10.0,
        device__gate_capacitance_f=26.56e-18,
        update__train_length=31,
    )
    crossbar = architecture.crossbar
    cost = crossbar.update_cost(full_array(crossbar), PulseStatistics(0.5, 0.5, 1.0, 1.0))
    assert float(cost.energy_j["update_lines"]) == close(865.5e-9, rel=1e-3)


def test_read_power_of_the_rpu_array_is_the_published_one() -> None:
    """Reference `gv16.array_power`: 4096^2 devices of 24 MOhm at 1 V take 0.7 W."""
    architecture = changed(RPU, read__mean_abs_input=1.0)
    crossbar = architecture.crossbar
    cost = crossbar.read_cost(full_array(crossbar), Direction.FORWARD)
    power = float(cost.energy_j["array_devices"]) / float(np.asarray(cost.integration_s))
    assert power == close(0.7, rel=0.01)


def test_the_rpu_tile_does_419_teraops_forward() -> None:
    """Reference `check.gv_tile_tops`: 2 * 4096^2 operations in the 80 ns of one read."""
    crossbar = RPU.crossbar
    cost = crossbar.read_cost(full_array(crossbar), Direction.FORWARD)
    tops = 2 * 4096**2 / float(np.asarray(cost.interval_s)) * 1e-12
    assert tops == close(419.4, rel=1e-3)


def test_the_rpu_update_takes_20_ns() -> None:
    """Reference `gv16.update_time`: 10 pulses of 1 ns in two polarities."""
    crossbar = RPU.crossbar
    cost = crossbar.update_cost(full_array(crossbar), PulseStatistics(0.3, 0.3, 2.0, 2.0))
    assert float(np.asarray(cost.duration_s)) == close(20e-9, rel=1e-12)


@pytest.mark.parametrize(
    ("node_nm", "bits", "rate", "energy_pj", "area_um2"),
    [
        # Reference `adc.model_table`.
        (65, 4, 1e8, 3.498, 9858.0),
        (65, 12, 1e9, 503.9, 66090.0),
        (32, 8, 1e8, 1.711, 3937.0),
        (32, 9, 1e9, 4.69, 8070.0),
        (22, 10, 1e8, 1.634, 2676.0),
        (14, 9, 1e8, 0.4939, 1194.0),
        (7, 12, 1e9, 7.635, 2063.0),
    ],
)
def test_converter_energy_and_area_are_those_of_the_published_table(
    node_nm: float, bits: int, rate: float, energy_pj: float, area_um2: float
) -> None:
    energy = survey_energy_j(bits, rate, node_nm * 1e-9)
    assert float(np.asarray(energy)) * 1e12 == close(energy_pj, rel=1e-3)
    area = float(np.asarray(survey_area_m2(energy, rate, node_nm * 1e-9)))
    assert area * 1e12 == close(area_um2, rel=1e-3)


def test_noise_of_the_published_device_is_the_published_check() -> None:
    """Reference `check.noise_onen_0.1V`: 0.162 for 256 devices of 122 nS read for 80 ns."""
    architecture = changed(PROTONIC, device__conductance_reference_siemens=122e-9)
    # An output is the difference of two columns, the check is of one.
    assert float(device_noise(architecture.crossbar)) == close(0.162 * 2**0.5, rel=0.01)


def test_a_reference_column_is_as_noisy_as_the_column_it_is_compared_with() -> None:
    """The devices' noise of an output is that of two columns under either encoding."""
    shared = changed(PROTONIC, array__encoding="reference")
    assert float(device_noise(shared.crossbar)) == close(float(device_noise(PROTONIC.crossbar)))


@pytest.mark.parametrize("bits", [1, 4, 7])
def test_bits_that_are_read_one_by_one_add_their_noise_by_weight(bits: int) -> None:
    """The closed form equals the sum over bits of weight squared times the noise of a slot."""
    serial = changed(
        PROTONIC, read__encoding="bit_serial", read__input_bits=bits, read__time_step_s=10e-9
    )
    slot = changed(PROTONIC, read__encoding="amplitude", read__time_step_s=10e-9)
    weights = np.array([2.0**b for b in range(bits)]) / (2.0**bits - 1)
    expected = float(device_noise(slot.crossbar)) * np.sqrt((weights**2).sum())
    assert float(device_noise(serial.crossbar)) == close(float(expected))


def test_the_edge_of_the_driver_shortens_what_a_pulse_leaves_for_the_line() -> None:
    """A driver that takes half of the pulse to charge its line doubles the settling ratio."""
    quick = changed(PROTONIC, periphery__pulse_driver__edge_s=1e-15)
    half = changed(PROTONIC, periphery__pulse_driver__drive_current_a=1e-9)
    half = changed(half, periphery__pulse_driver__edge_s=2.5e-9)
    before = float(np.asarray(settling_ratios(quick.crossbar)["update"]))
    assert float(np.asarray(settling_ratios(half.crossbar)["update"])) == close(
        2 * before, rel=1e-3
    )


def test_ir_drop_and_settling_grow_with_the_square_of_the_side() -> None:
    small, large = PROTONIC.crossbar, changed(PROTONIC, array__rows=512, array__cols=512).crossbar
    assert float(ir_drop(large)) == close(4 * float(ir_drop(small)), rel=1e-12)
    for what, ratio in settling_ratios(small).items():
        # A longer line also takes longer to charge, up to the edge that its driver is made for.
        used = [edge_s(c) / 5e-9 if what == "update" else 0.0 for c in (small, large)]
        before, after = ratio * (1 - used[0]), settling_ratios(large)[what] * (1 - used[1])
        assert after == close(4 * before, rel=1e-12)


probabilities = st.floats(0.001, 1.0)


@given(p_x=probabilities, p_error=probabilities, rows=st.integers(2, 600), cols=st.integers(2, 600))
def test_line_energy_is_that_of_counting_pulses_line_by_line(
    p_x: float, p_error: float, rows: int, cols: int
) -> None:
    """A naive sum over quadrants, lines and slots gives the closed form."""
    architecture = changed(PROTONIC, array__rows=rows, array__cols=cols)
    crossbar = architecture.crossbar
    place = full_array(crossbar)
    cells = 65e-18  # 0.2 um of wire at 0.2 fF/um and 25 aF of gate
    total = 0.0
    for sign_x in (1, -1):
        for sign_error in (1, -1):
            volts = (10.0 if sign_x * sign_error > 0 else 8.5) / 2
            # Half of the rows have this sign of x, half of the columns this sign of the error.
            total += 0.5 * rows * 10 * p_x * cols * cells * volts**2
            columns = 2 * (cols // 2)
            total += 0.5 * columns * 10 * p_error * rows * cells * volts**2
    cost = crossbar.update_cost(place, PulseStatistics(p_x, p_error, 2.0, 2.0))
    assert float(cost.energy_j["update_lines"]) == close(total, rel=1e-9)


@given(
    bits=st.integers(2, 15),
    rate=st.floats(1e6, 1e9),
    node=st.floats(7e-9, 130e-9),
    factor=st.floats(1.0, 8.0),
)
def test_converter_energy_rises_with_rate_and_node(
    bits: int, rate: float, node: float, factor: float
) -> None:
    base = survey_energy_j(bits, rate, node)
    assert survey_energy_j(bits, rate * factor, node) >= base * (1 - 1e-12)
    assert survey_energy_j(bits, rate, node * factor) >= base * (1 - 1e-12)


def test_a_gate_on_no_axis_and_a_channel_on_one_axis_are_refused() -> None:
    base = PROTONIC.model_dump(by_alias=True)
    for change, message in (
        ({"drain": "row"}, "same axis"),
        ({"gate": "none"}, "three_terminal"),
        ({"floating_in_update": "drain"}, "floating_in_update must be 'source'"),
    ):
        tree = {
            **base,
            "array": {**base["array"], "line_map": {**base["array"]["line_map"], **change}},
        }
        with pytest.raises(ValueError, match=message):
            Architecture.model_validate(tree)


def test_a_pulse_longer_than_the_device_survives_is_refused() -> None:
    base = PROTONIC.model_dump(by_alias=True)
    tree = {**base, "device": {**base["device"], "pulse_width": "40 ns"}}
    with pytest.raises(ValueError, match="pulse_width_max"):
        Architecture.model_validate(tree)
