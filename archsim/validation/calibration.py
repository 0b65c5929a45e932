"""One efficiency factor per circuit class, shared by all chips, judged on chips left out.

The factors multiply predicted energies.  They are fitted to the logarithms of estimate over published
value by Huber's robust loss, in which every chip has the same weight however many rows it has, and
pulled towards 1 by a prior, so that a class of which little was published, or on which chips
disagree, stays nearly as it is.  Where they do not help chips that are left out, they are not used at
all.  Nothing else is free: areas, times, counts and roll-ups are never calibrated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from archsim.fields import FloatArray
from archsim.validation.estimate import NO_FACTORS, CircuitClass, Estimate, Factors

# Standard deviation of ln(factor) before any data.  The models of the circuit library are medians of
# surveys, or capacitance times voltage squared: a bias that all chips share should be within 25 %.
PRIOR_SIGMA = 0.25
# Standard deviation of ln(estimate / published) that no factor explains: single designs differ from
# the median by about a factor of two.  It is then estimated from the residuals, within bounds.
FIRST_SIGMA = float(np.log(2.0))
LEAST_SIGMA, MOST_SIGMA = 0.1, 2.0 * FIRST_SIGMA
# Median absolute deviation to standard deviation, for Gaussian errors.
_MAD = 1.4826
# Huber's constant: 95 % efficiency for Gaussian errors.
HUBER = 1.345
# Fewer chips tell nothing about chips left out.
_FEWEST_GROUPS = 3
CLASSES: tuple[CircuitClass, ...] = tuple(
    name for name in CircuitClass if name is not CircuitClass.PUBLISHED
)
_STEPS = 200
_ROUNDS = 5
_CONVERGED = 1e-10


@dataclass(frozen=True, slots=True)
class Sample:
    """A predicted energy of a chip and what was published for it, both in the same unit (> 0)."""

    group: str
    estimate: Estimate
    published: float


def fit(samples: Sequence[Sample]) -> Factors:
    """The factor of each circuit class that occurs in `samples`; empty without samples.

    Iteratively reweighted Gauss-Newton steps, damped to a quarter of a natural logarithm, in turns
    with an estimate of the scatter; the order of the samples does not matter beyond rounding.
    """
    used = tuple(name for name in CLASSES if any(name in s.estimate.parts for s in samples))
    if not used:
        return NO_FACTORS
    table, weights, sigma = _tabulated(samples, used), _weights(samples), FIRST_SIGMA
    logs = np.zeros(len(used))
    for _ in range(_ROUNDS):
        logs = _robust_fit(table, weights, sigma)
        sigma = _scatter(table.linearised(logs)[0], weights)
    return MappingProxyType(_factors(used, logs))


@dataclass(frozen=True, slots=True)
class _Table:
    """Samples as arrays: `parts` [rows, classes] that factors scale, the `rest` [rows] that none does.

    `sign` [rows] is -1 for inverse estimates, `offset` [rows] is ln(scale / published).
    """

    parts: FloatArray
    rest: FloatArray
    sign: FloatArray
    offset: FloatArray

    def linearised(self, logs: FloatArray) -> tuple[FloatArray, FloatArray]:
        """ln(estimate / published) [rows] and its derivative in ln(factor) [rows, classes]."""
        scaled = self.parts * np.exp(logs)
        total = scaled.sum(axis=1) + self.rest
        residual = self.offset + self.sign * np.log(total)
        return residual, self.sign[:, None] * scaled / total[:, None]


def _tabulated(samples: Sequence[Sample], used: Sequence[CircuitClass]) -> _Table:
    estimates = [s.estimate for s in samples]
    parts = np.array([[e.parts.get(name, 0.0) for name in used] for e in estimates])
    return _Table(
        parts=parts,
        rest=np.array(
            [sum(p for name, p in e.parts.items() if name not in used) for e in estimates]
        ),
        sign=np.array([-1.0 if e.inverse else 1.0 for e in estimates]),
        offset=np.log([s.estimate.scale / s.published for s in samples]),
    )


def _robust_fit(table: _Table, weights: FloatArray, sigma: float) -> FloatArray:
    """ln(factor) of each class, where residuals scatter by `sigma`."""
    classes = table.parts.shape[1]
    logs = np.zeros(classes)
    for _ in range(_STEPS):
        residual, slope = table.linearised(logs)
        scaled = np.abs(residual) / sigma
        trust = weights * np.minimum(1.0, HUBER / np.maximum(scaled, 1e-12)) / sigma**2
        normal = slope.T @ (trust[:, None] * slope) + np.eye(classes) / PRIOR_SIGMA**2
        gradient = slope.T @ (trust * residual) + logs / PRIOR_SIGMA**2
        step = np.clip(np.linalg.solve(normal, gradient), -0.25, 0.25)
        logs = logs - step
        if np.max(np.abs(step)) < _CONVERGED:
            break
    return logs


def _scatter(residual: FloatArray, weights: FloatArray) -> float:
    """Weighted median of the absolute residuals as a standard deviation, within bounds."""
    order = np.argsort(np.abs(residual))
    passed = np.cumsum(weights[order]) / np.sum(weights)
    middle = float(np.abs(residual)[order][np.searchsorted(passed, 0.5)])
    return min(max(_MAD * middle, LEAST_SIGMA), MOST_SIGMA)


def fit_if_it_helps(samples: Sequence[Sample]) -> Factors:
    """The fitted factors, or none unless they clearly help chips that are left out.

    Each chip of `samples` is estimated with the factors of the others.  What that gains is the fall
    of the chip's median absolute ln(estimate / published); factors are kept if the mean gain over
    chips exceeds two of its standard errors.
    """
    groups = tuple(dict.fromkeys(s.group for s in samples))
    if len(groups) < _FEWEST_GROUPS:
        return NO_FACTORS
    gains = []
    for group in groups:
        own = [s for s in samples if s.group == group]
        others = fit([s for s in samples if s.group != group])
        gains.append(_distance(own, NO_FACTORS) - _distance(own, others))
    error = float(np.std(gains, ddof=1)) / len(gains) ** 0.5
    return fit(samples) if float(np.mean(gains)) > 2.0 * error else NO_FACTORS


def leave_one_out(samples: Sequence[Sample], groups: Sequence[str]) -> Mapping[str, Factors]:
    """For each group (a chip) the factors that the samples of all other groups support."""
    return MappingProxyType(
        {
            group: fit_if_it_helps([s for s in samples if s.group != group])
            for group in dict.fromkeys(groups)
        }
    )


def _distance(samples: Sequence[Sample], factors: Factors) -> float:
    """Median absolute ln(estimate / published) of samples."""
    ratios = [s.estimate.value(factors) / s.published for s in samples]
    return float(np.median(np.abs(np.log(ratios))))


def _factors(used: Sequence[CircuitClass], logs: FloatArray) -> dict[CircuitClass, float]:
    return {name: float(np.exp(log)) for name, log in zip(used, logs, strict=True)}


def _weights(samples: Sequence[Sample]) -> FloatArray:
    """One over the rows of the sample's chip, so that chips weigh the same."""
    groups = [s.group for s in samples]
    return np.array([1.0 / groups.count(group) for group in groups])
