"""Weights that the network computes from parameters: weight normalisation, 1 + w, -exp(w).

Folding makes constants of them, but training changes what they are computed from, so the computation
is part of every step, forward and backward.  The nodes that were folded are visited again with the
stored tensors as parameters.  Such work happens once per minibatch, whatever its size.  No array can
be updated in place for a matrix that is computed, so it stays on the digital matrix unit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TypeAlias

import onnx

from archsim.workload.graph import DigitalWork, Note, OpKind, ParameterRole, TensorInfo
from archsim.workload.onnx_reader.assembly import Placed
from archsim.workload.onnx_reader.constants import Constant
from archsim.workload.onnx_reader.families.constant_rows import learned_rows
from archsim.workload.onnx_reader.lineage import contributing
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
    """The pieces, those that compute weights from parameters put before them; and all tensors.

    The same is done for learned tensors that enter products (queries, latents): they and what is
    computed from them become activations.
    """
    roles: dict[str, ParameterRole] = {}
    for _, piece in traced.pieces:
        for read in piece.reads:
            if _is_computed(read.constant, traced):
                roles.setdefault(read.constant.name, read.role)
    rows = [
        p.rows.name for _, p in traced.pieces if p.rows is not None and p.rows.name not in roles
    ]
    if not roles and not rows:
        return traced.pieces, traced.scope.tensors
    weights = _chain_of(roles, traced, _all_learned)
    inputs = _without(_chain_of(rows, traced, _leading), weights)
    role = next(iter(roles.values()), ParameterRole.WEIGHT)
    of_weights = _visited(weights, traced, opsets)
    of_inputs = _visited(inputs, traced, opsets, known=of_weights.tensors)
    pieces = [
        *(_source(constant, role) for constant in weights.sources.values()),
        *((node, _once_per_step(piece)) for node, piece in of_weights.pieces),
        *(_rows_source(constant, traced) for constant in inputs.sources.values()),
        *of_inputs.pieces,
        *((node, _reading(node, piece, traced)) for node, piece in traced.pieces),
    ]
    return pieces, {**of_weights.tensors, **of_inputs.tensors, **traced.scope.tensors}


def _once_per_step(piece: Piece) -> Piece:
    """`piece` as work on parameters.

    Parameters are kept anyway, and what is made of them is small beside the activations.  Zeros that
    stand for an absent shift (of a standardised weight) are none.
    """
    reads = tuple(read for read in piece.reads if not read.constant.blank)
    return replace(piece, per_step=True, saved=(), reads=reads)


def _is_computed(constant: Constant, traced: Traced) -> bool:
    return not constant.view and bool(constant.learned_roots) and constant.name in traced.folded


_Choice: TypeAlias = Callable[[Node, Traced], list[str]]


def _chain_of(names: Iterable[str], traced: Traced, choose: _Choice) -> _Chain:
    """What computes `names`; `choose` says which inputs of a node it is differentiated by."""
    constants = traced.scope.constants
    sources: dict[str, Constant] = {}
    nodes: dict[str, Node] = {}
    stack = list(names)
    while stack:
        name = stack.pop()
        if constants[name].view or name not in traced.folded:
            sources[name] = constants[name]
            continue
        node = traced.folded[name]
        if node.name not in nodes:
            nodes[node.name] = node
            stack.extend(choose(node, traced))
    order = {node.name: rank for rank, node in enumerate(traced.folded.values())}
    ordered = tuple(sorted(nodes.values(), key=lambda node: order[node.name]))
    computed = frozenset(output for node in ordered for output in node.outputs)
    return _Chain(ordered, dict(sorted(sources.items())), computed)


def _all_learned(node: Node, traced: Traced) -> list[str]:
    """All inputs that are made of learned tensors and reach the output."""
    operands = [traced.scope.constant(name) if name else None for name in node.inputs]
    return list(
        dict.fromkeys(
            constant.name
            for constant in contributing(node, operands)
            if constant.floating
            and constant.elements > 1
            and constant.learned_roots
            and (constant.view or constant.name in traced.folded)
        )
    )


def _leading(node: Node, traced: Traced) -> list[str]:
    """The inputs that are computed, else the largest that is stored.

    Others (the scale of a normalisation, a bias) are parameters of the node, as they are of one
    that works on activations.
    """
    found = _all_learned(node, traced)
    computed = [name for name in found if not traced.scope.constants[name].view]
    stored = sorted(found, key=lambda name: -traced.scope.elements(name))
    return computed or stored[:1]


def _without(chain: _Chain, other: _Chain) -> _Chain:
    """`chain` without what `other` makes as well."""
    made = other.computed | set(other.sources)
    return _Chain(
        tuple(node for node in chain.nodes if not made.intersection(node.outputs)),
        {name: constant for name, constant in chain.sources.items() if name not in made},
        chain.computed - made,
    )


def _rows_source(constant: Constant, traced: Traced) -> Placed:
    """The stored tensor whose vectors enter the network: all rows of an embedding, or a table."""
    name, size = constant.name, constant.elements
    learned = learned_rows(traced.scope, name) is not None
    node = Node(f"{name}/parameter", "Parameter", "", 1, (), (name,), onnx.NodeProto(), {})
    backward = DigitalWork(add=size, read=size, written=size, read_parameters=size)
    piece = Piece(
        kind=OpKind.EMBEDDING,
        inputs=(),
        outputs=(name,),
        reason=f"all rows of a {'learned' if learned else 'constant'} tensor",
        forward=DigitalWork(written=size, read_parameters=size),
        backward=backward if learned else DigitalWork(),
        reads=(Read(constant, ParameterRole.EMBEDDING),) if learned else (),
    )
    return node, piece


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


def _visited(
    chain: _Chain,
    traced: Traced,
    opsets: Sequence[onnx.OperatorSetIdProto],
    known: Mapping[str, TensorInfo] = MappingProxyType({}),
) -> Tracer:
    """A tracer that has visited the nodes of `chain` with its sources, and `known`, as activations."""
    scope = traced.scope
    kept = {
        name: constant
        for name, constant in scope.constants.items()
        if name not in chain.sources and name not in chain.computed and name not in known
    }
    infos = [
        tensor_info(name, constant.element_type, constant.shape)
        for name, constant in chain.sources.items()
    ]
    tracer = Tracer([*known.values(), *infos], kept, {}, frozenset(), opsets, {})
    tracer.types.update(scope.types)
    tracer.expect(chain.nodes)
    if chain.nodes:
        tracer.expect_results(chain.computed, chain.nodes[0])
    for node in chain.nodes:
        tracer.visit(node)
    return tracer


def _reading(node: Node, piece: Piece, traced: Traced) -> Piece:
    """`piece` with the computed constants that it reads among its inputs."""
    if piece.rows is not None:
        piece = replace(piece, inputs=(piece.rows.name, *piece.inputs))
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
