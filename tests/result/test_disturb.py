"""Unasked steps of devices whose lines are written one by one, against the tile kernel's writes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from archsim.algorithm import MixedPrecision
from archsim.architecture import Architecture
from archsim.config.loading import Loaded, load
from archsim.config.overriding import override
from archsim.hardware import limits
from archsim.hardware.field_law import ThresholdLaw
from archsim.hardware.selection import Select
from archsim.resources import data_folder
from archsim.result.disturb import disturb_by_matrix
from archsim.simulation.estimate import estimate
from archsim.tile_kernel.line_writes import write_pulses
from archsim.tile_kernel.trains import UpdateParameters
from tests.closeness import close
from tests.networks import Layer
from tests.simulation.architectures import changed
from tests.simulation.test_laws import program_of
from tests.tile_kernel.reference_devices import generator, reference_devices

ROWS, COLUMNS = 12, 9


@pytest.fixture(scope="module")
def base() -> Loaded[Architecture]:
    return load("protonic_256", Architecture, data_folder("arch_configs"))


@pytest.mark.parametrize("select", ["half", "third"])
def test_line_writes_disturb_as_in_the_kernel(base: Loaded[Architecture], select: Select) -> None:
    """Pulses up alone: every partial pulse then moves a device, and the parts add up."""
    tree = changed(
        base.value, update__select=select, device__pulse_down_v=base.value.device.pulse_up_v
    )
    disturb = UpdateParameters.from_architecture(tree).disturb
    assert disturb is not None
    devices = reference_devices("ConstantStep", (1, ROWS, COLUMNS), noisy=False)
    before = devices.weights.copy()
    wanted = np.random.default_rng(2).integers(0, 4, (1, ROWS, COLUMNS)).astype(np.float32)
    write_pulses(devices, wanted, disturb, generator(0))
    slots = wanted.max(axis=2).sum()
    mean = float(wanted.mean())
    per_pulse = float(
        np.asarray(
            limits.line_write_disturb_per_pulse(
                # Slots of one polarity, of two that fire alike.
                tree.crossbar,
                0.5 * slots / ROWS / mean,
                ROWS,
                ROWS,
            )
        )
    )
    on_one_line = devices.half_selects.mean() / mean
    idle = ROWS * slots / ROWS / mean - 1 - on_one_line
    bias = tree.update.bias
    parts = [float(disturb.up) * on_one_line, float(disturb.idle_down) * idle]
    assert per_pulse == close(sum(parts), rel=1e-5)
    assert bias.unselected == 0 or parts[1] > 0
    moved = float((devices.weights - before).mean()) / devices.step - mean
    assert moved == close(mean * (parts[0] - parts[1]), rel=1e-3)


def disturbed(base: Loaded[Architecture], changes: dict[str, Any]) -> tuple[float, Architecture]:
    """Unasked steps per pulse of the worst array of a matrix of 200 rows, one copy."""
    tree = override(base, {"mapping.replication": "none", **changes}).value
    found = estimate(program_of([Layer(200, 100, 5)]), [tree], [8])
    return float(disturb_by_matrix(found, tree)[0, 0]), tree


def test_arrays_that_transfers_write_see_every_other_row(base: Loaded[Architecture]) -> None:
    """A device is half-selected at least once per other row and pulse, however dense updates are."""
    plain, tree = disturbed(base, {})
    each = float(tree.device.half_select_step_fraction(0.5))
    for kind in ("tiki_taka", "tiki_taka_v2", "mixed_precision"):
        written, _ = disturbed(base, {"algorithm.kind": kind})
        assert written > 199 * each
        assert written > plain
    # Devices that answer to more than half of the voltage only are left alone.
    tree = changed(tree, device__field_law=ThresholdLaw(kind="threshold", threshold=0.6))
    written_by = changed(tree, algorithm=MixedPrecision(kind="mixed_precision"))
    found = estimate(program_of([Layer(200, 100, 5)]), [written_by], [8])
    assert disturb_by_matrix(found, written_by)[0, 0] == 0


def test_copies_that_are_averaged_are_disturbed_by_it(base: Loaded[Architecture]) -> None:
    """A mean over all pulses: between that of updates alone and that of line writes alone."""
    alone, _ = disturbed(base, {})
    stated = {"mapping.replication": "stated", "mapping.copies": [{"matrix": "w0", "number": 5}]}
    averaged, tree = disturbed(base, stated)
    each = float(tree.device.half_select_step_fraction(0.5))
    assert alone < averaged < 199 * each + 20
    # Copies that take every update are written in no other way.
    broadcast, _ = disturbed(base, stated | {"mapping.sync": "broadcast"})
    assert broadcast == close(alone)
