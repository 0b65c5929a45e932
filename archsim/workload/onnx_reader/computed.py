"""Weights that the network computes from parameters: weight normalisation, 1 + w, -exp(w).

Folding makes constants of them, but training changes what they are computed from, so the computation
is part of every step, forward and backward.  The nodes that were folded are visited again with the
stored tensors as parameters.  Such work happens once per minibatch, whatever its size.  No array can
be updated in place for a matrix that is computed, so it stays on the digital matrix unit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import onnx

from archsim.workload.graph import Note, OpKind, ParameterRole, TensorInfo
from archsim.workload.onnx_reader.assembly import Placed
from archsim.workload.onnx_reader.constants import Constant
from archsim.workload.onnx_reader.nodes import Node
from archsim.workload.onnx_reader.operators import Piece, Read
from archsim.workload.onnx_reader.shapes import tensor_info
from archsim.workload.onnx_reader.trace import Traced, Tracer


@dataclass(frozen=True, slots=True)
class _Chain:
    """What computes some constants: nodes in order, and the stored tensors they start from."""

    nodes: tuple[Node, ...]
    sources: dict[str, Constant]
    computed: frozenset[str]


def with_computed_weights(
    traced: Traced, opsets: Sequence[onnx.OperatorSetIdProto]
) -> tuple[list[Placed], Mapping[str, TensorInfo]]:
    """The pieces, those that compute weights from parameters put before them; and all tensors."""
    roles: dict[str, ParameterRole] = {}
    for _, piece in traced.pieces:
        for read in piece.reads:
            if _is_computed(read.constant, traced):
                roles.setdefault(read.constant.name, read.role)
    if not roles:
        return traced.pieces, traced.scope.tensors
    chain = _chain_of(roles, traced)
    role = next(iter(roles.values()))
    tracer = _visited(chain, traced, opsets)
    pieces = [
        *(_source(constant, role) for constant in chain.sources.values()),
        # Parameters are kept anyway, and what is made of them is small beside the activations.
        *((node, replace(piece, per_step=True, saved=())) for node, piece in tracer.pieces),
        *((node, _reading(node, piece, traced)) for node, piece in traced.pieces),
    ]
    return pieces, {**tracer.tensors, **traced.scope.tensors}


def _is_computed(constant: Constant, traced: Traced) -> bool:
    return not constant.view and bool(constant.learned_roots) and constant.name in traced.folded


def _chain_of(names: Iterable[str], traced: Traced) -> _Chain:
    constants = traced.scope.constants
    sources: dict[str, Constant] = {}
    nodes: dict[str, Node] = {}
    stack = list(names)
    while stack:
        node = traced.folded[stack.pop()]
        if node.name in nodes:
            continue
        nodes[node.name] = node
        for name in filter(None, node.inputs):
            constant = constants[name]
            if not constant.floating or not constant.learned_roots or constant.elements == 1:
                continue
            if constant.view:
                sources[name] = constant
            elif name in traced.folded:
                stack.append(name)
    order = {node.name: rank for rank, node in enumerate(traced.folded.values())}
    ordered = tuple(sorted(nodes.values(), key=lambda node: order[node.name]))
    computed = frozenset(output for node in ordered for output in node.outputs)
    return _Chain(ordered, sources, computed)


def _source(constant: Constant, role: ParameterRole) -> Placed:
    """The stored tensor as the first operator of the computation."""
    name = constant.name
    node = Node(f"{name}/parameter", "Parameter", "", 1, (), (name,), onnx.NodeProto(), {})
    piece = Piece(
        kind=OpKind.MOVEMENT,
        inputs=(),
        outputs=(name,),
        reason="free: a parameter that weights are computed from",
        reads=(Read(constant, role),),
        per_step=True,
    )
    return node, piece


def _visited(chain: _Chain, traced: Traced, opsets: Sequence[onnx.OperatorSetIdProto]) -> Tracer:
    """A tracer that has visited the nodes of `chain` with its sources as activations."""
    scope = traced.scope
    kept = {
        name: constant
        for name, constant in scope.constants.items()
        if name not in chain.sources and name not in chain.computed
    }
    infos = [
        tensor_info(name, constant.element_type, constant.shape)
        for name, constant in chain.sources.items()
    ]
    tracer = Tracer(infos, kept, {}, frozenset(), opsets, {})
    tracer.types.update(scope.types)
    tracer.expect(chain.nodes)
    tracer.expect_results(chain.computed, chain.nodes[0])
    for node in chain.nodes:
        tracer.visit(node)
    return tracer


def _reading(node: Node, piece: Piece, traced: Traced) -> Piece:
    """`piece` with the computed constants that it reads among its inputs."""
    computed = [read for read in piece.reads if _is_computed(read.constant, traced)]
    if not computed:
        return piece
    names = tuple(dict.fromkeys(read.constant.name for read in computed))
    changed = replace(
        piece,
        inputs=(*piece.inputs, *names),
        reads=tuple(read for read in piece.reads if read not in computed),
        added_bias=None if piece.added_bias in [r.constant for r in computed] else piece.added_bias,
    )
    product = piece.product
    if product is None or product.constant.name not in names:
        return changed
    note = Note(
        "computed_weight",
        f"The weight '{product.constant.name}' is computed from parameters in every step, so no "
        "array can be updated in place: it is multiplied on the digital matrix unit, and its "
        "gradient flows on through the computation.",
        node.name,
    )
    return replace(changed, content=product.constant.name, notes=(*changed.notes, note))
