"""All numeric kernels, gathered from the families."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from archsim.errors import InputError
from archsim.workload.numerics import (
    attention,
    contrib,
    convolution,
    einsum,
    elementwise_binary,
    elementwise_unary,
    indexing,
    making,
    matmul,
    movement,
    normalisation,
    pooling,
    quantisation,
    recurrent,
    reduction,
    resampling,
    rotary,
    softmax,
)
from archsim.workload.numerics.kernel import Kernel
from archsim.workload.onnx_reader.nodes import Node, summarise

_FAMILIES: tuple[tuple[Kernel, ...], ...] = (
    convolution.KERNELS,
    matmul.KERNELS,
    einsum.KERNELS,
    recurrent.KERNELS,
    attention.KERNELS,
    normalisation.KERNELS,
    softmax.KERNELS,
    reduction.KERNELS,
    pooling.KERNELS,
    elementwise_unary.KERNELS,
    elementwise_binary.KERNELS,
    quantisation.KERNELS,
    indexing.KERNELS,
    movement.KERNELS,
    making.KERNELS,
    resampling.KERNELS,
    rotary.KERNELS,
    contrib.KERNELS,
)
KERNELS: Mapping[tuple[str, str], Kernel] = MappingProxyType(
    {(entry.domain, entry.op_type): entry for family in _FAMILIES for entry in family}
)


def kernel_of(node: Node) -> Kernel:
    """The kernel of a node; `check_known` has made sure that there is one."""
    return KERNELS[node.domain, node.op_type]


def check_known(nodes: Iterable[Node]) -> None:
    """Refuse nodes without a kernel, all at once."""
    missing = [node for node in nodes if (node.domain, node.op_type) not in KERNELS]
    if missing:
        raise InputError(
            f"operators that can be costed, but not evaluated in numpy: {summarise(missing)}.",
            place=missing[0].place,
        )
