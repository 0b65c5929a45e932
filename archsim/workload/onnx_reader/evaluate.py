"""Values of small constant tensors: the arithmetic that exporters write to compute shapes.

Each entry maps an operator to a numpy function of its inputs.  A value that cannot be computed is
None, and the tensor is then known by its shape only.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import numpy as np
from onnx import TensorProto, helper

from archsim.errors import InputError
from archsim.workload.onnx_reader.nodes import Node
from archsim.workload.onnx_reader.operators import Scope, ShapeRule
from archsim.workload.onnx_reader.tensors import LARGEST_KNOWN_ELEMENTS, Array, tensor_value

_Operand: TypeAlias = Array | None
_Evaluator: TypeAlias = Callable[[Node, Sequence[_Operand]], "Array | Sequence[Array] | None"]


def evaluate(
    node: Node, operands: Sequence[_Operand], shapes: Sequence[tuple[int, ...]]
) -> list[Array | None]:
    """The values of the node's outputs, None where one is unknown or too large to keep.

    `operands` are the values of the inputs, None where absent or unknown; `shapes` are the known
    shapes of the outputs.
    """
    unknown: list[Array | None] = [None] * len(node.outputs)
    evaluator = _EVALUATORS.get(node.op_type) if node.domain == "" else None
    if evaluator is None or any(math.prod(s) > LARGEST_KNOWN_ELEMENTS for s in shapes):
        return unknown
    if any(name and operands[i] is None for i, name in enumerate(node.inputs)):
        return unknown
    try:
        with np.errstate(all="ignore"):
            result = evaluator(node, operands)
    except (ValueError, LookupError, TypeError, ArithmeticError, MemoryError):
        # Operands that do not fit each other: shape inference reports those that matter.
        return unknown
    if result is None:
        return unknown
    values = list(result) if isinstance(result, (list, tuple)) else [np.asarray(result)]
    fits = len(values) == len(shapes) and all(
        value.shape == shape for value, shape in zip(values, shapes, strict=True)
    )
    return [*values] if fits else unknown


def shaped_by_value(node: Node) -> ShapeRule | None:
    """The shape rule of an operator whose output's shape is that of its value, or None."""
    return _SHAPED_BY_VALUE.get(node.op_type) if node.domain == "" else None


def _nonzero_shape(node: Node, scope: Scope) -> list[tuple[int, tuple[int, ...]]]:
    """NonZero gives one column of indices per element that is not zero."""
    value = scope.required(node, 0, "the tensor whose elements are sought")
    return [(TensorProto.INT64, (value.ndim, int(np.count_nonzero(value))))]


def _range_shape(node: Node, scope: Scope) -> list[tuple[int, tuple[int, ...]]]:
    """Range counts by its values, which some functions give as vectors of one element."""
    values = [scope.required(node, index, "a limit of a range") for index in range(3)]
    start, limit, delta = (float(value.ravel()[0]) for value in values)
    if not delta or not all(map(math.isfinite, (start, limit, delta))):
        raise InputError(f"it counts from {start} to {limit} by {delta}.", place=node.place)
    count = max(math.ceil((limit - start) / delta), 0)
    return [(scope.element_type(node.input(0)), (count,))]


_SHAPED_BY_VALUE: Mapping[str, ShapeRule] = {"NonZero": _nonzero_shape, "Range": _range_shape}


def _need(operand: _Operand) -> Array:
    if operand is None:
        raise ValueError("an operand is missing")
    return operand


def _axes(node: Node, operands: Sequence[_Operand], index: int) -> tuple[int, ...] | None:
    """Axes from an attribute (older opsets) or from the input at `index` (newer ones)."""
    if node.has("axes"):
        return node.integers("axes")
    if index < len(operands) and operands[index] is not None:
        return tuple(int(axis) for axis in _need(operands[index]).ravel())
    return None


def _checked_size(elements: int) -> None:
    """Nothing larger than what is kept is ever made, whatever shape inference made of the node."""
    if not 0 <= elements <= LARGEST_KNOWN_ELEMENTS:
        raise ValueError("more elements than are kept")


def _check_broadcast(*operands: Array) -> None:
    _checked_size(math.prod(np.broadcast_shapes(*(operand.shape for operand in operands))))


def _unary(function: Callable[[Array], Array]) -> _Evaluator:
    return lambda node, operands: np.asarray(function(_need(operands[0])))


def _binary(function: Callable[[Array, Array], Array]) -> _Evaluator:
    def run(node: Node, operands: Sequence[_Operand]) -> Array:
        left, right = _need(operands[0]), _need(operands[1])
        _check_broadcast(left, right)
        return np.asarray(function(left, right))

    return run


