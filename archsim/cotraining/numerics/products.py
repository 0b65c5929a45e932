"""MatMul and Gemm: by a stationary matrix, or of two arrays."""

from __future__ import annotations

import math

import numpy as np

from archsim.cotraining.numerics.contract import (
    Array,
    Call,
    Grads,
    Operator,
    Result,
    fitted,
    single,
)


def _matmul(call: Call) -> Result:
    if call.weights:
        return _by_weight(call)
    left, right = call[0], call[1]
    return single(
        call,
        np.asarray(np.matmul(left, right)),
        lambda grad: _left_gradient(grad, left.shape, right),
        lambda grad: _right_gradient(grad, left, right.shape),
    )


def _left_gradient(grad: Array, shape: tuple[int, ...], right: Array) -> Array:
    if right.ndim == 1:
        return fitted(grad[..., None] * right, shape)
    rows = grad[..., None, :] if len(shape) == 1 else grad
    found = np.matmul(rows, right.swapaxes(-1, -2))
    return fitted(found[..., 0, :] if len(shape) == 1 else found, shape)


def _right_gradient(grad: Array, left: Array, shape: tuple[int, ...]) -> Array:
    columns = grad[..., None] if len(shape) == 1 else grad
    if left.ndim == 1:
        columns = columns if len(shape) == 1 else columns[..., None, :]
        return fitted(left[:, None] * columns, shape if len(shape) > 1 else (*shape, 1)).reshape(
            shape
        )
    if math.prod(shape[:-2]) == 1 and left.ndim > 2:
        # One matrix on the right serves every row on the left: a single product.
        found = left.reshape(-1, left.shape[-1]).T @ columns.reshape(-1, columns.shape[-1])
        return np.asarray(found).reshape(shape)
    found = np.matmul(left.swapaxes(-1, -2), columns)
    return fitted(found, (*shape, 1) if len(shape) == 1 else shape).reshape(shape)


def _by_weight(call: Call) -> Result:
    """Vectors times a held matrix; a weight on the left multiplies the columns of the right.

    Batch axes of the weight count blocks, all others of the operand count vectors.
    """
    use, weight = call.node.uses[0], call.weights[0]
    on_right = use.slot == 1
    operand = call[1 - use.slot]
    shape = use.shape if len(use.shape) > 1 else (*use.shape, 1)
    rows = operand[None] if operand.ndim == 1 else operand
    rows = rows if on_right or operand.ndim == 1 else rows.swapaxes(-1, -2)
    spread, order = _by_blocks(rows, shape[:-2])
    blocks = math.prod(shape[:-2])
    vectors = spread.reshape(blocks, -1, rows.shape[-1])
    product = weight.times(vectors)
    outer = (*spread.shape[:-1], product.shape[-1])
    out = product.reshape(outer).transpose(np.argsort(order))
    final = out if on_right or operand.ndim == 1 else out.swapaxes(-1, -2)
    if operand.ndim == 1:
        final = final[..., 0, :]
    if len(use.shape) == 1:
        final = final[..., 0]
    kept = vectors if weight.trains else None
    wanted, source = call.wanted(1 - use.slot), operand.shape
    rows_shape = rows.shape

    def pullback(grads: Grads) -> list[Array | None]:
        grad = grads[0]
        if grad is None:
            return [None, None]
        if on_right or len(source) == 1:
            turned = grad.reshape(out.shape)
        else:
            turned = grad.swapaxes(-1, -2).reshape(out.shape)
        d = turned.transpose(order).reshape(blocks, -1, outer[-1])
        into = None
        if wanted:
            back = weight.back(d).reshape(*outer[:-1], rows_shape[-1]).transpose(np.argsort(order))
            back = fitted(back, rows_shape)
            into = back if on_right or len(source) == 1 else back.swapaxes(-1, -2)
            into = into.reshape(source)
        if kept is not None:
            weight.record(kept, d)
        return [into, None] if use.slot == 1 else [None, into]

    return Result((final,), pullback)


def _by_blocks(rows: Array, blocks: tuple[int, ...]) -> tuple[Array, list[int]]:
    """`rows` [..., V, K] broadcast against the weight's batch axes, these first, and the order."""
    if math.prod(blocks) == 1 and len(blocks) + 2 <= rows.ndim:
        return rows, list(range(rows.ndim))
    batch = np.broadcast_shapes(rows.shape[:-2], blocks)
    first = len(batch) - len(blocks)
    own = [first + axis for axis, size in enumerate(blocks) if size > 1]
    order = [*own, *(axis for axis in range(len(batch) + 2) if axis not in own)]
    spread = np.broadcast_to(rows, (*batch, *rows.shape[-2:]))
    return spread.transpose(order), order


def _gemm(call: Call) -> Result:
    """alpha * A * B + beta * C, with A and B transposed where the attributes say so."""
    alpha, beta = call.node.real("alpha", 1.0), call.node.real("beta", 1.0)
    turned = (bool(call.node.integer("transA", 0)), bool(call.node.integer("transB", 0)))
    product = _held_gemm(call, turned) if call.weights else _array_gemm(call, turned)
    out, pull = product.outputs[0], product.pullback
    if alpha != 1.0:
        out *= out.dtype.type(alpha)
    added = call.optional(2)
    if added is not None:
        out += added if beta == 1.0 else added * added.dtype.type(beta)
    shape = None if added is None or not call.wanted(2) else added.shape

    def pullback(grads: Grads) -> list[Array | None]:
        grad = grads[0]
        if grad is None or pull is None:
            return [None] * 3
        found = list(pull([grad if alpha == 1.0 else grad * grad.dtype.type(alpha)]))
        into = None if shape is None else fitted(grad, shape)
        if into is not None and beta != 1.0:
            into = into * into.dtype.type(beta)
        return [*found[:2], into]

    return Result((out,), pullback)


def _held_gemm(call: Call, turned: tuple[bool, bool]) -> Result:
    """One operand is held: its vectors are the rows (or columns) of the other."""
    slot, weight = call.node.uses[0].slot, call.weights[0]
    operand = call[1 - slot]
    # Vectors are along the axis that is not summed.
    flipped = turned[0] if slot == 1 else not turned[1]
    vectors = (operand.T if flipped else operand)[None]
    product = weight.times(vectors)[0]
    kept, wanted = (vectors if weight.trains else None), call.wanted(1 - slot)

    def pullback(grads: Grads) -> list[Array | None]:
        grad = grads[0]
        assert grad is not None
        d = (grad if slot == 1 else grad.T)[None]
        into = None
        if wanted:
            back = weight.back(d)[0]
            into = back.T if flipped else back
        if kept is not None:
            weight.record(kept, d)
        return [into, None] if slot == 1 else [None, into]

    return Result((product if slot == 1 else product.T,), pullback)


def _array_gemm(call: Call, turned: tuple[bool, bool]) -> Result:
    left = call[0].T if turned[0] else call[0]
    right = call[1].T if turned[1] else call[1]
    return single(
        call,
        np.asarray(left @ right),
        lambda grad: (right @ grad.T) if turned[0] else (grad @ right.T),
        lambda grad: (grad.T @ left) if turned[1] else (left.T @ grad),
    )


OPERATORS = (Operator("MatMul", _matmul), Operator("Gemm", _gemm))
