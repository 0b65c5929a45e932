"""How long a read takes whose slots are converted while the next ones are integrated."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim.hardware.placement import Direction, Placement
from archsim.hardware.read import ReadScheme
from tests.closeness import close
from tests.hardware.chips import PROTONIC

PLACE = Placement(64.0, 64.0, 1.0, 1.0, 1.0, 1.0)


def scheme(**changes: Any) -> ReadScheme:
    return PROTONIC.value.crossbar.read.model_copy(update=changes)


def slot_by_slot_s(slots: int, integration_s: float, conversion_s: float) -> float:
    """One value is held while it is converted: the next is sampled once that is through."""
    integrated_s = converted_s = 0.0
    for _ in range(slots):
        integrated_s = max(integrated_s + integration_s, converted_s)
        converted_s = integrated_s + conversion_s
    return converted_s


@given(
    slots=st.integers(1, 16), integration=st.floats(1e-9, 1e-6), conversion=st.floats(1e-9, 1e-6)
)
def test_slots_pass_two_stages(slots: int, integration: float, conversion: float) -> None:
    read = scheme(encoding="bit_serial", input_bits=float(slots))
    found = read.pipelined_s(slots * integration, slots * conversion)
    assert found == close(slot_by_slot_s(slots, integration, conversion))


@pytest.mark.parametrize("encoding", ["pulse_width", "amplitude"])
def test_what_is_converted_once_waits_for_its_whole_integration(encoding: str) -> None:
    assert scheme(encoding=encoding).pipelined_s(3e-9, 5e-9) == close(8e-9)


@pytest.mark.parametrize("double", [True, False])
def test_a_read_overlaps_its_slots_where_the_sample_and_hold_is_double(double: bool) -> None:
    crossbar = PROTONIC.value.crossbar
    held = crossbar.periphery.sample_hold.model_copy(update={"double_buffered": double})
    serial = replace(
        crossbar,
        read=scheme(encoding="bit_serial"),
        periphery=crossbar.periphery.model_copy(update={"sample_hold": held}),
    )
    cost = serial.read_cost(PLACE, Direction.FORWARD)
    slots = int(serial.read.input_bits)
    digital_s = float(crossbar.periphery.output_digital.latency_s)
    each_s = float(cost.integration_s) / slots, float(cost.conversion_s) / slots
    overlapped_s = slot_by_slot_s(slots, *each_s) if double else slots * sum(each_s)
    assert cost.latency_s == close(overlapped_s + digital_s)
    assert cost.latency_s >= cost.interval_s
