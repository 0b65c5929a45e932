"""Batch normalisation: by the minibatch, by running statistics, or by groups in its place.

By the minibatch, with xhat the standardised input and g the gradient times scale over deviation, the
input's gradient is g - mean(g) - xhat * mean(g * xhat), means over a channel.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from archsim.cotraining.numerics.contract import Array, Call, Grads, Operator, Result
from archsim.cotraining.numerics.normalisation import by_groups

# Wu and He 2018 (arXiv:1803.08494): groups of channels of each sample in place of a minibatch.
_GROUPS = 32


def _batch_norm(call: Call) -> Result:
    """In training by the minibatch, unless the setting says otherwise; in inference by the file's.

    `running` takes the running statistics as they were before this minibatch, `frozen` those that
    training started with; both are constants for the gradient.  `group` standardises groups of
    channels of each sample (the largest number of groups up to 32 that divides the channels), in
    inference too.
    """
    mode = call.setting.batchnorm
    if mode == "group":
        channels = call[0].shape[1]
        groups = max(n for n in range(1, min(_GROUPS, channels) + 1) if channels % n == 0)
        return by_groups(call, groups, call.node.real("epsilon", 1e-5))
    if mode == "batch" and call.setting.training:
        return _by_minibatch(call)
    return _by_running(call, updated=mode == "running" and call.setting.training)


def _by_minibatch(call: Call) -> Result:
    x, scale, shift = call[0], call[1][:, None], call[2][:, None]
    # Rows are channels: the layout in which convolutions leave their results.
    turned = x.swapaxes(0, 1)
    rows = turned.reshape(turned.shape[0], -1)
    share = x.dtype.type(1 / rows.shape[1])
    mean = rows.mean(1, keepdims=True)
    xhat = rows - mean
    variance = np.einsum("cm,cm->c", xhat, xhat)[:, None] * share
    inverse = 1 / np.sqrt(variance + x.dtype.type(call.node.real("epsilon", 1e-5)))
    xhat *= inverse
    out = xhat * scale
    out += shift
    shape, wants = turned.shape, call.wants(3)

    def pullback(grads: Grads) -> list[Array | None]:
        if grads[0] is None:
            return [None] * 5
        g = grads[0].swapaxes(0, 1).reshape(xhat.shape)
        total = g.sum(1)
        along = np.einsum("cm,cm->c", g, xhat)
        into = None
        if wants[0]:
            moved = xhat * (along * -share)[:, None]
            moved += g
            moved -= (total * share)[:, None]
            moved *= scale * inverse
            into = moved.reshape(shape).swapaxes(0, 1)
        return [into, along if wants[1] else None, total if wants[2] else None, None, None]

    statistics = _moved(call, mean[:, 0], variance[:, 0])
    return Result((out.reshape(shape).swapaxes(0, 1),), pullback, statistics)


def _moved(call: Call, mean: Array, variance: Array) -> Mapping[str, Array]:
    """The running statistics after a minibatch of this mean and (biased) variance."""
    momentum = mean.dtype.type(call.node.real("momentum", 0.9))
    old = zip(call.node.inputs[3:5], (call[3], call[4]), (mean, variance), strict=True)
    return {name: momentum * before + (1 - momentum) * now for name, before, now in old}


def _by_running(call: Call, *, updated: bool) -> Result:
    x, scale, mean = call[0], call[1], call[3]
    inverse = 1 / np.sqrt(call[4] + x.dtype.type(call.node.real("epsilon", 1e-5)))
    wide = (1, -1, *(1,) * (x.ndim - 2))
    factor = (scale * inverse).reshape(wide)
    out = x * factor
    out += (call[2] - scale * inverse * mean).reshape(wide)
    wants, axes = call.wants(3), (0, *range(2, x.ndim))

    def pullback(grads: Grads) -> list[Array | None]:
        g = grads[0]
        if g is None:
            return [None] * 5
        along = (g * (x - mean.reshape(wide))).sum(axes) * inverse if wants[1] else None
        return [
            g * factor if wants[0] else None,
            along,
            g.sum(axes) if wants[2] else None,
            None,
            None,
        ]

    statistics = _moved(call, x.mean(axes), x.var(axes)) if updated else {}
    return Result((out,), pullback, statistics)


OPERATORS = (Operator("BatchNormalization", _batch_norm),)
