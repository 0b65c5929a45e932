"""Constant tensors: where their elements come from, and their values where these are small.

A weight is any operand that does not depend on the network's inputs.  What matters of it is which
stored tensors it is made of (its roots), whether it is still one of them (a view, perhaps
transposed or a slice) or was computed, and its shape.  Values are kept only for small tensors
inside the file, since shapes and attributes depend on them; payloads are never read.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper

from archsim.errors import InputError
from archsim.workload.onnx_reader.nodes import Node

Array: TypeAlias = NDArray[Any]

# Shape arithmetic works on a handful of numbers; masks and tables need no values.
LARGEST_KNOWN_ELEMENTS = 1024

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


@dataclass(frozen=True, slots=True)
class Constant:
    """A tensor that does not depend on the inputs.

    `roots` are the stored tensors whose elements it holds.  `view` names the part of the single
    root that it is, the same text for the same part (the root's own name for all of it, whatever
    its shape); it is empty if the tensor was computed.  `flipped` tells that its last two axes are
    those of the root in the other order.  `distinct` is the shape before broadcasting: an expanded
    axis has size 1.
    """

    name: str
    shape: tuple[int, ...]
    element_type: int
    roots: tuple[Root, ...] = ()
    view: str = ""
    flipped: bool = False
    distinct: tuple[int, ...] = ()
    value: Array | None = None

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


def stored(tensor: TensorProto, name: str = "") -> Constant:
    """A tensor of the file; its value is read only if it is small and inside the file."""
    shape = tuple(tensor.dims)
    if any(size < 0 for size in shape):
        raise InputError(
            f"the stored tensor '{name or tensor.name}' has the shape {shape}.",
            remedy="The file is damaged; export the network again.",
        )
    elements = math.prod(shape)
    known = elements <= LARGEST_KNOWN_ELEMENTS
    inside = tensor.data_location != TensorProto.EXTERNAL and not tensor.external_data
    value = None
    if known and inside:
        try:
            value = numpy_helper.to_array(tensor)
        except (ValueError, TypeError, LookupError):
            # A damaged payload matters only if a shape depends on it, which is reported there.
            value = None
    label = name or tensor.name
    return Constant(
        label, shape, tensor.data_type, (Root(label, elements),), label, False, shape, value
    )


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


def lineages(
    node: Node, inputs: Sequence[Constant | None], shapes: Sequence[tuple[int, ...]]
) -> list[Lineage]:
    """The lineage of each output of a folded node; `inputs` and `shapes` follow the node."""
    if node.op_type == "ConstantOfShape":
        source = inputs[0] if inputs else None
        if source is not None and source.view:
            root = Root(node.outputs[0], math.prod(shapes[0]))
            return [Lineage((root,), root.name, False, shapes[0])]
    carried = _CARRIED.get(node.op_type, tuple(range(len(inputs))))
    sources = [inputs[index] for index in carried if index < len(inputs)]
    present = [source for source in sources if source is not None]
    roots = tuple(dict.fromkeys(root for source in present for root in source.roots))
    rule = _VIEW_RULES.get(node.op_type)
    if rule is None or not present or not all(source.view for source in present):
        return [Lineage(roots, "", False, shape) for shape in shapes]
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
    return Lineage(source.roots, source.view, flipped, distinct)


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
        return Lineage(source.roots, source.view, source.flipped, source.distinct)
    bounds = []
    for operand in inputs[1:]:
        known = None if operand is None else operand.value
        bounds.append("?" if known is None else ",".join(str(v) for v in known.ravel().tolist()))
    if "?" in bounds:
        bounds = [node.outputs[index]]
    old_style = [f"{key}={node.integers(key)}" for key in ("starts", "ends") if node.has(key)]
    label = ";".join([*bounds, *old_style, str(node.integer("axis", 0)), str(index)])
    view = f"{source.view}[{node.op_type}:{label}]"
    return Lineage(source.roots, view, source.flipped, shape)


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
    found = {tensor.name: stored(tensor) for tensor in graph.initializer}
    for sparse in graph.sparse_initializer:
        shape, name = tuple(sparse.dims), sparse.values.name
        root = Root(name, math.prod(shape))
        found[name] = Constant(name, shape, sparse.values.data_type, (root,), name, False, shape)
    return found


def constant_node(node: Node) -> Constant:
    """The output of a Constant node, in any of its forms."""
    name = node.outputs[0]
    if node.has("value"):
        return stored(node.attributes["value"].t, name)
    if node.has("sparse_value"):
        sparse = node.attributes["sparse_value"].sparse_tensor
        shape = tuple(sparse.dims)
        root = Root(name, math.prod(shape))
        return Constant(name, shape, sparse.values.data_type, (root,), name, False, shape)
    value, element_type = _literal(node)
    root = Root(name, value.size)
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
