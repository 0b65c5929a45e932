"""Binding: from symbolic input dimensions to sizes."""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import onnx

from archsim.errors import InputError, did_you_mean

# No tensor of a network that fits in any machine is larger; it also keeps counts within 64 bits.
LARGEST_TENSOR_ELEMENTS = 2**48
_LARGEST_RANK = 64
_BATCH_NAMES = ("batch", "batch_size", "batchsize", "batch-size", "bs", "n", "N")

# A size, the name (or expression) of a symbolic one, or None for a dynamic one without a name.
Dimension = int | str | None


@dataclass(frozen=True, slots=True)
class Declared:
    """An input as the file declares it; `dimensions` is None where the file gives no rank."""

    name: str
    element_type: int
    dimensions: tuple[Dimension, ...] | None


@dataclass(frozen=True, slots=True)
class SampleAxis:
    """Dimension `axis` of the input `name` counts samples: `by`, an operator, takes it so."""

    name: str
    axis: int
    by: str


@dataclass(frozen=True, slots=True)
class Binding:
    """Input shapes with all dimensions bound, the values of the symbols, and the batch.

    `batch_symbol` is the symbol that is the batch, if there is one; `assumed_batch` is that symbol
    where it was left unbound and taken as 1.
    """

    shapes: Mapping[str, tuple[int, ...]]
    symbols: Mapping[str, int]
    samples: int
    assumed_batch: str = ""
    batch_symbol: str = ""


def declared_inputs(graph: onnx.GraphProto) -> list[Declared]:
    """The data inputs: graph inputs that are not also initializers (as old files list them)."""
    stored = {tensor.name for tensor in graph.initializer}
    stored |= {tensor.values.name for tensor in graph.sparse_initializer}
    return [_declared(value) for value in graph.input if value.name not in stored]


def _declared(value: onnx.ValueInfoProto) -> Declared:
    if value.type.HasField("tensor_type") and not value.type.tensor_type.elem_type:
        raise InputError(
            f"the graph input '{value.name}' has no element type.",
            remedy="The file is damaged; export the network again.",
        )
    if not value.type.HasField("tensor_type"):
        raise InputError(
            f"the graph input '{value.name}' is no tensor (it is a sequence, an optional or a "
            "map).",
            remedy="Export the network with plain tensors as inputs.",
        )
    tensor = value.type.tensor_type
    if not tensor.HasField("shape"):
        return Declared(value.name, tensor.elem_type, None)
    if len(tensor.shape.dim) > _LARGEST_RANK:
        raise InputError(
            f"the graph input '{value.name}' has {len(tensor.shape.dim):,} dimensions, more than "
            "any network's.",
            remedy="The file is damaged; export the network again.",
        )
    return Declared(
        value.name,
        tensor.elem_type,
        tuple(_dimension(value.name, axis, dim) for axis, dim in enumerate(tensor.shape.dim)),
    )


def _dimension(name: str, axis: int, dim: onnx.TensorShapeProto.Dimension) -> Dimension:
    if dim.HasField("dim_value"):
        size = dim.dim_value
        if size == -1:  # some exporters write "dynamic" so
            return None
        if size < 1:
            raise InputError(
                f"the graph input '{name}' has size {size} in dimension {axis}.",
                remedy=f"Give its shape with --shape {name}=...",
            )
        return size
    return dim.dim_param or None


def symbols_of(inputs: Sequence[Declared]) -> frozenset[str]:
    """The names of all symbolic dimensions."""
    return frozenset(name for entry in inputs for d in entry.dimensions or () for name in _names(d))


