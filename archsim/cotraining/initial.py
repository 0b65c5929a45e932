"""The values that a training starts from: those of the file, or fresh ones of a seed."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from archsim.cotraining.recipe import Initial, Recipe
from archsim.workload.executable_start import fresh_parameters, initial_parameters
from archsim.workload.executable_types import ExecutableGraph

Values: TypeAlias = dict[str, NDArray[Any]]

# Domain of the random numbers of initial values.
_INITIAL = 0


def initial_values(graph: ExecutableGraph, recipe: Recipe, seed: int) -> Values:
    """Parameters and statistics by name, the same for the tiles and their float32 twin.

    Raises `InputError` for `initial: file` where the file lacks values.
    """
    return _STARTS[recipe.initial](graph, np.random.Generator(np.random.SFC64([seed, _INITIAL])))


def _of_file(graph: ExecutableGraph, rng: np.random.Generator) -> Values:
    return initial_parameters(graph)


def _uniform(graph: ExecutableGraph, rng: np.random.Generator) -> Values:
    """Weights and the biases behind them between -1/sqrt(inputs) and 1/sqrt(inputs)."""
    values = fresh_parameters(graph, rng)
    for node in graph.nodes:
        if not node.uses:
            continue
        bound = 1.0 / math.sqrt(graph.matrices[node.uses[0].matrix].inputs)
        for name in node.inputs:
            parameter = graph.parameters.get(name)
            if parameter is not None and parameter.trainable:
                drawn = rng.uniform(-bound, bound, parameter.shape)
                values[name] = drawn.astype(np.float32)
    return values


_STARTS: dict[Initial, Callable[[ExecutableGraph, np.random.Generator], Values]] = {
    "file": _of_file,
    "fresh": fresh_parameters,
    "uniform": _uniform,
}