def _divide(left: Array, right: Array) -> Array:
    if np.issubdtype(left.dtype, np.integer):
        # ONNX truncates towards zero.
        return np.asarray(np.trunc(left / right)).astype(left.dtype)
    return np.asarray(left / right)


def _modulo(node: Node, operands: Sequence[_Operand]) -> Array:
    return _binary(np.fmod if node.integer("fmod", 0) else np.mod)(node, operands)  # type: ignore[return-value]  # one result


def _fold(function: Callable[[Array, Array], Array]) -> _Evaluator:
    def run(node: Node, operands: Sequence[_Operand]) -> Array:
        result = _need(operands[0])
        for operand in operands[1:]:
            _check_broadcast(result, _need(operand))
            result = function(result, _need(operand))
        return result

    return run


def _cast(node: Node, operands: Sequence[_Operand]) -> Array:
    return _need(operands[0]).astype(helper.tensor_dtype_to_np_dtype(node.integer("to", 1)))


def _constant_of_shape(node: Node, operands: Sequence[_Operand]) -> Array | None:
    shape = tuple(int(size) for size in _need(operands[0]))
    _checked_size(math.prod(shape))
    if not node.has("value"):
        return np.zeros(shape, np.float32)
    fill = tensor_value(node.attributes["value"].t)
    return None if fill is None else np.full(shape, fill.ravel()[0], fill.dtype)


def _reshape(node: Node, operands: Sequence[_Operand]) -> Array:
    data, target = _need(operands[0]), [int(size) for size in _need(operands[1])]
    if not node.integer("allowzero", 0):
        target = [data.shape[i] if size == 0 else size for i, size in enumerate(target)]
    return data.reshape(target)


def _squeeze(node: Node, operands: Sequence[_Operand]) -> Array:
    return np.squeeze(_need(operands[0]), _axes(node, operands, 1))


def _unsqueeze(node: Node, operands: Sequence[_Operand]) -> Array:
    return np.expand_dims(_need(operands[0]), _axes(node, operands, 1) or ())


def _slice(node: Node, operands: Sequence[_Operand]) -> Array:
    data = _need(operands[0])
    if node.has("starts"):
        starts, ends = node.integers("starts"), node.integers("ends")
        axes = node.integers("axes", range(len(starts)))
        steps: Sequence[int] = [1] * len(starts)
    else:
        padded = [*operands, None, None]
        starts = tuple(_need(operands[1]).tolist())
        ends = tuple(_need(operands[2]).tolist())
        axes = tuple(range(len(starts)) if padded[3] is None else padded[3].tolist())
        steps = [1] * len(starts) if padded[4] is None else padded[4].tolist()
    window = [slice(None)] * data.ndim
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        # Walking backwards to the very first element has no end index in Python.
        last = None if step < 0 and end < -data.shape[axis] else end
        window[axis] = slice(start, last, step)
    return data[tuple(window)]


