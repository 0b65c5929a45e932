"""Constant tensors: where their elements come from, and their values where these are small.

A weight is any operand that does not depend on the network's inputs.  What matters of it is which
stored tensors it is made of (its roots), whether it is still one of them (a view, perhaps
transposed or a slice) or was computed, and its shape.  Values are kept only for small tensors
inside the file, since shapes and attributes depend on them; payloads are never read.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import TypeAlias

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

# A constant made of more stored tensors than that is no weight; lists of them would grow with the
# square of a hostile file's size.
_MOST_ROOTS = 2048
# Names of parts of parts grow with every step; longer ones are shortened to a digest.
_LONGEST_VIEW = 512

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
    """A tensor that the file stores: an initializer, a Constant, or a ConstantOfShape."""

    name: str
    elements: int
    shape: tuple[int, ...] = ()

    @property
    def one_matrix(self) -> bool:
        """Whether it holds a single matrix or vector, and no stack of them."""
        return sum(size != 1 for size in self.shape) <= 2


class Derived(IntEnum):
    """How a computed tensor comes from one stored tensor, element by element."""

    NO = 0  # it is stored, or made of several tensors, or by other functions
    AFFINE = 1  # sums and products with scalars: 1 + w
    CURVED = 2  # also through a function that keeps a parameter in its range: -exp(w)


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


def stored(tensor: TensorProto, name: str = "", place: str = "") -> Constant:
    """A tensor of the file; its value is read only if it is small and inside the file.

    `name` is used instead of its own, `place` says where it is in messages.
    """
    label = name or tensor.name
    shape = stored_shape(tensor, label, place)
    roots = (Root(label, math.prod(shape), shape),)
    return Constant(
        label, shape, tensor.data_type, roots, label, False, shape, tensor_value(tensor)
    )


def _sparse(sparse: onnx.SparseTensorProto, name: str, place: str = "") -> Constant:
    shape = sparse_shape(sparse, name, place)
    root = Root(name, math.prod(shape), shape)
    return Constant(name, shape, sparse.values.data_type, (root,), name, False, shape)


# Inputs whose elements reach the output; other operators pass on those of all their inputs.
_CARRIED: Mapping[str, tuple[int, ...]] = {
    **dict.fromkeys(
        (
            "Reshape",
            "Expand",
            "Slice",
            "Gather",
            "GatherElements",
            "GatherND",
            "Tile",
            "Pad",
            "Squeeze",
            "Unsqueeze",
            "Split",
            "DequantizeLinear",
            "QuantizeLinear",
            "Transpose",
            "Trilu",
            "CumSum",
            "Clip",
            "ReduceSum",
            "CastLike",
            "Resize",
        ),
        (0,),
    ),
    **dict.fromkeys(("Shape", "Size", "Range", "ConstantOfShape", "NonZero", "ArgMax"), ()),
    "Where": (1, 2),
}
_SAME_VIEW = frozenset(
    {
        "Identity",
        "Cast",
        "CastLike",
        "Reshape",
        "Squeeze",
        "Unsqueeze",
        "Flatten",
        "Expand",
        "Dropout",
        "DequantizeLinear",
        "QuantizeLinear",
        "Transpose",
    }
)


@dataclass(frozen=True, slots=True)
class Lineage:
    """Where the elements of a folded tensor come from (see `Constant`)."""

    roots: tuple[Root, ...] = ()
    view: str = ""
    flipped: bool = False
    distinct: tuple[int, ...] = ()
    derived: Derived = Derived.NO
    routing: Routing | None = None


# Functions that keep a learned tensor in its range; what is computed through them still is learned.
_CURVES = frozenset({"Exp", "Softplus", "Sigmoid", "Tanh", "Relu", "Abs"})
_SUMS = frozenset({"Add", "Sub"})
_SCALINGS = frozenset({"Mul", "Div"})


def _scaled(node: Node, present: Sequence[Constant], shape: tuple[int, ...]) -> Lineage | None:
    """The lineage of one tensor times or over a scalar: still the same tensor, scaled.

    Arrays hold it as it is, and the factor goes into the scale of what they give.
    """
    wide = [source for source in present if source.elements > 1]
    if node.op_type not in _SCALINGS or len(present) != 2 or len(wide) != 1 or not wide[0].view:
        return None
    source = wide[0]
    if source.shape != shape or (node.op_type == "Div" and source is present[1]):
        return None
    return Lineage(
        source.roots, source.view, source.flipped, source.distinct, routing=source.routing
    )


def _derived(node: Node, present: Sequence[Constant], shape: tuple[int, ...]) -> Derived:
    wide = [source for source in present if source.elements > 1]
    if len(wide) != 1 or not wide[0].floating or wide[0].elements != math.prod(shape):
        return Derived.NO
    source = wide[0]
    if not source.view and source.derived is Derived.NO:
        return Derived.NO
    if node.op_type in _CURVES:
        return Derived.CURVED
    if node.op_type in _SUMS | _SCALINGS | _SAME_VIEW | {"Neg"}:
        return max(source.derived, Derived.AFFINE)
    return Derived.NO


def lineages(
    node: Node, inputs: Sequence[Constant | None], shapes: Sequence[tuple[int, ...]]
) -> list[Lineage]:
    """The lineage of each output of a folded node; `inputs` and `shapes` follow the node."""
    found = _lineages(node, inputs, shapes)
    if found and len(found[0].roots) > _MOST_ROOTS:
        raise InputError(
            f"the constant '{node.outputs[0]}' is made of more than {_MOST_ROOTS:,} stored tensors.",
            place=node.place,
            remedy="Export the network again with constant folding.",
        )
    return [
        replace(entry, view=_shortened(entry.view)) if len(entry.view) > _LONGEST_VIEW else entry
        for entry in found
    ]


def _shortened(view: str) -> str:
    return f"part:{hashlib.sha256(view.encode('utf-8', 'replace')).hexdigest()}"


def _lineages(
    node: Node, inputs: Sequence[Constant | None], shapes: Sequence[tuple[int, ...]]
) -> list[Lineage]:
    if node.op_type == "ConstantOfShape":
        source = inputs[0] if inputs else None
        if source is not None and source.view:
            root = Root(node.outputs[0], math.prod(shapes[0]), shapes[0])
            return [Lineage((root,), root.name, False, shapes[0])]
    carried = _CARRIED.get(node.op_type, tuple(range(len(inputs))))
    sources = [inputs[index] for index in carried if index < len(inputs)]
    present = [source for source in sources if source is not None]
    scaled = _scaled(node, present, shapes[0]) if shapes else None
    if scaled is not None:
        return [scaled]
    roots = tuple(dict.fromkeys(root for source in present for root in source.roots))
    rule = _VIEW_RULES.get(node.op_type)
    if rule is None or not present or not all(source.view for source in present):
        derived = _derived(node, present, shapes[0]) if len(shapes) == 1 else Derived.NO
        return [Lineage(roots, "", False, shape, derived) for shape in shapes]
    return [rule(node, present, inputs, index, shape) for index, shape in enumerate(shapes)]


def _same_view(
    node: Node,
    present: Sequence[Constant],
    inputs: Sequence[Constant | None],
    index: int,
    shape: tuple[int, ...],
) -> Lineage:
    source = present[0]
    flipped, distinct = source.flipped, shape
    if node.op_type == "Expand":
        padded = (1,) * (len(shape) - len(source.distinct)) + source.distinct
        distinct = padded
    elif node.op_type == "Transpose":
        order = node.integers("perm", range(len(shape))[::-1])
        distinct = tuple(source.distinct[axis] for axis in order)
        if len(order) >= 2 and order[-1] < order[-2]:
            flipped = not flipped
    elif source.elements == math.prod(shape) and math.prod(source.distinct) != source.elements:
        distinct = _without_unit_axes(source.distinct, source.shape, shape)
    return Lineage(source.roots, source.view, flipped, distinct, routing=source.routing)


def _without_unit_axes(
    distinct: tuple[int, ...], shape: tuple[int, ...], target: tuple[int, ...]
) -> tuple[int, ...]:
    """`distinct` carried through a reshape that only adds or drops axes of size 1."""
    kept = [(d, s) for d, s in zip(distinct, shape, strict=True) if s != 1]
    if [s for _, s in kept] != [s for s in target if s != 1]:
        return target
    sizes = iter(kept)
    return tuple(1 if s == 1 else next(sizes)[0] for s in target)


def _concatenated(
    node: Node,
    present: Sequence[Constant],
    inputs: Sequence[Constant | None],
    index: int,
    shape: tuple[int, ...],
) -> Lineage:
    roots = tuple(dict.fromkeys(root for source in present for root in source.roots))
    views = [source.view for source in present]
    flipped = present[0].flipped
    disjoint = len(roots) == 1 and len(set(views)) == len(views)
    if disjoint and roots[0].elements == math.prod(shape):
        # Slices of one tensor that make it whole again, perhaps in another order: how exporters
        # turn the gate order of one framework into that of another.
        return Lineage(roots, roots[0].name, flipped, shape)
    return Lineage(roots, f"concat({','.join(views)})", flipped, shape)


def _sliced(
    node: Node,
    present: Sequence[Constant],
    inputs: Sequence[Constant | None],
    index: int,
    shape: tuple[int, ...],
) -> Lineage:
    source = present[0]
    if shape == source.shape:
        return Lineage(
            source.roots, source.view, source.flipped, source.distinct, routing=source.routing
        )
    bounds = []
    for operand in inputs[1:]:
        known = None if operand is None else operand.value
        bounds.append("?" if known is None else ",".join(str(v) for v in known.ravel().tolist()))
    if "?" in bounds:
        bounds = [node.outputs[index]]
    old_style = [f"{key}={node.integers(key)}" for key in ("starts", "ends") if node.has(key)]
    label = ";".join([*bounds, *old_style, str(node.integer("axis", 0)), str(index)])
    view = f"{source.view}[{node.op_type}:{label}]"
    return Lineage(source.roots, view, source.flipped, shape, routing=source.routing)


_Rule: TypeAlias = Callable[
    [Node, Sequence[Constant], Sequence[Constant | None], int, tuple[int, ...]], Lineage
]
_VIEW_RULES: Mapping[str, _Rule] = {
    **dict.fromkeys(_SAME_VIEW, _same_view),
    **dict.fromkeys(("Slice", "Split", "Gather"), _sliced),
    "Concat": _concatenated,
}


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
        return stored(node.attributes["value"].t, name, node.place)
    if node.has("sparse_value"):
        return _sparse(node.attributes["sparse_value"].sparse_tensor, name, node.place)
    value, element_type = _literal(node)
    root = Root(name, value.size, value.shape)
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
