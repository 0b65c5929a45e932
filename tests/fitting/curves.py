"""Curves of known devices, with and without noise."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from archsim.fitting.curve import Branch, Curve
from archsim.fitting.families import FAMILIES, Family
from archsim.fitting.trajectory import exact_states
from archsim.hardware.response import Polarity, ResponseModel

LOW, HIGH = 20e-9, 180e-9
RANGE = (LOW, HIGH)
START = -0.7
_STEPS = {"step_up": 0.012, "step_down": 0.010}

# Known devices of each kind, whose curves stay inside their range and move well through it.
TRUTHS: Mapping[str, Mapping[str, float]] = {
    "constant": {"step_up": 0.010, "step_down": 0.009},
    "soft_bounds": {"step_up": 0.015, "step_down": 0.020},
    "linear": _STEPS | {"slope_up": -0.30, "slope_down": 0.45},
    "protonic": {"step_up": 0.010, "step_down": 0.015, "mobility": 0.45, "filling": 0.15},
    "power": {"step_up": 0.012, "step_down": 0.016, "exponent_up": 0.6, "exponent_down": 1.6},
    "exponential": {
        "step_up": 0.018,
        "step_down": 0.022,
        "amplitude_up": 0.30,
        "amplitude_down": 0.35,
        "rate_up": 1.2,
        "rate_down": 1.0,
    },
    "piecewise": {f"steps_up.{i}": s for i, s in enumerate((0.008, 0.010, 0.014, 0.011, 0.008))}
    | {f"steps_down.{i}": s for i, s in enumerate((0.005, 0.009, 0.012, 0.014, 0.010))},
}


def family(kind: str) -> Family:
    return next(f for f in FAMILIES if f.kind == kind)


def truth(kind: str) -> ResponseModel:
    return family(kind).build(TRUTHS[kind])


def curve_of(
    response: ResponseModel,
    noise_siemens: float = 0.0,
    seed: int = 0,
    branches: tuple[int, int] = (130, 130),
    start: float = START,
) -> Curve:
    """Pulses up, then down, one point per pulse, with independent Gaussian errors."""
    up, down = branches
    pulses = np.arange(up + down + 1)
    told = (Branch(Polarity.UP, up), Branch(Polarity.DOWN, down))
    bare = Curve("made.csv", pulses, np.zeros(len(pulses)), told)
    states = exact_states(response, start, bare)
    noise = np.random.default_rng(seed).normal(0.0, noise_siemens, len(pulses))
    g = LOW + 0.5 * (HIGH - LOW) * (states + 1.0) + noise
    return Curve("made.csv", pulses, g, told)
