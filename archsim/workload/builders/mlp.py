"""Multilayer perceptrons."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from archsim.workload.builders.layers import ACTIVATION, Activation, gemm
from archsim.workload.builders.writer import GraphWriter

if TYPE_CHECKING:
    import onnx


def mlp(
    name: str,
    *,
    widths: tuple[int, ...],
    activation: Activation | Literal["none"],
    bias: bool = True,
) -> onnx.ModelProto:
    """Fully connected layers `widths[0]` - ... - `widths[-1]` with `activation` between them.

    Input `x` [batch, widths[0]], output `logits` [batch, widths[-1]].
    """
    g = GraphWriter(name)
    x = g.input("x", ["batch", widths[0]])
    last = len(widths) - 1
    for index in range(1, last + 1):
        x = gemm(g, x, f"fc{index}", widths[index - 1], widths[index], bias=bias)
        if index < last and activation != "none":
            x = g.node(ACTIVATION[activation], [x], f"act{index}")
    g.output("logits", x, ["batch", widths[-1]])
    return g.model()