def bind(
    inputs: Sequence[Declared],
    *,
    batch: int | None,
    dims: Mapping[str, int],
    shapes: Mapping[str, tuple[int, ...]],
    samples: SampleAxis | None = None,
) -> Binding:
    """All input shapes, from the file and what the user gave.

    `dims` binds symbols by name, `shapes` an input's whole shape, `batch` the dimension that counts
    samples: a symbol called so, else the one that `samples` names, else the leading one.
    A batch that nothing binds is 1.  Raises `InputError` for names that the file does not have,
    for values that contradict it or are not positive, and for dimensions left unbound.
    """
    _check_names(inputs, dims, shapes)
    symbols = {name: _size(f"--dim {name}", size) for name, size in dims.items()}
    for entry in inputs:
        if entry.name in shapes:
            _bind_shape(entry, shapes[entry.name], symbols)
    if batch is not None:
        _size("--batch", batch)
    batch_symbol = _symbol_of_batch(inputs, samples)
    assumed = ""
    if batch_symbol and batch_symbol not in symbols:
        symbols[batch_symbol] = 1 if batch is None else batch
        assumed = batch_symbol if batch is None else ""
    elif batch_symbol and batch is not None and symbols[batch_symbol] != batch:
        raise InputError(
            f"--batch {batch} contradicts '{batch_symbol}', which is bound to "
            f"{symbols[batch_symbol]}.",
            remedy="Give one of the two.",
        )
    leading = symbols.get(batch_symbol, batch or 1)
    bound = {
        entry.name: shapes.get(entry.name) or _bound_shape(entry, symbols, leading, samples)
        for entry in inputs
    }
    counted = _samples(inputs, bound, symbols, batch_symbol, samples)
    if batch is not None and counted != batch:
        raise _other_batch(inputs, samples, batch, counted)
    return Binding(bound, symbols, counted, assumed, batch_symbol)


def _other_batch(
    inputs: Sequence[Declared], samples: SampleAxis | None, batch: int, counted: int
) -> InputError:
    """What is said of a `batch` other than the `counted` samples that the file fixes."""
    first = next((entry for entry in inputs if entry.dimensions), None)
    dimension = f"the leading dimension of input '{first.name if first else ''}'"
    if samples is not None:
        dimension = (
            f"dimension {samples.axis} of input '{samples.name}', which '{samples.by}' takes as "
            "the samples,"
        )
    return InputError(
        f"--batch {batch} was asked for, but the file fixes {dimension} at {counted}.",
        remedy=f"Use --batch {counted}, or export the network with a symbolic batch.",
    )


def _check_names(
    inputs: Sequence[Declared], dims: Mapping[str, int], shapes: Mapping[str, tuple[int, ...]]
) -> None:
    symbols = symbols_of(inputs)
    for name in dims:
        if name not in symbols:
            remedy = (
                did_you_mean(name, symbols)
                if symbols
                else "The file fixes every dimension; export it with dynamic axes to change one."
            )
            raise InputError(
                f"no input has a symbolic dimension '{name}'.", place="--dim", remedy=remedy
            )
    names = [entry.name for entry in inputs]
    for name in shapes:
        if name not in names:
            raise InputError(
                f"the network has no input '{name}'.",
                place="--shape",
                remedy=did_you_mean(name, names),
            )


def _bind_shape(entry: Declared, shape: tuple[int, ...], symbols: dict[str, int]) -> None:
    flag = f"--shape {entry.name}"
    for size in shape:
        _size(flag, size)
    declared = entry.dimensions
    if declared is None:
        return
    if len(shape) != len(declared):
        raise InputError(
            f"{len(shape)} dimensions were given, and the input has {len(declared)}: "
            f"{_show(declared)}.",
            place=flag,
        )
    for axis, (size, dimension) in enumerate(zip(shape, declared, strict=True)):
        if isinstance(dimension, int) and dimension != size:
            raise InputError(
                f"the file fixes dimension {axis} at {dimension}, and {size} was given.",
                place=flag,
                remedy=f"The input has the shape {_show(declared)}.",
            )
        named = isinstance(dimension, str) and _is_name(dimension)
        if named and symbols.setdefault(str(dimension), size) != size:
            raise InputError(
                f"dimension {axis} is '{dimension}', which is bound to {symbols[str(dimension)]} "
                f"elsewhere, and {size} was given.",
                place=flag,
            )


def _symbol_of_batch(inputs: Sequence[Declared], samples: SampleAxis | None) -> str:
    """The symbol that is the batch: one that is called so, else the one where samples are counted."""
    symbols = [d for e in inputs for d in e.dimensions or () if isinstance(d, str)]
    for name in symbols:
        if name in _BATCH_NAMES:
            return name
    for entry in inputs:
        if samples is not None and entry.name != samples.name:
            continue
        axis = 0 if samples is None else samples.axis
        sizes = entry.dimensions or ()
        found = sizes[axis] if axis < len(sizes) else None
        if isinstance(found, str) and _is_name(found):
            return found
    return ""


def _samples(
    inputs: Sequence[Declared],
    bound: Mapping[str, tuple[int, ...]],
    symbols: Mapping[str, int],
    batch_symbol: str,
    samples: SampleAxis | None,
) -> int:
    if batch_symbol:
        return symbols[batch_symbol]
    if samples is not None and samples.axis < len(bound[samples.name]):
        return bound[samples.name][samples.axis]
    return next((bound[entry.name][0] for entry in inputs if bound[entry.name]), 1)


