"""MatMul, Gemm and products like them, lowered to vectors and matrices as they are counted."""

from __future__ import annotations

import math

import numpy as np

from archsim.workload.numerics.kernel import Array, Call, Kernel
from archsim.workload.numerics.products import Expected, MiscountError


def multiply(call: Call, left: Array, right: Array, constant: tuple[bool, bool]) -> Array:
    """The product as `numpy.matmul` defines it; `constant` tells which operands are.

    What the workload counts next decides whether a constant operand is a stationary matrix.
    """
    expected = call.products.following
    if expected is None:
        if call.products.counted and left.shape[-1] != 1:
            raise MiscountError(f"{call.node.place}: it multiplies matrices, and none is counted.")
        return np.asarray(np.matmul(left, right))
    if expected.dynamic is not None:
        return _of_activations(call, left, right, expected)
    if expected.use is not None and expected.use.chosen_blocks is not None:
        return _by_chosen(call, left, right)
    if constant[1] and _fits(right, expected, on_right=True):
        return _by_weight(call, left, right, expected)
    if constant[0] and _fits(left, expected, on_right=False):
        turned = _by_weight(call, _turned(right), _turned(left), expected)
        if left.ndim == 1 or right.ndim == 1:
            return turned
        return turned.swapaxes(-1, -2)
    raise MiscountError(
        f"op '{expected.op}': a stationary matrix of {expected.size} (blocks, K, N) is counted, "
        f"and the operands {left.shape} and {right.shape} are activations or do not fit."
    )


def _by_chosen(call: Call, vectors: Array, matrices: Array) -> Array:
    """`vectors` [..., V, K] times matrices [..., K, N] that the network has chosen for them."""
    batch = np.broadcast_shapes(vectors.shape[:-2], matrices.shape[:-2])
    rows = np.broadcast_to(vectors, (*batch, *vectors.shape[-2:]))
    chosen = np.broadcast_to(matrices, (*batch, *matrices.shape[-2:]))
    found = call.products.weight(
        rows.reshape(-1, *rows.shape[-2:]), chosen.reshape(-1, *chosen.shape[-2:])
    )
    return found.reshape(*batch, rows.shape[-2], chosen.shape[-1])


def _turned(operand: Array) -> Array:
    return operand if operand.ndim == 1 else operand.swapaxes(-1, -2)


def _fits(operand: Array, expected: Expected, *, on_right: bool) -> bool:
    """Whether a constant operand can be the stationary matrix that is counted."""
    _, inputs, outputs = expected.size
    matrix = operand[:, None] if operand.ndim == 1 else operand
    size = matrix.shape[-2:] if on_right or operand.ndim == 1 else matrix.shape[:-3:-1]
    # A blank initial state beside a weight is no matrix that anything holds.
    return size == (inputs, outputs) and bool(operand.any())


def _by_weight(call: Call, vectors: Array, weight: Array, expected: Expected) -> Array:
    """`vectors` [..., V, K] or [K] times `weight` [..., K, N] or [K]."""
    matrix = weight[:, None] if weight.ndim == 1 else weight
    rows = vectors[None, :] if vectors.ndim == 1 else vectors
    batch = np.broadcast_shapes(rows.shape[:-2], matrix.shape[:-2])
    matrix = matrix.reshape((1,) * (len(batch) + 2 - matrix.ndim) + matrix.shape)
    matrix = _distinct(matrix, expected.size[0])
    own = [axis for axis in range(len(batch)) if matrix.shape[axis] > 1]
    shared = [axis for axis in range(len(batch)) if axis not in own]
    # Batch axes of the weight count blocks, all other axes of the operand count vectors.
    order = [*own, *shared]
    spread = np.broadcast_to(rows, (*batch, *rows.shape[-2:]))
    spread = spread.transpose(*order, len(batch), len(batch) + 1)
    blocks = math.prod(matrix.shape[:-2])
    result = call.products.weight(
        spread.reshape(blocks, -1, rows.shape[-1]), matrix.reshape(blocks, *matrix.shape[-2:])
    )
    result = result.reshape(*(batch[axis] for axis in order), rows.shape[-2], matrix.shape[-1])
    result = result.transpose(*np.argsort(order), len(batch), len(batch) + 1)
    if vectors.ndim == 1:
        result = result[..., 0, :]
    return result[..., 0] if weight.ndim == 1 else result


def _distinct(matrix: Array, blocks: int) -> Array:
    """`matrix` without the batch axes along which it only repeats itself, for `blocks` blocks."""
    for axis in range(matrix.ndim - 2):
        if math.prod(matrix.shape[:-2]) == blocks:
            break
        first = matrix[(slice(None),) * axis + (slice(0, 1),)]
        if np.array_equal(np.broadcast_to(first, matrix.shape), matrix):
            matrix = first
    return matrix


def _of_activations(call: Call, left: Array, right: Array, expected: Expected) -> Array:
    """Both operands are activations; one matrix on the right serves all rows on the left."""
    rows = left[None, :] if left.ndim == 1 else left
    columns = right[:, None] if right.ndim == 1 else right
    batch = np.broadcast_shapes(rows.shape[:-2], columns.shape[:-2])
    shape = (*batch, rows.shape[-2], columns.shape[-1])
    if math.prod(columns.shape[:-2]) == 1:
        flat = rows.reshape(1, -1, rows.shape[-1])
        result = call.products.dynamic(flat, columns.reshape(1, *columns.shape[-2:]))
    else:
        first = np.broadcast_to(rows, (*batch, *rows.shape[-2:]))
        second = np.broadcast_to(columns, (*batch, *columns.shape[-2:]))
        result = call.products.dynamic(
            first.reshape(-1, *rows.shape[-2:]), second.reshape(-1, *columns.shape[-2:])
        )
    result = result.reshape(shape)
    if left.ndim == 1:
        result = result[..., 0, :]
    return result[..., 0] if right.ndim == 1 else result


def _matmul(call: Call) -> Array:
    return multiply(call, call[0], call[1], (call.is_constant(0), call.is_constant(1)))


def gemm(call: Call) -> Array:
    """alpha * A * B + beta * C, with A and B transposed where the attributes say so."""
    node = call.node
    left = call[0].T if node.integer("transA", 0) else call[0]
    right = call[1].T if node.integer("transB", 0) else call[1]
    product = multiply(call, left, right, (call.is_constant(0), call.is_constant(1)))
    product = scaled(product, node.real("alpha", 1.0))
    added = call.optional(2)
    return product if added is None else product + scaled(added, node.real("beta", 1.0))


def scaled(data: Array, factor: float) -> Array:
    """`data` times `factor`, in the element type of `data`."""
    return data if factor == 1.0 else data * data.dtype.type(factor)


KERNELS = (
    Kernel("MatMul", _matmul),
    Kernel("Gemm", gemm),
)
