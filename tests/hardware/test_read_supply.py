"""What a read draws from the supply behind its read voltage."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from archsim.hardware.placement import Direction, Placement
from archsim.hardware.read import ReadScheme
from tests.closeness import close
from tests.hardware.chips import PROTONIC


def scheme(supply_v: float | None, encoding: str = "pulse_width") -> ReadScheme:
    return ReadScheme.model_validate(
        {
            "encoding": encoding,
            "input_bits": 6,
            "time_step_s": 1e-9,
            "voltage_v": 0.4,
            "supply_v": supply_v,
            "mean_abs_input": 0.25,
            "mean_square_input": 0.1,
            "repeats": 1,
            "output_bound": 10,
            "output_swing_v": 0.5,
        }
    )


@pytest.mark.parametrize("encoding", ["pulse_width", "bit_serial", "amplitude"])
@given(ratio=st.floats(1.0, 10.0))
def test_a_linear_regulator_draws_its_load_current_from_the_supply(
    encoding: str, ratio: float
) -> None:
    """The same current from a voltage that is higher by a ratio costs that ratio."""
    alone = scheme(None, encoding).device_energy_j(1e-6)
    assert scheme(0.4 * ratio, encoding).device_energy_j(1e-6) == close(alone * ratio)


def test_the_regulator_takes_what_the_array_does_not() -> None:
    """Energy of the device at the read voltage, and of the drop between supply and read voltage."""
    current, charged_s = 0.4 * 1e-6, 0.25 * 64e-9
    device, drop = (volts * current * charged_s for volts in (0.4, 0.8 - 0.4))
    assert scheme(0.8).device_energy_j(1e-6) == close(device + drop)


def test_lines_and_cells_share_the_supply_and_nothing_else_changes() -> None:
    crossbar = PROTONIC.value.crossbar
    volts = float(crossbar.read.voltage_v)
    behind = replace(crossbar, read=crossbar.read.model_copy(update={"supply_v": 3 * volts}))
    place = Placement(64.0, 64.0, 1.0, 1.0, 1.0, 1.0)
    one, other = (c.read_cost(place, Direction.FORWARD).energy_j for c in (crossbar, behind))
    for name, energy_j in one.items():
        factor = 3.0 if name in {"array_devices", "array_lines"} else 1.0
        assert other[name] == close(factor * energy_j), name


def test_a_supply_below_the_read_voltage_is_refused() -> None:
    with pytest.raises(ValidationError, match="read voltage"):
        scheme(0.39)
