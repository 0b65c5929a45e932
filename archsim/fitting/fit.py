"""Least-squares fits of the response models to a curve, and which of them the data prefer."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from archsim.errors import InputError
from archsim.fitting.curve import Curve, Floats
from archsim.fitting.families import FAMILIES, Family, Parameter, Slope
from archsim.fitting.trajectory import exact_states, fast_states, has_closed_form
from archsim.hardware.response import Polarity, Response

START = "start"
CONDUCTANCE_MIN = "conductance_min"
CONDUCTANCE_MAX = "conductance_max"

# The range is that of the data and a little more, so that noise at the turning points is not cut.
_MARGIN = 0.01
# Where bounds are fitted, they may lie this share of the measured span outside it, or inside.
_OUTSIDE = 0.5
_INSIDE = 0.1
# A fit closer than this share of the span is exact: nobody measures better.
_RESOLUTION = 1e-6
# Differences of the criterion below this are a tie; a likelihood ratio of 1.005.
_TIE = 0.01
_LEVEL = 0.95
_MOST_EVALUATIONS = 100
# A parameter this close to its bound, as a share of its scale, was stopped by it.
_AT_BOUND = 1e-6
# A parameter whose interval reaches farther than this many typical sizes is not determined.
_UNDETERMINED = 10.0
# No node of a piecewise response steps farther than this many mean steps.
_LARGEST_NODE = 10.0


@dataclass(frozen=True, slots=True)
class FittedParameter:
    """A number with its 95 % confidence interval; the interval is None at a bound of the search.

    `determined` is False where the interval is many times the size of such a number, or where a
    step grew until the search stopped it.
    """

    name: str
    value: float
    low: float | None
    high: float | None
    determined: bool


@dataclass(frozen=True)
class Fit:
    """A response model as fitted to a curve.

    `aicc` is the small-sample Akaike criterion (lower is better) for independent Gaussian errors of
    equal size; `residual_siemens` their root mean square.
    """

    kind: str
    response: Response
    conductance_min_siemens: float
    conductance_max_siemens: float
    parameters: tuple[FittedParameter, ...]
    r_squared: float
    residual_siemens: float
    aicc: float
    fitted_siemens: Floats

    def parameter(self, name: str) -> FittedParameter:
        """The parameter called `name`."""
        return next(p for p in self.parameters if p.name == name)

    @property
    def determined(self) -> bool:
        """Whether the curve determines every parameter."""
        return all(p.determined for p in self.parameters)


@dataclass(frozen=True)
class Fits:
    """All fits of one curve, the best first, and the models that were left out, with the reason."""

    curve: Curve
    fits: tuple[Fit, ...]
    skipped: Mapping[str, str]

    @property
    def best(self) -> Fit:
        """The fit with the lowest criterion among those that the curve determines.

        Of equal ones that with fewer parameters.
        """
        return self.fits[0]

    def fit(self, kind: str) -> Fit:
        """The fit of one model."""
        return next(fit for fit in self.fits if fit.kind == kind)


@dataclass(frozen=True, slots=True)
class Range:
    """Conductances of states -1 and 1; `fixed` if they were given and are not to be fitted."""

    low_siemens: float
    high_siemens: float
    fixed: bool


def fit_all(curve: Curve, given_range: tuple[float, float] | None = None) -> Fits:
    """Every response model fitted to `curve`, ranked.

    `given_range` states the device's lowest and highest conductance; without it the range is that
    of the data, widened by 1 % at both ends, or a part of the fit for models whose bounds decide
    the steps.  Raises `InputError` if the curve has fewer points than the simplest model needs.
    """
    span = curve.highest_siemens - curve.lowest_siemens
    if given_range is None:
        low = max(curve.lowest_siemens - _MARGIN * span, 0.5 * curve.lowest_siemens)
        found = Range(low, curve.highest_siemens + _MARGIN * span, fixed=False)
    else:
        found = Range(*given_range, fixed=True)
    fits, skipped = [], {}
    for family in FAMILIES:
        free = len(_parameters(family, curve, found))
        # One more for the size of the errors, and one left over, without which there is no AICc.
        if curve.points < free + 3:
            skipped[family.kind] = f"needs {free + 3} points, the curve has {curve.points}"
        else:
            fits.append(_fit(family, curve, found))
    if not fits:
        raise InputError(
            f"{curve.points} points are too few: the simplest model needs "
            f"{len(_parameters(FAMILIES[0], curve, found)) + 3}.",
            place=curve.name,
        )
    return Fits(curve, _ranked(fits), skipped)


def _ranked(fits: Sequence[Fit]) -> tuple[Fit, ...]:
    """Best first, undetermined last; in a tie fewer parameters, then the order of families."""
    order = {family.kind: index for index, family in enumerate(FAMILIES)}
    rest = sorted(fits, key=lambda fit: (not fit.determined, fit.aicc))
    ranked = []
    while rest:
        alike = [fit for fit in rest if fit.determined == rest[0].determined]
        tied = [fit for fit in alike if fit.aicc - rest[0].aicc <= _TIE]
        first = min(tied, key=lambda fit: (len(fit.parameters), order[fit.kind]))
        ranked.append(first)
        rest.remove(first)
    return tuple(ranked)


def _parameters(family: Family, curve: Curve, found: Range) -> tuple[Parameter, ...]:
    """The family's parameters, the start, and the range where it is fitted."""
    slope = read_slope(curve, found.low_siemens, found.high_siemens)
    start = Parameter(START, -1.0, 1.0, 0.1)
    own = tuple(_sized(parameter, slope) for parameter in family.parameters)
    if found.fixed or not family.free_range:
        return (*own, start)
    low, high = curve.lowest_siemens, curve.highest_siemens
    span = high - low
    least = max(low - _OUTSIDE * span, 1e-3 * low)
    return (
        *own,
        start,
        Parameter(CONDUCTANCE_MIN, least, low + _INSIDE * span, 0.1 * span),
        Parameter(CONDUCTANCE_MAX, high - _INSIDE * span, high + _OUTSIDE * span, 0.1 * span),
    )


