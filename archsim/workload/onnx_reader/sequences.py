"""Sequences and optionals: lists of tensors that are known when the graph is read.

Nothing of them is left in the workload: taking an element is the element itself, splitting and
joining become Split and Concat.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from archsim.errors import InputError
from archsim.workload.onnx_reader.nodes import Node

if TYPE_CHECKING:
    from archsim.workload.onnx_reader.trace import Tracer


_COPIED_PER_NODE = 100


def alias(tracer: Tracer, node: Node, name: str, source: str) -> None:
    """Let `name` be `source`, a tensor, a sequence or an optional that holds nothing."""
    if not name:
        return
    if source in tracer.sequences:
        tracer.sequences[name] = tracer.sequences[source]
    elif source in tracer.absent:
        tracer.absent.add(name)
    else:
        tracer.emit(node, "Identity", [source], [name])


def elements_of(tracer: Tracer, node: Node, index: int = 0) -> tuple[str, ...]:
    """The tensors of the sequence that is an input of `node`."""
    found = tracer.sequences.get(node.input(index))
    if found is None:
        raise InputError(f"its input '{node.input(index)}' is no sequence.", place=node.place)
    return found


def split(
    tracer: Tracer,
    node: Node,
    name: str,
    axis: int,
    *,
    keep: bool,
    sizes: Sequence[int] | None = None,
) -> list[str]:
    """The parts of a tensor along `axis`: of the given sizes, else of one, without that axis if not `keep`."""
    length = tracer.scope.shape(name)[axis]
    tracer.charge(length if sizes is None else len(sizes), node)
    sizes = [1] * length if sizes is None else list(sizes)
    label = f"{node.name}/{name}"
    parts = [f"{label}[{index}]" for index in range(len(sizes))]
    wide = parts if keep else [f"{part}/slice" for part in parts]
    if len(sizes) > 1:
        limits = tracer.define_value(f"{label}/sizes", np.asarray(sizes, np.int64))
        tracer.expect_results(wide, node)
        tracer.emit(node, "Split", [name, limits], wide, axis=axis)
    else:
        tracer.emit(node, "Identity", [name], wide)
    if not keep:
        axes = tracer.define_value(f"{label}/axes", np.asarray([axis], np.int64))
        for source, part in zip(wide, parts, strict=True):
            tracer.emit(node, "Squeeze", [source, axes], [part])
    return parts


def concatenate(
    tracer: Tracer, node: Node, name: str, parts: Sequence[str], *, axis: int, stack: bool
) -> None:
    """Let `name` be the concatenation of `parts`, along a new axis if they are stacked."""
    if not parts:
        raise InputError(
            f"the tensor '{name}' would have no elements: nothing is joined.",
            place=node.place,
            remedy="Check the sizes given with --batch, --dim, --shape and --trip-count.",
        )
    joined = list(parts)
    if stack:
        axes = tracer.define_value(f"{node.name}/{name}/axes", np.asarray([axis], np.int64))
        joined = [f"{node.name}/{name}[{index}]" for index in range(len(parts))]
        for part, wide in zip(parts, joined, strict=True):
            tracer.emit(node, "Unsqueeze", [part, axes], [wide])
    tracer.emit(node, "Concat", joined, [name], axis=axis)


def expand_construct(node: Node, tracer: Tracer) -> None:
    """SequenceConstruct: its inputs."""
    tracer.sequences[node.outputs[0]] = node.inputs


def expand_empty(node: Node, tracer: Tracer) -> None:
    """SequenceEmpty: nothing yet."""
    tracer.sequences[node.outputs[0]] = ()


def _position(node: Node, tracer: Tracer, index: int, length: int) -> int:
    value = tracer.scope.value(node.input(index))
    if value is None:
        raise InputError(
            f"the position '{node.input(index)}' in a sequence depends on the data.",
            place=node.place,
            remedy="Export the network with constant positions.",
        )
    position = int(value.ravel()[0])
    if not -length <= position < max(length, 1):
        raise InputError(
            f"it asks for element {position} of a sequence of {length}.", place=node.place
        )
    return position % max(length, 1)


def expand_insert(node: Node, tracer: Tracer) -> None:
    """SequenceInsert: before a position, at the end by default."""
    found = list(elements_of(tracer, node))
    at = len(found)
    if node.input(2):
        at = _position(node, tracer, 2, len(found) + 1)
    # Each list is a copy of the one before.
    tracer.charge(len(found) // _COPIED_PER_NODE, node)
    found.insert(at, node.input(1))
    tracer.sequences[node.outputs[0]] = tuple(found)


def expand_erase(node: Node, tracer: Tracer) -> None:
    """SequenceErase: the last element by default."""
    found = list(elements_of(tracer, node))
    if not found:
        raise InputError("it takes an element from an empty sequence.", place=node.place)
    at = _position(node, tracer, 1, len(found)) if node.input(1) else len(found) - 1
    del found[at]
    tracer.sequences[node.outputs[0]] = tuple(found)


def expand_at(node: Node, tracer: Tracer) -> None:
    """SequenceAt: the element; one that the data choose is gathered from all of them."""
    found = elements_of(tracer, node)
    if tracer.scope.value(node.input(1)) is None and found:
        whole = f"{node.outputs[0]}/stacked"
        concatenate(tracer, node, whole, found, axis=0, stack=True)
        tracer.emit(node, "Gather", [whole, node.input(1)], [node.outputs[0]], axis=0)
        return
    at = _position(node, tracer, 1, len(found))
    if not found:
        raise InputError("it takes an element from an empty sequence.", place=node.place)
    alias(tracer, node, node.outputs[0], found[at])


def expand_length(node: Node, tracer: Tracer) -> None:
    """SequenceLength: a known number."""
    count = len(elements_of(tracer, node))
    tracer.define_value(node.outputs[0], np.asarray(count, np.int64))


def expand_split(node: Node, tracer: Tracer) -> None:
    """SplitToSequence: parts of one size, of given sizes, or slices."""
    name = node.input(0)
    shape = tracer.scope.shape(name)
    axis = node.integer("axis", 0) % max(len(shape), 1)
    keep, sizes = True, None
    if node.input(1):
        value = tracer.scope.required(node, 1, "the sizes of the parts")
        sizes = [int(size) for size in value.ravel()]
        if value.ndim == 0:
            step = max(sizes[0], 1)
            tracer.charge(-(-shape[axis] // step), node)
            sizes = [min(step, shape[axis] - at) for at in range(0, shape[axis], step)]
    else:
        keep = bool(node.integer("keepdims", 1))
    parts = split(tracer, node, name, axis, keep=keep, sizes=sizes)
    tracer.sequences[node.outputs[0]] = tuple(parts)


def expand_concat(node: Node, tracer: Tracer) -> None:
    """ConcatFromSequence: joined along an axis, or stacked along a new one."""
    concatenate(
        tracer,
        node,
        node.outputs[0],
        elements_of(tracer, node),
        axis=node.integer("axis", 0),
        stack=bool(node.integer("new_axis", 0)),
    )


def expand_optional(node: Node, tracer: Tracer) -> None:
    """Optional: what it holds, or nothing."""
    if node.input(0):
        alias(tracer, node, node.outputs[0], node.input(0))
    else:
        tracer.absent.add(node.outputs[0])


def expand_get(node: Node, tracer: Tracer) -> None:
    """OptionalGetElement: what the optional holds."""
    if node.input(0) in tracer.absent:
        raise InputError("it takes a value from an optional that holds none.", place=node.place)
    alias(tracer, node, node.outputs[0], node.input(0))


def expand_has(node: Node, tracer: Tracer) -> None:
    """OptionalHasElement: known when the graph is read."""
    held = bool(node.input(0)) and node.input(0) not in tracer.absent
    tracer.define_value(node.outputs[0], np.asarray(held))
