"""The float32 twin, several steps of it, as PyTorch trains.

Run with `-m torch` where torch is installed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from archsim.cotraining.initial import initial_values
from archsim.cotraining.training import Training
from archsim.workload.builders.lenet import lenet
from archsim.workload.builders.mlp import mlp
from archsim.workload.executable import executable
from tests.closeness import close
from tests.cotraining import by_torch
from tests.cotraining.plans import small_plan

pytestmark = pytest.mark.torch


def mlp_by_torch(f: Any, p: Mapping[str, Any], x: Any) -> Any:
    hidden = f.linear(x.flatten(1), p["fc1.weight"], p["fc1.bias"]).relu()
    return f.linear(hidden, p["fc2.weight"], p["fc2.bias"])


NETWORKS: dict[str, tuple[Callable[[], Any], Callable[[Any, Mapping[str, Any], Any], Any]]] = {
    "mlp": (lambda: mlp("mlp", widths=(784, 20, 10), activation="relu"), mlp_by_torch),
    "lenet": (
        lambda: lenet("lenet", classes=10, activation="relu", pooling="max"),
        by_torch.lenet,
    ),
}


def images(folder: Path) -> str:
    """Noisy pictures of ten kinds."""
    rng = np.random.default_rng(0)
    kinds = rng.uniform(size=(10, 1, 28, 28))
    labels = rng.integers(0, 10, 90)
    x = np.clip(kinds[labels] + rng.normal(scale=0.2, size=(90, 1, 28, 28)), 0, 1)
    path = folder / "images.npz"
    np.savez(path, x_train=x[:80], y_train=labels[:80], x_test=x[80:], y_test=labels[80:])
    return str(path)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("name", NETWORKS)
def test_the_twin_trains_as_torch_does(name: str, momentum: float, tmp_path: Path) -> None:
    """Mean losses of two epochs and the last test loss, from the same start in the same order.

    Weight matrices under plain gradient descent, biases with momentum where it is asked for.
    """
    import torch

    build, forward = NETWORKS[name]
    kind = {"kind": "momentum", "momentum": momentum} if momentum else {"kind": "sgd"}
    plan = small_plan(
        graph=executable(build()),
        data=images(tmp_path),
        learning_rate={"kind": "constant", "rate": 0.05},
        optimizer=kind,
    )
    training = Training(plan, "float32", 3)
    training.run()
    tensors = {
        name: torch.tensor(value, requires_grad=True)
        for name, value in initial_values(plan.graph, plan.recipe, 3).items()
    }
    biases = [t for n, t in tensors.items() if n.endswith("bias")]
    weights = [t for n, t in tensors.items() if not n.endswith("bias")]
    groups = [{"params": weights}, {"params": biases, "momentum": momentum}]
    optimizer = torch.optim.SGD(groups, lr=0.05)

    def loss_of(part: Any, some: Any) -> Any:
        answers = forward(torch.nn.functional, tensors, torch.tensor(part.batch(some)))
        return torch.nn.functional.cross_entropy(answers, torch.tensor(part.wanted(some)))

    for epoch in range(2):
        order, losses = training._order(epoch), []
        for start in range(0, 80, 10):
            optimizer.zero_grad()
            loss = loss_of(plan.data.train, order[start : start + 10])
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        assert training.curve[epoch + 1].train_loss == close(float(np.mean(losses)), rel=1e-5)
    assert training.curve[-1].test_loss == close(
        loss_of(plan.data.test, slice(None)).item(), rel=1e-4
    )
