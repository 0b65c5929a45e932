"""Recurrent language models."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from onnx import TensorProto

from archsim.workload.builders.layers import embedding, linear
from archsim.workload.builders.writer import ZEROS, GraphWriter, Init

if TYPE_CHECKING:
    import onnx


def lstm_language_model(name: str, *, layers: int, width: int, vocabulary: int) -> onnx.ModelProto:
    """Word embedding, `layers` LSTMs of `width` units, and an untied softmax layer.

    After Zaremba et al. 2014 (arXiv:1409.2329).  Each minibatch starts from a zero state, and
    dropout is left out.  The ONNX LSTM has two bias vectors per gate, as PyTorch's has.
    Input `input_ids` [batch, seq] of int64, output `logits` [batch, seq, vocabulary].
    """
    g = GraphWriter(name)
    ids = g.input("input_ids", ["batch", "seq"], TensorProto.INT64)
    x = embedding(g, ids, "encoder", vocabulary, width)
    x = g.node("Transpose", [x], "time_first", perm=[1, 0, 2])
    uniform = Init(std=1.0 / math.sqrt(3.0 * width))
    for index in range(layers):
        label = f"lstm.{index}"
        operands = [
            x,
            g.parameter(f"{label}.weight_ih", (1, 4 * width, width), uniform),
            g.parameter(f"{label}.weight_hh", (1, 4 * width, width), uniform),
            g.parameter(f"{label}.bias", (1, 8 * width), ZEROS),
        ]
        states = g.node("LSTM", operands, label, hidden_size=width)
        x = g.node("Squeeze", [states, g.integers("direction", 1)], f"{label}.squeeze")
    x = g.node("Transpose", [x], "batch_first", perm=[1, 0, 2])
    logits = linear(g, x, "decoder", width, vocabulary)
    g.output("logits", logits, ["batch", "seq", vocabulary])
    return g.model()
