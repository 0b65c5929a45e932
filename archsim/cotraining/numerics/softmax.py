"""Softmax and its logarithm."""

from __future__ import annotations

import math

import numpy as np

from archsim.cotraining.numerics.contract import Array, Call, Operator, Result, single

# From this opset on they run over one axis; before, over all axes from the named one on.
_ONE_AXIS = 13


def shifted(x: Array, axis: int) -> Array:
    """`x` less its largest element along `axis`, which must be finite there."""
    return np.asarray(x - x.max(axis, keepdims=True))


def _flattened(call: Call) -> tuple[Array, int]:
    x = call[0]
    if call.node.version >= _ONE_AXIS:
        return x, call.node.integer("axis", -1)
    axis = call.node.integer("axis", 1) % x.ndim
    return x.reshape(math.prod(x.shape[:axis]), -1), 1


def _softmax(call: Call) -> Result:
    x, axis = _flattened(call)
    shape = call[0].shape
    out = np.exp(shifted(x, axis))
    out /= out.sum(axis, keepdims=True)

    def pull(grad: Array) -> Array:
        g = grad.reshape(out.shape)
        inner = (g * out).sum(axis, keepdims=True)
        return np.asarray(out * (g - inner)).reshape(shape)

    return single(call, out.reshape(shape), pull)


def _log_softmax(call: Call) -> Result:
    x, axis = _flattened(call)
    shape = call[0].shape
    low = shifted(x, axis)
    out = low - np.log(np.exp(low).sum(axis, keepdims=True))

    def pull(grad: Array) -> Array:
        g = grad.reshape(out.shape)
        return np.asarray(g - np.exp(out) * g.sum(axis, keepdims=True)).reshape(shape)

    return single(call, out.reshape(shape), pull)


OPERATORS = (Operator("Softmax", _softmax), Operator("LogSoftmax", _log_softmax))
