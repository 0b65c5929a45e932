"""Elementwise functions of several operands, with broadcasting.

With n output elements: an operand that is broadcast gets the sum of its errors, n less its own
elements additions.  Constant operands are learned where they look so (see `stored_operands`);
scalars never are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from onnx import TensorProto

from archsim.workload.graph import (
    NO_WORK,
    DigitalWork,
    Note,
    OpKind,
    Saved,
    SavedForm,
)
from archsim.workload.onnx_reader.constants import Constant
from archsim.workload.onnx_reader.families.stored_operands import learned_role
from archsim.workload.onnx_reader.nodes import Node
from archsim.workload.onnx_reader.operators import (
    Operator,
    Piece,
    Read,
    Scope,
    keeps_sign,
    per_element,
    rule,
    signed,
)

_NOTHING: tuple[Saved, ...] = ()


@dataclass(frozen=True, slots=True)
class Operands:
    """The operands of a node, sorted: activations that need a gradient, and constants."""

    result: str
    n: int
    activations: tuple[str, ...]
    floating: tuple[str, ...]
    constants: tuple[Constant, ...]
    reads: tuple[Read, ...]
    notes: tuple[Note, ...]

    @property
    def traffic(self) -> int:
        """Elements of all constant operands but scalars."""
        return sum(c.elements for c in self.constants if c.elements > 1)


def _operands(node: Node, scope: Scope) -> Operands:
    result = node.outputs[0]
    names = [name for name in node.inputs if name]
    constants = [scope.constant(name) for name in names]
    present = tuple(constant for constant in constants if constant is not None)
    reads, notes = [], []
    for constant in present:
        finding = learned_role(node, scope, constant)
        if finding.role is not None:
            reads.append(Read(constant, finding.role))
        if finding.note is not None:
            notes.append(finding.note)
    trains = scope.info(result).floating
    # A repeated operand (x*x) has a gradient per occurrence.
    floating = tuple(n for n in names if scope.differentiable(n)) if trains else ()
    return Operands(
        result,
        scope.elements(result),
        scope.activations(node),
        floating,
        present,
        tuple(reads),
        tuple(notes),
    )


def _reduced(scope: Scope, operands: Operands) -> int:
    """Additions that sum the error over the broadcast dimensions of operands that need it."""
    sizes = [scope.elements(name) for name in operands.floating]
    sizes += [read.constant.elements for read in operands.reads]
    return sum(operands.n - size for size in sizes)


def _piece(
    node: Node,
    scope: Scope,
    operands: Operands,
    forward: DigitalWork,
    backward: DigitalWork,
    saved: Sequence[Saved],
    reason: str,
) -> Piece:
    read = sum(scope.elements(name) for name in operands.activations)
    moved = DigitalWork(read=read, written=operands.n, read_parameters=operands.traffic)
    unique = tuple(dict.fromkeys(saved))
    gradients = sum(scope.elements(name) for name in dict.fromkeys(operands.floating))
    if operands.floating or operands.reads:
        kept = sum(entry.elements for entry in unique)
        backward += DigitalWork(read=operands.n + kept, written=gradients)
    return Piece(
        kind=OpKind.ELEMENTWISE,
        inputs=operands.activations,
        outputs=(operands.result,),
        reason=reason,
        forward=forward + moved,
        backward=backward,
        saved=unique,
        reads=operands.reads,
        notes=operands.notes,
    )


def _add(node: Node, scope: Scope) -> Sequence[Piece]:
    """Add, Sub, Sum, Mean: backward passes the error on; Sub negates one, Mean scales by 1/k."""
    operands = _operands(node, scope)
    n, terms = operands.n, len([name for name in node.inputs if name])
    forward = per_element(n, add=terms - 1)
    backward = DigitalWork(add=_reduced(scope, operands))
    if node.op_type == "Sub" and scope.differentiable(node.input(1)) and operands.floating:
        backward += per_element(n, add=1)
    if node.op_type == "Mean":
        forward += per_element(n, mul=1)
        backward += per_element(n, mul=1)
    if not operands.floating and not operands.reads:
        backward = NO_WORK
    # Only the error is needed; a lone activation's addition of constants may be a bias.
    piece = _piece(node, scope, operands, forward, backward, (), _reason(operands, "addition"))
    bias = _bias(node, scope, operands)
    if bias is None:
        return [piece]
    return [replace(piece, added_bias=bias)]


def _bias(node: Node, scope: Scope, operands: Operands) -> Constant | None:
    """The constant that this node adds along the last axis, if that is all it does."""
    if node.op_type != "Add" or len(operands.activations) != 1 or len(operands.reads) != 1:
        return None
    constant = operands.reads[0].constant
    shape = scope.shape(operands.result)
    same = scope.shape(operands.activations[0]) == shape
    along_last = bool(constant.shape) and constant.shape[-1] == shape[-1]
    return constant if same and along_last else None


def _reason(operands: Operands, what: str) -> str:
    if operands.reads:
        return f"{what} of a learned {operands.reads[0].role.value}"
    return f"elementwise {what}"


def _mul(node: Node, scope: Scope) -> Sequence[Piece]:
    """Backward: one multiplication per operand that needs a gradient, by the other operand."""
    operands = _operands(node, scope)
    n = operands.n
    wanted = len(operands.floating) + len(operands.reads)
    backward = per_element(n, mul=wanted) + DigitalWork(add=_reduced(scope, operands))
    saved = []
    if operands.floating and (len(operands.floating) > 1 or operands.reads):
        saved = [Saved(name, scope.elements(name)) for name in operands.floating]
    elif operands.floating and len(operands.activations) > 1:
        # A floating-point activation times one that carries no gradient (a cast mask).
        others = [name for name in operands.activations if name not in operands.floating]
        saved = [Saved(name, scope.elements(name)) for name in others]
    reason = _reason(operands, "multiplication")
    return [_piece(node, scope, operands, per_element(n, mul=1), backward, saved, reason)]


def _div(node: Node, scope: Scope) -> Sequence[Piece]:
    """y = a/b: da = g/b (n div); db = -da*y (n mul, n add), from b and y."""
    operands = _operands(node, scope)
    n, backward = operands.n, DigitalWork()
    saved: list[Saved] = []
    upper, lower = node.input(0), node.input(1)
    if operands.floating:
        backward = per_element(n, div=1) + DigitalWork(add=_reduced(scope, operands))
    if lower in operands.floating:
        backward += per_element(n, mul=1, add=1)
        saved = [Saved(lower, scope.elements(lower)), Saved(operands.result, n)]
    elif upper in operands.floating and scope.constant(lower) is None:
        saved = [Saved(lower, scope.elements(lower))]
    return [_piece(node, scope, operands, per_element(n, div=1), backward, saved, "division")]


def _pow(node: Node, scope: Scope) -> Sequence[Piece]:
    """Small whole powers are products, a square root is one; else exp(p*log(x)).

    Backward p*x^(p-1)*g: one power less, and two multiplications.
    """
    operands = _operands(node, scope)
    n = operands.n
    exponent = scope.value(node.input(1))
    power = float(exponent.ravel()[0]) if exponent is not None and exponent.size == 1 else None
    if power is not None and power in (1.0, 2.0, 3.0, 4.0):
        forward = per_element(n, mul=int(power) - 1)
        backward = per_element(n, mul=max(int(power) - 2, 0) + 2)
    elif power == 0.5:
        forward, backward = per_element(n, sqrt=1), per_element(n, sqrt=1, mul=1, div=1)
    else:
        forward = per_element(n, log=1, mul=1, exp=1)
        backward = per_element(n, log=1, mul=3, exp=1)
    if not operands.floating:
        backward = NO_WORK
    saved = [Saved(name, scope.elements(name)) for name in operands.floating]
    return [_piece(node, scope, operands, forward, backward, saved, "elementwise power")]


def _extreme(node: Node, scope: Scope) -> Sequence[Piece]:
    """Max, Min: the error goes to the operand that was chosen."""
    operands = _operands(node, scope)
    n, terms = operands.n, len([name for name in node.inputs if name])
    backward, saved = NO_WORK, _NOTHING
    if operands.floating:
        backward = per_element(n, compare=len(operands.floating))
        saved = (Saved(operands.result, n, SavedForm.MASK),)
    forward = per_element(n, compare=terms - 1)
    return [_piece(node, scope, operands, forward, backward, saved, "elementwise choice")]


def _comparison(node: Node, scope: Scope) -> Sequence[Piece]:
    operands = _operands(node, scope)
    forward = per_element(operands.n, compare=1)
    return [_piece(node, scope, operands, forward, NO_WORK, (), "comparison: no gradient")]


def _where(node: Node, scope: Scope) -> Sequence[Piece]:
    """Selection by a condition, which is kept; each choice gets the error where it was taken."""
    operands = _operands(node, scope)
    n = operands.n
    choices = [name for name in node.inputs[1:] if name in operands.floating]
    backward, saved = NO_WORK, _NOTHING
    if choices:
        backward = per_element(n, compare=len(choices))
        condition = node.input(0)
        if scope.constant(condition) is None:
            saved = (Saved(condition, scope.elements(condition), SavedForm.MASK),)
    forward = per_element(n, compare=1)
    return [_piece(node, scope, operands, forward, backward, saved, "elementwise choice")]


def _all_nonnegative(node: Node, scope: Scope) -> bool:
    """Sums, products and choices of nonnegative operands; constants by their known values."""
    names = [name for name in node.inputs if name]
    for name in names[1:] if node.op_type == "Where" else names:
        constant = scope.constant(name)
        if constant is not None:
            if not constant.nonnegative:
                return False
        elif not scope.info(name).nonnegative:
            return False
    return True


def _square(node: Node, scope: Scope) -> bool:
    """A product of a tensor with itself."""
    return node.input(0) == node.input(1) or _all_nonnegative(node, scope)


def _even_power(node: Node, scope: Scope) -> bool:
    exponent = scope.value(node.input(1))
    even = exponent is not None and bool((exponent % 2 == 0).all())
    return even or keeps_sign(node, scope)


def _truths(node: Node, scope: Scope) -> Sequence[tuple[int, tuple[int, ...]]]:
    """The type of a comparison; opsets 12 to 15 have no shape function for two of them."""
    shapes = (scope.shape(name) for name in node.inputs)
    return [(TensorProto.BOOL, np.broadcast_shapes(*shapes))]


def _gated(node: Node, scope: Scope) -> Sequence[Piece]:
    """SwiGLU: a * sigmoid(alpha*a) * b; backward recomputes the sigmoid."""
    operands = _operands(node, scope)
    n, names = operands.n, operands.floating
    backward = per_element(n, mul=7, add=2, special=1) if names else NO_WORK
    saved = [Saved(name, scope.elements(name)) for name in names]
    forward = per_element(n, mul=3, special=1)
    return [_piece(node, scope, operands, forward, backward, saved, "gated elementwise product")]


_SUM = rule(OpKind.ELEMENTWISE, "n add per further term", "passes on; sums where broadcast")
_PRODUCT = rule(OpKind.ELEMENTWISE, "n mul", "n mul per operand; sums where broadcast")
_CHOICE = rule(OpKind.ELEMENTWISE, "n compare per further term", "n compare per operand")
_COMPARISON = rule(OpKind.ELEMENTWISE, "n compare", "none")
OPERATORS = (
    Operator("Add", _add, _all_nonnegative, rule=_SUM),
    Operator("Sub", _add, signed, rule=_SUM),
    Operator("Sum", _add, _all_nonnegative, rule=_SUM),
    Operator(
        "Mean",
        _add,
        _all_nonnegative,
        rule=rule(OpKind.ELEMENTWISE, "n (mul, add per further term)", "n mul"),
    ),
    Operator("Mul", _mul, _square, rule=_PRODUCT),
    Operator(
        "Div",
        _div,
        _all_nonnegative,
        rule=rule(OpKind.ELEMENTWISE, "n div", "n (div, mul, add); sums where broadcast"),
    ),
    Operator(
        "Pow",
        _pow,
        _even_power,
        rule=rule(
            OpKind.ELEMENTWISE, "products, a root, or n (log, mul, exp)", "one power less, 2 mul"
        ),
    ),
    Operator("Max", _extreme, _all_nonnegative, rule=_CHOICE),
    Operator("Min", _extreme, _all_nonnegative, rule=_CHOICE),
    Operator("Where", _where, _all_nonnegative, rule=_CHOICE),
    Operator(
        "SwiGLU",
        _gated,
        rule=rule(OpKind.ELEMENTWISE, "n (3 mul, special)", "n (7 mul, 2 add, special)"),
    ),
    *(
        Operator(op_type, _comparison, shapes=_truths, rule=_COMPARISON)
        for op_type in ("GreaterOrEqual", "LessOrEqual")
    ),
    *(
        Operator(op_type, _comparison, rule=_COMPARISON)
        for op_type in (
            "Equal",
            "Greater",
            "Less",
            "And",
            "Or",
            "Xor",
            "Mod",
            "BitShift",
            "BitwiseAnd",
            "BitwiseOr",
            "BitwiseXor",
        )
    ),
)
