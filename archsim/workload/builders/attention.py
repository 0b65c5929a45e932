"""What the transformers share: multi-head attention and the feed-forward layer."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from archsim.workload.builders.layers import linear
from archsim.workload.builders.writer import GraphWriter


@dataclass(frozen=True, slots=True)
class Masking:
    """What is done to attention scores before the softmax.

    `additive` is a tensor added to the scores (0 or very negative), broadcast to [batch, heads,
    seq, seq]; `keep` is a boolean tensor [seq, seq] that is False where a position may not look.
    """

    additive: str | None = None
    keep: str | None = None


NO_MASK = Masking()


def attend(
    g: GraphWriter,
    qkv: tuple[str, str, str],
    name: str,
    width: int,
    heads: int,
    *,
    masking: Masking = NO_MASK,
) -> str:
    """softmax(Q Kᵀ / sqrt(d)) V on [batch, seq, width] with `heads` heads, as separate nodes."""
    split = g.integers("heads.split", 0, 0, heads, width // heads)
    merge = g.integers("heads.merge", 0, 0, width)

    def by_head(tensor: str, label: str, perm: list[int]) -> str:
        reshaped = g.node("Reshape", [tensor, split], f"{name}.{label}.split")
        return g.node("Transpose", [reshaped], f"{name}.{label}.transpose", perm=perm)

    query = by_head(qkv[0], "q", [0, 2, 1, 3])
    key = by_head(qkv[1], "k", [0, 2, 3, 1])
    value = by_head(qkv[2], "v", [0, 2, 1, 3])
    scores = g.node("MatMul", [query, key], f"{name}.scores")
    scale = g.scalar("attention.scale", 1.0 / math.sqrt(width // heads))
    scores = g.node("Mul", [scores, scale], f"{name}.scale")
    if masking.additive is not None:
        scores = g.node("Add", [scores, masking.additive], f"{name}.mask")
    if masking.keep is not None:
        hidden = g.scalar("attention.hidden", float("-inf"))
        scores = g.node("Where", [masking.keep, scores, hidden], f"{name}.mask")
    weights = g.node("Softmax", [scores], f"{name}.softmax", axis=-1)
    context = g.node("MatMul", [weights, value], f"{name}.context")
    context = g.node("Transpose", [context], f"{name}.context.transpose", perm=[0, 2, 1, 3])
    return g.node("Reshape", [context, merge], f"{name}.context.merge")


def feed_forward(
    g: GraphWriter,
    x: str,
    names: tuple[str, str],
    width: int,
    inner: int,
    *,
    approximate: Literal["none", "tanh"] = "none",
) -> str:
    """Two linear layers `width` - `inner` - `width` with a GELU between them."""
    hidden = linear(g, x, names[0], width, inner)
    hidden = g.node("Gelu", [hidden], f"{names[0]}.gelu", approximate=approximate)
    return linear(g, hidden, names[1], inner, width)


def positions(g: GraphWriter, ids: str, longest: int) -> str:
    """Position numbers [1, seq] for token `ids` [batch, seq], cut from a stored 0 ... longest-1."""
    stored = g.integers("positions.stored", *range(longest))
    shape = g.node("Shape", [ids], "positions.shape", start=1, end=2)
    axis = g.integers("axis0", 0)
    cut = g.node("Slice", [stored, axis, shape, axis], "positions.cut")
    return g.node("Unsqueeze", [cut, axis], "positions")
