"""What can be fitted: each response model with its free parameters, their bounds and first guesses.

A family says how a vector of parameters becomes a response.  All parameters are those of the device
file, so that their confidence intervals are too.  The start of the curve, a state, and for some
families the bounds of the conductance range are parameters as well.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from archsim.hardware.response import (
    ConstantStep,
    ExponentialStep,
    LinearStep,
    PiecewiseStep,
    PowerStep,
    ProtonicStep,
    Response,
    SoftBounds,
)
from archsim.hardware.response.model import LARGEST_STEP

# Steps below this share of the range per pulse are no steps.
_SMALLEST_STEP = 1e-7
PIECEWISE_NODES = 5


@dataclass(frozen=True, slots=True)
class Parameter:
    """A free number of a family: its name, its closed bounds and a typical size."""

    name: str
    low: float
    high: float
    scale: float


@dataclass(frozen=True, slots=True)
class Slope:
    """A rough reading of a curve: mean steps up and down and their relative slopes."""

    step_up: float
    step_down: float
    slope_up: float
    slope_down: float


@dataclass(frozen=True, slots=True)
class Family:
    """A response model that can be fitted.

    `guesses` turns a rough reading into starting points; `free_range` says that the bounds of the
    conductance range decide the steps and are fitted too.
    """

    kind: str
    parameters: tuple[Parameter, ...]
    build: Callable[[Mapping[str, float]], Response]
    guesses: Callable[[Slope], Sequence[Mapping[str, float]]]
    free_range: bool = False


def _step(name: str) -> Parameter:
    return Parameter(name, _SMALLEST_STEP, LARGEST_STEP, 1e-3)


_STEPS = (_step("step_up"), _step("step_down"))


def _steps_of(slope: Slope) -> dict[str, float]:
    return {"step_up": slope.step_up, "step_down": slope.step_down}


def _constant(values: Mapping[str, float]) -> Response:
    return ConstantStep.model_construct(None, kind="constant", **values)


def _soft_bounds(values: Mapping[str, float]) -> Response:
    return SoftBounds.model_construct(None, kind="soft_bounds", **values)


def _linear(values: Mapping[str, float]) -> Response:
    return LinearStep.model_construct(None, kind="linear", **values)


def _linear_guesses(slope: Slope) -> list[dict[str, float]]:
    return [_steps_of(slope) | {"slope_up": slope.slope_up, "slope_down": slope.slope_down}]


def _protonic(values: Mapping[str, float]) -> Response:
    return ProtonicStep.model_construct(None, kind="protonic", potential_share=1.0, **values)


def _protonic_guesses(slope: Slope) -> list[dict[str, float]]:
    mobility = float(np.clip(-slope.slope_up, -0.9, 0.9))
    return [_steps_of(slope) | {"mobility": mobility, "filling": f} for f in (0.1, 1.0)]


def _power(values: Mapping[str, float]) -> Response:
    return PowerStep.model_construct(None, kind="power", **values)


def _power_guesses(slope: Slope) -> list[dict[str, float]]:
    return [_steps_of(slope) | {"exponent_up": e, "exponent_down": e} for e in (0.5, 1.5)]


def _exponential(values: Mapping[str, float]) -> Response:
    return ExponentialStep.model_construct(None, kind="exponential", **values)


def _exponential_guesses(slope: Slope) -> list[dict[str, float]]:
    """Exponentials with the slope of the reading in the middle, at a few rates of either sign."""
    guesses = []
    for rate in (1.5, -1.5):
        guess = {"rate_up": rate, "rate_down": rate}
        for side, step, bend in (
            ("up", slope.step_up, slope.slope_up),
            ("down", slope.step_down, slope.slope_down),
        ):
            # step * (1 - bend * x) ~ base * (1 - A * (1 + rate * x))
            amplitude = bend / rate / (1.0 + bend / rate) if abs(1.0 + bend / rate) > 0.1 else 0.5
            amplitude = float(np.clip(amplitude, -5.0, 0.8))
            guess[f"amplitude_{side}"] = amplitude
            guess[f"step_{side}"] = step / (1.0 - amplitude)
        guesses.append(guess)
    return guesses


def _node_names(side: str) -> tuple[str, ...]:
    return tuple(f"steps_{side}.{index}" for index in range(PIECEWISE_NODES))


_NODE_STATES = tuple(float(x) for x in np.linspace(-1.0, 1.0, PIECEWISE_NODES))


def _piecewise(values: Mapping[str, float]) -> Response:
    return PiecewiseStep.model_construct(
        kind="piecewise",
        states=_NODE_STATES,
        steps_up=tuple(float(values[name]) for name in _node_names("up")),
        steps_down=tuple(float(values[name]) for name in _node_names("down")),
    )


def _piecewise_guesses(slope: Slope) -> list[dict[str, float]]:
    guess = {}
    for index, state in enumerate(_NODE_STATES):
        guess[f"steps_up.{index}"] = slope.step_up * (1.0 - 0.9 * slope.slope_up * state)
        guess[f"steps_down.{index}"] = slope.step_down * (1.0 + 0.9 * slope.slope_down * state)
    return [guess]


# In this order a tie goes to the first.
FAMILIES: tuple[Family, ...] = (
    Family("constant", _STEPS, _constant, lambda slope: [_steps_of(slope)]),
    Family("soft_bounds", _STEPS, _soft_bounds, lambda slope: [_steps_of(slope)], free_range=True),
    Family(
        "linear",
        (*_STEPS, Parameter("slope_up", -1, 1, 0.3), Parameter("slope_down", -1, 1, 0.3)),
        _linear,
        _linear_guesses,
    ),
    Family(
        "protonic",
        (*_STEPS, Parameter("mobility", -1, 1, 0.3), Parameter("filling", 1e-4, 100, 0.1)),
        _protonic,
        _protonic_guesses,
    ),
    Family(
        "power",
        (*_STEPS, Parameter("exponent_up", 0, 10, 0.5), Parameter("exponent_down", 0, 10, 0.5)),
        _power,
        _power_guesses,
        free_range=True,
    ),
    Family(
        "exponential",
        (
            *_STEPS,
            Parameter("amplitude_up", -1000, 1000, 0.3),
            Parameter("amplitude_down", -1000, 1000, 0.3),
            Parameter("rate_up", -20, 20, 1.0),
            Parameter("rate_down", -20, 20, 1.0),
        ),
        _exponential,
        _exponential_guesses,
    ),
    Family(
        "piecewise",
        tuple(
            Parameter(name, 0.0, LARGEST_STEP, 1e-3)
            for name in (*_node_names("up"), *_node_names("down"))
        ),
        _piecewise,
        _piecewise_guesses,
    ),
)
