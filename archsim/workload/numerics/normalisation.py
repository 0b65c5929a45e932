"""Normalisations.  Batch normalisation uses the statistics that the file's mode asks for."""

from __future__ import annotations

import numpy as np

from archsim.workload.numerics.kernel import Array, Call, Kernel

_EPSILON = 1e-5


def standardise(data: Array, axes: tuple[int, ...], epsilon: float) -> tuple[Array, Array, Array]:
    """`data` with mean 0 and variance 1 over `axes`, its mean, and 1 over its deviation."""
    mean = data.mean(axes, keepdims=True)
    centred = data - mean
    inverse = 1 / np.sqrt((centred * centred).mean(axes, keepdims=True) + data.dtype.type(epsilon))
    return centred * inverse, mean, inverse


def per_channel(values: Array, rank: int) -> Array:
    """One number per channel, to be broadcast over a tensor [batch, channel, ...] of `rank` axes."""
    return values.reshape(-1, *(1,) * (rank - 2))


def _batch(call: Call) -> list[Array]:
    data, node = call[0], call.node
    scale, shift, mean, variance = (per_channel(call[index], data.ndim) for index in range(1, 5))
    epsilon = node.real("epsilon", _EPSILON)
    if not node.integer("training_mode", 0):
        result = (data - mean) / np.sqrt(variance + epsilon) * scale + shift
        return [result.astype(data.dtype), call[3], call[4]][: len(node.outputs)]
    axes = (0, *range(2, data.ndim))
    momentum = node.real("momentum", 0.9)
    found, own_mean, _ = standardise(data, axes, epsilon)
    running = [
        call[index] * momentum + own.reshape(-1) * (1 - momentum)
        for index, own in ((3, own_mean), (4, data.var(axes)))
    ]
    result = found * scale + shift
    return [part.astype(data.dtype) for part in (result, *running)][: len(node.outputs)]


def _layer(call: Call) -> list[Array]:
    data, node = call[0], call.node
    axes = tuple(range(node.integer("axis", -1) % data.ndim, data.ndim))
    found, mean, inverse = standardise(data, axes, node.real("epsilon", _EPSILON))
    found = found * call[1]
    shift = call.optional(2)
    found = found if shift is None else found + shift
    return [found.astype(data.dtype), mean, inverse][: len(node.outputs)]


def _rms(call: Call) -> Array:
    data, node = call[0], call.node
    axes = tuple(range(node.integer("axis", -1) % data.ndim, data.ndim))
    return root_mean_square(data, axes, node.real("epsilon", _EPSILON)) * call[1]


def root_mean_square(data: Array, axes: tuple[int, ...], epsilon: float) -> Array:
    """`data` divided by the root of its mean square over `axes`."""
    mean = (data * data).mean(axes, keepdims=True)
    return np.asarray(data / np.sqrt(mean + data.dtype.type(epsilon)))


def _instance(call: Call) -> Array:
    data = call[0]
    axes = tuple(range(2, data.ndim))
    found, _, _ = standardise(data, axes, call.node.real("epsilon", _EPSILON))
    return found * per_channel(call[1], data.ndim) + per_channel(call[2], data.ndim)


def _group(call: Call) -> Array:
    data, node = call[0], call.node
    groups = node.integer("num_groups", 1)
    rows = data.reshape(data.shape[0], groups, -1)
    found, _, _ = standardise(rows, (2,), node.real("epsilon", _EPSILON))
    # Until opset 21 scale and shift are one number per group, from then on one per channel.
    per = data.shape[1] // call[1].size
    scale, shift = (np.repeat(call[index], per) for index in (1, 2))
    return found.reshape(data.shape) * per_channel(scale, data.ndim) + per_channel(shift, data.ndim)


def _local_response(call: Call) -> Array:
    data, node = call[0], call.node
    size = node.integer("size", 1)
    before, after = (size - 1) // 2, size // 2
    squares = np.pad(data * data, [(0, 0), (before, after), *[(0, 0)] * (data.ndim - 2)])
    channels = data.shape[1]
    total = sum((squares[:, i : i + channels] for i in range(size)), np.zeros_like(data))
    base = node.real("bias", 1.0) + node.real("alpha", 1e-4) / size * total
    return np.asarray(data / base ** node.real("beta", 0.75)).astype(data.dtype)


def _lp(call: Call) -> Array:
    data, node = call[0], call.node
    order = node.integer("p", 2)
    length = np.linalg.norm(data, order, node.integer("axis", -1), keepdims=True)
    return np.asarray(np.where(length == 0, 0, data / length)).astype(data.dtype)


def _mean_variance(call: Call) -> Array:
    data = call[0]
    axes = call.node.integers("axes", (0, 2, 3))
    found, _, _ = standardise(data, axes, 1e-9)
    return found


KERNELS = (
    Kernel("BatchNormalization", _batch),
    Kernel("LayerNormalization", _layer),
    Kernel("RMSNormalization", _rms),
    Kernel("InstanceNormalization", _instance),
    Kernel("GroupNormalization", _group),
    Kernel("LRN", _local_response),
    Kernel("LpNormalization", _lp),
    Kernel("MeanVarianceNormalization", _mean_variance),
)
