"""Which stored operands of sums and products are learned.

The file does not say.  A vector along one axis is a bias or a scale; what a softmax normalises gets
a mask; what is all zeros is a state or padding.  Tensors of several axes that multiply are told by
their names (see `exported_names`): what an exporter folded mostly are tables.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice

import numpy as np

from archsim.workload.graph import Note, ParameterRole
from archsim.workload.onnx_reader.constants import Constant, Derived
from archsim.workload.onnx_reader.families.embedding import RESHAPING, readers_of
from archsim.workload.onnx_reader.families.exported_names import (
    called_table,
    made_by_exporter,
    made_of_zeros,
)
from archsim.workload.onnx_reader.nodes import Node
from archsim.workload.onnx_reader.operators import Scope

_MASKED = frozenset({"Softmax", "LogSoftmax", "Where"})
_SUMS = frozenset({"Add", "Sum"})
_ANGLE = frozenset({"Sin", "Cos"})
# Looking at all uses of a tensor for each of them would grow with the square of a file's size.
_MOST_LOOKED_AT = 64
_KERNEL_READERS = frozenset({"Conv", "ConvTranspose"})


@dataclass(frozen=True, slots=True)
class Finding:
    """The role of a constant operand, None if it is not learned, and what a reader should know."""

    role: ParameterRole | None = None
    note: Note | None = None


_NOTHING = Finding()


def learned_role(node: Node, scope: Scope, constant: Constant) -> Finding:
    """What a constant operand of a sum or product is.

    A stored floating-point vector along one axis is a bias or a scale, and so is one that is
    computed from one stored vector (1 + w).  A tensor that went through an exponential or the like
    is a learned scale (the decays of a state-space model).  A stored tensor of several axes is an
    embedding where it is added, unless a softmax follows (then it is a mask), a bias where it is
    repeated along an inner axis (one row per expert), and a scale where it multiplies under a name
    of the source's.
    """
    if node.op_type == "Mul":
        return learned_factor(node, scope, constant)
    if node.op_type not in _SUMS or not (_one_stored(constant) or _made_of_one(constant)):
        return _NOTHING
    if constant.vector:
        return Finding(ParameterRole.BIAS)
    affine = constant.view or constant.derived in {Derived.NO, Derived.RESIZED}
    return _added(node, scope, constant) if affine else _NOTHING


def _one_stored(constant: Constant) -> bool:
    """Whether it is a floating-point tensor of the file, or one such taken element by element."""
    if not constant.floating or constant.elements == 1:
        return False
    return bool(constant.view) or constant.derived is not Derived.NO


def _made_of_one(constant: Constant) -> bool:
    """Whether it is made of one parameter, in whatever way: resized positions, masked biases.

    What an exporter named may be a table; it is learned only where it is seen to be taken as it is.
    """
    if not constant.floating or constant.elements == 1 or len(constant.learned_roots) != 1:
        return False
    return not made_by_exporter(constant) and not called_table(constant)


def learned_factor(node: Node, scope: Scope, constant: Constant) -> Finding:
    """What a constant is that multiplies the node's result, or the other operand, by element."""
    if not _one_stored(constant) or made_of_zeros(constant) or constant.blank:
        return _NOTHING
    if constant.vector:
        if _frequencies(node, scope, constant):
            return _NOTHING
        return Finding(ParameterRole.SCALE)
    if constant.derived is Derived.CURVED:
        return Finding(ParameterRole.SCALE)
    return _factor_of_several_axes(node, scope, constant)


def _frequencies(node: Node, scope: Scope, constant: Constant) -> bool:
    """Whether a product is an angle of which sine and cosine are taken: times, positions.

    Of a learned frequency only one of the two is taken (Ziyin et al. 2020, arXiv:2006.08195).
    """
    readers = readers_of(node.outputs[0], scope)
    return readers == _ANGLE or (readers < _ANGLE and bool(readers) and called_table(constant))


def _added(node: Node, scope: Scope, constant: Constant) -> Finding:
    if made_of_zeros(constant):
        return _NOTHING
    shape = _without_leading_ones(constant.shape)
    target = scope.shape(node.outputs[0])
    target = target[len(target) - len(shape) :]
    # Windows add a position's bias first and then a mask, and change the shape in between.
    masks = not _MASKED.isdisjoint(readers_of(node.outputs[0], scope, RESHAPING | {"Add"}))
    if masks:
        return _NOTHING
    if shape == target:
        return Finding(ParameterRole.EMBEDDING)
    fits = all(size in (1, other) for size, other in zip(shape, target, strict=True))
    if not fits or called_table(constant):
        return _NOTHING
    return Finding(ParameterRole.BIAS)


