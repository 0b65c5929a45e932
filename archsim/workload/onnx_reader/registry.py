"""All operators that the reader understands, gathered from the families."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from archsim.errors import InputError, nearest
from archsim.workload.onnx_reader.families import (
    attention,
    blocked_layout,
    causal_convolution,
    convolution,
    einsum,
    elementwise_binary,
    elementwise_unary,
    embedding,
    experts,
    found,
    fused_products,
    losses,
    matmul,
    matrices,
    microsoft_attention,
    microsoft_elementwise,
    microsoft_norms,
    movement,
    normalisation,
    pooling,
    quantisation,
    quantised_elementwise,
    quantised_products,
    randomness,
    recurrent,
    reduction,
    rotary,
    sampling,
    search,
    signal,
    softmax,
)
from archsim.workload.onnx_reader.nodes import Node
from archsim.workload.onnx_reader.operators import Operator
from archsim.workload.onnx_reader.refusals import refusal
from archsim.workload.onnx_reader.structure import structural

_FAMILIES: tuple[tuple[Operator, ...], ...] = (
    attention.OPERATORS,
    blocked_layout.OPERATORS,
    causal_convolution.OPERATORS,
    convolution.OPERATORS,
    einsum.OPERATORS,
    elementwise_binary.OPERATORS,
    elementwise_unary.OPERATORS,
    embedding.OPERATORS,
    experts.OPERATORS,
    found.OPERATORS,
    fused_products.OPERATORS,
    losses.OPERATORS,
    matmul.OPERATORS,
    matrices.OPERATORS,
    microsoft_attention.OPERATORS,
    microsoft_elementwise.OPERATORS,
    microsoft_norms.OPERATORS,
    movement.OPERATORS,
    normalisation.OPERATORS,
    pooling.OPERATORS,
    quantisation.OPERATORS,
    quantised_elementwise.OPERATORS,
    quantised_products.OPERATORS,
    randomness.OPERATORS,
    recurrent.OPERATORS,
    reduction.OPERATORS,
    rotary.OPERATORS,
    sampling.OPERATORS,
    search.OPERATORS,
    signal.OPERATORS,
    softmax.OPERATORS,
)
OPERATORS: Mapping[tuple[str, str], Operator] = MappingProxyType(
    {(entry.domain, entry.op_type): entry for family in _FAMILIES for entry in family}
)
# Operators whose result depends on shapes alone, or on nothing: always folded.
SHAPE_ONLY = frozenset({"Shape", "Size", "Constant", "EyeLike"})
# Operators that make constants of sizes and other constants, and nothing else.
FOLDED = frozenset(
    {
        *SHAPE_ONLY,
        "ConstantOfShape",
        "Range",
        "HannWindow",
        "HammingWindow",
        "BlackmanWindow",
        "MelWeightMatrix",
    }
)
# Operators that give something new each time, whatever goes in.
NEVER_FOLDED = frozenset(
    ("", op_type)
    for op_type in (
        "RandomNormal",
        "RandomNormalLike",
        "RandomUniform",
        "RandomUniformLike",
        "Bernoulli",
        "Multinomial",
    )
)
# Operators whose iterations or results only a run would count.
COUNTED = frozenset({"Loop", "NonZero", "Compress", "Unique", "NonMaxSuppression"})


def lookup(node: Node) -> Operator | None:
    """The operator of a node, or None if the reader does not understand it."""
    return OPERATORS.get((node.domain, node.op_type))


_MOST_SHOWN = 100


def is_understood(node: Node) -> bool:
    """Whether the node is an operator, is replaced by what it runs, or folds away."""
    folds = node.domain == "" and node.op_type in FOLDED
    return folds or lookup(node) is not None or structural(node) is not None


@dataclass(frozen=True, slots=True)
class UnsupportedOperator:
    """An operator that is not understood: how often and where it occurs, and what is close."""

    op_type: str
    domain: str
    version: int
    nodes: tuple[str, ...]
    nearest: str | None

    @property
    def count(self) -> int:
        """How many nodes of the graph are of this type."""
        return len(self.nodes)

    def __str__(self) -> str:
        domain = self.domain or "ai.onnx"
        shown = ", ".join(f"'{name}'" for name in self.nodes[:3])
        more = ", ..." if self.count > 3 else ""
        reason = refusal(self.domain, self.op_type)
        if reason is not None:
            close = f"; it {reason}"
        else:
            close = f"; nearest supported: {self.nearest}" if self.nearest else ""
        return f"{self.op_type} (domain {domain}, opset {self.version}) {self.count} times: {shown}{more}{close}"


class UnsupportedOperators(InputError):
    """A network with operators that the reader does not understand: all of them at once."""

    def __init__(self, operators: Sequence[UnsupportedOperator], *, place: str = "") -> None:
        self.operators = tuple(operators)
        count = len(self.operators)
        shown = [str(entry) for entry in self.operators[:_MOST_SHOWN]]
        more = [f"... and {count - _MOST_SHOWN:,} more"] if count > _MOST_SHOWN else []
        listed = "\n  ".join((*shown, *more))
        super().__init__(
            f"{count} operator{'s are' if count > 1 else ' is'} not supported:\n  {listed}\n",
            place=place,
            remedy="Export the network with standard operators; 'archsim list ops' shows them.",
        )

    def __reduce__(self) -> tuple[type[UnsupportedOperators], tuple[object, ...]]:
        # Errors cross process borders in sweeps, and the default would pass the message.
        return type(self), (self.operators,)


def unsupported(nodes: Iterable[Node]) -> list[UnsupportedOperator]:
    """The operators among `nodes` that are not understood, by type, in order of appearance.

    `nodes` must leave out those that fold away: a constant subgraph may use any operator.
    """
    found: dict[tuple[str, str, int], list[str]] = {}
    for node in nodes:
        if not is_understood(node):
            key = (node.domain, node.op_type, node.version)
            found.setdefault(key, []).append(node.name)
    known = sorted({op_type for _, op_type in OPERATORS})
    return [
        UnsupportedOperator(op_type, domain, version, tuple(names), nearest(op_type, known))
        for (domain, op_type, version), names in found.items()
    ]
