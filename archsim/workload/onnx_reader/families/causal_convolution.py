"""CausalConvWithState: a depthwise convolution over past positions, with a state that is carried on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from archsim.errors import InputError
from archsim.workload.graph import DigitalWork, OpKind
from archsim.workload.onnx_reader.families.convolution import (
    CONVOLUTION_RULE,
    learned_bias,
    product_piece,
)
from archsim.workload.onnx_reader.families.following import Step, followed, named_function
from archsim.workload.onnx_reader.nodes import Node
from archsim.workload.onnx_reader.operators import Operator, Piece, Product, Scope, rule


def _causal(node: Node, scope: Scope) -> Sequence[Piece]:
    """Kernel [channels, 1, k]: a block of k x 1 for each channel, a vector per position."""
    weights = scope.constant(node.input(1))
    if weights is None:
        raise InputError("its kernel is an activation.", place=node.place)
    batch, channels, length = scope.shape(node.input(0))
    product = Product(
        constant=weights,
        inputs=weights.shape[-1],
        outputs=1,
        blocks=channels,
        vectors=batch * length,
        outputs_first=True,
        bias=learned_bias(scope, node.input(2)),
    )
    past = tuple(n for n in (node.input(3),) if n and scope.constant(n) is None)
    piece = product_piece(
        node, scope, product, "constant kernel over past positions", extra_inputs=past
    )
    state = batch * channels * (weights.shape[-1] - 1)
    carried = DigitalWork(read=state, written=state)
    piece = replace(piece, forward=piece.forward + carried, backward=piece.backward + carried)
    name = node.text("activation", "none")
    steps = [] if name == "none" else [Step(name, named_function(node, name))]
    return followed(piece, node, scope, steps)


OPERATORS = (
    Operator(
        "CausalConvWithState",
        _causal,
        rule=rule(
            (*CONVOLUTION_RULE.kinds, OpKind.ELEMENTWISE),
            "k MACs per channel and position; activation",
            CONVOLUTION_RULE.backward,
        ),
    ),
)
