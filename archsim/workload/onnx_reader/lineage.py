"""Where the elements of folded tensors come from: stored tensors, their parts, or a computation."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from archsim.errors import InputError
from archsim.workload.onnx_reader.constants import Constant, Derived, Root, Routing
from archsim.workload.onnx_reader.nodes import Node
from archsim.workload.onnx_reader.tensors import Array

# A constant made of more stored tensors than that is no weight; lists of them would grow with the
# square of a hostile file's size.
_MOST_ROOTS = 2048
# Names of parts of parts grow with every step; longer ones are shortened to a digest.
_LONGEST_VIEW = 512

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
    # A normalised weight: its running statistics are no parameters.
    "BatchNormalization": (0, 1, 2),
    "ScatterND": (0, 2),
    "ScatterElements": (0, 2),
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

    def constant(
        self, name: str, shape: tuple[int, ...], element_type: int, value: Array | None
    ) -> Constant:
        """The folded tensor called `name` that has this lineage."""
        return Constant(
            name,
            shape,
            element_type,
            self.roots,
            self.view,
            self.flipped,
            self.distinct,
            value,
            self.derived,
            self.routing,
        )


# Functions that keep a learned tensor in its range; what is computed through them still is learned.
_CURVES = frozenset({"Exp", "Softplus", "Sigmoid", "Tanh", "Relu", "Abs"})
_SUMS = frozenset({"Add", "Sub"})
# Operators whose further operands are no parameters where these are zeros: what a part is filled
# with, the shift of a normalised weight.
_FILLED = frozenset({"ScatterND", "ScatterElements", "BatchNormalization"})
_MOVING = _SAME_VIEW | {"Concat", "Slice", "Gather", "Tile"}
_SCALINGS = frozenset({"Mul", "Div"})


def contributing(node: Node, inputs: Sequence[Constant | None]) -> list[Constant]:
    """The inputs whose elements reach the output of a folded node; `inputs` follow the node."""
    places = _CARRIED.get(node.op_type, tuple(range(len(inputs))))
    sources = [inputs[index] for index in places if index < len(inputs)]
    present = [source for source in sources if source is not None]
    if node.op_type in _FILLED:
        return present[:1] + [source for source in present[1:] if not source.blank]
    return present


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
    return _as_it_is(source)


def _unchanged(node: Node, present: Sequence[Constant], shape: tuple[int, ...]) -> Lineage | None:
    """The lineage of one tensor to which zeros are added, or that is scaled: still that tensor.

    Zeros of its own shape that the file stores may be a parameter that starts there.
    """
    zeros = [c for c in present if c.blank and (c.from_node or c.elements < math.prod(shape))]
    if node.op_type in _SUMS and len(present) == 2 and len(zeros) == 1 and present[0] not in zeros:
        source = present[0]
    elif node.op_type == "Add" and len(present) == 2 and len(zeros) == 1:
        source = present[1]
    else:
        return _scaled(node, present, shape)
    if source.shape != shape or not source.view:
        return None
    return _as_it_is(source)


def _as_it_is(source: Constant) -> Lineage:
    return Lineage(
        source.roots, source.view, source.flipped, source.distinct, routing=source.routing
    )


def _resized(node: Node, present: Sequence[Constant]) -> bool:
    """Whether it is an interpolated learned tensor, perhaps moved or put together with others."""
    known = all(c.floating and (c.view or c.derived is Derived.RESIZED) for c in present)
    if not present or not known or not any(c.learned_roots for c in present):
        return False
    moved = node.op_type in _MOVING and any(c.derived is Derived.RESIZED for c in present)
    return node.op_type == "Resize" or moved


def _derived(node: Node, present: Sequence[Constant], shape: tuple[int, ...]) -> Derived:
    if _resized(node, present):
        return Derived.RESIZED
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
            root = Root(node.outputs[0], math.prod(shapes[0]), shapes[0], from_node=True)
            return [Lineage((root,), root.name, False, shapes[0])]
    present = contributing(node, inputs)
    scaled = _unchanged(node, present, shapes[0]) if shapes else None
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
        return _as_it_is(source)
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
