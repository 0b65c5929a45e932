"""Small hand-made networks that tests of mapping, simulation and results share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import networkx as nx
from hypothesis import strategies as st

from archsim.workload.graph import (
    DigitalWork,
    Op,
    OpKind,
    Parameter,
    ParameterRole,
    Saved,
    TensorInfo,
    WeightMatrix,
    WeightUse,
    Workload,
)


@dataclass(frozen=True)
class Layer:
    """A weight layer of `inputs` x `outputs` (per block) that takes `vectors` vectors a sample."""

    inputs: int
    outputs: int
    vectors: int = 1
    blocks: int = 1
    steps: int = 1
    norm: bool = False


def layer_lists(
    *,
    most: int,
    inputs: int,
    outputs: int,
    vectors: int,
    blocks: Sequence[int] = (),
    norm: bool = False,
) -> st.SearchStrategy[list[Layer]]:
    """One to `most` layers of up to so many inputs, outputs and vectors.

    `blocks` are the numbers of blocks to choose from, `norm` says whether normalisations may follow.
    """
    chosen: dict[str, st.SearchStrategy[int]] = {}
    if blocks:
        chosen["blocks"] = st.sampled_from(blocks)
    if norm:
        chosen["norm"] = st.booleans()
    layer = st.builds(
        Layer,
        inputs=st.integers(1, inputs),
        outputs=st.integers(1, outputs),
        vectors=st.integers(1, vectors),
        **chosen,
    )
    return st.lists(layer, min_size=1, max_size=most)


def chain(layers: Sequence[Layer], name: str = "chain") -> Workload:
    """Layers one after the other, each optionally followed by a minibatch normalisation."""
    graph: nx.DiGraph[str] = nx.DiGraph()
    first = layers[0]
    tensors = {"x": TensorInfo("x", (1, first.vectors, first.inputs * first.blocks))}
    matrices, parameters = {}, {}
    current, last = "x", ""
    for i, layer in enumerate(layers):
        weight, out = f"w{i}", f"y{i}"
        matrices[weight] = WeightMatrix(weight, layer.inputs, layer.outputs, layer.blocks)
        count = matrices[weight].elements
        parameters[weight] = Parameter(weight, count, ParameterRole.WEIGHT)
        tensors[out] = TensorInfo(out, (1, layer.vectors, layer.outputs * layer.blocks))
        op = Op(
            f"layer{i}",
            "Gemm",
            OpKind.WEIGHT_MATMUL,
            (current,),
            (out,),
            (weight,),
            weight=WeightUse(weight, layer.vectors, layer.steps),
            saved=(Saved(current, tensors[current].elements),),
        )
        last = _append(graph, op, last, current)
        current = out
        if layer.norm:
            last, current = _norm(graph, tensors, i, last, current)
    return Workload(
        name, "0" * 64, 1, nx.freeze(graph), tensors, matrices, parameters, ("x",), (current,)
    )


def _norm(
    graph: nx.DiGraph[str], tensors: dict[str, TensorInfo], i: int, last: str, current: str
) -> tuple[str, str]:
    out = f"n{i}"
    size = tensors[current].elements
    tensors[out] = TensorInfo(out, tensors[current].shape)
    op = Op(
        f"norm{i}",
        "BatchNormalization",
        OpKind.NORMALISATION,
        (current,),
        (out,),
        forward=DigitalWork(add=2 * size, mul=2 * size, read=size, written=size),
        backward=DigitalWork(add=4 * size, mul=4 * size, read=2 * size, written=size),
        saved=(Saved(current, size),),
        batch_barrier=True,
    )
    return _append(graph, op, last, current), out


def _append(graph: nx.DiGraph[str], op: Op, last: str, tensor: str) -> str:
    graph.add_node(op.name, op=op)
    if last:
        graph.add_edge(last, op.name, tensors=(tensor,))
    return op.name
