"""Reading elements at indices: embeddings and gathers, whose errors are added up where they meet."""

from __future__ import annotations

import math

import numpy as np

from archsim.cotraining.numerics.contract import (
    Array,
    Call,
    Grads,
    Operator,
    Result,
    refuse,
    single,
)


def _gather(call: Call) -> Result:
    if call.weights:
        return _one_hot_rows(call)
    x, indices = call[0], call[1]
    axis = call.node.integer("axis", 0) % x.ndim
    _check(call, indices, x.shape[axis])
    shape = x.shape
    return single(
        call, np.take(x, indices, axis), lambda g: _added_rows(g, indices, shape, axis), None
    )


def _check(call: Call, indices: Array, size: int) -> None:
    if indices.size and not (-size <= indices.min() and indices.max() < size):
        raise refuse(
            call,
            f"it reads elements {indices.min()} to {indices.max()} of an axis of {size}.",
            "Check the data: an index (a token, a label) is outside its table.",
        )


def _added_rows(grad: Array, indices: Array, shape: tuple[int, ...], axis: int) -> Array:
    """A tensor of `shape` with the parts of `grad` added where they were taken from.

    Equal indices are put beside each other and summed in one pass.
    """
    front = range(axis, axis + indices.ndim)
    rows = np.moveaxis(grad, front, range(indices.ndim)) if axis else grad
    rows = rows.reshape(indices.size, -1)
    flat = indices.reshape(-1) % shape[axis]
    found = np.zeros((shape[axis], rows.shape[1]), grad.dtype)
    if flat.size:
        order = np.argsort(flat, kind="stable")
        places, starts = np.unique(flat[order], return_index=True)
        found[places] = np.add.reduceat(rows[order], starts, axis=0)
    rest = (*shape[:axis], *shape[axis + 1 :])
    return np.moveaxis(found.reshape(shape[axis], *rest), 0, axis)


def _one_hot_rows(call: Call) -> Result:
    """Rows of a table that the backend holds (tied to a product): read by one-hot vectors."""
    weight, indices = call.weights[0], call[1]
    size, width = weight.shape
    _check(call, indices, size)
    vectors = np.zeros((1, indices.size, size), call.setting.dtype)
    vectors[0, np.arange(indices.size), indices.reshape(-1) % size] = 1
    out = weight.times(vectors).reshape(*indices.shape, width)
    kept = vectors if weight.trains else None

    def pullback(grads: Grads) -> list[Array | None]:
        if grads[0] is not None and kept is not None:
            weight.record(kept, grads[0].reshape(1, -1, width))
        return [None, None]

    return Result((out,), pullback)


def _gather_elements(call: Call) -> Result:
    x, indices = call[0], call[1]
    axis = call.node.integer("axis", 0) % x.ndim
    _check(call, indices, x.shape[axis])
    places: list[Array] = list(np.indices(indices.shape, sparse=True))
    places[axis] = indices % x.shape[axis]
    flat = np.ravel_multi_index(np.broadcast_arrays(*places), x.shape)
    return taken(call, flat)


def _gather_nd(call: Call) -> Result:
    x, indices = call[0], call[1]
    batch = call.node.integer("batch_dims", 0)
    depth = indices.shape[-1]
    axes = x.shape[batch : batch + depth]
    for column, size in enumerate(axes):
        _check(call, indices[..., column], size)
    inner = math.prod(x.shape[batch + depth :])
    flat = np.zeros(indices.shape[:-1], np.int64)
    for column, size in enumerate(axes):
        flat = flat * size + indices[..., column] % size
    samples = math.prod(x.shape[:batch])
    offsets = np.arange(samples).reshape(*x.shape[:batch], *(1,) * (flat.ndim - batch))
    flat = (flat + offsets * math.prod(axes))[..., None] * inner + np.arange(inner)
    return taken(call, flat.reshape(*flat.shape[:-1], *x.shape[batch + depth :]))


def taken(call: Call, flat: Array) -> Result:
    """The elements of the first input at places of its flattened form."""
    x = call[0]
    shape = x.shape

    def pull(grad: Array) -> Array:
        total = np.bincount(flat.reshape(-1), grad.reshape(-1), math.prod(shape))
        return total.astype(grad.dtype).reshape(shape)

    return single(call, x.reshape(-1)[flat], pull, None)


OPERATORS = (
    Operator("Gather", _gather),
    Operator("GatherElements", _gather_elements),
    Operator("GatherND", _gather_nd),
)
