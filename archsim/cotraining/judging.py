"""Judging a network: its loss and its share of right answers on the test set, through the tiles."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from archsim.cotraining.numerics.losses import mean_squared_error, softmax_cross_entropy

if TYPE_CHECKING:
    from archsim.cotraining.machine import Machine
    from archsim.cotraining.numerics.network import Network
    from archsim.cotraining.plan import Plan
    from archsim.cotraining.recipe import Loss

LossFunction: TypeAlias = Callable[[NDArray[Any], NDArray[Any]], tuple[float, NDArray[Any]]]

# (outputs, wanted) -> (mean loss, its gradient), and whether there are right answers to count.
_LOSSES: dict[Loss, tuple[LossFunction, bool]] = {
    "cross_entropy": (softmax_cross_entropy, True),
    "mse": (mean_squared_error, False),
}


def loss_of(kind: Loss) -> LossFunction:
    """The loss called `kind`."""
    return _LOSSES[kind][0]


@dataclass(frozen=True, slots=True)
class Judgement:
    """Mean loss, and the share of right answers if there are classes."""

    loss: float
    share: float | None


def judge(
    plan: Plan, network: Network, parameters: Mapping[str, NDArray[Any]], machine: Machine
) -> Judgement:
    """Judge on the whole test set; nothing learns."""
    test, size = plan.data.test, plan.recipe.test_batch
    function, has_classes = _LOSSES[plan.recipe.loss]
    total, right, answers = 0.0, 0, 0
    for start in range(0, len(test), size):
        some = slice(start, start + size)
        wanted = test.wanted(some)
        outputs, _ = network.forward(
            parameters, {plan.input: test.batch(some)}, machine, training=False
        )
        scores = outputs[plan.output]
        total += function(scores, wanted)[0] * len(wanted)
        if has_classes:
            right += int(np.count_nonzero(scores.argmax(axis=-1) == wanted))
            answers += wanted.size
    return Judgement(total / len(test), right / answers if has_classes else None)
