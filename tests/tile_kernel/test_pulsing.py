"""Devices under pulses: closed forms against single pulses, noise, bounds, bookkeeping."""

from __future__ import annotations

import numpy as np
import pytest

from archsim.errors import InputError
from archsim.hardware.response import (
    ConstantStep,
    LinearStep,
    PiecewiseStep,
    Polarity,
    PowerStep,
    ProtonicStep,
    ResponseModel,
    SoftBounds,
)
from archsim.tile_kernel.normal import normals
from archsim.tile_kernel.pulsing import apply_pulses
from archsim.tile_kernel.state import DeviceArray, make_devices, set_weights
from archsim.tile_kernel.step_law import CurvedLaw, StepLaw, straight_law
from tests.tile_kernel.reference_devices import EXPONENTIAL, generator, one, reference_devices

RESPONSES: tuple[ResponseModel, ...] = (
    ConstantStep(kind="constant", step_up=0.004, step_down=0.003),
    LinearStep(kind="linear", step_up=0.004, step_down=0.003, slope_up=0.7, slope_down=-0.3),
    SoftBounds(kind="soft_bounds", step_up=0.004, step_down=0.003),
    PowerStep(kind="power", step_up=0.003, step_down=0.002, exponent_up=2, exponent_down=0.5),
    EXPONENTIAL,
    PiecewiseStep(
        kind="piecewise",
        states=(-1, 0, 1),
        steps_up=(0.006, 0.004, 0.001),
        steps_down=(0.001, 0.002, 0.005),
    ),
    ProtonicStep(
        kind="protonic", step_up=0.00205, step_down=0.00297, mobility=0.449, filling=0.132
    ),
)


def law_of(response: ResponseModel) -> StepLaw:
    """The curved law of any response; its tangents must reproduce straight ones as well."""
    return CurvedLaw(response, one(1), one(1))


def devices_of(response: ResponseModel, count: int = 21) -> DeviceArray:
    """Devices without noise, spread over the range."""
    devices = make_devices((1, 1, count), law_of(response), (one(-1), one(1)), 0.004)
    devices.weights[...] = np.linspace(-0.9, 0.9, count, dtype=np.float32)
    return devices


@pytest.mark.parametrize("response", RESPONSES, ids=lambda r: type(r).__name__)
@pytest.mark.parametrize("polarity", list(Polarity))
def test_n_pulses_at_once_are_n_single_pulses(response: ResponseModel, polarity: Polarity) -> None:
    """Pulses of one polarity taken at once end where single steps of the response end, to 1 % of
    the way."""
    devices = devices_of(response)
    state = devices.weights.astype(np.float64).reshape(-1)
    start = state.copy()
    for _ in range(60):
        state = state + response.step(state, polarity)
    pulses = np.full(state.size, 60, dtype=np.float32)
    idle = np.zeros_like(pulses)
    up, down = (pulses, idle) if polarity is Polarity.UP else (idle, pulses)
    apply_pulses(devices, slice(0, state.size), up, down, generator(0))
    way = np.abs(state - start)
    assert np.all(np.abs(devices.weights.reshape(-1) - state) <= 0.01 * way + 1e-4)


@pytest.mark.parametrize("response", RESPONSES, ids=lambda r: type(r).__name__)
def test_mixed_pulses_end_at_the_mean_over_orders(response: ResponseModel) -> None:
    """Thirty pulses up and thirty down at once end within half a step of the mean over random
    orders."""
    devices = devices_of(response)
    start = devices.weights.astype(np.float64).reshape(-1)
    rng = np.random.default_rng(4)
    ends = []
    for _ in range(40):
        state = start.copy()
        for way in rng.permutation([Polarity.UP] * 30 + [Polarity.DOWN] * 30):
            state = state + response.step(state, Polarity(way))
        ends.append(state)
    thirty = np.full(start.size, 30, dtype=np.float32)
    apply_pulses(devices, slice(0, start.size), thirty, thirty, generator(0))
    deviation = np.abs(devices.weights.reshape(-1) - np.mean(ends, axis=0))
    inner = np.abs(start) < 0.8
    assert np.all(deviation[inner] < 0.003)


