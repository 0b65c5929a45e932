"""Small plans for the tests of training."""

from __future__ import annotations

from functools import cache
from typing import Any

from archsim.architecture import Architecture
from archsim.config.loading import load
from archsim.config.overriding import override
from archsim.cotraining.plan import Plan, make_plan
from archsim.cotraining.recipe import Recipe
from archsim.resources import data_folder
from archsim.tile_kernel.analog_matrix import MatrixParameters
from archsim.workload.builders.layers import Activation
from archsim.workload.builders.mlp import mlp
from archsim.workload.executable import executable
from archsim.workload.executable_types import ExecutableGraph


@cache
def small_graph(
    widths: tuple[int, ...] = (64, 24, 10), activation: Activation = "tanh"
) -> ExecutableGraph:
    """A perceptron for digits."""
    return executable(mlp("small", widths=widths, activation=activation))


def architecture(*settings: tuple[str, Any]) -> Architecture:
    """The default architecture with some values changed."""
    loaded = load("protonic_256", Architecture, data_folder("arch_configs"))
    return override(loaded, dict(settings)).value if settings else loaded.value


def small_plan(
    *settings: tuple[str, Any],
    parameters: MatrixParameters | None = None,
    graph: ExecutableGraph | None = None,
    step_s: float = 0.0,
    **recipe: Any,
) -> Plan:
    """Digits, 200 samples, two epochs, unless said otherwise."""
    asked = {
        "train_samples": 200,
        "test_samples": 100,
        "epochs": 2,
        "learning_rate": {"kind": "constant", "rate": 0.1},
        "seeds": 1,
        **recipe,
    }
    net = graph or small_graph()
    tree = architecture(*settings)
    made = Recipe.model_validate(asked)
    identity = {"arch": repr(tree)}
    return make_plan(net, made, tree, frozenset(net.matrices), identity, parameters, step_s)
