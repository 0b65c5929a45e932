"""The training graph agrees with PyTorch: products, gradients and what is kept.

`torch_training.json` holds PyTorch's own answers for the networks of `benchmarks/torch_networks.py`
(see its `script` and `versions`), `torch_exports.zip` the same networks as its exporters write them.
"""

from __future__ import annotations

import json
import zipfile
from functools import cache
from pathlib import Path
from typing import Any

import onnx
import pytest

from archsim.workload.graph import Workload
from archsim.workload.onnx_reader import workload_from_model
from archsim.workload.training import (
    TrainingGraph,
    TrainingOptions,
    saved_activation_bytes,
    training_graph,
)

DATA = Path(__file__).parents[1] / "data"
ANSWERS: dict[str, dict[str, Any]] = json.loads((DATA / "torch_training.json").read_text())[
    "networks"
]
FILES = sorted(name for answer in ANSWERS.values() for name in answer["files"])
# Exporters that merge equal tensors or fold constants lose some parameters' names.
NAMED = [name for name in FILES if "plain" in name or "legacy" in name]
# PyTorch leaves recurrent layers to libraries, which keep what they like.
CNN_OR_TRANSFORMER = [name for name in FILES if not name.startswith("lstm")]


def answer_of(name: str) -> dict[str, Any]:
    return ANSWERS[name.partition(".")[0]]


@cache
def network(name: str) -> Workload:
    with zipfile.ZipFile(DATA / "torch_exports.zip") as archive:
        return workload_from_model(onnx.load_from_string(archive.read(name)), name=name)


@cache
def step(name: str) -> TrainingGraph:
    workload = network(name)
    frozen = tuple(glob for glob in answer_of(name)["frozen"] if glob in workload.parameters)
    return training_graph(workload, TrainingOptions(loss="none", frozen=frozen))


@pytest.mark.parametrize("name", FILES)
def test_products_of_a_step_are_those_that_pytorch_runs(name: str) -> None:
    """Multiply-accumulates, forward and of the whole step, equal a dispatch-mode counter's."""
    macs = step(name).macs
    assert (macs.forward, macs.total) == (
        answer_of(name)["macs"]["forward"],
        answer_of(name)["macs"]["step"],
    )


@pytest.mark.parametrize("name", NAMED)
def test_gradients_reach_the_parameters_that_autograd_reaches(name: str) -> None:
    """The trained parameters are exactly those whose gradient PyTorch fills, ties under one name."""
    aliases = {
        "model.lm_head.weight": "model.transformer.wte.weight",
        "head.weight": "table.weight",
    }
    reached = set(answer_of(name)["gradients"])
    found = {n if n in reached else aliases.get(n, n) for n in step(name).trained}
    assert found == reached


@pytest.mark.parametrize("name", CNN_OR_TRANSFORMER)
def test_saved_bytes_are_within_five_percent_of_pytorchs(name: str) -> None:
    """What is kept between forward and backward is what saved-tensor hooks see, without weights."""
    kept = saved_activation_bytes(step(name))
    assert kept == pytest.approx(answer_of(name)["saved_bytes"], rel=0.05)


@pytest.mark.parametrize("name", [n for n in NAMED if "dynamo" in n])
def test_parameters_are_counted_exactly(name: str) -> None:
    """An export that folds nothing holds the model's parameters, ties once."""
    assert network(name).parameter_count == answer_of(name)["parameters"]