def test_noise_of_merged_pulses_grows_with_the_square_root() -> None:
    """n merged pulses have sqrt(n) times the spread of one, within 5 standard errors."""
    size = 20000
    spreads = {}
    for pulses in (1, 4, 100):
        devices = reference_devices("ConstantStep", (1, 1, size))
        n = np.full(size, pulses, dtype=np.float32)
        apply_pulses(devices, slice(0, size), n, np.zeros_like(n), generator(pulses))
        spreads[pulses] = devices.weights.std()
    for pulses, spread in spreads.items():
        expected = 0.3 * 0.001 * np.sqrt(pulses)
        assert spread == pytest.approx(expected, rel=5 / np.sqrt(2 * size))


def test_a_step_beyond_its_own_bound_ends_there() -> None:
    """A soft-bounds device whose bound lies closer than a step is cut at it, and never beyond."""
    tiny = np.full((1, 1, 3), 0.0004, dtype=np.float32)
    step = one(0.001)
    law = straight_law(step, step / tiny, step, step / one(0.6))
    devices = make_devices((1, 1, 3), law, (one(-0.6), tiny), 0.001)
    devices.weights[...] = [[[-0.3, 0.0, 0.0004]]]
    ones = np.ones(3, dtype=np.float32)
    apply_pulses(devices, slice(0, 3), ones, np.zeros_like(ones), generator(0))
    np.testing.assert_allclose(devices.weights.reshape(-1), 0.0004, atol=1e-7)


def test_pulses_are_counted_by_device() -> None:
    """Every device's counter grows by the pulses that it took, up and down."""
    devices = reference_devices("SoftBounds", (1, 2, 3))
    where = np.array([1, 4])
    up, down = np.array([2, 0], dtype=np.float32), np.array([1, 5], dtype=np.float32)
    apply_pulses(devices, where, up, down, generator(0))
    np.testing.assert_array_equal(devices.pulses.reshape(-1), [0, 3, 0, 0, 5, 0])


def test_write_noise_does_not_add_up() -> None:
    """After any number of writes the weight differs from the stored one by one draw of the noise;
    devices that took no pulse keep what they show."""
    law = straight_law(one(0.001), one(0), one(0.001), one(0))
    devices = make_devices((1, 2, 5000), law, (one(-1), one(1)), 0.001, write_noise=0.05)
    shown = devices.weights[0, 1].copy()
    rng = generator(3)
    first_row = slice(0, 5000)
    for _ in range(50):
        n = np.ones(5000, dtype=np.float32)
        apply_pulses(devices, first_row, n, n, rng)
    np.testing.assert_allclose(devices.stored[0, 0], 0, atol=1e-6)
    assert devices.weights[0, 0].std() == pytest.approx(0.05, rel=0.05)
    np.testing.assert_array_equal(devices.weights[0, 1], shown)


def test_programming_goes_to_the_nearest_state_inside_the_bounds() -> None:
    """With eleven states of -1 to 1 weights land on tenths of the range; the rest is cut."""
    law = straight_law(one(0.001), one(0), one(0.001), one(0))
    devices = make_devices((1, 1, 4), law, (one(-1), one(1)), 0.001)
    cut = set_weights(devices, [[[0.09, 0.11, -3.0, 0.5]]], generator(0), states=11)
    np.testing.assert_allclose(devices.weights.reshape(-1), [0.0, 0.2, -1.0, 0.6], atol=1e-6)
    assert cut == 0.25


def test_normal_numbers_have_the_moments_they_state() -> None:
    """Mean, variance, skewness and kurtosis of a million numbers, within 5 standard errors."""
    z = normals(generator(17), 1_000_001).astype(np.float64)
    assert z.shape == (1_000_001,)
    error = 5 / np.sqrt(z.size)
    assert abs(z.mean()) < error
    assert abs(z.var() - 1) < error * np.sqrt(2)
    assert abs(np.mean(z**3)) < error * np.sqrt(15)
    assert abs(np.mean(z**4) - 3) < error * np.sqrt(96)
    assert np.abs(z).max() < 4.33


@pytest.mark.parametrize(
    ("lower", "upper", "said"),
    [
        (0.1, 1.0, "from 0.1 up"),
        (-1.0, -0.2, "from -0.2 down"),
        (np.nan, 1.0, "lower bounds is nan"),
    ],
)
def test_crossed_bounds_are_refused(lower: float, upper: float, said: str) -> None:
    """Devices whose range does not hold weight zero, or whose bounds are no numbers."""
    law = straight_law(one(0.001), one(0), one(0.001), one(0))
    with pytest.raises(InputError, match=said):
        make_devices((1, 2, 2), law, (one(lower), one(upper)), 0.001)
