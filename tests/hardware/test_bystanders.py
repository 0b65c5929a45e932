"""Cells past which an update fires, counted one by one."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from archsim.architecture import Architecture
from archsim.hardware.crossbar import Bystanders, Placement, PulseStatistics
from archsim.mapping.row_write import row_write
from tests.closeness import close
from tests.hardware.chips import chip

TWO_TERMINALS = {
    "device": {"extends": "devices/reram_hfo2"},
    "array__line_map": {"extends": "cells/two_terminal"},
    "array__rows": 3,
    "array__cols": 4,
}
P_ROW, P_COLUMN = 0.7, 0.4


def by_cells_j(one: Architecture, firing: int) -> float:
    """Mean conduction of a slot in which row 0 and the first `firing` columns may fire.

    Every outcome of the firing lines, every cell: V where both of its lines fire, `half_selected`
    of it where one does, `unselected` where none.
    """
    bias = one.update.bias
    seen = (bias.unselected, bias.half_selected, 1.0)
    device = one.device
    joules = 0.0
    for fires in product((0, 1), repeat=1 + firing):
        chance = float(
            np.prod([p if f else 1 - p for f, p in zip(fires, odds(firing), strict=True)])
        )
        columns = [*fires[1:], *([0] * (4 - firing))]
        for row in (fires[0], 0, 0):
            for column in columns:
                joules += chance * seen[row + column] ** 2
    v2 = (float(device.pulse_up_v) ** 2 + float(device.pulse_down_v) ** 2) / 2
    return joules * v2 * float(device.conductance_reference_siemens) * float(device.pulse_width_s)


def odds(firing: int) -> list[float]:
    return [P_ROW, *([P_COLUMN] * firing)]


@pytest.mark.parametrize("select", ["half", "third"])
@pytest.mark.parametrize("firing", [2, 4])
def test_a_row_write_heats_every_cell_that_its_lines_cross(select: str, firing: int) -> None:
    """Row 0 of three fires, and two or four of four columns; all twelve cells conduct."""
    one = chip("as shipped", **TWO_TERMINALS, update__select=select, update__train_length=1)
    place = Placement(1, firing / 2, 1, 1, 1, 1)
    pulses = PulseStatistics(P_ROW, P_COLUMN, 1.0, 1.0)
    cost = one.crossbar.update_cost(place, pulses, Bystanders(2.0, 4.0 - firing))
    expected = by_cells_j(one, firing)
    assert float(np.asarray(cost.energy_j["update_devices"])) == close(expected)


def test_fired_columns_conduct_through_every_floating_row() -> None:
    """Writing one row of 256 takes the channels of all 256: the others float as well."""
    one = chip("as shipped")
    place = Placement(256.0, 128.0, 1.0, 1.0, 1.0, 1.0)
    pulses = float(one.update.train_length) / 2  # one train
    found = float(np.asarray(row_write(one, place, pulses, 0.0).energy_j["update_channels"]))
    v2 = (10.0**2 + 8.5**2) / 2 / 4
    slots, share = 2 * float(one.update.train_length), 0.25  # half of the columns, in two phases
    device = one.device
    cell_j = v2 * float(device.conductance_reference_siemens) * float(device.pulse_width_s)
    assert found == close(256 * 256 * slots * cell_j * share * (1 - share))


def test_reference_columns_conduct_into_the_columns_between_them() -> None:
    """Half of the columns fire in every slot, so that each cell sees a quarter of V/2 squared."""
    one = chip("as shipped")
    place = Placement(256.0, 64.0, 1.0, 1.0, 1.0, 1.0)
    always = PulseStatistics(1.0, 1.0, 1.0, 1.0)
    alone = one.crossbar.update_cost(place, always).energy_j["update_channels"]
    assert float(np.asarray(alone)) == 0.0
    beside = one.crossbar.update_cost(place, always, Bystanders(cols=128.0))
    v2 = (10.0**2 + 8.5**2) / 2 / 4
    cell_j = v2 * float(one.device.conductance_reference_siemens) * 5e-9
    expected = 256 * 256 * float(one.update.train_length) * cell_j / 4
    assert float(np.asarray(beside.energy_j["update_channels"])) == close(expected)


def test_no_bystanders_is_none_mentioned() -> None:
    one = chip("thirds").crossbar
    place = Placement(200.0, 100.0, 3.0, 1.0, 1.0, 1.0)
    pulses = PulseStatistics(0.2, 0.3, 2.0, 2.0)
    given, left_out = one.update_cost(place, pulses, Bystanders()), one.update_cost(place, pulses)
    assert given == left_out
