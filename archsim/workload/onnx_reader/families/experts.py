"""MoE and QMoE: a router picks k of E experts for each token; arrays hold all, tokens pass k."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from archsim.errors import InputError
from archsim.workload.graph import DigitalWork, OpKind, ParameterRole, Saved, TensorInfo
from archsim.workload.onnx_reader.constants import Constant, Root
from archsim.workload.onnx_reader.families.convolution import learned_bias
from archsim.workload.onnx_reader.families.following import named_function
from archsim.workload.onnx_reader.families.softmax import softmax_work
from archsim.workload.onnx_reader.nodes import Node
from archsim.workload.onnx_reader.operators import (
    Operator,
    Piece,
    Product,
    Read,
    Scope,
    per_element,
    rule,
)
from archsim.workload.onnx_reader.recasting import shaped_like


@dataclass(frozen=True, slots=True)
class _Layer:
    """Where the inputs of one layer of the experts are: weights and bias."""

    label: str
    weights: int
    bias: int


_LAYERS = {
    "MoE": (_Layer("fc1", 2, 3), _Layer("fc2", 4, 5), _Layer("fc3", 6, 7)),
    "QMoE": (_Layer("fc1", 2, 4), _Layer("fc2", 5, 7), _Layer("fc3", 8, 10)),
}


@dataclass(frozen=True, slots=True)
class _Experts:
    """A node with the sizes that all its layers share."""

    node: Node
    scope: Scope
    tokens: int
    width: int
    chosen: int

    def tensor(self, label: str, width: int, *, floating: bool = True) -> TensorInfo:
        """An internal tensor of `width` values per token and chosen expert."""
        size = self.scope.info(self.node.outputs[0]).bytes_per_element if floating else 8
        name = f"{self.node.name}/{label}"
        return TensorInfo(name, (self.tokens * self.chosen, width), size, floating)


def _weights(experts: _Experts, layer: _Layer, inputs: int) -> tuple[Constant, int, int]:
    """The stacked matrices of a layer: the constant, how many, and the outputs of each.

    Stored as [experts, inputs, outputs] or [experts, outputs, inputs], in few bits with several
    numbers to a byte along the last axis.
    """
    node, scope = experts.node, experts.scope
    stored = scope.constant(node.input(layer.weights))
    if stored is None or len(stored.shape) != 3:
        raise InputError(f"its weights '{layer.label}' are no stack of matrices.", place=node.place)
    count, first, last = stored.shape
    if node.op_type == "QMoE":
        last *= 8 // node.integer("expert_weight_bits", 4)
    if inputs not in (first, last):
        raise InputError(
            f"its weights '{layer.label}' of shape {stored.shape} do not take {inputs} inputs.",
            place=node.place,
        )
    outputs = first if last == inputs else last
    shape = (count, first, last)
    roots = tuple(Root(root.name, count * first * last, shape) for root in stored.roots[:1])
    return replace(stored, shape=shape, distinct=shape, roots=roots, value=None), count, outputs


def _layer(
    experts: _Experts, layer: _Layer, source: TensorInfo, chooser: str, *, first: bool
) -> tuple[Piece, TensorInfo]:
    node, scope = experts.node, experts.scope
    inputs = source.shape[-1]
    constant, count, outputs = _weights(experts, layer, inputs)
    result = experts.tensor(layer.label, outputs)
    bias = learned_bias(scope, node.input(layer.bias))
    reads = [Read(constant, ParameterRole.WEIGHT)]
    if bias is not None:
        reads.append(Read(bias, ParameterRole.BIAS))
    added = result.elements if bias is not None else 0
    piece = Piece(
        kind=OpKind.WEIGHT_MATMUL,
        inputs=(source.name, chooser),
        outputs=(result.name,),
        reason=f"{experts.chosen} of {count} constant matrices, chosen at run time",
        suffix=f"/{layer.label}",
        product=Product(
            constant=constant,
            inputs=inputs,
            outputs=outputs,
            blocks=count,
            vectors=experts.tokens if first else experts.tokens * experts.chosen,
            chosen_blocks=experts.chosen if first else 1,
            bias=bias,
        ),
        forward=DigitalWork(add=added, read_parameters=added),
        backward=DigitalWork(add=added),
        saved=(Saved(source.name, source.elements),),
        reads=tuple(reads),
        internal=(result,),
    )
    return piece, result


def _routing(experts: _Experts) -> tuple[Piece, TensorInfo, TensorInfo]:
    """Softmax of the router's scores, and the k largest of each token."""
    node, scope = experts.node, experts.scope
    scores = node.input(1)
    n = scope.elements(scores)
    weights = experts.tensor("weights", 1)
    indices = experts.tensor("experts", 1, floating=False)
    forward, backward = softmax_work(n, experts.tokens)
    depth = 1 + (experts.chosen - 1).bit_length()
    piece = Piece(
        kind=OpKind.SOFTMAX,
        inputs=(scores,),
        outputs=(weights.name, indices.name),
        reason="picks experts for each token",
        suffix="/routing",
        forward=forward
        + per_element(n, compare=depth)
        + DigitalWork(read=n, written=2 * weights.elements),
        backward=backward + DigitalWork(read=n + weights.elements, written=n),
        saved=(Saved(scores, n),),
        internal=(weights, indices),
    )
    return piece, weights, indices


