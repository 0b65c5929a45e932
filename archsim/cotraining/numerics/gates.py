"""Functions inside recurrent cells: a value, and the derivative as a function of that value.

All of them are monotonic, so that the derivative follows from what comes out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from archsim.cotraining.numerics.activations import sigmoid
from archsim.cotraining.numerics.contract import Array
from archsim.workload.executable_types import ExecutableNode


@dataclass(frozen=True, slots=True)
class GateFunction:
    """y = value(x), dy/dx = slope(y)."""

    value: Callable[[Array], Array]
    slope: Callable[[Array], Array]


GATE_FUNCTIONS: Mapping[str, GateFunction] = MappingProxyType(
    {
        "sigmoid": GateFunction(sigmoid, lambda y: y * (1 - y)),
        "tanh": GateFunction(np.tanh, lambda y: 1 - y * y),
        "relu": GateFunction(lambda x: np.maximum(x, 0), lambda y: (y > 0).astype(y.dtype)),
    }
)
_DEFAULTS: Mapping[str, tuple[str, ...]] = {
    "LSTM": ("Sigmoid", "Tanh", "Tanh"),
    "GRU": ("Sigmoid", "Tanh"),
    "RNN": ("Tanh",),
}


def gate_functions(node: ExecutableNode, direction: int) -> tuple[GateFunction, ...]:
    """The functions of one direction, as the node names them."""
    usual = _DEFAULTS[node.op_type]
    named = node.texts("activations") or usual * 2
    own = named[direction * len(usual) : (direction + 1) * len(usual)]
    return tuple(GATE_FUNCTIONS[name.lower()] for name in own)


def unknown_functions(node: ExecutableNode) -> tuple[str, ...]:
    """The functions that the node names and that have no numerics here."""
    return tuple(n for n in node.texts("activations") if n.lower() not in GATE_FUNCTIONS)
