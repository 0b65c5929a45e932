"""Gradients of whole networks, as PyTorch's automatic differentiation gives them (float64).

Run with `-m torch` where torch is installed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from archsim.cotraining.numerics.losses import softmax_cross_entropy
from archsim.cotraining.numerics.network import Network
from archsim.workload.executable import executable
from tests.cotraining.by_torch import lenet
from tests.cotraining.numerics.network_cases import NETWORKS, RESNET
from tests.cotraining.numerics.test_networks import all_gradients, start

pytestmark = pytest.mark.torch

Tensors = Mapping[str, Any]


def mlp(f: Any, p: Tensors, x: Any) -> Any:
    return f.linear(
        f.linear(x, p["fc1.weight"], p["fc1.bias"]).tanh(), p["fc2.weight"], p["fc2.bias"]
    )


def resnet18(f: Any, p: Tensors, x: Any) -> Any:
    def normed(x: Any, name: str) -> Any:
        # Statistics of the minibatch; None are kept.
        return f.batch_norm(x, None, None, p[f"{name}.weight"], p[f"{name}.bias"], training=True)

    def block(x: Any, name: str, stride: int) -> Any:
        y = f.conv2d(x, p[f"{name}.conv1.weight"], stride=stride, padding=1)
        y = f.conv2d(normed(y, f"{name}.bn1").relu(), p[f"{name}.conv2.weight"], padding=1)
        y = normed(y, f"{name}.bn2")
        if f"{name}.downsample.0.weight" in p:
            x = f.conv2d(x, p[f"{name}.downsample.0.weight"], stride=stride)
            x = normed(x, f"{name}.downsample.1")
        return (x + y).relu()

    x = normed(f.conv2d(x, p["conv1.weight"], stride=2, padding=3), "bn1").relu()
    x = f.max_pool2d(x, 3, 2, 1)
    for stage in range(4):
        for index in range(2):
            x = block(x, f"layer{stage + 1}.{index}", 2 if stage and not index else 1)
    return f.linear(x.mean((2, 3)), p["fc.weight"], p["fc.bias"])


def lstm(f: Any, p: Tensors, ids: Any) -> Any:
    """The gates of ONNX are in the order i, o, f, c."""
    x = f.embedding(ids, p["encoder.weight"]).transpose(0, 1)
    for layer in range(2):
        w, r = p[f"lstm.{layer}.weight_ih"][0], p[f"lstm.{layer}.weight_hh"][0]
        first, second = p[f"lstm.{layer}.bias"][0].chunk(2)
        hidden = memory = x.new_zeros(x.shape[1], r.shape[1])
        outputs = []
        for step in x:
            i, o, forget, c = (step @ w.T + hidden @ r.T + first + second).chunk(4, 1)
            memory = forget.sigmoid() * memory + i.sigmoid() * c.tanh()
            hidden = o.sigmoid() * memory.tanh()
            outputs.append(hidden[None])
        x = x.new_empty(0, *outputs[0].shape[1:])
        for output in outputs:
            x = _joined(x, output)
    return x.transpose(0, 1) @ p["decoder.weight"] + p["decoder.bias"]


def _joined(first: Any, second: Any) -> Any:
    import torch

    return torch.cat((first, second))


BY_TORCH: dict[str, Callable[[Any, Tensors, Any], Any]] = {
    "mlp": mlp,
    "lenet": lenet,
    "resnet18": resnet18,
    "lstm": lstm,
}


@pytest.mark.parametrize("name", BY_TORCH)
def test_gradients_are_those_of_torch(name: str) -> None:
    """Loss and gradients of all parameters agree to ten digits of the largest gradient."""
    import torch

    case = next(c for c in (*NETWORKS, RESNET) if c.name == name)
    graph = executable(case.build(), dims=case.dims)
    parameters, inputs = start(graph), case.inputs(8)
    (batch,) = inputs.values()
    tensors = {
        n: torch.tensor(v, requires_grad=n in graph.parameters) for n, v in parameters.items()
    }
    logits = BY_TORCH[name](torch.nn.functional, tensors, torch.tensor(batch))
    rng = np.random.default_rng(0)
    labels = rng.integers(0, logits.shape[-1], logits.shape[:-1])
    flat = logits.reshape(-1, logits.shape[-1])
    loss = torch.nn.functional.cross_entropy(flat, torch.tensor(labels.reshape(-1)))
    loss.backward()
    cost, gradient = softmax_cross_entropy(logits.detach().numpy(), labels)
    assert cost == pytest.approx(loss.item(), rel=1e-12)
    network = Network(graph, dtype=np.float64)
    found = all_gradients(network, parameters, inputs, {"logits": gradient})
    assert set(found) == set(graph.parameters)
    for parameter, ours in found.items():
        theirs = tensors[parameter].grad.numpy()
        scale = np.abs(theirs).max()
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-10 * scale, err_msg=parameter)
