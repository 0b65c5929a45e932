"""From pieces to a Workload: fused biases, matrices, parameters and the graph."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import networkx as nx

from archsim.workload.graph import (
    Op,
    Parameter,
    ParameterRole,
    WeightMatrix,
    WeightUse,
)
from archsim.workload.onnx_reader.constants import Constant
from archsim.workload.onnx_reader.nodes import Node, UniqueNames
from archsim.workload.onnx_reader.operators import Piece, Product, Scope

# A tensor read in several roles is called by the first of these.
_ROLE_ORDER = (
    ParameterRole.EMBEDDING,
    ParameterRole.WEIGHT,
    ParameterRole.NORM,
    ParameterRole.BIAS,
    ParameterRole.SCALE,
)
Placed = tuple[Node, Piece]


def fuse_biases(pieces: Sequence[Placed], scope: Scope) -> list[Placed]:
    """Make the addition of a constant vector after a MatMul the bias of that product.

    Only where nothing else reads the product and no other bias is there; the addition then is the
    product's digital work, and is counted once.
    """
    producer = {name: i for i, (_, piece) in enumerate(pieces) for name in piece.outputs}
    fused: list[Placed | None] = list(pieces)
    for index, (node, piece) in enumerate(pieces):
        if piece.added_bias is None:
            continue
        at = producer.get(piece.inputs[0])
        before = fused[at] if at is not None else None
        if at is None or before is None or not _takes_bias(before, piece, scope):
            continue
        matmul, product_piece = before
        product = product_piece.product
        assert product is not None
        fused[at] = (
            matmul,
            replace(
                product_piece,
                outputs=piece.outputs,
                product=replace(product, bias=piece.added_bias),
                forward=replace(piece.forward, read=0, written=0),
                backward=replace(piece.backward, read=0, written=0),
                reads=(*product_piece.reads, *piece.reads),
                reason=f"{product_piece.reason}, bias added by '{node.name}'",
            ),
        )
        fused[index] = None
    return [entry for entry in fused if entry is not None]


def _takes_bias(before: Placed, addition: Piece, scope: Scope) -> bool:
    node, piece = before
    product, bias, tensor = piece.product, addition.added_bias, addition.inputs[0]
    return (
        product is not None
        and bias is not None
        and node.op_type == "MatMul"
        and not product.outputs_first
        and product.bias is None
        and bias.elements == product.outputs * product.blocks
        and len(scope.consumers.get(tensor, ())) == 1
        and tensor not in scope.results
    )


def needed(pieces: Sequence[Placed], results: Iterable[str]) -> list[Placed]:
    """The pieces that some result depends on; what served only a folded shape is left out."""
    wanted = set(results)
    kept = []
    for node, piece in reversed(pieces):
        if wanted.intersection(piece.outputs):
            wanted.update(piece.inputs)
            kept.append((node, piece))
    return kept[::-1]


@dataclass
class _Usage:
    """How one stored tensor is read: in which roles, as a whole and by parts."""

    elements: int
    roles: set[ParameterRole] = field(default_factory=set)
    whole: int = 0
    parts: dict[str, int] = field(default_factory=dict)

    @property
    def uses(self) -> int:
        # Disjoint parts together are one use; the part that is read most often decides.
        return self.whole + max(self.parts.values(), default=0)


def parameters_of(pieces: Sequence[Placed]) -> dict[str, Parameter]:
    """The learned tensors that the pieces read, in order of first use."""
    usage: dict[str, _Usage] = {}
    for _, piece in pieces:
        for read in piece.reads:
            for root in read.constant.learned_roots:
                entry = usage.setdefault(root.name, _Usage(root.elements))
                entry.roles.add(read.role)
                if read.constant.whole or not read.constant.view:
                    entry.whole += 1
                else:
                    view = read.constant.view
                    entry.parts[view] = entry.parts.get(view, 0) + 1
    return {
        name: Parameter(
            name,
            entry.elements,
            next(role for role in _ROLE_ORDER if role in entry.roles),
            entry.uses,
        )
        for name, entry in usage.items()
    }


def _bias_name(bias: Constant | None) -> str | None:
    return bias.roots[0].name if bias is not None and len(bias.roots) == 1 else None


class _Matrices:
    """Stationary matrices by what they are made of; a second use finds the first."""

    def __init__(self) -> None:
        self.matrices: dict[str, WeightMatrix] = {}
        self._orientation: dict[str, bool] = {}
        self._names = UniqueNames("#")
        self._by_content: dict[tuple[str, frozenset[int], int], str] = {}

    def use(self, product: Product, holder: str = "") -> WeightUse:
        """The use of the product's matrix; `holder` is the tensor that holds a computed one."""
        constant = product.constant
        flipped = constant.flipped != product.outputs_first
        sizes = frozenset((product.inputs, product.outputs))
        content = (constant.view or constant.name, sizes, product.blocks)
        bias = _bias_name(product.bias)
        name = self._by_content.get(content)
        if name is None:
            name = self._names.take(constant.roots[0].name if constant.whole else constant.name)
            self._by_content[content] = name
            self._orientation[name] = flipped
            self.matrices[name] = WeightMatrix(
                name,
                product.inputs,
                product.outputs,
                product.blocks,
                bias,
                part_of=_stored_matrix(product),
                computed=bool(holder),
            )
        elif self.matrices[name].bias != bias:
            # Uses with different biases share the matrix, and no bias row can serve them all.
            self.matrices[name] = replace(self.matrices[name], bias=None)
        return WeightUse(
            name,
            product.vectors,
            product.sequential_steps,
            transposed=self._orientation[name] != flipped,
            chosen_blocks=product.chosen_blocks,
            content=holder,
        )


