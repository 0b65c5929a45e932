"""Numbers to begin training with: those of the file, or fresh ones drawn from a generator."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from archsim.errors import InputError
from archsim.workload.executable_types import (
    Array,
    ExecutableGraph,
    ExecutableNode,
    ParameterTensor,
    Part,
)

_SHOWN = 6
# He et al. 2015 (arXiv:1502.01852), where the slope of PRelu starts at 0.25.
_SLOPE = 0.25


def initial_parameters(graph: ExecutableGraph) -> dict[str, Array]:
    """Parameters and running statistics as the file has them, float32, each a copy.

    Raises `InputError` that lists the parameters for which the file holds no numbers.
    """
    absent = [p.name for p in graph.parameters.values() if p.initial is None]
    if absent:
        shown = ", ".join(f"'{name}'" for name in absent[:_SHOWN])
        more = f" and {len(absent) - _SHOWN} more" if len(absent) > _SHOWN else ""
        raise InputError(
            f"the file holds no numbers for {len(absent)} of {len(graph.parameters)} parameters: "
            f"{shown}{more}.",
            place=graph.name,
            remedy="Start from fresh weights, or export the network with its weights inside.",
        )
    found = {
        p.name: p.initial.astype(np.float32)
        for p in graph.parameters.values()
        if p.initial is not None
    }
    return found | _statistics(graph)


def fresh_parameters(graph: ExecutableGraph, rng: np.random.Generator) -> dict[str, Array]:
    """Parameters drawn from `rng` in the order of the graph, and neutral statistics; float32.

    Weights before a ReLU-like function: normal with variance 2 / fan_in (He et al. 2015,
    arXiv:1502.01852); other weights: 2 / (fan_in + fan_out) (Glorot and Bengio 2010); recurrent ones
    uniform with a variance of 1 / (3 cells); embeddings normal with rows of length one; scales 1,
    slopes 0.25, biases and shifts 0.  A frozen parameter keeps the file's numbers, where it has any.
    """
    found = {
        p.name: p.initial.astype(np.float32)
        if p.initial is not None and not p.trainable
        else _STARTS[p.part](p, rng).astype(np.float32)
        for p in graph.parameters.values()
    }
    neutral = {name: _neutral(name, graph) for name in graph.statistics}
    return found | neutral


def _weight(parameter: ParameterTensor, rng: np.random.Generator) -> Array:
    fan_in = parameter.fan_in or math.prod(parameter.shape[1:]) or 1
    fan_out = parameter.fan_out or parameter.shape[0] if parameter.shape else 1
    variance = 2.0 / fan_in if parameter.rectified else 2.0 / (fan_in + fan_out)
    return rng.normal(0.0, math.sqrt(variance), parameter.shape)


def _recurrent(parameter: ParameterTensor, rng: np.random.Generator) -> Array:
    # Both matrices of a cell start alike, and their fans are its cells.
    bound = 1.0 / math.sqrt(max(parameter.fan_in, 1))
    return rng.uniform(-bound, bound, parameter.shape)


def _embedding(parameter: ParameterTensor, rng: np.random.Generator) -> Array:
    return rng.normal(0.0, 1.0 / math.sqrt(parameter.shape[-1]), parameter.shape)


_STARTS: Mapping[Part, Callable[[ParameterTensor, np.random.Generator], Array]] = {
    Part.WEIGHT: _weight,
    Part.RECURRENT: _recurrent,
    Part.EMBEDDING: _embedding,
    Part.SCALE: lambda parameter, rng: np.ones(parameter.shape),
    Part.SLOPE: lambda parameter, rng: np.full(parameter.shape, _SLOPE),
    Part.SHIFT: lambda parameter, rng: np.zeros(parameter.shape),
}


def _statistics(graph: ExecutableGraph) -> dict[str, Array]:
    return {name: value.astype(np.float32) for name, value in graph.statistics.items()}


def _neutral(name: str, graph: ExecutableGraph) -> Array:
    """Zeros for a running mean, ones for a variance."""
    variances = {node.inputs[4] for node in graph.nodes if node.op_type == "BatchNormalization"}
    shape = graph.statistics[name].shape
    return np.ones(shape, np.float32) if name in variances else np.zeros(shape, np.float32)


def without_softmax(graph: ExecutableGraph) -> ExecutableGraph:
    """`graph` with outputs that end in a Softmax over the last axis replaced by its input.

    The softmax is part of the cross entropy; a final LogSoftmax changes nothing there and stays.
    """
    read = {name for node in graph.nodes for name in node.inputs}
    ranks = dict(zip(graph.outputs, map(len, graph.output_shapes), strict=True))
    dropped = {
        node.outputs[0]: node.inputs[0]
        for node in graph.nodes
        if node.op_type == "Softmax"
        and node.outputs[0] in ranks
        and node.outputs[0] not in read
        and _is_last(node, ranks[node.outputs[0]])
    }
    return replace(
        graph,
        outputs=tuple(dropped.get(name, name) for name in graph.outputs),
        nodes=tuple(node for node in graph.nodes if node.outputs[0] not in dropped),
    )


def _is_last(node: ExecutableNode, rank: int) -> bool:
    """Whether a Softmax runs over the last of `rank` axes; up to opset 12 its default was axis 1."""
    return node.integer("axis", 1 if node.version < 13 else -1) % rank == rank - 1
