"""Elementwise functions of `com.microsoft`, most of them with a bias added first."""

from __future__ import annotations

from collections.abc import Sequence

from onnx import TensorProto

from archsim.workload.graph import (
    NO_WORK,
    DigitalWork,
    OpKind,
    ParameterRole,
    Saved,
    SavedForm,
)
from archsim.workload.onnx_reader.families.elementwise_unary import (
    FAST_GELU,
    GELU,
    QUICK_GELU,
    Function,
    unary_piece,
)
from archsim.workload.onnx_reader.families.movement import dropout
from archsim.workload.onnx_reader.families.softmax import SOFTMAX_RULE, softmax_work
from archsim.workload.onnx_reader.nodes import Node
from archsim.workload.onnx_reader.operators import (
    Handler,
    NodeRule,
    Operator,
    Piece,
    Read,
    Rule,
    Scope,
    data_keeps_sign,
    in_words,
    keeps_sign,
    nonnegative,
    per_element,
    rule,
    signed,
)
from archsim.workload.onnx_reader.recasting import shaped_like

_DOMAIN = "com.microsoft"


def _biased(function: Function, bias: int) -> Handler:
    """`function` of the sum of the first input and a bias; the sum is what is kept."""

    def handle(node: Node, scope: Scope) -> Sequence[Piece]:
        piece = unary_piece(node, scope, function)
        name = node.input(bias) if bias >= 0 else ""
        if not name:
            return [piece]
        return [_with_addend(piece, scope, name)]

    return handle


def _with_addend(piece: Piece, scope: Scope, name: str) -> Piece:
    n, size = scope.elements(piece.outputs[0]), scope.elements(name)
    constant = scope.constant(name)
    learned = constant is not None and constant.learned_roots and not constant.blank
    reads = (Read(constant, ParameterRole.BIAS),) if constant is not None and learned else ()
    moved = DigitalWork(read_parameters=size) if constant is not None else DigitalWork(read=size)
    return Piece(
        kind=piece.kind,
        inputs=piece.inputs,
        outputs=piece.outputs,
        reason=f"{piece.reason} after a sum",
        forward=piece.forward + per_element(n, add=1) + moved,
        backward=piece.backward + DigitalWork(add=n - size),
        saved=piece.saved,
        reads=(*piece.reads, *reads),
    )


def _bias_softmax(node: Node, scope: Scope) -> Sequence[Piece]:
    """Softmax of scores plus a bias or mask: one addition more per element."""
    result = node.outputs[0]
    n = scope.elements(result)
    shape = scope.shape(result)
    axis = node.integer("axis", 1) % max(len(shape), 1)
    rows = 1
    for size in shape[:axis]:
        rows *= size
    forward, backward = softmax_work(n, rows)
    return [
        Piece(
            kind=OpKind.SOFTMAX,
            inputs=scope.activations(node),
            outputs=(result,),
            reason="normalises rows by exponentials, after a sum",
            forward=forward + DigitalWork(add=n, read=2 * n, written=n),
            backward=backward + DigitalWork(read=2 * n, written=n),
            saved=(Saved(result, n),),
        )
    ]


def _bias_dropout(node: Node, scope: Scope) -> Sequence[Piece]:
    """The sum of the input, a bias and a residual; dropped out at random in training."""
    result = node.outputs[0]
    n = scope.elements(result)
    terms = [node.input(index) for index in (1, 2) if node.input(index)]
    trains = scope.value(node.input(4)) if node.input(4) else None
    random = trains is not None and bool(trains.any())
    work = DigitalWork(mul=2 * n, add=n, compare=n) if random else NO_WORK
    constants = [c for name in terms if (c := scope.constant(name)) is not None]
    learned = [c for c in constants if c.learned_roots and not c.blank]
    return [
        Piece(
            kind=OpKind.ELEMENTWISE,
            inputs=scope.activations(node),
            outputs=scope.results_of(node),
            reason="sum of bias and residual",
            forward=work
            + DigitalWork(
                add=n * len(terms),
                read=n * (1 + len(terms) - len(constants)),
                written=n,
                read_parameters=sum(c.elements for c in constants),
            ),
            backward=DigitalWork(add=sum(n - scope.elements(name) for name in terms))
            + (per_element(n, mul=1) if random else NO_WORK),
            saved=(Saved(result, n, SavedForm.MASK),) if random else (),
            reads=tuple(Read(constant, ParameterRole.BIAS) for constant in learned),
        )
    ]