def _activation(experts: _Experts, gate: TensorInfo, up: TensorInfo | None) -> Piece:
    """The function between the layers; gated by a third layer, or by half of a double first one."""
    node = experts.node
    name = node.text("activation_type", "relu")
    fused = name == "swiglu"
    function = named_function(node, "silu" if fused else name)
    width = gate.shape[-1] // 2 if fused else gate.shape[-1]
    result = experts.tensor("hidden", width)
    n = result.elements
    gated = fused or up is not None
    operands = (gate, up) if up is not None else (gate,)
    product = per_element(n, mul=1) if gated else DigitalWork()
    read = sum(operand.elements for operand in operands)
    return Piece(
        kind=OpKind.ELEMENTWISE,
        inputs=tuple(operand.name for operand in operands),
        outputs=(result.name,),
        reason="function between the experts' layers",
        suffix="/activation",
        forward=function.forward.scaled(n) + product + DigitalWork(read=read, written=n),
        backward=function.backward.scaled(n)
        + product.scaled(2)
        + DigitalWork(read=n + read, written=read),
        saved=tuple(Saved(operand.name, operand.elements) for operand in operands),
        internal=(result,),
    )


def _combination(experts: _Experts, parts: TensorInfo, weights: TensorInfo) -> Piece:
    """The sum of the chosen experts' results, each times its weight."""
    n = parts.elements
    return Piece(
        kind=OpKind.ELEMENTWISE,
        inputs=(parts.name, weights.name),
        outputs=experts.scope.results_of(experts.node),
        reason="weighs the experts' results",
        suffix="/sum",
        forward=per_element(n, mul=1, add=1) + DigitalWork(read=n, written=n // experts.chosen),
        backward=per_element(n, mul=2, add=1) + DigitalWork(read=2 * n, written=n),
        saved=(Saved(parts.name, n), Saved(weights.name, weights.elements)),
    )


def _experts(node: Node, scope: Scope) -> Sequence[Piece]:
    shape = scope.shape(node.input(0))
    tokens, width = scope.elements(node.input(0)) // shape[-1], shape[-1]
    chosen = node.integer("k", 1)
    if chosen < 1:
        raise InputError(f"it picks {chosen} experts.", place=node.place)
    experts = _Experts(node, scope, tokens, width, chosen)
    first, second, third = _LAYERS[node.op_type]
    routing, weights, indices = _routing(experts)
    source = replace(scope.info(node.input(0)), shape=(tokens, width))
    pieces = [routing]
    gate_piece, gate = _layer(experts, first, source, indices.name, first=True)
    pieces.append(gate_piece)
    up = None
    if node.input(third.weights):
        up_piece, up = _layer(experts, third, source, indices.name, first=True)
        pieces.append(up_piece)
    between = _activation(experts, gate, up)
    down, parts = _layer(experts, second, between.internal[0], indices.name, first=False)
    return [*pieces, between, down, _combination(experts, parts, weights)]


_RULE = rule(
    (OpKind.WEIGHT_MATMUL, OpKind.SOFTMAX, OpKind.ELEMENTWISE),
    "router, k of E experts per token, weighted sum",
    "the same experts' gradients; router's gradient",
)
OPERATORS = tuple(
    Operator(op_type, _experts, domain="com.microsoft", shapes=shaped_like(0), rule=_RULE)
    for op_type in _LAYERS
)