def _factor_of_several_axes(node: Node, scope: Scope, constant: Constant) -> Finding:
    if _zeros_and_ones(constant):
        return _NOTHING
    if called_table(constant) or _turns(node, scope, constant):
        return _NOTHING
    if not _MASKED.isdisjoint(readers_of(node.outputs[0], scope)):
        return _NOTHING
    name, shape = constant.roots[0].name if constant.roots else constant.name, list(constant.shape)
    if made_by_exporter(constant) and not _used_as_learned(node, scope):
        return Finding(None, _note(_TABLE_TAKEN, _FOLDED.format(name, shape), node))
    return Finding(ParameterRole.SCALE, _note(_PARAMETER_TAKEN, _KEPT.format(name, shape), node))


_TABLE_TAKEN, _PARAMETER_TAKEN = "table_or_parameter", "parameter_or_table"
# Codes of notes on factors of which it is not known whether they are learned.
UNDECIDED = frozenset({_TABLE_TAKEN, _PARAMETER_TAKEN})
_FOLDED = (
    "'{}' of the shape {} multiplies activations, and its name is one that an exporter gave to what "
    "it folded: it, and others like it, are taken as fixed tables. If they were computed from "
    "parameters, export without constant folding."
)
_KEPT = (
    "'{}' of the shape {} multiplies activations, and is counted as a parameter that is held "
    "digitally, as are others like it. A fixed table of the source is stored no differently; freeze "
    "what is one (training: frozen in a workload file)."
)


def _note(code: str, message: str, node: Node) -> Note:
    return Note(code, message, node.name)


def _zeros_and_ones(constant: Constant) -> bool:
    """Whether it is known to be a mask: zeros and ones, and both."""
    value = constant.value
    if value is None:
        return False
    with np.errstate(all="ignore"):
        return bool(((value == 0) | (value == 1)).all() and value.any() and not value.all())


def _used_as_learned(node: Node, scope: Scope) -> bool:
    """Whether the product is the exponent of a decay, or a modulated kernel of a convolution.

    Networks have parameters there, and no tables: the state matrix of a state-space model (Gu and
    Dao 2023, arXiv:2312.00752), the kernels of a generator (Karras et al. 2020, arXiv:1912.04958).
    """
    result = node.outputs[0]
    if readers_of(result, scope) == {"Exp"}:
        return True
    return _is_kernel(result, scope)


def _is_kernel(name: str, scope: Scope) -> bool:
    """Whether `name`, scaled and reshaped, is the kernel of a convolution."""
    stack, seen = [name], {name}
    while stack and len(seen) <= _MOST_LOOKED_AT:
        tensor = stack.pop()
        for reader in scope.consumers.get(tensor, ()):
            if reader.op_type in _KERNEL_READERS and reader.input(1) == tensor:
                return True
            if reader.op_type in RESHAPING | {"Mul", "Transpose"}:
                stack += [output for output in reader.outputs if output not in seen]
                seen.update(reader.outputs)
    return False


def _turns(node: Node, scope: Scope, constant: Constant) -> bool:
    """Whether it is one of two tables that rotate pairs: each of two tensors times both of them."""
    turned = _partners(constant.name, scope)
    partners = [name for name in node.inputs if name != constant.name]
    if len(turned) < 2 or not partners:
        return False
    for name in _partners(partners[0], scope):
        other = scope.constant(name)
        if other is None or other.name == constant.name or other.shape != constant.shape:
            continue
        if len(_partners(name, scope) & turned) >= 2:
            return True
    return False


def _partners(name: str, scope: Scope) -> set[str]:
    """The tensors that `name` is multiplied by, in its first uses."""
    readers = islice(scope.consumers.get(name, ()), _MOST_LOOKED_AT)
    products = (reader for reader in readers if reader.op_type == "Mul")
    return {entry for product in products for entry in product.inputs if entry != name}


def _without_leading_ones(shape: tuple[int, ...]) -> tuple[int, ...]:
    start = next((axis for axis, size in enumerate(shape) if size != 1), len(shape))
    return shape[start:]
