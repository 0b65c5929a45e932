"""Checks that the shape functions of the onnx package leave out: sizes and attributes that contradict.

Each looks at a node whose inputs are known and whose outputs were inferred, and gives what is wrong
with it, or nothing.  What slips through here would be counted as if the file made sense.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from archsim.errors import InputError
from archsim.workload.onnx_reader.nodes import Node
from archsim.workload.onnx_reader.operators import Scope

Shapes: TypeAlias = Sequence[tuple[int, ...] | None]
_Check: TypeAlias = Callable[[Node, Scope, Shapes], str]

_PADDINGS = frozenset({"NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID", ""})


def check_attributes(node: Node) -> None:
    """Refuse a standard node with attributes by which shape inference would crash the process."""
    parts = node.integer("num_outputs", 0) if (node.domain, node.op_type) == ("", "Split") else 0
    if parts and parts != len(node.outputs):
        raise InputError(
            f"the attribute 'num_outputs' is {parts}, and it has {len(node.outputs)} outputs.",
            place=node.place,
            remedy="The file is damaged; export the network again.",
        )


def check_fit(node: Node, scope: Scope, shapes: Shapes) -> None:
    """Refuse a standard node whose attributes contradict the shapes of its inputs and outputs.

    `shapes` are those of the outputs, None where absent or unknown.
    """
    check = _CHECKS.get(node.op_type) if node.domain == "" else None
    wrong = "" if check is None else check(node, scope, shapes)
    if wrong:
        raise InputError(
            f"{wrong}.",
            place=node.place,
            remedy="Check the file, and the sizes given with --batch, --dim and --shape.",
        )


def _reshape(node: Node, scope: Scope, shapes: Shapes) -> str:
    result = shapes[0]
    if result is None or scope.elements(node.input(0)) == math.prod(result):
        return ""
    source = scope.shape(node.input(0))
    wrong = f"a tensor of the shape {source} cannot be given the shape {result}"
    _check_fixed_sizes(node, scope, result, wrong)
    return wrong


def _check_fixed_sizes(node: Node, scope: Scope, result: tuple[int, ...], wrong: str) -> None:
    """Name the sizes that the file fixes among computed ones, where others would fit.

    Exporters write the size of their example in place of a dimension that their source treats as a
    number; the network then works for that size only.
    """
    target = scope.constant(node.input(1))
    elements = scope.elements(node.input(0))
    found = []
    for root in () if target is None else target.roots:
        value = scope.value(root.name)
        size = int(value.ravel()[0]) if value is not None and value.size == 1 else 0
        if size < 2 or size not in result:
            continue
        others = math.prod(result) // size
        if others and elements % others == 0:
            found.append(f"the {size} is stored in the file ('{root.name}'), {elements // others}")
    if found and target is not None and not target.whole:
        raise InputError(
            f"{wrong}: {' would fit; '.join(found)} would fit.",
            place=node.place,
            remedy="The exporter wrote the size of its example there: bind the dimensions to that "
            "(--dim, --shape), or export the network again with it dynamic.",
        )


def _convolution(node: Node, scope: Scope, shapes: Shapes) -> str:
    stated, weights = node.integers("kernel_shape"), scope.shape(node.input(1))
    if stated and stated != weights[2:]:
        return f"the attribute 'kernel_shape' is {stated}, and the kernel has the shape {weights}"
    return _padding(node, scope, shapes)


def _padding(node: Node, scope: Scope, shapes: Shapes) -> str:
    found = node.text("auto_pad", "NOTSET")
    return "" if found in _PADDINGS else f"the attribute 'auto_pad' is {found[:40]!r}"


def _axis(default: int) -> _Check:
    def check(node: Node, scope: Scope, shapes: Shapes) -> str:
        axis, rank = node.integer("axis", default), len(scope.shape(node.input(0)))
        # A scalar counts as a vector of one element.
        if -max(rank, 1) <= axis < max(rank, 1):
            return ""
        return f"the attribute 'axis' is {axis}, and its input has {rank} dimensions"

    return check


def _range(node: Node, scope: Scope, shapes: Shapes) -> str:
    values = [scope.value(name) for name in node.inputs]
    known = [value.item() for value in values if value is not None and value.size == 1]
    if any(not math.isfinite(value) for value in known):
        return f"it counts to or by no number: {known}"
    if len(known) == len(values) == 3 and known[2] == 0:
        return "it counts in steps of zero"
    return ""


def _quantisation(node: Node, scope: Scope, shapes: Shapes) -> str:
    """The scale is one number, one for each position along an axis, or one for each block."""
    data, scale = scope.shape(node.input(0)), scope.shape(node.input(1))
    if math.prod(scale) == 1:
        return ""
    axis, block = node.integer("axis", 1), node.integer("block_size", 0)
    if not -len(data) <= axis < len(data):
        return f"the attribute 'axis' is {axis}, and its input has {len(data)} dimensions"
    axis %= len(data)
    if block > 0:
        wanted = (*data[:axis], -(-data[axis] // block), *data[axis + 1 :])
    else:
        wanted = (data[axis],)
    if scale == wanted:
        return ""
    return f"the scale has the shape {scale}, and its input {data} needs {wanted}"


_CHECKS: Mapping[str, _Check] = {
    "Reshape": _reshape,
    "Conv": _convolution,
    "ConvTranspose": _convolution,
    **dict.fromkeys(("MaxPool", "AveragePool", "LpPool"), _padding),
    **dict.fromkeys(("Softmax", "LogSoftmax", "Hardmax"), _axis(-1)),
    "LayerNormalization": _axis(-1),
    "RMSNormalization": _axis(-1),
    "Concat": _axis(0),
    "Split": _axis(0),
    "Gather": _axis(0),
    "Range": _range,
    "DequantizeLinear": _quantisation,
    "QuantizeLinear": _quantisation,
}
