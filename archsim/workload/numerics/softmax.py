"""Softmax, its logarithm, and the choice of the largest element."""

from __future__ import annotations

import math

import numpy as np

from archsim.workload.numerics.functions import softmax
from archsim.workload.numerics.kernel import Array, Call, Kernel

# From this opset on, softmax normalises one axis; before, all axes from `axis` on together.
_ONE_AXIS_OPSET = 13


def _rows(call: Call) -> tuple[Array, int]:
    """The data and the axis to normalise; older opsets flatten to a matrix first."""
    data, node = call[0], call.node
    if node.version >= _ONE_AXIS_OPSET:
        return data, node.integer("axis", -1)
    axis = node.integer("axis", 1) % max(data.ndim, 1)
    return data.reshape(math.prod(data.shape[:axis]), -1), -1


def _softmax(call: Call) -> Array:
    rows, axis = _rows(call)
    return softmax(rows, axis).reshape(call[0].shape)


def _log_softmax(call: Call) -> Array:
    rows, axis = _rows(call)
    shifted = rows - rows.max(axis, keepdims=True)
    total = np.log(np.exp(shifted).sum(axis, keepdims=True))
    return np.asarray(shifted - total).reshape(call[0].shape)


def _hardmax(call: Call) -> Array:
    rows, axis = _rows(call)
    chosen = np.zeros_like(rows)
    np.put_along_axis(chosen, rows.argmax(axis, keepdims=True), 1, axis)
    return chosen.reshape(call[0].shape)


KERNELS = (
    Kernel("Softmax", _softmax),
    Kernel("LogSoftmax", _log_softmax),
    Kernel("Hardmax", _hardmax),
)
