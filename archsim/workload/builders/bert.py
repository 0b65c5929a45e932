"""BERT encoders."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from onnx import TensorProto

from archsim.workload.builders.attention import Masking, attend, feed_forward, positions
from archsim.workload.builders.layers import embedding, layer_norm, linear
from archsim.workload.builders.writer import GraphWriter

if TYPE_CHECKING:
    import onnx

_EPSILON = 1e-12


def bert(
    name: str,
    *,
    layers: int,
    width: int,
    heads: int,
    inner: int,
    vocabulary: int,
    longest: int,
) -> onnx.ModelProto:
    """BERT (Devlin et al. 2019, arXiv:1810.04805): encoder and pooler, without a task's head.

    Inputs `input_ids`, `token_type_ids` and `attention_mask`, each [batch, seq] of int64; outputs
    `last_hidden_state` [batch, seq, width] and `pooler_output` [batch, width].  Dropout is left
    out, as exporters do.
    """
    g = GraphWriter(name)
    ids = g.input("input_ids", ["batch", "seq"], TensorProto.INT64)
    types = g.input("token_type_ids", ["batch", "seq"], TensorProto.INT64)
    mask = g.input("attention_mask", ["batch", "seq"], TensorProto.INT64)
    words = embedding(g, ids, "embeddings.word_embeddings", vocabulary, width)
    kinds = embedding(g, types, "embeddings.token_type_embeddings", 2, width)
    places = embedding(
        g, positions(g, ids, longest), "embeddings.position_embeddings", longest, width
    )
    x = g.node("Add", [words, kinds], "embeddings.add_types")
    x = g.node("Add", [x, places], "embeddings.add_positions")
    x = layer_norm(g, x, "embeddings.LayerNorm", width, _EPSILON)
    masking = Masking(additive=_padding_mask(g, mask))
    for index in range(layers):
        x = _layer(g, x, f"encoder.layer.{index}", (width, heads, inner), masking)
    first = g.node(
        "Gather", [x, g.constant("first", np.asarray(0, dtype=np.int64))], "pooler.first", axis=1
    )
    pooled = g.node("Tanh", [linear(g, first, "pooler.dense", width, width)], "pooler.tanh")
    g.output("last_hidden_state", x, ["batch", "seq", width])
    g.output("pooler_output", pooled, ["batch", width])
    return g.model()


def _layer(g: GraphWriter, x: str, name: str, sizes: tuple[int, int, int], masking: Masking) -> str:
    """One encoder layer with normalisation after each residual addition."""
    width, heads, inner = sizes
    query = linear(g, x, f"{name}.attention.self.query", width, width)
    key = linear(g, x, f"{name}.attention.self.key", width, width)
    value = linear(g, x, f"{name}.attention.self.value", width, width)
    context = attend(
        g, (query, key, value), f"{name}.attention.self", width, heads, masking=masking
    )
    context = linear(g, context, f"{name}.attention.output.dense", width, width)
    x = g.node("Add", [context, x], f"{name}.attention.output.residual")
    x = layer_norm(g, x, f"{name}.attention.output.LayerNorm", width, _EPSILON)
    names = (f"{name}.intermediate.dense", f"{name}.output.dense")
    hidden = feed_forward(g, x, names, width, inner)
    x = g.node("Add", [hidden, x], f"{name}.output.residual")
    return layer_norm(g, x, f"{name}.output.LayerNorm", width, _EPSILON)


def _padding_mask(g: GraphWriter, mask: str) -> str:
    """0 where `mask` [batch, seq] is 1 and the least float where it is 0, [batch, 1, 1, seq]."""
    real = g.node("Cast", [mask], "mask.cast", to=TensorProto.FLOAT)
    wide = g.node("Unsqueeze", [real, g.integers("mask.axes", 1, 2)], "mask.unsqueeze")
    hidden = g.node("Sub", [g.scalar("one", 1.0), wide], "mask.invert")
    least = g.scalar("mask.least", float(np.finfo(np.float32).min))
    return g.node("Mul", [hidden, least], "mask.scale")