def _stored_matrix(product: Product) -> str | None:
    """The stored matrix that the product's is a slice of, or None if it is one of its own.

    A slice of a stack of matrices (experts) is a matrix of its own.
    """
    constant = product.constant
    if product.part_of:
        return product.part_of
    if constant.whole or not constant.view or len(constant.roots) != 1:
        return None
    (root,) = constant.roots
    sliced = math.prod(constant.distinct) < root.elements
    return root.name if sliced and root.one_matrix else None


def operators_of(
    pieces: Sequence[Placed], dormant: Sequence[Placed] = ()
) -> tuple[list[Op], dict[str, WeightMatrix]]:
    """The ops with unique names, and the matrices that they use.

    `dormant` are pieces that do not run, whose matrices are held all the same.
    """
    matrices = _Matrices()
    names = UniqueNames()
    ops = []
    for node, piece in pieces:
        name = names.take(f"{node.name}{piece.suffix}")
        learned = (root.name for read in piece.reads for root in read.constant.learned_roots)
        ops.append(
            Op(
                name=name,
                op_type=node.op_type,
                kind=piece.kind,
                inputs=tuple(dict.fromkeys(piece.inputs)),
                outputs=piece.outputs,
                parameters=tuple(dict.fromkeys(learned)),
                weight=None
                if piece.product is None
                else matrices.use(piece.product, piece.content),
                dynamic=piece.dynamic,
                forward=piece.forward,
                backward=piece.backward,
                saved=piece.saved,
                framework_saved=piece.framework_saved,
                batch_barrier=piece.batch_barrier,
                reason=piece.reason,
                module=node.module,
                per_step=piece.per_step,
                window=piece.window,
            )
        )
    for _, piece in dormant:
        if piece.product is not None:
            matrices.use(piece.product)
    return ops, matrices.matrices


def dataflow(ops: Sequence[Op]) -> nx.DiGraph[str]:
    """The frozen graph of `ops`, with an edge per producer and consumer."""
    graph: nx.DiGraph[str] = nx.DiGraph()
    producer: Mapping[str, str] = {name: op.name for op in ops for name in op.outputs}
    for op in ops:
        graph.add_node(op.name, op=op)
    for op in ops:
        sources: dict[str, list[str]] = {}
        for tensor in op.inputs:
            if tensor in producer:
                sources.setdefault(producer[tensor], []).append(tensor)
        for source, tensors in sources.items():
            graph.add_edge(source, op.name, tensors=tuple(tensors))
    frozen: nx.DiGraph[str] = nx.freeze(graph)
    return frozen
