"""Operators that read or write at indices: embeddings, gathers and scatters."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from archsim.workload.numerics.kernel import Array, Call, Kernel


def _gather(call: Call) -> Array:
    # Indices outside the table are refused, negative ones count from its end.
    return np.take(call[0], call[1], call.node.integer("axis", 0))


def _gather_elements(call: Call) -> Array:
    data, axis = call[0], call.node.integer("axis", 0)
    return np.asarray(data[_places(call[1], axis)])


def _places(indices: Array, axis: int) -> tuple[Array, ...]:
    """Index arrays that run over `indices`, and take its elements along `axis`."""
    places: list[Array] = list(np.indices(indices.shape, sparse=True))
    places[axis] = indices
    return tuple(places)


def _gather_nd(call: Call) -> Array:
    data, indices = call[0], call[1]
    batch = call.node.integer("batch_dims", 0)
    shape = indices.shape[batch:-1]
    grid: tuple[Array, ...] = np.indices(data.shape[:batch], sparse=True)
    leading = tuple(place.reshape(place.shape + (1,) * len(shape)) for place in grid)
    return np.asarray(data[(*leading, *np.moveaxis(indices, -1, 0))])


_COMBINE: Mapping[str, Callable[[Array, tuple[Array, ...], Array], None]] = {
    "add": np.add.at,
    "mul": np.multiply.at,
    "max": np.maximum.at,
    "min": np.minimum.at,
}


def _write(call: Call, data: Array, places: tuple[Array, ...], updates: Array) -> Array:
    result = data.copy()
    combine = _COMBINE.get(call.node.text("reduction", "none"))
    if combine is None:
        result[places] = updates
    else:
        combine(result, places, updates)
    return result


def _scatter_elements(call: Call) -> Array:
    places = _places(call[1], call.node.integer("axis", 0))
    return _write(call, call[0], places, call[2])


def _scatter_nd(call: Call) -> Array:
    return _write(call, call[0], tuple(np.moveaxis(call[1], -1, 0)), call[2])


def _one_hot(call: Call) -> Array:
    indices, depth, values = call[0], int(call[1].reshape(())), call[2]
    axis = call.node.integer("axis", -1)
    axis = axis + indices.ndim + 1 if axis < 0 else axis
    places = np.expand_dims(np.mod(indices.astype(np.int64), depth), axis)
    levels = np.arange(depth).reshape([-1 if i == axis else 1 for i in range(indices.ndim + 1)])
    return np.asarray(np.where(places == levels, values[1], values[0]))


KERNELS = (
    Kernel("Gather", _gather),
    Kernel("GatherElements", _gather_elements),
    Kernel("GatherND", _gather_nd),
    Kernel("ScatterElements", _scatter_elements),
    Kernel("ScatterND", _scatter_nd),
    Kernel("OneHot", _one_hot),
)
