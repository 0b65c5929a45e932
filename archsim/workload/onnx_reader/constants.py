"""Constant tensors: where their elements come from, and their values where these are small.

A weight is any operand that does not depend on the network's inputs.  What matters of it is which
stored tensors it is made of (its roots), whether it is still one of them (a view, perhaps
transposed or a slice) or was computed, and its shape.  Values are kept only for small tensors
inside the file, since shapes and attributes depend on them; payloads are never read.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import IntEnum

import numpy as np
import onnx
from onnx import TensorProto

from archsim.errors import InputError
from archsim.workload.onnx_reader.nodes import Node
from archsim.workload.onnx_reader.tensors import (
    LARGEST_KNOWN_ELEMENTS,
    Array,
    sparse_shape,
    stored_shape,
    tensor_value,
)

__all__ = ["LARGEST_KNOWN_ELEMENTS", "Array"]

FLOATING = frozenset(
    {
        TensorProto.FLOAT,
        TensorProto.DOUBLE,
        TensorProto.FLOAT16,
        TensorProto.BFLOAT16,
        TensorProto.FLOAT8E4M3FN,
        TensorProto.FLOAT8E4M3FNUZ,
        TensorProto.FLOAT8E5M2,
        TensorProto.FLOAT8E5M2FNUZ,
    }
)


@dataclass(frozen=True, slots=True)
class Root:
    """A tensor that the file stores: an initializer, a Constant, or a ConstantOfShape.

    `from_node` tells that a node makes it: exporters keep parameters as initializers, and write a
    Constant node for what the program computes (tables, numbers).
    """

    name: str
    elements: int
    shape: tuple[int, ...] = ()
    from_node: bool = False

    @property
    def one_matrix(self) -> bool:
        """Whether it holds a single matrix or vector, and no stack of them."""
        return sum(size != 1 for size in self.shape) <= 2


class Derived(IntEnum):
    """How a computed tensor comes from one stored tensor, element by element."""

    NO = 0  # it is stored, or made of several tensors, or by other functions
    AFFINE = 1  # sums and products with scalars: 1 + w
    RESIZED = 2  # also interpolated between positions, and put together from such parts
    CURVED = 3  # also through a function that keeps a parameter in its range: -exp(w)


@dataclass(frozen=True, slots=True)
class Routing:
    """Which matrices of a stack are taken at run time: the tensor of indices, and the stack's size."""

    indices: str
    matrices: int