def _sized(parameter: Parameter, slope: Slope) -> Parameter:
    """Steps are as large as those of the curve; all else has a size of its own."""
    if not parameter.name.startswith("step"):
        return parameter
    mean = slope.step_down if "down" in parameter.name else slope.step_up
    high = parameter.high if parameter.low > 0 else min(_LARGEST_NODE * mean, parameter.high)
    return replace(parameter, high=high, scale=mean)


@dataclass(frozen=True)
class _Problem:
    """One family on one curve, as a function of a vector."""

    family: Family
    curve: Curve
    found: Range
    parameters: tuple[Parameter, ...]

    def response(self, vector: Floats) -> Response:
        names = [p.name for p in self.family.parameters]
        return self.family.build(dict(zip(names, vector.tolist(), strict=False)))

    def bounds_siemens(self, vector: Floats) -> tuple[float, float]:
        if len(self.parameters) == len(self.family.parameters) + 1:
            return self.found.low_siemens, self.found.high_siemens
        return float(vector[-2]), float(vector[-1])

    def conductances(self, vector: Floats, *, exact: bool = False) -> Floats:
        """Conductances [N] at the points of the curve."""
        response = self.response(vector)
        start = float(vector[len(self.family.parameters)])
        closed = exact or has_closed_form(response)
        states = (exact_states if closed else fast_states)(response, start, self.curve)
        low, high = self.bounds_siemens(vector)
        return low + 0.5 * (high - low) * (states + 1.0)

    def residuals(self, vector: Floats) -> Floats:
        return self.conductances(vector) - self.curve.conductance_siemens

    def starts(self) -> list[Floats]:
        """First guesses, inside the bounds."""
        low, high = self.found.low_siemens, self.found.high_siemens
        first = float(self.curve.conductance_siemens[0])
        extra = {
            START: 2.0 * (first - low) / (high - low) - 1.0,
            CONDUCTANCE_MIN: low,
            CONDUCTANCE_MAX: high,
        }
        slope = read_slope(self.curve, low, high)
        vectors = []
        for guess in self.family.guesses(slope):
            values = {**extra, **guess}
            vector = np.asarray([values[p.name] for p in self.parameters])
            gap = np.asarray([1e-3 * min(p.scale, p.high - p.low) for p in self.parameters])
            lows = np.asarray([p.low for p in self.parameters]) + gap
            vectors.append(
                np.clip(vector, lows, np.asarray([p.high for p in self.parameters]) - gap)
            )
        return vectors


def read_slope(curve: Curve, low_siemens: float, high_siemens: float) -> Slope:
    """Mean step of each polarity and how it changes with the state, from finite differences."""
    half = 0.5 * (high_siemens - low_siemens)
    states = (curve.conductance_siemens - low_siemens) / half - 1.0
    found: dict[Polarity, tuple[float, float]] = {}
    done = 0
    for branch in curve.branches:
        inside = (curve.pulses >= done) & (curve.pulses <= done + branch.pulses)
        done += branch.pulses
        x, n = states[inside], curve.pulses[inside]
        if len(x) < 2 or branch.polarity in found:
            continue
        steps = np.abs(x[-1] - x[0]) / max(int(n[-1] - n[0]), 1)
        bend = _bend(x, n) if len(x) >= 5 else 0.0
        found[branch.polarity] = (max(float(steps), 1e-6), bend)
    fallback = next(iter(found.values()), (1e-3, 0.0))
    up, down = found.get(Polarity.UP, fallback), found.get(Polarity.DOWN, fallback)
    return Slope(min(up[0], 0.1), min(down[0], 0.1), -up[1], down[1])


