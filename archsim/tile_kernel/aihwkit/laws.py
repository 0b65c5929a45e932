"""Step laws of aihwkit's pulsed devices as responses, and back.

A weight w between w_min and w_max is the state x = (w - middle) / half of a device.  A law holds
the steps in weights, a response in states.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from archsim.errors import InputError
from archsim.hardware.response import (
    ConstantStep,
    ExponentialStep,
    LinearStep,
    PowerStep,
    Response,
    SoftBounds,
)
from archsim.tile_kernel.aihwkit.document import Document, number


@dataclass(frozen=True, slots=True)
class WeightRange:
    """Bounds of the weights, w_min <= 0 <= w_max, not both 0."""

    low: float
    high: float

    @property
    def half(self) -> float:
        """Half the range: the weight that a state of 1 stands for."""
        return 0.5 * (self.high - self.low)

    @property
    def middle(self) -> float:
        """The weight in the middle of the range."""
        return 0.5 * (self.high + self.low)

    @property
    def zero_state(self) -> float:
        """The state of weight zero."""
        return -self.middle / self.half


@dataclass(frozen=True, slots=True)
class ExponentOffset:
    """aihwkit's `a` and `b`: its exponents are gamma * (a * 2 w / (w_max - w_min) + b).

    Other values with other gamma and A describe the same steps.
    """

    a: float = 1.0
    b: float = 0.0


def nominal_steps(document: Document) -> tuple[float, float]:
    """Steps up and down in weights, before the state changes them.

    A bias `up_down` above 0 shrinks the steps down, below 0 those up.
    """
    size, bias = number(document, "dw_min"), number(document, "up_down")
    return size * min(1.0 + bias, 1.0), size * min(1.0 - bias, 1.0)


def _bias(up: float, down: float) -> dict[str, object]:
    larger = max(up, down)
    return {"dw_min": larger, "up_down": 1.0 - down / up if up >= down else up / down - 1.0}


def _constant(d: Document, range_: WeightRange) -> Response:
    up, down = nominal_steps(d)
    return ConstantStep(kind="constant", step_up=up / range_.half, step_down=down / range_.half)


def _constant_back(r: Response, range_: WeightRange, _: ExponentOffset) -> dict[str, object]:
    assert isinstance(r, ConstantStep)
    return _bias(float(r.step_up) * range_.half, float(r.step_down) * range_.half)


def _linear(d: Document, range_: WeightRange) -> Response:
    """Up dw (1 - gamma_up w / w_max), down dw (1 - gamma_down w / w_min)."""
    up, down = nominal_steps(d)
    per_up = number(d, "gamma_up") / _bound(range_.high, "w_max")
    per_down = -number(d, "gamma_down") / _bound(range_.low, "w_min")
    at_up, at_down = 1.0 - per_up * range_.middle, 1.0 + per_down * range_.middle
    return LinearStep(
        kind="linear",
        step_up=up * at_up / range_.half,
        step_down=down * at_down / range_.half,
        slope_up=per_up * range_.half / at_up,
        slope_down=per_down * range_.half / at_down,
    )


def _linear_back(r: Response, range_: WeightRange, _: ExponentOffset) -> dict[str, object]:
    assert isinstance(r, LinearStep)
    up = float(r.step_up) * (1.0 - float(r.slope_up) * range_.zero_state)
    down = float(r.step_down) * (1.0 + float(r.slope_down) * range_.zero_state)
    return {
        **_bias(up * range_.half, down * range_.half),
        "gamma_up": float(r.step_up) * float(r.slope_up) / up * range_.high / range_.half,
        "gamma_down": -float(r.step_down) * float(r.slope_down) / down * range_.low / range_.half,
    }


def _soft_bounds(d: Document, range_: WeightRange) -> Response:
    """Up dw (1 - w / w_max), down dw (1 - w / w_min)."""
    up, down = nominal_steps(d)
    return SoftBounds(
        kind="soft_bounds",
        step_up=up / _bound(range_.high, "w_max"),
        step_down=-down / _bound(range_.low, "w_min"),
    )


def _soft_bounds_back(r: Response, range_: WeightRange, _: ExponentOffset) -> dict[str, object]:
    assert isinstance(r, SoftBounds)
    return _bias(float(r.step_up) * range_.high, -float(r.step_down) * range_.low)


def _power(d: Document, range_: WeightRange) -> Response:
    """Up dw ((w_max - w) / (w_max - w_min))^pow_gamma, down likewise."""
    up, down = nominal_steps(d)
    exponent = number(d, "pow_gamma")
    share = 2.0**-exponent / range_.half
    return PowerStep(
        kind="power",
        step_up=up * share,
        step_down=down * share,
        exponent_up=exponent,
        exponent_down=exponent,
    )


def _power_back(r: Response, range_: WeightRange, _: ExponentOffset) -> dict[str, object]:
    assert isinstance(r, PowerStep)
    if r.exponent_up != r.exponent_down:
        raise InputError(
            f"exponents {r.exponent_up:g} and {r.exponent_down:g} differ, but PowStepDevice is "
            "exchanged with one for both directions",
            place="aihwkit",
        )
    share = 2.0 ** float(r.exponent_up) * range_.half
    return {
        **_bias(float(r.step_up) * share, float(r.step_down) * share),
        "pow_gamma": float(r.exponent_up),
    }


def _exponential(d: Document, range_: WeightRange) -> Response:
    """Up dw max(0, 1 - A_up exp(gamma_up z)), down dw max(0, 1 - A_down exp(-gamma_down z)).

    z = a * 2 w / (w_max - w_min) + b.
    """
    up, down = nominal_steps(d)
    a, gamma_up, gamma_down = (number(d, name) for name in ("a", "gamma_up", "gamma_down"))
    middle = a * range_.middle / range_.half + number(d, "b")
    return ExponentialStep(
        kind="exponential",
        step_up=up / range_.half,
        step_down=down / range_.half,
        amplitude_up=number(d, "A_up") * math.exp(gamma_up * middle),
        amplitude_down=number(d, "A_down") * math.exp(-gamma_down * middle),
        rate_up=gamma_up * a,
        rate_down=gamma_down * a,
    )


def _exponential_back(
    r: Response, range_: WeightRange, offset: ExponentOffset
) -> dict[str, object]:
    assert isinstance(r, ExponentialStep)
    up, down = float(r.rate_up) / offset.a, float(r.rate_down) / offset.a
    middle = offset.a * range_.middle / range_.half + offset.b
    return {
        **_bias(float(r.step_up) * range_.half, float(r.step_down) * range_.half),
        "A_up": float(r.amplitude_up) * math.exp(-up * middle),
        "A_down": float(r.amplitude_down) * math.exp(down * middle),
        "gamma_up": up,
        "gamma_down": down,
        "a": offset.a,
        "b": offset.b,
    }


def _bound(value: float, name: str) -> float:
    if value == 0:
        raise InputError(
            f"{name} is 0, but the steps of this device are relative to it", place="aihwkit"
        )
    return value


Import = Callable[[Document, WeightRange], Response]
Export = Callable[[Response, WeightRange, ExponentOffset], dict[str, object]]

LAWS: Mapping[str, Import] = {
    "ConstantStepDevice": _constant,
    "LinearStepDevice": _linear,
    "SoftBoundsDevice": _soft_bounds,
    "SoftBoundsReferenceDevice": _soft_bounds,
    "PowStepDevice": _power,
    "ExpStepDevice": _exponential,
}
# By kind of response: the class that holds it, and its fields.
EXPORTS: Mapping[str, tuple[str, Export]] = {
    "constant": ("ConstantStepDevice", _constant_back),
    "linear": ("LinearStepDevice", _linear_back),
    "soft_bounds": ("SoftBoundsDevice", _soft_bounds_back),
    "power": ("PowStepDevice", _power_back),
    "exponential": ("ExpStepDevice", _exponential_back),
}
