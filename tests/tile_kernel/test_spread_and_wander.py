"""Spread of slopes between devices, bounds that wander, and half-selects counted apart."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from archsim.config.loading import load
from archsim.hardware.device import Device
from archsim.hardware.response import (
    LinearStep,
    Polarity,
    PowerStep,
    Response,
    SoftBounds,
)
from archsim.resources import data_folder
from archsim.tile_kernel.pulsing import apply_pulses
from archsim.tile_kernel.state import NO_SPREAD, DeviceArray, sample_devices
from archsim.tile_kernel.step_law import Bounds, CurvedLaw
from archsim.tile_kernel.trains import Disturb, UpdateParameters
from archsim.tile_kernel.update import update
from archsim.tile_kernel.wander import wander
from tests.tile_kernel.reference_devices import EXPONENTIAL, generator, one, reference_devices

SHAPE = (1, 100, 80)
WHOLE = Bounds(one(-1).reshape(()), one(1).reshape(()))
LINEAR = LinearStep(kind="linear", step_up=0.004, step_down=0.004, slope_up=0.5, slope_down=0.3)
SOFT = SoftBounds(kind="soft_bounds", step_up=0.004, step_down=0.004)
POWER = PowerStep(kind="power", step_up=0.003, step_down=0.003, exponent_up=2, exponent_down=1.5)


@cache
def base() -> Device:
    return load("ideal", Device, data_folder("arch_configs") / "devices").value


def sampled(response: Response, seed: int = 1, **spread: float) -> DeviceArray:
    """Devices of a response with nothing but the spread given."""
    known = NO_SPREAD.model_copy(update=spread)
    device = base().model_copy(update={"response": response, "spread": known})
    return sample_devices(device, SHAPE, generator(seed))


def steps_at(devices: DeviceArray, weight: float) -> tuple[np.ndarray, np.ndarray]:
    """Steps up and down of all devices at one weight."""
    at = np.full(devices.weights.size, weight, dtype=np.float32)
    found = devices.steps(at)
    return found.up_rate.astype(np.float64), found.down_rate.astype(np.float64)


@pytest.mark.parametrize("response", [LINEAR, POWER])
def test_slopes_differ_and_the_step_at_weight_zero_does_not(response: Response) -> None:
    """Spread of the slope leaves the step at zero and turns the line about it: the deviation of
    its (logarithmic) slope is the one stated."""
    devices = sampled(response, slope_devices=0.1)
    plain = sampled(response)
    for polarity in (0, 1):
        at_zero, away = (steps_at(devices, w)[polarity] for w in (0.0, 0.4))
        zero, nominal = (steps_at(plain, w)[polarity].mean() for w in (0.0, 0.4))
        np.testing.assert_allclose(at_zero, zero, rtol=2e-3)
        if isinstance(response, LinearStep):
            relative = (away - zero) / (nominal - zero)
        else:
            relative = np.log(away / zero) / np.log(nominal / zero)
        size = np.sqrt(2 * devices.weights.size)
        assert relative.mean() == pytest.approx(1.0, abs=5 * 0.1 / np.sqrt(relative.size) + 0.003)
        assert relative.std() == pytest.approx(0.1, rel=5 / size + 0.01)


def test_a_power_of_the_step_is_the_exponent_of_a_power_law() -> None:
    """A device whose slope is 1.5 times the mean is the power-step device of 1.5 times the
    exponent, and with rates it is the exponential one."""
    curved = CurvedLaw(POWER, one(1), one(1), one(1.5), one(2.0))
    other = PowerStep(
        kind="power", step_up=0.003, step_down=0.003, exponent_up=3.0, exponent_down=3.0
    )
    w = np.linspace(-0.9, 0.9, 37, dtype=np.float32)
    found = curved.at(w, slice(None), WHOLE)
    for rate, fall, polarity in (
        (found.up_rate, found.up_fall, Polarity.UP),
        (found.down_rate, -found.down_fall, Polarity.DOWN),
    ):
        np.testing.assert_allclose(rate, other.step_size(w, polarity), rtol=2e-3)
        near = [other.step_size(w + d, polarity) for d in (-1e-3, 1e-3)]
        np.testing.assert_allclose(-fall, (near[1] - near[0]) / 2e-3, rtol=0.01, atol=1e-6)


def test_tangents_are_those_of_the_response() -> None:
    """Between the states of the table steps follow the response to 1e-5 of the largest."""
    response = EXPONENTIAL
    law = CurvedLaw(response, one(1), one(1))
    w = np.random.default_rng(1).uniform(-1, 1, 5000).astype(np.float32)
    found = law.at(w, slice(None), WHOLE)
    assert np.abs(found.up_rate - response.step_size(w, Polarity.UP)).max() < 4e-8
    assert np.abs(found.down_rate - response.step_size(w, Polarity.DOWN)).max() < 4e-8


def pulsed(devices: DeviceArray, pulses: float) -> None:
    """Count pulses as taken, half up and half down."""
    devices.pulses[...] += pulses


def test_bounds_wander_about_their_means() -> None:
    """The deviation of a bound stays at the one stated, correlated as exp(-n / cycle) over n
    pulses, whether they come at once or in parts; mean bounds stay."""
    cycle = 2.0 * float(base().pulses_full_range)
    for parts in (1, 4):
        devices = sampled(LINEAR, seed=parts, bounds_cycles=0.1)
        held = devices.wander
        assert held is not None
        start = devices.upper - held.upper
        rng = generator(70 + parts)
        for _ in range(parts):
            pulsed(devices, 0.5 * cycle / parts)
            wander(devices, rng)
        end = devices.upper - held.upper
        tolerance = 5 / np.sqrt(end.size)
        for deviation in (start, end, devices.lower - held.lower):
            assert deviation.std() == pytest.approx(0.1, rel=tolerance)
            assert abs(deviation.mean()) < 0.1 * tolerance
        if parts == 1:
            correlation = float(np.corrcoef(start.ravel(), end.ravel())[0, 1])
            assert correlation == pytest.approx(np.exp(-0.5), abs=tolerance)
        np.testing.assert_array_equal(held.upper, held.upper.flat[0])


def test_bounds_wait_for_pulses() -> None:
    """Without pulses nothing wanders; devices without wander draw no numbers."""
    devices = sampled(LINEAR, bounds_cycles=0.1)
    before = devices.upper.copy()
    wander(devices, generator(1))
    np.testing.assert_array_equal(devices.upper, before)
    rng, still = generator(1), sampled(LINEAR)
    pulsed(still, 1e6)
    wander(still, rng)
    assert still.wander is None
    assert rng.random() == generator(1).random()


def test_steps_of_soft_bounds_end_where_the_bounds_have_gone() -> None:
    """After a wander no step up is left at the upper bound of any device, and none down at the
    lower one; the steps at weight zero are as before."""
    devices = sampled(SOFT, bounds_cycles=0.1, step_devices=0.2)
    before = steps_at(devices, 0.0)
    pulsed(devices, 4.0 * float(base().pulses_full_range))
    wander(devices, generator(5))
    for upper, bound in ((True, devices.upper), (False, devices.lower)):
        found = devices.steps(bound.reshape(-1))
        left = found.up_rate if upper else found.down_rate
        assert np.abs(left).max() < 1e-6
    np.testing.assert_allclose(steps_at(devices, 0.0), before, rtol=1e-6)


def test_weights_end_at_the_bounds_of_the_moment() -> None:
    """Curved responses are stretched over the range that there is now; nothing leaves it."""
    devices = sampled(POWER, bounds_cycles=0.1)
    pulsed(devices, 4.0 * float(base().pulses_full_range))
    wander(devices, generator(5))
    many = np.full(devices.weights.size, 20000.0, dtype=np.float32)
    apply_pulses(devices, slice(0, many.size), np.zeros_like(many), many, generator(1))
    assert np.all(devices.weights >= devices.lower)
    np.testing.assert_allclose(devices.weights, devices.lower, atol=0.1)


def test_half_selects_are_counted_apart_from_pulses() -> None:
    """One row and one column firing in all ten slots: their crossing takes ten pulses, every other
    device on either line ten half-selects, the rest nothing."""
    x = np.array([[1.0, 0.0, 0.0]], dtype=np.float32)
    error = np.array([[-1.0, 0.0]], dtype=np.float32)
    devices = reference_devices("ConstantStep", (1, 3, 2), noisy=False)
    parameters = UpdateParameters(10, length_management=False, disturb=Disturb(0.0, 0.0))
    update(devices, x, error, 0.01, parameters, generator(0))
    np.testing.assert_array_equal(devices.pulses[0], [[10, 0], [0, 0], [0, 0]])
    np.testing.assert_array_equal(devices.half_selects[0], [[0, 10], [10, 0], [10, 0]])
