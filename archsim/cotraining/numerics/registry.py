"""All operators that a network is trained with, gathered from the families."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from archsim.cotraining.numerics import (
    activations,
    batch_norm,
    convolution,
    einsum,
    elementwise,
    indexing,
    making,
    movement,
    normalisation,
    pooling,
    products,
    recurrent,
    reductions,
    softmax,
)
from archsim.cotraining.numerics.contract import Operator
from archsim.errors import InputError
from archsim.workload.executable_types import ExecutableNode

_FAMILIES: tuple[tuple[Operator, ...], ...] = (
    activations.OPERATORS,
    batch_norm.OPERATORS,
    convolution.OPERATORS,
    einsum.OPERATORS,
    elementwise.OPERATORS,
    indexing.OPERATORS,
    making.OPERATORS,
    movement.OPERATORS,
    normalisation.OPERATORS,
    pooling.OPERATORS,
    products.OPERATORS,
    recurrent.OPERATORS,
    reductions.OPERATORS,
    softmax.OPERATORS,
)
OPERATORS: Mapping[tuple[str, str], Operator] = MappingProxyType(
    {(entry.domain, entry.op_type): entry for family in _FAMILIES for entry in family}
)


def operator_of(node: ExecutableNode) -> Operator:
    """The operator of a node; `check_known` has made sure that there is one."""
    return OPERATORS[node.domain, node.op_type]


def check_known(nodes: Iterable[ExecutableNode], network: str) -> None:
    """Raise one `InputError` that names all operators without numerics."""
    missing = [(node, words) for node in nodes if (words := _missing(node))]
    if not missing:
        return
    counts = Counter(words for _, words in missing)
    listed = ", ".join(f"{count} {words}" for words, count in sorted(counts.items()))
    raise InputError(
        f"the network has operators that can be priced, but not trained here: {listed} (the first "
        f"is '{missing[0][0].name}').",
        place=network,
        remedy="Price it with 'archsim run', or export it with other operators.",
    )


def _missing(node: ExecutableNode) -> str:
    """What has no numerics: the operator, or something of this node; empty if all has."""
    name = f"{node.domain}.{node.op_type}" if node.domain else node.op_type
    operator = OPERATORS.get((node.domain, node.op_type))
    if operator is None:
        return name
    part = operator.missing(node)
    return f"{name} ({part})" if part else ""