def _split_gelu(node: Node, scope: Scope) -> Sequence[Piece]:
    """BiasSplitGelu: the sum with a bias is cut in half; one half times Gelu of the other."""
    result = node.outputs[0]
    n, whole = scope.elements(result), scope.elements(node.input(0))
    bias = scope.constant(node.input(1))
    reads: tuple[Read, ...] = ()
    if bias is not None and bias.learned_roots:
        reads = (Read(bias, ParameterRole.BIAS),)
    size = scope.elements(node.input(1))
    return [
        Piece(
            kind=OpKind.ELEMENTWISE,
            inputs=scope.activations(node),
            outputs=(result,),
            reason="gated elementwise product after a sum",
            forward=GELU.forward.scaled(n)
            + DigitalWork(add=whole, mul=n, read=whole, written=n, read_parameters=size),
            backward=GELU.backward.scaled(n)
            + DigitalWork(mul=2 * n, add=whole - size, read=n + whole, written=whole),
            saved=(Saved(node.input(0), whole),),
            reads=reads,
        )
    ]


def _half_shape(node: Node, scope: Scope) -> Sequence[tuple[int, tuple[int, ...]]]:
    shape = scope.shape(node.input(0))
    return [(scope.element_type(node.input(0)), (*shape[:-1], shape[-1] // 2))]


def _dropout_shape(node: Node, scope: Scope) -> Sequence[tuple[int, tuple[int, ...]]]:
    shape = scope.shape(node.input(0))
    return [(scope.element_type(node.input(0)), shape), (TensorProto.BOOL, shape)]


def _function_rule(function: Function, *, sum_first: bool) -> Rule:
    prefix = "n add; " if sum_first else ""
    return rule(
        OpKind.ELEMENTWISE, prefix + in_words(function.forward), in_words(function.backward)
    )


def _entry(op_type: str, function: Function, bias: int, sign: NodeRule = keeps_sign) -> Operator:
    return Operator(
        op_type,
        _biased(function, bias),
        sign,
        _DOMAIN,
        shaped_like(0),
        rule=_function_rule(function, sum_first=bias >= 0),
    )


_SUMS = rule(OpKind.ELEMENTWISE, "n add per term; mask in training", "passes on; sums the bias")
OPERATORS = (
    _entry("Gelu", GELU, -1),
    _entry("QuickGelu", QUICK_GELU, -1),
    _entry("FastGelu", FAST_GELU, 1, signed),
    _entry("BiasGelu", GELU, 1, signed),
    Operator(
        "BiasSoftmax",
        _bias_softmax,
        nonnegative,
        _DOMAIN,
        shaped_like(0),
        rule=rule(OpKind.SOFTMAX, f"n add; {SOFTMAX_RULE.forward}", SOFTMAX_RULE.backward),
    ),
    Operator("BiasDropout", _bias_dropout, domain=_DOMAIN, shapes=_dropout_shape, rule=_SUMS),
    Operator("BiasAdd", _bias_dropout, domain=_DOMAIN, shapes=shaped_like(0), rule=_SUMS),
    Operator("BitmaskDropout", dropout, data_keeps_sign, _DOMAIN, _dropout_shape, rule=_SUMS),
    Operator(
        "BiasSplitGelu",
        _split_gelu,
        domain=_DOMAIN,
        shapes=_half_shape,
        rule=rule(
            OpKind.ELEMENTWISE,
            f"2 add; {in_words(GELU.forward)}; n mul",
            f"{in_words(GELU.backward)}; 2 mul",
        ),
    ),
)
