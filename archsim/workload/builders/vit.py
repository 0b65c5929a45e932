"""Vision transformers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from archsim.workload.builders.attention import attend, feed_forward
from archsim.workload.builders.layers import conv, gemm, layer_norm, linear
from archsim.workload.builders.writer import ZEROS, GraphWriter, Init

if TYPE_CHECKING:
    import onnx

_EPSILON = 1e-6


def vit(
    name: str,
    *,
    layers: int,
    width: int,
    heads: int,
    inner: int,
    patch: int,
    side: int,
    classes: int,
) -> onnx.ModelProto:
    """ViT (Dosovitskiy et al. 2021, arXiv:2010.11929) with a class token.

    Input `pixel_values` [batch, 3, side, side], output `logits` [batch, classes].  Dropout is left
    out, as exporters do.
    """
    g = GraphWriter(name)
    x = g.input("pixel_values", ["batch", 3, side, side])
    x = _tokens(g, x, width, patch, side)
    for index in range(layers):
        x = _layer(g, x, f"encoder.layer.{index}", (width, heads, inner))
    x = layer_norm(g, x, "layernorm", width, _EPSILON)
    first = g.constant("first", np.asarray(0, dtype=np.int64))
    token = g.node("Gather", [x, first], "class_token", axis=1)
    g.output("logits", gemm(g, token, "classifier", width, classes), ["batch", classes])
    return g.model()


def _tokens(g: GraphWriter, image: str, width: int, patch: int, side: int) -> str:
    """The class token and one token per patch, with positions: [batch, 1 + patches, width]."""
    patches = (side // patch) ** 2
    x = conv(g, image, "embeddings.patches", (3, width), patch, stride=patch, bias=True)
    x = g.node("Reshape", [x, g.integers("patches.shape", 0, width, patches)], "patches.flatten")
    x = g.node("Transpose", [x], "patches.transpose", perm=[0, 2, 1])
    batch = g.node("Shape", [image], "batch.shape", start=0, end=1)
    wide = g.node("Concat", [batch, g.integers("token.shape", 1, width)], "token.dims", axis=0)
    token = g.parameter("embeddings.cls_token", (1, 1, width), ZEROS)
    token = g.node("Expand", [token, wide], "token.expand")
    x = g.node("Concat", [token, x], "tokens", axis=1)
    places = g.parameter("embeddings.position_embeddings", (1, patches + 1, width), Init(std=0.02))
    return g.node("Add", [x, places], "tokens.add_positions")


def _layer(g: GraphWriter, x: str, name: str, sizes: tuple[int, int, int]) -> str:
    """One encoder layer with normalisation before each branch."""
    width, heads, inner = sizes
    normed = layer_norm(g, x, f"{name}.layernorm_before", width, _EPSILON)
    query = linear(g, normed, f"{name}.attention.query", width, width)
    key = linear(g, normed, f"{name}.attention.key", width, width)
    value = linear(g, normed, f"{name}.attention.value", width, width)
    context = attend(g, (query, key, value), f"{name}.attention", width, heads)
    context = linear(g, context, f"{name}.attention.output", width, width)
    x = g.node("Add", [context, x], f"{name}.attention.residual")
    normed = layer_norm(g, x, f"{name}.layernorm_after", width, _EPSILON)
    names = (f"{name}.intermediate", f"{name}.output")
    hidden = feed_forward(g, normed, names, width, inner)
    return g.node("Add", [hidden, x], f"{name}.residual")
