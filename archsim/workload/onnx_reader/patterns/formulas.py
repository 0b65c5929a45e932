"""What primitives compute, on a few numbers: enough to tell which function a subgraph is.

The tensor that a subgraph starts from is represented by ROWS x COLUMNS numbers: rows are what the
reductions leave, columns what they reduce.  A network's own sizes enter only where a sum is taken,
which stands for as many terms as the network adds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from archsim.workload.onnx_reader.nodes import Node

Numbers: TypeAlias = NDArray[np.float64]
ROWS, COLUMNS = 3, 8
# Numbers without a pattern, of both signs, beyond the bends of the functions of interest.
_GRID = np.modf(np.arange(1, ROWS * COLUMNS + 1) * 0.6180339887498949)[0]
PROBE: Numbers = (8.0 * _GRID - 3.7).reshape(ROWS, COLUMNS)
TOLERANCE = 5e-3


def erf(x: Numbers) -> Numbers:
    """The error function: Abramowitz and Stegun 7.1.26, error below 1.5e-7."""
    t = 1.0 / (1.0 + 0.3275911 * np.abs(x))
    terms = (0.254829592, -0.284496736, 1.421413741, -1.453152027, 1.061405429)
    series = sum(c * t**power for power, c in enumerate(terms, start=1))
    return np.asarray(np.sign(x) * (1.0 - series * np.exp(-x * x)))


def sigmoid(x: Numbers) -> Numbers:
    """1 / (1 + exp(-x))."""
    return np.asarray(1.0 / (1.0 + np.exp(-x)))


@dataclass(frozen=True, slots=True)
class Reduction:
    """How the reductions of a subgraph reduce: `size` elements to one, over `axes`."""

    axes: tuple[int, ...]
    size: int


_Pointwise: TypeAlias = Callable[..., Numbers]
_POINTWISE: Mapping[str, _Pointwise] = {
    "Add": np.add,
    "Sub": np.subtract,
    "Mul": np.multiply,
    "Div": np.divide,
    "Pow": lambda x, p: np.power(x, p) if np.all(p == np.round(p)) else np.abs(x) ** p,
    "Max": np.maximum,
    "Min": np.minimum,
    "Sqrt": np.sqrt,
    "Reciprocal": np.reciprocal,
    "Neg": np.negative,
    "Abs": np.abs,
    "Exp": np.exp,
    "Log": np.log,
    "Erf": erf,
    "Tanh": np.tanh,
    "Sigmoid": sigmoid,
    "Softplus": lambda x: np.logaddexp(0.0, x),
    "Relu": lambda x: np.maximum(x, 0.0),
    "Identity": np.asarray,
    "Cast": np.asarray,
    "CastLike": np.asarray,
    "Dropout": np.asarray,
    "Reshape": np.asarray,
    "Squeeze": np.asarray,
    "Unsqueeze": np.asarray,
    "Expand": np.asarray,
}
_TAKES_TWO = frozenset({"Add", "Sub", "Mul", "Div", "Pow", "Max", "Min"})
_REDUCED: Mapping[str, Callable[[Numbers, int], Numbers]] = {
    "ReduceMean": lambda x, size: x,
    "ReduceSum": lambda x, size: x * size,
    "ReduceSumSquare": lambda x, size: x * x * size,
}
REDUCING = frozenset({*_REDUCED, "ReduceL2", "ReduceMax", "ReduceLogSumExp"})
BROADCASTING = _TAKES_TWO
# Shape changes of one element each, which a representation by rows and columns does not see.
RESHAPING = frozenset({"Reshape", "Squeeze", "Unsqueeze", "Expand"})
EVALUABLE = frozenset({*_POINTWISE, *REDUCING, "Clip", "HardSigmoid"})


def evaluate(
    node: Node, operands: Sequence[Numbers | None], reduction: Reduction | None
) -> Numbers:
    """The output of `node` for its operands in file order (None where one is absent)."""
    name = node.op_type
    first = operands[0]
    assert first is not None
    if name == "Clip":
        return _clip(node, first, operands)
    if name == "HardSigmoid":
        slope, shift = node.real("alpha", 0.2), node.real("beta", 0.5)
        return np.clip(slope * first + shift, 0.0, 1.0)
    if name in REDUCING:
        assert reduction is not None
        return _reduce(name, np.broadcast_to(first, (ROWS, COLUMNS)), reduction.size)
    count = 2 if name in _TAKES_TWO else 1
    return np.asarray(_POINTWISE[name](*operands[:count]))


def _reduce(name: str, x: Numbers, size: int) -> Numbers:
    if name == "ReduceMax":
        return np.asarray(x.max(axis=1, keepdims=True))
    if name == "ReduceLogSumExp":
        return np.asarray(np.log(size * np.exp(x).mean(axis=1, keepdims=True)))
    if name == "ReduceL2":
        return np.asarray(np.sqrt(size * (x * x).mean(axis=1, keepdims=True)))
    return np.asarray(_REDUCED[name](x, size).mean(axis=1, keepdims=True))


def _clip(node: Node, first: Numbers, operands: Sequence[Numbers | None]) -> Numbers:
    bounds = []
    for index, (key, otherwise) in enumerate((("min", -np.inf), ("max", np.inf)), start=1):
        given = operands[index] if index < len(operands) else None
        bounds.append(np.asarray(node.real(key, otherwise)) if given is None else given)
    return np.minimum(np.maximum(first, bounds[0]), bounds[1])


def close(found: Numbers, wanted: Numbers) -> bool:
    """Whether two results are equal up to rounding in half precision and small epsilons."""
    if not bool(np.isfinite(found).all()):
        return False
    scale = max(float(np.abs(wanted).max()), 1e-300)
    return bool((np.abs(found - wanted) <= TOLERANCE * scale).all())
