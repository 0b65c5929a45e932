"""Losses: their values, their gradients, and what they refuse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from archsim.cotraining.numerics.losses import mean_squared_error, softmax_cross_entropy
from archsim.errors import InputError

RNG = np.random.default_rng(0)
CASES: list[tuple[Callable[..., Any], Any, Any]] = [
    (softmax_cross_entropy, RNG.normal(size=(4, 3)), RNG.integers(0, 3, 4)),
    (softmax_cross_entropy, RNG.normal(size=(2, 3, 5)), RNG.integers(0, 5, (2, 3))),
    (mean_squared_error, RNG.normal(size=(4, 3)), RNG.normal(size=(4, 3))),
    (mean_squared_error, RNG.normal(size=(4,)), RNG.normal(size=(4,))),
]


@pytest.mark.parametrize(("loss", "outputs", "targets"), CASES)
def test_gradients_are_central_differences(
    loss: Callable[..., Any], outputs: Any, targets: Any
) -> None:
    """The gradient is the derivative of the mean loss by every output."""
    _, gradient = loss(outputs, targets)
    assert gradient.shape == outputs.shape
    for place in np.ndindex(outputs.shape):
        step = np.zeros(outputs.shape)
        step[place] = 1e-6
        rise = loss(outputs + step, targets)[0] - loss(outputs - step, targets)[0]
        assert gradient[place] == pytest.approx(rise / 2e-6, abs=1e-9)


def test_equal_scores_cost_the_logarithm_of_the_classes() -> None:
    """Without any knowledge the cross entropy of C classes is log C."""
    assert softmax_cross_entropy(np.zeros((5, 7)), np.arange(5))[0] == pytest.approx(np.log(7))


def test_huge_scores_neither_overflow_nor_vanish() -> None:
    """A wrong certainty costs its margin, a right one nothing, in float32 too."""
    scores = np.asarray([[1e4, 0.0], [0.0, 1e4]], np.float32)
    cost, gradient = softmax_cross_entropy(scores, np.asarray([1, 1]))
    assert cost == pytest.approx(5e3)
    np.testing.assert_allclose(gradient, [[0.5, -0.5], [0, 0]])
    assert gradient.dtype == np.float32


@pytest.mark.parametrize(
    ("outputs", "labels", "message"),
    [
        (np.zeros((4, 3)), np.zeros(5, int), r"labels have the shape \(5,\)"),
        (np.zeros((4, 3)), np.asarray([0, 1, 2, 3]), "labels run from 0 to 3, .* 3 outputs"),
        (np.zeros((2, 3)), np.asarray([-1, 0]), "labels run from -1 to 0"),
    ],
)
def test_labels_that_do_not_fit_are_refused(outputs: Any, labels: Any, message: str) -> None:
    """One sentence says what the labels are, and what the network has."""
    with pytest.raises(InputError, match=message):
        softmax_cross_entropy(outputs, labels)


def test_targets_of_another_shape_are_refused() -> None:
    """Nothing is broadcast: a column against a row would be a silent mistake."""
    with pytest.raises(InputError, match=r"targets have the shape \(4,\)"):
        mean_squared_error(np.zeros((4, 1)), np.zeros(4))
