"""Arithmetic on elements of tensors that are broadcast against each other."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from archsim.cotraining.numerics.contract import (
    Array,
    Call,
    Forward,
    Grads,
    Operator,
    Result,
    fitted,
    fixed,
    integers,
    single,
)


def _add(call: Call) -> Result:
    a, b = call[0], call[1]
    first, second = a.shape, b.shape
    return single(call, a + b, lambda g: fitted(g, first), lambda g: fitted(g, second))


def _subtract(call: Call) -> Result:
    a, b = call[0], call[1]
    first, second = a.shape, b.shape
    return single(call, a - b, lambda g: fitted(g, first), lambda g: -fitted(g, second))


def _multiply(call: Call) -> Result:
    a, b = call[0], call[1]
    return single(call, a * b, lambda g: fitted(g * b, a.shape), lambda g: fitted(g * a, b.shape))


def _divide(call: Call) -> Result:
    a, b = call[0], call[1]
    if np.issubdtype(a.dtype, np.integer):
        # ONNX truncates towards zero.
        return Result((np.trunc(a / b).astype(a.dtype),))
    out = a / b
    return single(
        call, out, lambda g: fitted(g / b, a.shape), lambda g: fitted(-g * out / b, b.shape)
    )


def _power(call: Call) -> Result:
    """The exponent's gradient is defined for positive bases only, and zero elsewhere."""
    a, b = call[0], call[1]
    out = np.power(a, b).astype(a.dtype, copy=False)

    def exponent(g: Array) -> Array:
        positive = a > 0
        logarithm = np.where(positive, np.log(np.where(positive, a, 1)), 0)
        return fitted(g * out * logarithm, b.shape).astype(g.dtype, copy=False)

    return single(
        call,
        out,
        lambda g: fitted((g * b * np.power(a, b - 1)).astype(g.dtype, copy=False), a.shape),
        exponent if np.issubdtype(b.dtype, np.floating) else None,
    )


def _extreme(
    function: Callable[[Array, Array], Array], beats: Callable[[Array, Array], Array]
) -> Forward:
    """The larger (or smaller) of several tensors; the first of equal elements takes the gradient."""

    def forward(call: Call) -> Result:
        operands = [x for x in call.inputs if x is not None]
        out, winner = operands[0], np.zeros((), np.int16)
        for index, operand in enumerate(operands[1:], start=1):
            winner = np.where(beats(operand, out), np.int16(index), winner)
            out = function(out, operand)
        shape = out.shape
        out = np.asarray(out)

        def pull(index: int) -> Callable[[Array], Array]:
            own = operands[index].shape
            return lambda g: fitted(g * np.broadcast_to(winner == index, shape), own)

        return single(call, out, *(pull(index) for index in range(len(operands))))

    return forward


def _total(call: Call) -> Result:
    return _sum_times(call, 1.0)


def _mean(call: Call) -> Result:
    return _sum_times(call, 1.0 / len(call.inputs))


def _sum_times(call: Call, factor: float) -> Result:
    operands = [x for x in call.inputs if x is not None]
    out = operands[0]
    for operand in operands[1:]:
        out = out + operand
    shapes = [x.shape for x in operands]
    scale = out.dtype.type(factor)

    def pullback(grads: Grads) -> list[Array | None]:
        grad = grads[0]
        if grad is None:
            return [None] * len(shapes)
        scaled = grad if factor == 1.0 else grad * scale
        return [fitted(scaled, shape) for shape in shapes]

    return Result((out if factor == 1.0 else out * scale,), pullback)


def _where(call: Call) -> Result:
    choice, a, b = call[0], call[1], call[2]
    first, second = a.shape, b.shape
    return single(
        call,
        np.where(choice, a, b),
        None,
        lambda g: fitted(g * choice, first),
        lambda g: fitted(g * ~choice, second),
    )


def _modulo(call: Call) -> Array:
    return (np.fmod if call.node.integer("fmod", 0) else np.mod)(call[0], call[1])


def _cumulated(call: Call) -> Result:
    axis = integers(call[1])[0]
    exclusive = bool(call.node.integer("exclusive", 0))
    reverse = bool(call.node.integer("reverse", 0))
    return single(
        call,
        _running_sum(call[0], axis, exclusive=exclusive, reverse=reverse),
        lambda g: _running_sum(g, axis, exclusive=exclusive, reverse=not reverse),
    )


def _running_sum(x: Array, axis: int, *, exclusive: bool, reverse: bool) -> Array:
    turned = np.flip(x, axis) if reverse else x
    total = np.cumsum(turned, axis, dtype=x.dtype)
    total = total - turned if exclusive else total
    return np.flip(total, axis) if reverse else total


def _compare(function: Callable[[Array, Array], Array]) -> Forward:
    return fixed(lambda call: function(call[0], call[1]))


_COMPARISONS: dict[str, Callable[[Array, Array], Array]] = {
    "Equal": np.equal,
    "Less": np.less,
    "LessOrEqual": np.less_equal,
    "Greater": np.greater,
    "GreaterOrEqual": np.greater_equal,
    "And": np.logical_and,
    "Or": np.logical_or,
    "Xor": np.logical_xor,
}

OPERATORS = (
    Operator("Add", _add),
    Operator("Sub", _subtract),
    Operator("Mul", _multiply),
    Operator("Div", _divide),
    Operator("Pow", _power),
    Operator("Max", _extreme(np.maximum, np.greater)),
    Operator("Min", _extreme(np.minimum, np.less)),
    Operator("Sum", _total),
    Operator("Mean", _mean),
    Operator("Where", _where),
    Operator("CumSum", _cumulated),
    Operator("Mod", fixed(_modulo), differentiable=False),
    Operator("Not", fixed(lambda call: np.logical_not(call[0])), differentiable=False),
    Operator("IsNaN", fixed(lambda call: np.isnan(call[0])), differentiable=False),
    *(
        Operator(name, _compare(function), differentiable=False)
        for name, function in _COMPARISONS.items()
    ),
)
