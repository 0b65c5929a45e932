"""The contract of a numeric kernel: what a node computes, in numpy.

A family file lists its kernels as `Kernel` entries in a table `KERNELS`.  A kernel's `forward` is a
function from a `Call` (a node with the arrays that enter it) to the arrays that leave it.  All
products of matrices go through `Call.products`, which multiplies and counts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from archsim.errors import InputError
from archsim.workload.numerics.products import Products
from archsim.workload.onnx_reader.nodes import Node

Array: TypeAlias = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Call:
    """A node, its operands (None where an optional one is absent), and which are constant.

    A constant operand does not depend on the network's inputs: a weight is one.
    """

    node: Node
    operands: tuple[Array | None, ...]
    constant: tuple[bool, ...]
    products: Products

    def __getitem__(self, index: int) -> Array:
        found = self.optional(index)
        if found is None:
            raise InputError(f"its operand {index} is absent.", place=self.node.place)
        return found

    def optional(self, index: int) -> Array | None:
        """The operand at `index`, or None if it is absent."""
        return self.operands[index] if index < len(self.operands) else None

    def is_constant(self, index: int) -> bool:
        """Whether the operand at `index` is there and does not depend on the network's inputs."""
        return index < len(self.operands) and self.constant[index]

    @property
    def present(self) -> list[Array]:
        """The operands that are there."""
        return [operand for operand in self.operands if operand is not None]

    def wants(self, index: int) -> bool:
        """Whether the node names an output at `index`."""
        return index < len(self.node.outputs) and bool(self.node.outputs[index])

    def axes(self, index: int, attribute: str = "axes") -> tuple[int, ...] | None:
        """Axes from an attribute (older opsets) or from the operand at `index` (newer ones)."""
        if self.node.has(attribute):
            return self.node.integers(attribute)
        found = self.optional(index)
        return None if found is None else integers(found)


Result: TypeAlias = Array | Sequence[Array]
Forward: TypeAlias = Callable[[Call], Result]


@dataclass(frozen=True, slots=True)
class Kernel:
    """The numbers of one operator of the file."""

    op_type: str
    forward: Forward
    domain: str = ""


def integers(values: Array) -> tuple[int, ...]:
    """The elements of an integer tensor."""
    return tuple(int(value) for value in np.ravel(values))


def limits(dtype: np.dtype[Any]) -> tuple[int, int]:
    """Smallest and largest number of an integer type, of four bits and fewer too."""
    unsigned = dtype.name.startswith("u")
    bits = int(dtype.name.removeprefix("u").removeprefix("int"))
    return (0, 2**bits - 1) if unsigned else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def unary(function: Callable[[Array], Array]) -> Forward:
    """A kernel that applies `function` to its first operand and keeps the element type."""

    def forward(call: Call) -> Array:
        data = call[0]
        return np.asarray(function(data)).astype(data.dtype, copy=False)

    return forward