def _bend(states: Floats, pulses: Any) -> float:
    """Relative change of the step with the state, from a parabola through a branch."""
    centred = (pulses - pulses.mean()) / max(float(np.ptp(pulses)), 1.0)
    curvature, slope, _ = np.polyfit(centred, states, 2)
    # x(t) with x' = slope, x'' = 2 * curvature: d(x')/dx = x'' / x', relative to x' itself.
    relative = 2.0 * curvature / slope**2 if slope else 0.0
    return float(np.clip(relative, -0.8, 0.8))


def _fit(family: Family, curve: Curve, found: Range) -> Fit:
    from scipy.optimize import least_squares  # type: ignore[import-untyped]

    problem = _Problem(family, curve, found, _parameters(family, curve, found))
    low = [p.low for p in problem.parameters]
    high = [p.high for p in problem.parameters]
    scale = [p.scale for p in problem.parameters]
    # Conductances are of the order of 1e-8 S; the solver's tolerances are meant for numbers near 1.
    unit = curve.highest_siemens - curve.lowest_siemens
    results = [
        least_squares(
            lambda vector: problem.residuals(vector) / unit,
            start,
            bounds=(low, high),
            x_scale=scale,
            xtol=1e-9,
            ftol=1e-9,
            gtol=1e-12,
            max_nfev=_MOST_EVALUATIONS,
        )
        for start in problem.starts()
    ]
    best = min(results, key=lambda result: float(result.cost))
    return _summary(problem, np.asarray(best.x), np.asarray(best.jac) * unit)


def _summary(problem: _Problem, vector: Floats, jacobian: Floats) -> Fit:
    curve = problem.curve
    fitted = problem.conductances(vector, exact=True)
    squares = float(np.sum((fitted - curve.conductance_siemens) ** 2))
    total = float(np.sum((curve.conductance_siemens - curve.conductance_siemens.mean()) ** 2))
    low, high = problem.bounds_siemens(vector)
    return Fit(
        kind=problem.family.kind,
        response=problem.response(vector),
        conductance_min_siemens=low,
        conductance_max_siemens=high,
        parameters=_intervals(problem.parameters, vector, jacobian, squares, curve.points),
        r_squared=1.0 - squares / total,
        residual_siemens=math.sqrt(squares / curve.points),
        aicc=_criterion(squares, curve, len(vector)),
        fitted_siemens=fitted,
    )


def _criterion(squares: float, curve: Curve, parameters: int) -> float:
    """Corrected Akaike criterion of N points and k parameters, the errors' size included in k.

    N ln(RSS / N) + 2 k + 2 k (k + 1) / (N - k - 1)   (Hurvich and Tsai 1989), in units of the span.
    """
    n, k = curve.points, parameters + 1
    span = curve.highest_siemens - curve.lowest_siemens
    mean = max(squares / n / span**2, _RESOLUTION**2)
    return n * math.log(mean) + 2 * k + 2 * k * (k + 1) / (n - k - 1)


def _intervals(
    parameters: Sequence[Parameter], vector: Floats, jacobian: Floats, squares: float, points: int
) -> tuple[FittedParameter, ...]:
    """95 % intervals from the curvature of the sum of squares, with Student's t.

    Parameters at a bound of the search are held there, and have none.
    """
    from scipy.special import stdtrit  # type: ignore[import-untyped]

    free = np.asarray(
        [
            min(value - p.low, p.high - value) > _AT_BOUND * p.scale
            for p, value in zip(parameters, vector, strict=True)
        ]
    )
    spare = points - int(free.sum())
    scale = np.asarray([p.scale for p in parameters])[free]
    scaled = jacobian[:, free] * scale
    covariance = np.linalg.pinv(scaled.T @ scaled, rcond=1e-14) * (squares / spare)
    reach = np.zeros(len(parameters))
    grown = [
        p.name.startswith("step") and v > 0.99 * p.high
        for p, v in zip(parameters, vector, strict=True)
    ]
    student = float(stdtrit(spare, 0.5 + 0.5 * _LEVEL))
    reach[free] = student * np.sqrt(np.maximum(np.diag(covariance), 0.0)) * scale
    return tuple(
        FittedParameter(
            p.name,
            float(value),
            float(value - r) if is_free else None,
            float(value + r) if is_free else None,
            determined=bool(r <= _UNDETERMINED * p.scale and not stopped),
        )
        for p, value, r, is_free, stopped in zip(
            parameters, vector, reach, free, grown, strict=True
        )
    )
