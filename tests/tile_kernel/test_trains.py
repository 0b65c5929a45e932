"""Probabilities and lengths of pulse trains, and what merging a minibatch changes."""

from __future__ import annotations

import numpy as np
import pytest

from archsim.architecture import Architecture
from archsim.config.loading import load
from archsim.errors import InputError
from archsim.resources import data_folder
from archsim.tile_kernel.trains import UpdateParameters, draw_bits, pulse_trains
from archsim.tile_kernel.update import update
from tests.tile_kernel.reference_devices import generator, reference_devices


def pair(vectors: int = 7) -> tuple[np.ndarray, np.ndarray]:
    """Inputs up to 1 and errors up to about 0.3."""
    rng = np.random.default_rng(12)
    x = rng.uniform(-1, 1, (vectors, 9)).astype(np.float32)
    return x, (0.1 * rng.standard_normal((vectors, 8))).astype(np.float32)


@pytest.mark.parametrize(
    ("management", "length_management"), [(True, True), (True, False), (False, False)]
)
def test_expected_pulses_are_the_wanted_change(management: bool, length_management: bool) -> None:
    """Where nothing is clipped, length * p_x * p_error is rate * |x * error| / step."""
    devices = reference_devices("ConstantStep", (1, 9, 8))
    x, error = pair()
    parameters = UpdateParameters(31, management, length_management)
    trains = pulse_trains(devices, x, error, 0.01, parameters)
    (tile,) = trains.tiles
    expected = tile.length[:, None, None] * tile.p_x[:, :, None] * tile.p_error[:, None, :]
    wanted = 0.01 / 0.001 * np.abs(x[:, :, None] * error[:, None, :])
    np.testing.assert_allclose(expected, wanted, rtol=1e-5)
    assert trains.clipped == 0


def test_update_management_lets_the_largest_lines_fire_alike() -> None:
    """The largest input and the largest error of a sample have one probability."""
    devices = reference_devices("ConstantStep", (1, 9, 8))
    (tile,) = pulse_trains(devices, *pair(), 0.01, UpdateParameters(31, True, False)).tiles
    np.testing.assert_allclose(tile.p_x.max(axis=1), tile.p_error.max(axis=1), rtol=1e-5)


def test_length_management_takes_as_few_slots_as_are_enough() -> None:
    """Slots are the largest wanted number of pulses, rounded up, at most the train length."""
    devices = reference_devices("ConstantStep", (1, 9, 8))
    x, error = pair()
    for rate in (0.001, 0.05, 10.0):
        (tile,) = pulse_trains(devices, x, error, rate, UpdateParameters(31)).tiles
        largest = rate / 0.001 * np.abs(x).max(axis=1) * np.abs(error).max(axis=1)
        np.testing.assert_array_equal(tile.length, np.clip(np.ceil(largest), 1, 31))


def test_probabilities_above_one_are_cut_and_counted() -> None:
    """Without management a large input saturates its line; the report says how many did."""
    devices = reference_devices("ConstantStep", (1, 9, 8))
    x, error = pair()
    parameters = UpdateParameters(1, update_management=False, length_management=False)
    trains = pulse_trains(devices, x, error, 0.01, parameters)
    scale = np.sqrt(0.01 / 0.001)
    over = np.count_nonzero(np.abs(x) * scale > 1) + np.count_nonzero(np.abs(error) * scale > 1)
    assert trains.clipped == over > 0
    assert update(devices, x, error, 0.01, parameters, generator(0)).clipped == over
    assert trains.tiles[0].p_x.max() == 1


def test_bits_have_their_probabilities() -> None:
    """From far below a random byte's resolution up to one, within 5 standard errors; certain and
    impossible lines never fail."""
    chances = np.array([[0.0, 1e-3, 1 / 512, 0.3, 0.7501, 255.5 / 256, 1.0]], dtype=np.float32)
    slots = 400_000
    bits = draw_bits(chances, np.array([slots]), slots, generator(4))
    rates = bits[0].mean(axis=0)
    assert rates[0] == 0
    assert rates[-1] == 1
    error = np.sqrt(chances[0] * (1 - chances[0]) / slots)
    assert np.all(np.abs(rates - chances[0]) <= 5 * error)


def test_silent_slots_follow_a_short_train() -> None:
    """A sample fires in its own slots only."""
    chances = np.ones((2, 3), dtype=np.float32)
    bits = draw_bits(chances, np.array([2, 4]), 4, generator(0))
    np.testing.assert_array_equal(bits.sum(axis=1), [[2, 2, 2], [4, 4, 4]])


@pytest.mark.parametrize("name", ["ConstantStep", "SoftBounds", "EcRamPreset"])
def test_merging_a_minibatch_changes_little(name: str) -> None:
    """At sixty pulses per device the mean of the merged update is that of sample after sample, to
    2 % of its size and the error of the draws."""
    x, error = pair(16)
    tiles = 400
    sides = [np.repeat(side[:, np.newaxis], tiles, axis=1) for side in (x, error)]
    means, errors = [], []
    for merge in ("sample", "minibatch"):
        devices = reference_devices(name, (tiles, 9, 8))
        parameters = UpdateParameters(31, merge=merge, kernel="counts")  # type: ignore[arg-type]
        update(
            devices, *sides, 60 * 0.001 / np.abs(x.T @ error).mean() / 4, parameters, generator(1)
        )
        means.append(devices.weights.mean(axis=0))
        errors.append(devices.weights.std(axis=0) / np.sqrt(tiles))
    size = np.abs(means[0]).max()
    allowed = 0.02 * size + 5 * np.hypot(*errors)
    assert np.all(np.abs(means[0] - means[1]) <= allowed)


def test_tiles_learn_on_their_own() -> None:
    """Two tiles with inputs of their own change as their gradients say."""
    devices = reference_devices("ConstantStep", (2, 9, 8), noisy=False)
    x, error = (np.abs(side) for side in pair(64))
    both = np.stack([x, 0.5 * x], axis=1), np.stack([error, -error], axis=1)
    update(devices, *both, 0.02, UpdateParameters(31), generator(5))
    wanted = -0.02 * x.T @ error
    for weights, part in zip(devices.weights, (wanted, -0.5 * wanted), strict=True):
        assert np.sum(weights * part) / np.sum(part**2) == pytest.approx(1, abs=0.1)


def test_parameters_follow_the_architecture() -> None:
    """Train length, and disturb by the field law at the voltage of half-selected devices."""
    tree = load("protonic_256", Architecture, data_folder("arch_configs")).value
    parameters = UpdateParameters.from_architecture(tree)
    assert parameters.train_length == tree.update.train_length
    assert parameters.disturb is not None
    mean = 0.5 * (parameters.disturb.up + parameters.disturb.down)
    assert mean == pytest.approx(float(tree.device.half_select_step_fraction(0.5)))


def test_a_train_without_slots_is_refused() -> None:
    """A length of zero is one sentence."""
    with pytest.raises(InputError, match="train_length is 0"):
        UpdateParameters(0)
