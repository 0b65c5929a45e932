"""Losses, with the gradient that enters the network's backward pass."""

from __future__ import annotations

import math

import numpy as np

from archsim.cotraining.numerics.contract import Array
from archsim.cotraining.numerics.softmax import shifted
from archsim.errors import InputError


def softmax_cross_entropy(logits: Array, labels: Array) -> tuple[float, Array]:
    """The mean cross entropy of `logits` [..., C] and integer `labels` [...], and its gradient.

    The gradient is that of the mean over all labels.  Raises `InputError` for shapes that do not
    fit and labels outside 0 ... C-1.
    """
    if labels.shape != logits.shape[:-1]:
        raise InputError(
            f"the labels have the shape {labels.shape}, and the network's output {logits.shape} "
            f"needs {logits.shape[:-1]}."
        )
    classes = logits.shape[-1]
    if labels.size and not (labels.min() >= 0 and labels.max() < classes):
        raise InputError(
            f"the labels run from {labels.min()} to {labels.max()}, and the network has {classes} "
            f"outputs (0 to {classes - 1})."
        )
    low = shifted(logits, -1)
    shares = np.exp(low)
    total = shares.sum(-1, keepdims=True)
    picked = np.take_along_axis(low - np.log(total), labels[..., None], -1)
    shares /= total
    flat = shares.reshape(-1, classes)
    flat[np.arange(flat.shape[0]), labels.reshape(-1)] -= 1
    flat *= logits.dtype.type(1 / max(labels.size, 1))
    return float(-picked.mean(dtype=np.float64)), shares


def mean_squared_error(outputs: Array, targets: Array) -> tuple[float, Array]:
    """The mean over all elements of (outputs - targets)^2, and its gradient.

    Raises `InputError` for shapes that differ.
    """
    if outputs.shape != targets.shape:
        raise InputError(
            f"the targets have the shape {targets.shape}, and the network's output {outputs.shape}."
        )
    difference = outputs - targets
    size = math.prod(outputs.shape) or 1
    mean = float(np.square(difference).sum(dtype=np.float64)) / size
    return mean, difference * outputs.dtype.type(2 / size)