@dataclass(frozen=True, slots=True)
class Constant:
    """A tensor that does not depend on the inputs.

    `roots` are the stored tensors whose elements it holds.  `view` names the part of the single
    root that it is, the same text for the same part (the root's own name for all of it, whatever
    its shape); it is empty if the tensor was computed.  `flipped` tells that its last two axes are
    those of the root in the other order.  `distinct` is the shape before broadcasting: an expanded
    axis has size 1.  `derived` tells how a computed tensor comes from one stored tensor.  `routing`
    is set on matrices that the network chooses from a stack at run time (experts).
    """

    name: str
    shape: tuple[int, ...]
    element_type: int
    roots: tuple[Root, ...] = ()
    view: str = ""
    flipped: bool = False
    distinct: tuple[int, ...] = ()
    value: Array | None = None
    derived: Derived = Derived.NO
    routing: Routing | None = None

    @property
    def elements(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def floating(self) -> bool:
        """Whether the elements are floating-point numbers."""
        return self.element_type in FLOATING

    @property
    def whole(self) -> bool:
        """Whether it holds all of one stored tensor."""
        return len(self.roots) == 1 and self.view == self.roots[0].name

    @property
    def learned_roots(self) -> tuple[Root, ...]:
        """The stored tensors that training would change if this is a weight.

        A scalar that scales or shifts a weight (an epsilon, a quantisation step) is not one.
        """
        if self.view:
            return self.roots
        return tuple(root for root in self.roots if root.elements > 1)

    @property
    def from_node(self) -> bool:
        """Whether nodes, and no initializers, hold what training would change of it."""
        return all(root.from_node for root in self.learned_roots)

    @property
    def number(self) -> float | None:
        """Its value if it is a single known real number, whatever its shape."""
        if self.elements != 1 or self.value is None or self.value.dtype.kind in "cOSU":
            return None
        return float(self.value.reshape(()))

    @property
    def blank(self) -> bool:
        """Whether it is known to be all zeros: an initial state or padding, which nothing learns."""
        # A damaged file may hold signalling NaNs, which numpy warns about.
        with np.errstate(all="ignore"):
            return self.value is not None and not bool(self.value.any())

    @property
    def nonnegative(self) -> bool:
        """Whether it is known that no element is negative."""
        with np.errstate(all="ignore"):
            return self.value is not None and bool((self.value >= 0).all())

    @property
    def vector(self) -> bool:
        """Whether it has at most one dimension that is not 1, and more than one element."""
        return self.elements > 1 and max(self.shape) == self.elements


def part_of(constant: Constant, label: str, shape: tuple[int, ...]) -> Constant:
    """The slice of `constant` called `label`, for operators that store several matrices in one."""
    name = f"{constant.name}[{label}]"
    view = f"{constant.view}[{label}]" if constant.view else ""
    return replace(
        constant, name=name, shape=shape, view=view, distinct=shape, value=None, flipped=False
    )


def stored(
    tensor: TensorProto, name: str = "", place: str = "", *, from_node: bool = False
) -> Constant:
    """A tensor of the file; its value is read only if it is small and inside the file.

    `name` is used instead of its own, `place` says where it is in messages; `from_node` tells that a
    node stores it.
    """
    label = name or tensor.name
    shape = stored_shape(tensor, label, place)
    roots = (Root(label, math.prod(shape), shape, from_node),)
    return Constant(
        label, shape, tensor.data_type, roots, label, False, shape, tensor_value(tensor)
    )


def _sparse(
    sparse: onnx.SparseTensorProto, name: str, place: str = "", *, from_node: bool = False
) -> Constant:
    shape = sparse_shape(sparse, name, place)
    root = Root(name, math.prod(shape), shape, from_node)
    return Constant(name, shape, sparse.values.data_type, (root,), name, False, shape)


def initial_constants(graph: onnx.GraphProto) -> dict[str, Constant]:
    """The initializers of the graph, dense and sparse."""
    found: dict[str, Constant] = {}
    for tensor in graph.initializer:
        _add_unique(found, stored(tensor))
    for sparse in graph.sparse_initializer:
        _add_unique(found, _sparse(sparse, sparse.values.name))
    return found


def _add_unique(found: dict[str, Constant], constant: Constant) -> None:
    if constant.name in found:
        raise InputError(
            f"two stored tensors are called '{constant.name}'.",
            remedy="Each tensor of an ONNX graph has one name; export the network again.",
        )
    if not constant.name:
        raise InputError(
            f"a stored tensor with the shape {constant.shape} has no name.",
            remedy="The file is damaged; export the network again.",
        )
    found[constant.name] = constant


def constant_node(node: Node) -> Constant:
    """The output of a Constant node, in any of its forms."""
    name = node.outputs[0]
    if node.has("value"):
        return stored(node.attributes["value"].t, name, node.place, from_node=True)
    if node.has("sparse_value"):
        return _sparse(
            node.attributes["sparse_value"].sparse_tensor, name, node.place, from_node=True
        )
    value, element_type = _literal(node)
    root = Root(name, value.size, value.shape, from_node=True)
    return Constant(name, value.shape, element_type, (root,), name, False, value.shape, value)


def _literal(node: Node) -> tuple[Array, int]:
    if node.has("value_float"):
        return np.asarray(node.real("value_float", 0.0), np.float32), TensorProto.FLOAT
    if node.has("value_floats"):
        floats = list(node.attributes["value_floats"].floats)
        return np.asarray(floats, np.float32), TensorProto.FLOAT
    if node.has("value_ints"):
        return np.asarray(node.integers("value_ints"), np.int64), TensorProto.INT64
    if node.has("value_int"):
        return np.asarray(node.integer("value_int", 0), np.int64), TensorProto.INT64
    return np.zeros((), np.int64), TensorProto.STRING
