"""Writes line by line, against a loop over lines, phases and slots."""

from __future__ import annotations

import numpy as np
import pytest

from archsim.tile_kernel.algorithms import Step, arrays_of, learn
from archsim.tile_kernel.line_writes import write_change, write_pulses
from archsim.tile_kernel.trains import Disturb, UpdateParameters
from tests.closeness import close
from tests.tile_kernel.reference_devices import generator, reference_devices
from tests.tile_kernel.test_learning_contract import batch, learner

SHAPE = (2, 5, 4)


def naive(pulses: np.ndarray, disturb: Disturb, step: float) -> tuple[np.ndarray, np.ndarray]:
    """How far every device moves, and how often it is half-selected: slot by slot."""
    moved, half = np.zeros(pulses.shape), np.zeros(pulses.shape)
    for tile, line in np.ndindex(pulses.shape[:2]):
        for sign in (1, -1):
            wanted = np.maximum(sign * pulses[tile, line], 0)
            part, idle = (
                (disturb.up, disturb.idle_down) if sign > 0 else (disturb.down, disturb.idle_up)
            )
            for slot in range(int(wanted.max())):
                row = np.arange(pulses.shape[1]) == line
                fired = row[:, None].astype(int) + (wanted > slot)[None, :]
                moved[tile] += sign * step * (fired == 2)
                moved[tile] += sign * step * part * (fired == 1)
                moved[tile] -= sign * step * idle * (fired == 0)
                half[tile] += fired == 1
    return moved, half


@pytest.mark.parametrize(
    "disturb", [Disturb(0.1, 0.03), Disturb(0.1, 0.03, 0.02, 0.005)], ids=["half", "third"]
)
def test_other_devices_see_parts_of_the_pulses(disturb: Disturb) -> None:
    """Of rows and columns that fire, and of all others where idle lines are biased."""
    devices = reference_devices("ConstantStep", SHAPE, noisy=False)
    before = devices.weights.copy()
    pulses = np.random.default_rng(2).integers(-3, 4, SHAPE).astype(np.float32)
    pulses[0, 1] = 0
    write_pulses(devices, pulses, disturb, generator(0))
    moved, half = naive(pulses, disturb, devices.step)
    np.testing.assert_allclose(devices.weights - before, moved, atol=1e-6)
    np.testing.assert_allclose(devices.half_selects, half, atol=1e-4)
    np.testing.assert_allclose(devices.pulses, np.abs(pulses))


def test_nothing_else_moves_without_disturb() -> None:
    """Where cells have transistors."""
    devices = reference_devices("ConstantStep", SHAPE, noisy=False)
    before = devices.weights.copy()
    pulses = np.zeros(SHAPE, np.float32)
    pulses[1, 2, 3] = -2
    write_pulses(devices, pulses, None, generator(0))
    moved = devices.weights - before
    assert moved[1, 2, 3] == close(-2 * devices.step, rel=1e-4)
    assert np.count_nonzero(moved) == 1


def test_a_written_change_has_the_right_mean_and_at_most_a_train() -> None:
    """Parts of pulses come by chance: over many devices the mean is that asked for."""
    devices = reference_devices("ConstantStep", (1, 200, 200), noisy=False)
    before = devices.weights.copy()
    change = np.full((1, 200, 200), 0.3 * devices.step, np.float32)
    change[:, :, ::2] *= -1
    change[0, 0, 0] = 50 * devices.step
    pulses = write_change(devices, change, UpdateParameters(7), generator(1))
    moved = devices.weights - before
    assert moved[0, 0, 0] == close(7 * devices.step, rel=1e-4)
    # 20,000 draws of probability 0.3: a standard error of 0.003.
    assert moved[:, :, 1::2].mean() / devices.step == close(0.3, rel=0.05)
    assert moved[:, 1:, ::2].mean() / devices.step == close(-0.3, rel=0.05)
    assert pulses == close(0.3 * 40000, rel=0.05)


@pytest.mark.parametrize(
    ("kind", "values", "written"),
    [
        ("tiki_taka", {}, "slow"),
        ("tiki_taka_v2", {}, "slow"),
        ("chopped_tiki_taka_v2", {}, "slow"),
        ("mixed_precision", {}, "weights"),
    ],
)
def test_the_lines_that_algorithms_write_disturb_the_others(
    kind: str, values: dict[str, float], written: str
) -> None:
    """The array that transfers write sees half-selects with disturb, and none without."""
    seen = []
    for disturb in (None, Disturb(0.1, 0.05)):
        rule, state, rng = learner("reram_hfo2", kind, **values)
        x, error = batch()
        parameters = UpdateParameters(15, disturb=disturb)
        for _ in range(40):
            learn(rule, state, Step(x, error, 0.5, parameters, rng))
        array = arrays_of(rule, state)[written]
        assert array.pulses.sum() > 0
        seen.append(float(array.half_selects.sum()))
    assert seen[0] == 0
    assert seen[1] > 0


def test_refreshes_disturb_the_others() -> None:
    """A minibatch without input in which a refresh is due: only the refresh fires lines."""
    values = {"refresh_every": 41, "refresh_upper": 0.01, "refresh_lower": 0.0}
    rule, state, rng = learner("reram_hfo2", "one_sided", **values)
    x, error = batch()
    for _ in range(40):
        learn(rule, state, Step(x, error, 0.5, UpdateParameters(15), rng))
    parameters = UpdateParameters(15, disturb=Disturb(0.1, 0.05))
    report = learn(rule, state, Step(0 * x, error, 0.5, parameters, rng))
    assert report.written_pulses > 0
    assert sum(float(a.half_selects.sum()) for a in arrays_of(rule, state).values()) > 0
