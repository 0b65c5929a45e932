"""Fits find the devices that curves were made from, as surely as they claim."""

from __future__ import annotations

import numpy as np
import pytest

from archsim.fitting import fit as fitting
from archsim.fitting.fit import Fit, Range, fit_all
from archsim.fitting.trajectory import exact_states, fast_states
from tests.fitting.curves import RANGE, START, TRUTHS, curve_of, family, truth

kinds = pytest.mark.parametrize("kind", TRUTHS)
NOISE = 0.5e-9
SEEDS = 24


def fitted(kind: str, seed: int, noise: float = NOISE) -> Fit:
    curve = curve_of(truth(kind), noise, seed)
    return fitting._fit(family(kind), curve, Range(*RANGE, fixed=True))


@kinds
def test_without_noise_the_parameters_come_back(kind: str) -> None:
    """A perfect curve gives its own parameters, to the accuracy of the tabulated steps."""
    found = fitted(kind, 0, noise=0.0)
    for name, value in TRUTHS[kind].items():
        assert found.parameter(name).value == pytest.approx(value, rel=0.01), name
    assert found.parameter("start").value == pytest.approx(START, abs=1e-3)
    assert found.r_squared > 0.999999


def covered(kind: str) -> tuple[int, int]:
    """How many 95 % intervals hold the true value, of how many, over some seeds."""
    wanted = {**TRUTHS[kind], "start": START}
    hits = total = 0
    for seed in range(SEEDS):
        found = fitted(kind, seed)
        for name, value in wanted.items():
            p = found.parameter(name)
            assert p.low is not None, f"{name} ran into its bound"
            assert p.high is not None
            hits += p.low <= value <= p.high
            total += 1
    return hits, total


def test_confidence_intervals_hold_what_they_promise() -> None:
    """95 % intervals cover the truth in about 95 % of all cases, and in no model far from it."""
    found = {kind: covered(kind) for kind in TRUTHS}
    for kind, (hits, total) in found.items():
        assert hits / total > 0.87, kind
    hits = sum(h for h, _ in found.values())
    total = sum(t for _, t in found.values())
    # Parameters of one fit are correlated: the spread of the share is that of a few hundred draws.
    assert 0.92 <= hits / total <= 0.98


@kinds
def test_the_best_model_is_the_one_behind_the_curve(kind: str) -> None:
    """With little noise the criterion picks the true model, or one that contains it."""
    fits = fit_all(curve_of(truth(kind), 0.2e-9, seed=3), RANGE)
    contains = {
        "constant": {"constant"},
        "soft_bounds": {"soft_bounds"},
        "linear": {"linear"},
        "protonic": {"protonic"},
        "power": {"power"},
        # An exponential of little curvature is within noise of some others.
        "exponential": {"exponential", "power"},
        "piecewise": {"piecewise"},
    }
    assert fits.best.kind in contains[kind]
    own = fits.fit(kind)
    assert own.residual_siemens == pytest.approx(0.2e-9, rel=0.15)


def test_soft_bounds_are_found_without_a_given_range() -> None:
    """The bounds of a device that was not driven to them lie where its steps would vanish."""
    fits = fit_all(curve_of(truth("soft_bounds"), 0.2e-9, seed=1))
    assert fits.best.kind == "soft_bounds"
    assert fits.best.conductance_min_siemens == pytest.approx(RANGE[0], abs=1.5e-9)
    assert fits.best.conductance_max_siemens == pytest.approx(RANGE[1], abs=1.5e-9)


@kinds
def test_the_fast_trajectory_is_the_exact_one(kind: str) -> None:
    """Tabulated steps give the states of the model's own rule."""
    curve = curve_of(truth(kind))
    exact, fast = (f(truth(kind), START, curve) for f in (exact_states, fast_states))
    np.testing.assert_allclose(fast, exact, atol=2e-6)


def test_pulses_between_points_count() -> None:
    """A curve that records every tenth pulse has the same steps per pulse."""
    whole = curve_of(truth("linear"))
    thin = type(whole)(
        whole.name, whole.pulses[::10], whole.conductance_siemens[::10], whole.branches
    )
    found = fit_all(thin, RANGE).fit("linear")
    for name, value in TRUTHS["linear"].items():
        assert found.parameter(name).value == pytest.approx(value, rel=1e-3)


def test_models_with_more_parameters_than_points_are_left_out() -> None:
    """Ten points determine a constant step, not eleven nodes."""
    whole = curve_of(truth("constant"))
    thin = type(whole)(
        whole.name, whole.pulses[::26], whole.conductance_siemens[::26], whole.branches
    )
    fits = fit_all(thin, RANGE)
    assert "needs 14 points, the curve has 11" in fits.skipped["piecewise"]
    assert fits.best.kind == "constant"
