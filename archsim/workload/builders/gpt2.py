"""GPT-2 decoders."""

from __future__ import annotations

from typing import TYPE_CHECKING

from onnx import TensorProto, helper

from archsim.workload.builders.attention import Masking, attend, feed_forward, positions
from archsim.workload.builders.layers import embedding, layer_norm, linear
from archsim.workload.builders.writer import GraphWriter

if TYPE_CHECKING:
    import onnx

_EPSILON = 1e-5


def gpt2(
    name: str, *, layers: int, width: int, heads: int, vocabulary: int, longest: int
) -> onnx.ModelProto:
    """GPT-2 (Radford et al. 2019) with its language-modelling head tied to the word embedding.

    Input `input_ids` [batch, seq] of int64, output `logits` [batch, seq, vocabulary].  One matrix
    makes queries, keys and values together.  Dropout is left out, as exporters do.
    """
    g = GraphWriter(name)
    ids = g.input("input_ids", ["batch", "seq"], TensorProto.INT64)
    words = embedding(g, ids, "wte", vocabulary, width)
    places = embedding(g, positions(g, ids, longest), "wpe", longest, width)
    x = g.node("Add", [words, places], "embed")
    masking = Masking(keep=_causal_mask(g, ids))
    for index in range(layers):
        x = _layer(g, x, f"h.{index}", (width, heads), masking)
    x = layer_norm(g, x, "ln_f", width, _EPSILON)
    head = g.node("Transpose", ["wte.weight"], "lm_head.transpose", perm=[1, 0])
    g.output("logits", g.node("MatMul", [x, head], "lm_head"), ["batch", "seq", vocabulary])
    return g.model()


def _layer(g: GraphWriter, x: str, name: str, sizes: tuple[int, int], masking: Masking) -> str:
    """One decoder layer with normalisation before each branch."""
    width, heads = sizes
    normed = layer_norm(g, x, f"{name}.ln_1", width, _EPSILON)
    fused = linear(g, normed, f"{name}.attn.c_attn", width, 3 * width)
    query, key, value = g.node_with_outputs(
        "Split", [fused], f"{name}.attn.split", 3, axis=-1, num_outputs=3
    )
    context = attend(g, (query, key, value), f"{name}.attn", width, heads, masking=masking)
    context = linear(g, context, f"{name}.attn.c_proj", width, width)
    x = g.node("Add", [context, x], f"{name}.attn.residual")
    normed = layer_norm(g, x, f"{name}.ln_2", width, _EPSILON)
    names = (f"{name}.mlp.c_fc", f"{name}.mlp.c_proj")
    hidden = feed_forward(g, normed, names, width, 4 * width, approximate="tanh")
    return g.node("Add", [hidden, x], f"{name}.mlp.residual")


def _causal_mask(g: GraphWriter, ids: str) -> str:
    """A constant [seq, seq], True at and below the diagonal: a token sees itself and the past."""
    length = g.node("Shape", [ids], "mask.length", start=1, end=2)
    square = g.node("Concat", [length, length], "mask.shape", axis=0)
    true = helper.make_tensor("value", TensorProto.BOOL, [1], [True])
    full = g.node("ConstantOfShape", [square], "mask.full", value=true)
    return g.node("Trilu", [full], "mask.causal", upper=0)
