"""Laws that every response model obeys, and an independent simulator's curves."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import ValidationError

from archsim.fields import stack
from archsim.hardware.response import (
    ConstantStep,
    ExponentialStep,
    LinearStep,
    PiecewiseStep,
    Polarity,
    PowerStep,
    ProtonicStep,
    ResponseModel,
    SoftBounds,
)
from tests.hardware.responses import REGISTERED, STRATEGIES, responses

DATA = Path(__file__).parents[1] / "data" / "responses" / "aihwkit_mean_curves.json"
CURVES: dict[str, Any] = json.loads(DATA.read_text(encoding="utf-8"))["devices"]

polarities = st.sampled_from(Polarity)
states = st.floats(-1, 1, allow_nan=False)
kinds = pytest.mark.parametrize("model", STRATEGIES, ids=lambda m: m.__name__)


def test_every_registered_model_is_tested() -> None:
    """A model that is added to the union needs a strategy here."""
    assert set(STRATEGIES) == set(REGISTERED)


@kinds
@given(data=st.data())
def test_states_stay_inside_the_range(model: type[ResponseModel], data: st.DataObject) -> None:
    """Neither one pulse nor many lead out of [-1, 1], in either precision."""
    response, way = data.draw(STRATEGIES[model]), data.draw(polarities)
    for kind in (np.float32, np.float64):
        x = np.linspace(-1, 1, 41, dtype=kind)
        after = x + response.step(x, way)
        many = response.after_pulses(x, 37, way)
        for found in (after, many):
            assert found.dtype == kind
            assert found.shape == x.shape
            assert np.all(np.abs(found) <= 1.0)


@kinds
@given(data=st.data())
def test_a_pulse_moves_its_own_way(model: type[ResponseModel], data: st.DataObject) -> None:
    """Pulses up never lower a state and pulses down never raise it."""
    response = data.draw(STRATEGIES[model])
    x = np.linspace(-1, 1, 101)
    assert np.all(response.step(x, Polarity.UP) >= 0)
    assert np.all(response.step(x, Polarity.DOWN) <= 0)


@kinds
@given(data=st.data())
def test_n_pulses_are_n_times_one_pulse(model: type[ResponseModel], data: st.DataObject) -> None:
    """The closed form, or the loop inside, equals pulse by pulse; numbers differ per device."""
    response, way = data.draw(STRATEGIES[model]), data.draw(polarities)
    x = np.asarray(data.draw(st.lists(states, min_size=1, max_size=4)))
    n = np.asarray(data.draw(st.lists(st.integers(0, 60), min_size=len(x), max_size=len(x))))
    slow = x.copy()
    for done in range(60):
        slow = np.where(done < n, slow + response.step(slow, way), slow)
    np.testing.assert_allclose(response.after_pulses(x, n, way), slow, atol=1e-12)


@given(responses, polarities, states, st.integers(0, 40), st.integers(0, 40))
def test_pulse_numbers_add_up(
    response: ResponseModel, way: Polarity, x: float, one: int, other: int
) -> None:
    """n pulses after m pulses are n + m pulses, and no pulse changes nothing."""
    split = response.after_pulses(response.after_pulses(x, one, way), other, way)
    assert split == pytest.approx(float(response.after_pulses(x, one + other, way)), abs=1e-12)
    assert float(response.after_pulses(x, 0, way)) == pytest.approx(x, abs=1e-15)


@given(responses, polarities, st.floats(-1, 1, width=32), st.integers(0, 30))
def test_single_precision_follows_double(
    response: ResponseModel, way: Polarity, x: float, n: int
) -> None:
    """float32 gives the same states to its own precision."""
    # Where the step is steep at a bound, the rounding of the state is amplified in the step.
    assume(abs(x) < 0.99)
    single = response.after_pulses(np.float32(x), n, way)
    assert single.dtype == np.float32
    assert float(single) == pytest.approx(float(response.after_pulses(x, n, way)), abs=2e-4)


@given(responses)
def test_alternating_pulses_lead_to_the_symmetry_point(response: ResponseModel) -> None:
    """There up and down cancel; above it down wins, or it is a bound towards which one wins."""
    point = response.symmetry_point()
    assert -1 <= point <= 1
    size = response.step_size
    # A crossing closer to a bound than numbers can tell is that bound: look just inside.
    inside = point * (1 - 1e-12)
    up, down = float(size(inside, Polarity.UP)), float(size(inside, Polarity.DOWN))
    x = np.linspace(-1, 1, 1025)
    if np.array_equal(size(x, Polarity.UP), size(x, Polarity.DOWN)):
        assert point == 0
    elif abs(point) < 1:
        # The crossing may be steep, or a kink where an exponential ends.
        nearby = np.clip(np.asarray([point - 1e-6, point + 1e-6]), -1, 1)
        excess = size(nearby, Polarity.UP) - size(nearby, Polarity.DOWN)
        assert excess[0] >= -1e-9
        assert excess[1] <= 1e-9
    else:
        assert (up - down) * point >= -1e-12


@given(responses)
def test_asymmetry_is_bounded_and_signed(response: ResponseModel) -> None:
    """(up - down) / (up + down) lies in [-1, 1] with the sign of the stronger direction."""
    x = np.linspace(-1, 1, 201)
    excess = response.step_size(x, Polarity.UP) - response.step_size(x, Polarity.DOWN)
    found = response.asymmetry(x)
    assert np.all(np.abs(found) <= 1)
    assert np.array_equal(np.sign(found), np.sign(excess))
    assert 0 <= response.mean_asymmetry() <= 2


@given(responses, st.floats(0, 1))
def test_compensation_takes_asymmetry_away(response: ResponseModel, residual: float) -> None:
    """At residual 1 nothing changes, at 0 up equals down, and in between asymmetry only falls."""
    x = np.linspace(-1, 1, 65)
    whole, none, part = response.mixed(1.0), response.mixed(0.0), response.mixed(residual)
    for way in Polarity:
        np.testing.assert_allclose(
            whole.step_size(x, way), response.step_size(x, way), rtol=1e-9, atol=1e-15
        )
    up, down = none.step_size(x, Polarity.UP), none.step_size(x, Polarity.DOWN)
    np.testing.assert_allclose(up, down, rtol=1e-9, atol=1e-15)
    excess = np.abs(part.asymmetry(x)) - np.abs(response.asymmetry(x))
    assert np.all(excess <= 1e-9)


@given(st.lists(STRATEGIES[LinearStep], min_size=2, max_size=4), polarities)
def test_stacked_responses_equal_each_alone(several: list[LinearStep], way: Polarity) -> None:
    """A configuration axis gives what each configuration gives."""
    x = np.linspace(-1, 1, 11)
    together = stack(several)
    for row, alone in enumerate(several):
        np.testing.assert_allclose(together.step(x, way)[row], alone.step(x, way), rtol=1e-12)
        many = together.after_pulses(x, 9, way)[row]
        np.testing.assert_allclose(many, alone.after_pulses(x, 9, way), atol=1e-12)


@pytest.mark.parametrize("kind", [SoftBounds, PowerStep])
@given(data=st.data())
def test_soft_steps_fall_towards_the_bound_ahead(
    kind: type[ResponseModel], data: st.DataObject
) -> None:
    """Models with soft bounds step less the nearer the bound is."""
    response = data.draw(STRATEGIES[kind])
    x = np.linspace(-1, 1, 101)
    assert np.all(np.diff(response.step_size(x, Polarity.UP)) <= 0)
    assert np.all(np.diff(response.step_size(x, Polarity.DOWN)) >= 0)


@given(STRATEGIES[ConstantStep], polarities)
def test_constant_steps_are_equal_until_the_bound(response: ConstantStep, way: Polarity) -> None:
    """Away from the bound every step is the same."""
    x = np.linspace(-0.9, 0.9, 37)
    assert np.ptp(np.abs(response.step(x, way))) == pytest.approx(0, abs=1e-15)


@given(STRATEGIES[SoftBounds])
def test_power_one_and_slope_one_are_soft_bounds(soft: SoftBounds) -> None:
    """Three models coincide where one contains the other."""
    steps = {"step_up": soft.step_up, "step_down": soft.step_down}
    power = PowerStep(kind="power", **steps, exponent_up=1, exponent_down=1)
    linear = LinearStep(kind="linear", **steps, slope_up=1, slope_down=1)
    x = np.linspace(-1, 1, 21)
    for way in Polarity:
        for other in (power, linear):
            np.testing.assert_allclose(other.step(x, way), soft.step(x, way), atol=1e-15)
    expected = (soft.step_up - soft.step_down) / (soft.step_up + soft.step_down)
    assert soft.symmetry_point() == pytest.approx(expected, abs=1e-9)


def test_charge_controlled_protonic_steps_keep_their_symmetry_point() -> None:
    """Without the open-circuit potential, the step at the old symmetry point stays what it was."""
    response = ProtonicStep(
        kind="protonic", step_up=0.002, step_down=0.003, mobility=0.45, filling=0.13
    )
    point = response.symmetry_point()
    none = response.mixed(0.0)
    for way in Polarity:
        expected = float(response.step_size(point, way))
        assert float(none.step_size(point, way)) == pytest.approx(expected, rel=1e-9)
    half = response.mixed(0.5)
    assert half.symmetry_point() == pytest.approx(point, abs=1e-6)


def _converted(found: dict[str, Any]) -> tuple[ResponseModel, float, float]:
    """A device of the other simulator as a response, with the middle and half of its range."""
    p = found["parameters"]
    middle, half = 0.5 * (p["w_max"] + p["w_min"]), 0.5 * (p["w_max"] - p["w_min"])
    up = p["dw_min"] / half * (1 + min(p["up_down"], 0.0))
    down = p["dw_min"] / half * (1 - max(p["up_down"], 0.0))
    if "A_up" in p:
        rate = p["a"]
        shift = p["b"] + p["a"] * middle / half
        return (
            ExponentialStep(
                kind="exponential",
                step_up=up,
                step_down=down,
                amplitude_up=p["A_up"] * math.exp(p["gamma_up"] * shift),
                amplitude_down=p["A_down"] * math.exp(-p["gamma_down"] * shift),
                rate_up=p["gamma_up"] * rate,
                rate_down=p["gamma_down"] * rate,
            ),
            middle,
            half,
        )
    if "pow_gamma" in p:
        exponent = p["pow_gamma"]
        steps = {"step_up": up * 0.5**exponent, "step_down": down * 0.5**exponent}
        power = PowerStep(kind="power", **steps, exponent_up=exponent, exponent_down=exponent)
        return power, middle, half
    if "gamma_up" in p:
        at_up = 1 - p["gamma_up"] * middle / p["w_max"]
        at_down = 1 - p["gamma_down"] * middle / p["w_min"]
        linear = LinearStep(
            kind="linear",
            step_up=up * at_up,
            step_down=down * at_down,
            slope_up=p["gamma_up"] * half / p["w_max"] / at_up,
            slope_down=-p["gamma_down"] * half / p["w_min"] / at_down,
        )
        return linear, middle, half
    if "SoftBounds" in found["class"] or "ReRamSB" in found["class"]:
        soft = SoftBounds(
            kind="soft_bounds",
            step_up=up * half / p["w_max"],
            step_down=-down * half / p["w_min"],
        )
        return soft, middle, half
    return ConstantStep(kind="constant", step_up=up, step_down=down), middle, half


@pytest.mark.parametrize("name", CURVES)
def test_curves_are_those_of_an_independent_simulator(name: str) -> None:
    """1000 pulses up and 1000 down from weight zero agree to the five digits that are recorded."""
    found = CURVES[name]
    response, middle, half = _converted(found)
    pulses = np.asarray(found["pulses"])
    start = -middle / half
    rising = response.after_pulses(start, np.minimum(pulses, 1000), Polarity.UP)
    top = float(response.after_pulses(start, 1000, Polarity.UP))
    falling = response.after_pulses(top, np.maximum(pulses - 1000, 0), Polarity.DOWN)
    weights = middle + half * np.where(pulses <= 1000, rising, falling)
    np.testing.assert_allclose(weights, found["weights"], atol=1.5e-5)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"states": (-1, 0.5), "steps_up": (0.1, 0.1), "steps_down": (0.1, 0.1)}, "end with 1"),
        ({"states": (-1, 1), "steps_up": (0.1,) * 3, "steps_down": (0.1, 0.1)}, "steps_up 3"),
        ({"states": (-1, 0, 0, 1), "steps_up": (0.1,) * 4, "steps_down": (0.1,) * 4}, "must rise"),
    ],
)
def test_inconsistent_nodes_are_refused(fields: dict[str, Any], message: str) -> None:
    """One step per state, from bound to bound, in order."""
    with pytest.raises(ValidationError, match=message):
        PiecewiseStep(kind="piecewise", **fields)
