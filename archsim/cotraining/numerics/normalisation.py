"""Normalisations of a sample by itself: by token, by group of channels, by channel.

With xhat the standardised input and g the gradient times the scale, the input's gradient is
(g - mean(g) - xhat * mean(g * xhat)) / deviation, means over what was standardised together; without
the middle term where no mean is taken off.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from archsim.cotraining.numerics.contract import Array, Call, Grads, Operator, Result, fitted

# Since this opset the scale of a GroupNormalization is one per channel, before it was per group.
_PER_CHANNEL = 21


def _standardised(
    x: Array, axes: tuple[int, ...], epsilon: float, *, centred: bool
) -> tuple[Array, Array, Array]:
    """xhat, the mean and 1 / deviation of `x` over `axes`, which are kept."""
    mean = x.mean(axes, keepdims=True) if centred else np.zeros((), x.dtype)
    xhat = x - mean
    variance = np.square(xhat).mean(axes, keepdims=True)
    inverse = 1 / np.sqrt(variance + x.dtype.type(epsilon))
    xhat *= inverse
    return xhat, mean, inverse


def _normalised(
    call: Call,
    shape: tuple[int, ...],
    axes: tuple[int, ...],
    wide: Sequence[tuple[int, ...]],
    epsilon: float,
    *,
    centred: bool = True,
) -> Result:
    """The first input, as `shape`, standardised over `axes`, times the second, plus the third.

    `wide` are the shapes in which these two are broadcast.  Further outputs are the mean and the
    reciprocal deviation.
    """
    x, scale, shift = call[0].reshape(shape), call[1].reshape(wide[0]), call.optional(2)
    xhat, mean, inverse = _standardised(x, axes, epsilon, centred=centred)
    out = xhat * scale
    if shift is not None:
        out += shift.reshape(wide[1])
    original, wants = call[0].shape, call.wants(3)
    own = [None if p is None else p.shape for p in (call[1], shift)]
    count = len(call.inputs)

    def pullback(grads: Grads) -> list[Array | None]:
        found: list[Array | None] = [None] * count
        if grads[0] is None:
            return found
        g = grads[0].reshape(shape)
        if wants[0]:
            scaled = g * scale
            into = scaled - xhat * (scaled * xhat).mean(axes, keepdims=True)
            if centred:
                into -= scaled.mean(axes, keepdims=True)
            into *= inverse
            found[0] = into.reshape(original)
        if wants[1] and own[0] is not None:
            found[1] = fitted(g * xhat, wide[0]).reshape(own[0])
        if wants[2] and own[1] is not None:
            found[2] = fitted(g, wide[1]).reshape(own[1])
        return found

    outputs = (out.reshape(original), mean, inverse)
    return Result(outputs[: len(call.node.outputs)], pullback)


def _layer_norm(call: Call) -> Result:
    return _by_token(call, centred=True)


def _rms_norm(call: Call) -> Result:
    return _by_token(call, centred=False)


def _by_token(call: Call, *, centred: bool) -> Result:
    x = call[0]
    first = call.node.integer("axis", -1) % x.ndim
    axes = tuple(range(first, x.ndim))
    operands = (call.optional(1), call.optional(2))
    wide = [
        (1,) * (x.ndim - p.ndim) + p.shape if p is not None else (1,) * x.ndim for p in operands
    ]
    epsilon = call.node.real("epsilon", 1e-5)
    return _normalised(call, x.shape, axes, wide, epsilon, centred=centred)


def by_groups(call: Call, groups: int, epsilon: float, *, per_group: bool = False) -> Result:
    """Groups of channels of each sample together; scale and shift per channel (or per group)."""
    x = call[0]
    space = x.shape[2:]
    shape = (x.shape[0], groups, x.shape[1] // groups, *space)
    axes = tuple(range(2, len(shape)))
    wide = (1, groups, 1 if per_group else shape[2], *(1,) * len(space))
    return _normalised(call, shape, axes, (wide, wide), epsilon)


def _group_norm(call: Call) -> Result:
    node = call.node
    per_group = node.version < _PER_CHANNEL
    groups = node.integer("num_groups", 1)
    return by_groups(call, groups, node.real("epsilon", 1e-5), per_group=per_group)


def _instance_norm(call: Call) -> Result:
    return by_groups(call, call[0].shape[1], call.node.real("epsilon", 1e-5))


OPERATORS = (
    Operator("LayerNormalization", _layer_norm),
    Operator("RMSNormalization", _rms_norm),
    Operator("GroupNormalization", _group_norm),
    Operator("InstanceNormalization", _instance_norm),
)
