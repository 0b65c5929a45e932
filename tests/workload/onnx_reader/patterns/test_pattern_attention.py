"""Attention as exporters take it apart, its scores, and rotary embeddings."""

from __future__ import annotations

import numpy as np
import pytest

from archsim.workload.graph import OpKind
from archsim.workload.training import TrainingOptions, saved_activation_bytes, training_graph

SHAPE = (2, 4, 8, 16)  # samples, heads, tokens, size of a head
KEYS = "float[2,4,16,8] k, float[2,4,8,16] v, float[2,1,8,8] mask"
SDPA = "q = Mul(x, half) t = Mul(k, half) s = MatMul(q, t) "
EAGER = "p = MatMul(x, k) s = Mul(p, sixth) "
GUARD = "w = Softmax(m) b = IsNaN(w) g = Where(b, zero, w) y = MatMul(g, v)"


def test_sdpa_with_guard_is_one_attention(net, op_of) -> None:
    """Two scaled operands, a mask, a guarded softmax and a product are the fused operator."""
    workload = net(SDPA + "m = Add(s, mask) " + GUARD, SHAPE, inputs=KEYS)
    found = op_of(workload)
    assert (found.op_type, found.kind) == ("Attention", OpKind.DYNAMIC_MATMUL)
    assert workload.macs(found) == 2 * (2 * 4) * 8 * 16 * 8
    assert set(found.inputs) == {"x", "k", "v", "mask"}


def test_attention_keeps_no_probabilities_in_pytorch(net) -> None:
    """The fused operator keeps operands, output and one number per row: flash attention's."""
    workload = net(SDPA + "w = Softmax(s) y = MatMul(w, v)", SHAPE, inputs=KEYS)
    graph = training_graph(workload, TrainingOptions(loss="none", input_gradients=("x", "k", "v")))
    assert saved_activation_bytes(graph) == 4 * (4 * 1024 + 2 * 4 * 8)
    assert any("probabilities" in item.tensor for item in graph.saved)


def test_attention_that_a_model_writes_out_keeps_its_products(net) -> None:
    """Scores that are scaled once are the model's own: scale, mask and softmax become one pass."""
    workload = net(EAGER + "m = Add(s, mask) " + GUARD, SHAPE, inputs=KEYS)
    assert [op.op_type for op in workload.ops] == ["MatMul", "Softmax", "MatMul"]
    softmax = workload.ops[1]
    count = 2 * 4 * 8 * 8
    assert (softmax.forward.read, softmax.forward.written) == (count + 2 * 8 * 8, count)
    assert [item.elements for item in softmax.saved] == [count]


def test_scores_do_the_operations_of_their_parts(net) -> None:
    """Fusing saves traffic, not operations: they sum to those of the parts."""
    fused = net(EAGER + "m = Add(s, mask) w = Softmax(m) y = MatMul(w, v)", SHAPE, inputs=KEYS)
    parts = net(
        EAGER + "m = Add(s, mask) w = Softmax(m) y = MatMul(w, v)",
        SHAPE, inputs=KEYS, outputs="y s m",
    )  # fmt: skip
    together = sum(op.forward.operations for op in fused.ops)
    assert together == sum(op.forward.operations for op in parts.ops)
    assert len(parts.ops) == 5


def test_a_softmax_of_something_else_stays_alone(net) -> None:
    """Without a product of activations before it, a scaled softmax is no attention."""
    assert [op.op_type for op in net("s = Mul(x, half) y = Softmax(s)", SHAPE).ops] == [
        "Mul",
        "Softmax",
    ]


ROTATE = {
    "slices": "l = Slice(x, from0, to8, axis3) h = Slice(x, from8, to16, axis3) n = Neg(h)"
    " r = Concat<axis=-1>(n, l) ",
    "split": "l, h = Split<axis=-1, num_outputs=2>(x) n = Neg(h) r = Concat<axis=-1>(n, l) ",
    "neighbours": "l = Slice(x, from0, to16, axis3, by2) h = Slice(x, from1, to16, axis3, by2)"
    " n = Neg(h) i = Unsqueeze(n, axis4) j = Unsqueeze(l, axis4) z = Concat<axis=-1>(i, j)"
    " r = Reshape(z, whole) ",
}
INDICES = {
    "from0": [0], "from1": [1], "from8": [8], "to8": [8], "to16": [16], "axis3": [3],
    "axis4": [4], "by2": [2], "whole": list(SHAPE),
}  # fmt: skip


@pytest.mark.parametrize("rotate", ROTATE.values(), ids=ROTATE)
@pytest.mark.parametrize("order", ["y = Add(a, b)", "y = Add(b, a)"])
def test_rotary_embedding_is_one_operator(net, op_of, rotate: str, order: str) -> None:
    """Two products and a sum per element; the tables are kept, x is not."""
    body = rotate + "a = Mul(x, cos) b = Mul(sin, r) " + order
    loose = {name: np.asarray(value) for name, value in INDICES.items()}
    tables = "float[1,1,8,16] cos, float[1,1,8,16] sin"
    found = op_of(net(body, SHAPE, inputs=tables, loose=loose))
    count = 2 * 4 * 8 * 16
    assert found.op_type == "RotaryEmbedding"
    assert (found.forward.mul, found.forward.add) == (2 * count, count)
    assert {item.tensor for item in found.saved} == {"cos", "sin"}


def test_a_swap_without_a_sign_is_no_rotation(net) -> None:
    """Both halves positive is another function."""
    body = (
        "l, h = Split<axis=-1, num_outputs=2>(x) r = Concat<axis=-1>(h, l)"
        " a = Mul(x, cos) b = Mul(sin, r) y = Add(a, b)"
    )
    tables = "float[1,1,8,16] cos, float[1,1,8,16] sin"
    assert len(net(body, SHAPE, inputs=tables).ops) == 5
