"""What a recurrent layer keeps for its backward: enough for the gradients, and nothing else.

The second method runs the cells in numpy: the backward sees only the arrays that the forward kept,
its gradients are those of finite differences, and the bytes of these arrays are what is counted.
"""

from __future__ import annotations

import numpy as np
import pytest
from onnx import helper

from archsim.workload.onnx_reader import workload_from_model
from archsim.workload.training import (
    TrainingOptions,
    accelerator_saved_bytes,
    saved_activation_bytes,
    training_graph,
)

STEPS, SAMPLES, INPUTS, HIDDEN = 3, 2, 5, 4


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


class Lstm:
    """i, f, o, g from one product each; c = f c + i g, h = o tanh(c)."""

    op_type, gates, attributes = "LSTM", 4, {}

    @staticmethod
    def forward(x, w, r):
        h, c, kept = np.zeros((SAMPLES, HIDDEN)), np.zeros((SAMPLES, HIDDEN)), []
        for step in x:
            a = np.split(step @ w + h @ r, 4, axis=1)
            i, f, o, g = sigmoid(a[0]), sigmoid(a[1]), sigmoid(a[2]), np.tanh(a[3])
            c = f * c + i * g
            h = o * np.tanh(c)
            kept.append((step, i, f, o, g, c, h))
        return kept

    @staticmethod
    def backward(kept, r):
        """The gradient of the sum of all h with respect to r."""
        zero, dr = np.zeros((SAMPLES, HIDDEN)), np.zeros_like(r)
        dh, dc = zero, zero
        for t in reversed(range(STEPS)):
            _, i, f, o, g, c, _ = kept[t]
            before_c, before_h = (kept[t - 1][5], kept[t - 1][6]) if t else (zero, zero)
            dh = dh + 1
            tanh_c = np.tanh(c)
            dc = dc + dh * o * (1 - tanh_c**2)
            gates = [dc * g * i * (1 - i), dc * before_c * f * (1 - f)]
            gates += [dh * tanh_c * o * (1 - o), dc * i * (1 - g**2)]
            da = np.concatenate(gates, axis=1)
            dr += before_h.T @ da
            dh, dc = da @ r.T, dc * f
        return dr


class GruAfter:
    """The reset gate multiplies the recurrent product: n = tanh(x W + r (h R))."""

    op_type, gates, attributes = "GRU", 3, {"linear_before_reset": 1}

    @staticmethod
    def forward(x, w, r):
        h, kept = np.zeros((SAMPLES, HIDDEN)), []
        for step in x:
            by_x, by_h = np.split(step @ w, 3, axis=1), np.split(h @ r, 3, axis=1)
            z, s = sigmoid(by_x[0] + by_h[0]), sigmoid(by_x[1] + by_h[1])
            n = np.tanh(by_x[2] + s * by_h[2])
            h = (1 - z) * n + z * h
            kept.append((step, z, s, n, by_h[2], h))
        return kept

    @staticmethod
    def backward(kept, r):
        dh, dr = np.zeros((SAMPLES, HIDDEN)), np.zeros_like(r)
        for t in reversed(range(STEPS)):
            _, z, s, n, product, _ = kept[t]
            before = kept[t - 1][5] if t else np.zeros((SAMPLES, HIDDEN))
            dh = dh + 1
            dn = dh * (1 - z) * (1 - n**2)
            gates = [dh * (before - n) * z * (1 - z), dn * product * s * (1 - s), dn * s]
            da = np.concatenate(gates, axis=1)
            dr += before.T @ da
            dh = da @ r.T + dh * z
        return dr


class GruBefore:
    """The reset gate multiplies the state: n = tanh(x W + (r h) R)."""

    op_type, gates, attributes = "GRU", 3, {"linear_before_reset": 0}

    @staticmethod
    def forward(x, w, r):
        h, kept = np.zeros((SAMPLES, HIDDEN)), []
        for step in x:
            by_x, r_zr, r_h = np.split(step @ w, 3, axis=1), r[:, : 2 * HIDDEN], r[:, 2 * HIDDEN :]
            by_h = np.split(h @ r_zr, 2, axis=1)
            z, s = sigmoid(by_x[0] + by_h[0]), sigmoid(by_x[1] + by_h[1])
            reset = s * h
            n = np.tanh(by_x[2] + reset @ r_h)
            h = (1 - z) * n + z * h
            kept.append((step, z, s, n, reset, h))
        return kept

    @staticmethod
    def backward(kept, r):
        dh, dr = np.zeros((SAMPLES, HIDDEN)), np.zeros_like(r)
        for t in reversed(range(STEPS)):
            _, z, s, n, reset, _ = kept[t]
            before = kept[t - 1][5] if t else np.zeros((SAMPLES, HIDDEN))
            dh = dh + 1
            dn = dh * (1 - z) * (1 - n**2)
            d_reset = dn @ r[:, 2 * HIDDEN :].T
            gates = [dh * (before - n) * z * (1 - z), d_reset * before * s * (1 - s)]
            da = np.concatenate(gates, axis=1)
            dr += np.concatenate([before.T @ da, reset.T @ dn], axis=1)
            dh = da @ r[:, : 2 * HIDDEN].T + d_reset * s + dh * z
        return dr


class Rnn:
    """h = tanh(x W + h R)."""

    op_type, gates, attributes = "RNN", 1, {}

    @staticmethod
    def forward(x, w, r):
        h, kept = np.zeros((SAMPLES, HIDDEN)), []
        for step in x:
            h = np.tanh(step @ w + h @ r)
            kept.append((step, h))
        return kept

    @staticmethod
    def backward(kept, r):
        dh, dr = np.zeros((SAMPLES, HIDDEN)), np.zeros_like(r)
        for t in reversed(range(STEPS)):
            da = (dh + 1) * (1 - kept[t][1] ** 2)
            dr += (kept[t - 1][1] if t else np.zeros((SAMPLES, HIDDEN))).T @ da
            dh = da @ r.T
        return dr


CELLS = (Lstm, GruAfter, GruBefore, Rnn)


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell.__name__)
def test_gradients_follow_from_what_is_kept_and_its_bytes_are_counted(network, cell) -> None:
    random = np.random.default_rng(7)
    width = cell.gates * HIDDEN
    x = random.normal(size=(STEPS, SAMPLES, INPUTS))
    w, r = random.normal(size=(INPUTS, width)), random.normal(size=(HIDDEN, width))
    kept = cell.forward(x, w, r)

    def loss(changed):
        return sum(step[-1].sum() for step in cell.forward(x, w, changed))

    estimate, step = np.zeros_like(r), 1e-6
    for index in np.ndindex(r.shape):
        change = np.zeros_like(r)
        change[index] = step
        estimate[index] = (loss(r + change) - loss(r - change)) / (2 * step)
    np.testing.assert_allclose(cell.backward(kept, r), estimate, rtol=1e-5, atol=1e-7)

    node = helper.make_node(
        cell.op_type, ["x", "w", "r"], ["y"], hidden_size=HIDDEN, **cell.attributes
    )
    weights = {"w": (1, width, INPUTS), "r": (1, width, HIDDEN)}
    model = network([node], {"x": [STEPS, SAMPLES, INPUTS]}, ["y"], weights)
    graph = training_graph(workload_from_model(model, name="cell"), TrainingOptions(loss="none"))
    needed = 4 * sum(array.size for arrays in kept for array in arrays)
    assert accelerator_saved_bytes(graph) == needed
    assert saved_activation_bytes(graph) == needed