def _split(node: Node, operands: Sequence[_Operand]) -> list[Array]:
    data, axis = _need(operands[0]), node.integer("axis", 0)
    sizes: Sequence[int] = node.integers("split")
    if len(operands) > 1 and operands[1] is not None:
        sizes = operands[1].tolist()
    if not sizes:
        count = node.integer("num_outputs", len(node.outputs))
        step = -(-data.shape[axis] // count)
        sizes = [min(step, data.shape[axis] - i * step) for i in range(count)]
    return np.split(data, np.cumsum(sizes)[:-1], axis)


def _range(node: Node, operands: Sequence[_Operand]) -> Array:
    kind = _need(operands[0]).dtype
    start, limit, delta = (_need(operand).item() for operand in operands)
    _checked_size(max(math.ceil((limit - start) / delta), 0))
    return np.arange(start, limit, delta, dtype=kind)


def _one_hot(node: Node, operands: Sequence[_Operand]) -> Array:
    indices, depth, values = (_need(operand) for operand in operands)
    classes, axis = int(depth.ravel()[0]), node.integer("axis", -1) % (indices.ndim + 1)
    _checked_size(indices.size * classes)
    hot = np.expand_dims(indices, axis) % classes == np.arange(classes).reshape(
        [-1 if k == axis else 1 for k in range(indices.ndim + 1)]
    )
    return np.asarray(np.where(hot, values[1], values[0]), values.dtype)


def _expand(node: Node, operands: Sequence[_Operand]) -> Array:
    data, target = _need(operands[0]), tuple(_need(operands[1]).tolist())
    shape = np.broadcast_shapes(data.shape, target)
    _checked_size(math.prod(shape))
    return np.broadcast_to(data, shape)


def _where(node: Node, operands: Sequence[_Operand]) -> Array:
    condition, chosen, other = (_need(operand) for operand in operands)
    _check_broadcast(condition, chosen, other)
    return np.where(condition, chosen, other)


def _tile(node: Node, operands: Sequence[_Operand]) -> Array:
    data, repeats = _need(operands[0]), [int(count) for count in _need(operands[1])]
    _checked_size(data.size * math.prod(repeats))
    return np.tile(data, repeats)


def _gather(node: Node, operands: Sequence[_Operand]) -> Array:
    data, indices, axis = _need(operands[0]), _need(operands[1]), node.integer("axis", 0)
    _checked_size(data.size // max(data.shape[axis], 1) * indices.size)
    return np.take(data, indices, axis)


def _gather_elements(node: Node, operands: Sequence[_Operand]) -> Array:
    data, indices = _need(operands[0]), _need(operands[1])
    return np.take_along_axis(data, indices, node.integer("axis", 0))


def _scattered(node: Node, data: Array, places: tuple[Array, ...], updates: Array) -> Array:
    """`data` with `updates` at `places`, put there or combined with what is there."""
    how = _SCATTERS[node.text("reduction", "none")]
    result = np.array(data)
    if how is None:
        result[places] = updates
    else:
        how.at(result, places, updates)
    return result


def _scatter_elements(node: Node, operands: Sequence[_Operand]) -> Array:
    data, indices, updates = (_need(operand) for operand in operands)
    axis = node.integer("axis", 0) % data.ndim
    places = [*np.indices(indices.shape)]
    places[axis : axis + 1] = [indices]
    return _scattered(node, data, tuple(map(np.asarray, places)), updates)


def _scatter_nd(node: Node, operands: Sequence[_Operand]) -> Array:
    data, indices, updates = (_need(operand) for operand in operands)
    return _scattered(node, data, tuple(np.moveaxis(indices, -1, 0)), updates)


def _reduce(function: Callable[..., Array]) -> _Evaluator:
    def run(node: Node, operands: Sequence[_Operand]) -> Array:
        axes = _axes(node, operands, 1)
        if axes is None and node.integer("noop_with_empty_axes", 0):
            return _need(operands[0])
        keep = bool(node.integer("keepdims", 1))
        return np.asarray(function(_need(operands[0]), axis=axes, keepdims=keep))

    return run


_SCATTERS: Mapping[str, np.ufunc | None] = {
    "none": None,
    "add": np.add,
    "mul": np.multiply,
    "max": np.maximum,
    "min": np.minimum,
}
_EVALUATORS: Mapping[str, _Evaluator] = {
    "Identity": _unary(lambda x: x),
    "Neg": _unary(np.negative),
    "Abs": _unary(np.abs),
    "Not": _unary(np.logical_not),
    "Floor": _unary(np.floor),
    "Ceil": _unary(np.ceil),
    "Sqrt": _unary(np.sqrt),
    "Reciprocal": _unary(np.reciprocal),
    "NonZero": _unary(lambda x: np.asarray(np.nonzero(x), np.int64)),
    "Add": _binary(np.add),
    "Sub": _binary(np.subtract),
    "Mul": _binary(np.multiply),
    "Div": _binary(_divide),
    "Mod": _modulo,
    "Pow": _binary(lambda x, y: np.power(x, y).astype(x.dtype)),
    "Equal": _binary(np.equal),
    "Greater": _binary(np.greater),
    "GreaterOrEqual": _binary(np.greater_equal),
    "Less": _binary(np.less),
    "LessOrEqual": _binary(np.less_equal),
    "And": _binary(np.logical_and),
    "Or": _binary(np.logical_or),
    "Min": _fold(np.minimum),
    "Max": _fold(np.maximum),
    "Sum": _fold(np.add),
    "Where": _where,
    "Cast": _cast,
    "ConstantOfShape": _constant_of_shape,
    "Reshape": _reshape,
    "Flatten": lambda node, operands: _need(operands[0]).reshape(
        math.prod(_need(operands[0]).shape[: node.integer("axis", 1)]), -1
    ),
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
    "Transpose": lambda node, operands: np.transpose(
        _need(operands[0]), node.integers("perm") or None
    ),
    "Concat": lambda node, operands: np.concatenate(
        [_need(operand) for operand in operands], node.integer("axis", 0)
    ),
    "Gather": _gather,
    "GatherElements": _gather_elements,
    "ScatterElements": _scatter_elements,
    "Scatter": _scatter_elements,
    "ScatterND": _scatter_nd,
    "Slice": _slice,
    "Split": _split,
    "Range": _range,
    "Expand": _expand,
    "OneHot": _one_hot,
    "Tile": _tile,
    "ReduceProd": _reduce(np.prod),
    "ReduceSum": _reduce(np.sum),
    "ReduceMax": _reduce(np.max),
    "ReduceMin": _reduce(np.min),
}
