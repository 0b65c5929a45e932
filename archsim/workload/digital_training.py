"""Digital work that belongs to no forward operator: loss, gradient sums, optimizer."""

from __future__ import annotations

from enum import StrEnum

from archsim.workload.graph import NO_WORK, DigitalWork, TensorInfo
from archsim.workload.training_types import Loss, Optimizer


class Ending(StrEnum):
    """What a network's output holds, as far as a cross entropy is concerned."""

    SCORES = "scores"
    PROBABILITIES = "probabilities"  # ends in Softmax
    LOG_PROBABILITIES = "log_probabilities"  # ends in LogSoftmax


# Per parameter, with the gradient g, the learning rate and other constants folded beforehand:
#   sgd       w -= a g
#   momentum  v = b v + g; w -= a v
#   adam      m = b1 m + c1 g; v = b2 v + c2 g g; w -= a m / (sqrt(v) + e), bias corrections folded
#             into a and e (Kingma and Ba 2015, arXiv:1412.6980, end of section 2)
#   adamw     as adam, with w scaled by a constant first (Loshchilov and Hutter, arXiv:1711.05101)
# `read` counts the gradient and the optimizer's state, `written` the parameter and the state.
_PER_PARAMETER: dict[Optimizer, DigitalWork] = {
    "sgd": DigitalWork(add=1, mul=1, read=1, written=1, read_parameters=1),
    "momentum": DigitalWork(add=2, mul=2, read=2, written=2, read_parameters=1),
    "adam": DigitalWork(add=4, mul=6, div=1, sqrt=1, read=3, written=3, read_parameters=1),
    "adamw": DigitalWork(add=4, mul=7, div=1, sqrt=1, read=3, written=3, read_parameters=1),
}


def optimizer_work(optimizer: Optimizer, parameters: int) -> DigitalWork:
    """One update of `parameters` digital parameters, once per minibatch."""
    return _PER_PARAMETER[optimizer].scaled(parameters)


def gradient_sum_work(terms: int, elements: int) -> DigitalWork:
    """The sum of `terms` gradients of one tensor of `elements` elements."""
    return DigitalWork(add=(terms - 1) * elements, read=terms * elements, written=elements)


def loss_work(loss: Loss, output: TensorInfo, *, ending: Ending, gradient: bool) -> DigitalWork:
    """The loss of one network output, and its gradient if `gradient` is asked for.

    With E elements in R rows of classes (see `loss_rows`):

    * cross entropy of scores: forward E - R comparisons (maximum), E subtractions, E exp,
      E - R additions, R log and R additions (log-sum-exp less the target's score), R - 1 additions
      (sum over rows); gradient R div (reciprocal sums), E mul (probabilities), R subtractions
      (one-hot target), E mul (mean over the minibatch);
    * where the network ends in the softmax itself: forward R log, R - 1 additions; gradient, with
      respect to the scores, R subtractions and E mul;
    * where it ends in the logarithm of a softmax: forward R - 1 additions; gradient E exp, R
      subtractions and E mul;
    * mean squared error: forward E subtractions, E mul, E - 1 additions; gradient E mul (the
      differences are kept);
    * `none`: nothing.

    Targets are R integers for cross entropy and E numbers for the squared error.
    """
    if loss == "none":
        return NO_WORK
    size = output.elements
    forward, backward = (
        _squared_error(size) if loss == "mse" else _cross_entropy(size, loss_rows(output), ending)
    )
    return forward + backward if gradient else forward


def _squared_error(size: int) -> tuple[DigitalWork, DigitalWork]:
    forward = DigitalWork(add=max(2 * size - 1, 0), mul=size, read=2 * size, written=size)
    return forward, DigitalWork(mul=size, read=size, written=size)


def _cross_entropy(size: int, rows: int, ending: Ending) -> tuple[DigitalWork, DigitalWork]:
    total = DigitalWork(add=max(rows - 1, 0), read=2 * rows)  # the targets and what they pick
    backward = DigitalWork(add=rows, mul=size, read=size + rows, written=size)
    if ending is Ending.LOG_PROBABILITIES:
        return total, backward + DigitalWork(exp=size)
    if ending is Ending.PROBABILITIES:
        return total + DigitalWork(log=rows), backward
    normalise = DigitalWork(
        add=2 * size, exp=size, log=rows, compare=size - rows, read=size, written=size
    )
    return total + normalise, backward + DigitalWork(mul=size, div=rows)


def loss_rows(output: TensorInfo) -> int:
    """How many classifications an output holds: all its elements less the axis of classes.

    Classes are on the last axis of [classes], [samples, classes] and [samples, tokens, classes],
    and on the second of [samples, classes, height, width, ...].
    """
    shape = output.shape
    if not shape:
        return 1
    classes = shape[1] if len(shape) > 3 else shape[-1]
    return output.elements // classes if classes else 0