def _bound_shape(
    entry: Declared, symbols: Mapping[str, int], leading: int, samples: SampleAxis | None
) -> tuple[int, ...]:
    if entry.dimensions is None:
        raise InputError(
            f"the file does not say how many dimensions the input '{entry.name}' has.",
            remedy=f"Give its shape, such as --shape {entry.name}=1x3x224x224.",
        )
    counts = samples.axis if samples is not None and samples.name == entry.name else 0
    sizes = []
    for axis, dimension in enumerate(entry.dimensions):
        if dimension is None and axis != counts:
            raise InputError(
                f"dimension {axis} of the input '{entry.name}' is dynamic and has no name.",
                remedy=f"Give the whole shape: --shape {entry.name}=... ("
                f"{_show(entry.dimensions)}).",
            )
        sizes.append(leading if dimension is None else _value(entry, axis, dimension, symbols))
    if math.prod(sizes) > LARGEST_TENSOR_ELEMENTS:
        raise InputError(
            f"the input '{entry.name}' would have the shape {_show(tuple(sizes))}, more elements "
            "than any machine holds.",
            remedy="Check the sizes given with --batch, --dim and --shape.",
        )
    return tuple(sizes)


def _value(entry: Declared, axis: int, dimension: int | str, symbols: Mapping[str, int]) -> int:
    if isinstance(dimension, int):
        return dimension
    if dimension in symbols:
        return symbols[dimension]
    for name in _names(dimension):
        if name not in symbols:
            raise InputError(
                f"dimension {axis} of the input '{entry.name}' is '{dimension}', and "
                f"'{name}' is not bound.",
                remedy=f"Give it a size, such as --dim {name}=128.",
            )
    size = _evaluate(ast.parse(dimension.strip(), mode="eval").body, symbols)
    return _size(f"dimension {axis} of '{entry.name}' ({dimension})", size)


def _names(dimension: Dimension) -> list[str]:
    """The symbols in a dimension: a plain name is one, whatever characters it has."""
    if not isinstance(dimension, str):
        return []
    tree = _expression(dimension)
    if tree is None:
        return [dimension]
    # Sorted so that messages do not depend on the order of traversal.
    return sorted({part.id for part in ast.walk(tree) if isinstance(part, ast.Name)})


def _is_name(dimension: str) -> bool:
    return _names(dimension) == [dimension]


# Numbers, plain names and operators: all else is a name, and never seen by Python's parser, which
# warns about some of it.
_LOOKS_LIKE_ARITHMETIC = re.compile(r"(?:\s|[A-Za-z_]\w*+|\d{1,18}+(?![\w.])|[-+*/()])+", re.ASCII)
_ARITHMETIC = (ast.Add, ast.Sub, ast.Mult, ast.FloorDiv, ast.Div)


def _expression(text: str) -> ast.expr | None:
    """The arithmetic expression that `text` is (`seq + 1`), or None if it is a mere name."""
    if len(text) > 200 or _LOOKS_LIKE_ARITHMETIC.fullmatch(text) is None:
        return None
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    allowed = (ast.BinOp, ast.Name, ast.Constant, ast.Load, *_ARITHMETIC)
    parts = list(ast.walk(tree))
    fine = all(isinstance(part, allowed) for part in parts) and all(
        isinstance(part.value, int) for part in parts if isinstance(part, ast.Constant)
    )
    return tree if fine else None


def _evaluate(tree: ast.expr, symbols: Mapping[str, int]) -> int:
    if isinstance(tree, ast.Constant) and isinstance(tree.value, int):
        return tree.value
    if isinstance(tree, ast.Name):
        return symbols[tree.id]
    assert isinstance(tree, ast.BinOp)
    left, right = _evaluate(tree.left, symbols), _evaluate(tree.right, symbols)
    if isinstance(tree.op, ast.Add):
        return left + right
    if isinstance(tree.op, ast.Sub):
        return left - right
    if isinstance(tree.op, ast.Mult):
        return left * right
    return left // right if right else 0


def _size(flag: str, size: int) -> int:
    if size < 1:
        raise InputError(f"the size is {size}, and a positive whole number is needed.", place=flag)
    if size > LARGEST_TENSOR_ELEMENTS:
        raise InputError(f"the size is {size}, more than any machine holds.", place=flag)
    return size


def _show(dimensions: Sequence[Dimension]) -> str:
    return "x".join("?" if d is None else str(d) for d in dimensions)
