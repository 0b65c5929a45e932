"""The forward graph with flat attributes, as other programs read it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeAlias

import networkx as nx

from archsim.workload.drawing.text import visible
from archsim.workload.graph import WORK_FIELDS, DigitalWork, Op, Workload
from archsim.workload.modules import module_paths
from archsim.workload.places import where_it_runs

Flat: TypeAlias = str | int | bool


def flat_graph(workload: Workload) -> nx.DiGraph[str]:
    """The graph of `workload` with flat attributes: texts, whole numbers and truth values.

    Counts of zero, empty texts and what is not true are left out.  Names are made of characters
    that every format can hold, and stay unique.
    """
    ops = workload.ops
    paths = module_paths(workload, ops)
    flat: nx.DiGraph[str] = nx.DiGraph()
    flat.graph.update(_filled(_graph_attributes(workload)))
    names = _unique_names(op.name for op in ops)
    for op in ops:
        attributes = {**_op_attributes(op, workload), "module": ".".join(paths[op.name])}
        flat.add_node(names[op.name], **_filled(attributes))
    for source, target, data in workload.graph.edges(data=True):
        flat.add_edge(names[source], names[target], **_filled(_edge(data["tensors"], workload)))
    return flat


def _unique_names(names: Iterable[str]) -> dict[str, str]:
    """Names in plain characters; two that then look alike get a number."""
    taken: set[str] = set()
    found: dict[str, str] = {}
    for name in names:
        wanted = visible(name)
        unique, suffix = wanted, 1
        while unique in taken:
            suffix += 1
            unique = f"{wanted}_{suffix}"
        taken.add(unique)
        found[name] = unique
    return found


def _graph_attributes(workload: Workload) -> dict[str, Flat]:
    origin = workload.origin
    return {
        "network": workload.name,
        "onnx_sha256": workload.sha256,
        "samples": workload.samples,
        "bindings": _listed(f"{name}={size}" for name, size in workload.bindings.items()),
        "inputs": _tensors(workload.inputs, workload),
        "outputs": _tensors(workload.outputs, workload),
        "producer": f"{origin.producer} {origin.producer_version}".strip(),
        "opsets": _listed(f"{name or 'ai.onnx'}={n}" for name, n in origin.opsets.items()),
        "parameters": workload.parameter_count,
        "notes": _listed(note.message for note in workload.notes),
    }


def _op_attributes(op: Op, workload: Workload) -> dict[str, Flat]:
    return {
        "op_type": op.op_type,
        "kind": op.kind.value,
        "where": where_it_runs(op),
        "reason": op.reason,
        "macs": workload.macs(op),
        "parameters": sum(workload.parameters[name].elements for name in op.parameters),
        "parameter_names": _listed(op.parameters),
        "inputs": _tensors(op.inputs, workload),
        "outputs": _tensors(op.outputs, workload),
        "batch_barrier": op.batch_barrier,
        "saved": _listed(f"{s.tensor} {s.elements} {s.form.value}" for s in op.saved),
        "dynamic": _listed(f"{p.count} x [{p.m}x{p.k}] [{p.k}x{p.n}]" for p in op.dynamic),
        **_weight_attributes(op, workload),
        **_work_attributes("forward", op.forward),
        **_work_attributes("backward", op.backward),
    }


def _weight_attributes(op: Op, workload: Workload) -> dict[str, Flat]:
    if op.weight is None:
        return {}
    matrix = workload.matrices[op.weight.matrix]
    return {
        "matrix": matrix.name,
        "matrix_inputs": matrix.inputs,
        "matrix_outputs": matrix.outputs,
        "matrix_blocks": matrix.blocks,
        "matrix_bias": matrix.bias or "",
        "matrix_trainable": matrix.trainable,
        "vectors": op.weight.vectors,
        "sequential_steps": op.weight.sequential_steps,
        "transposed": op.weight.transposed,
    }


def _work_attributes(phase: str, work: DigitalWork) -> dict[str, Flat]:
    return {f"{phase}_{name}": getattr(work, name) for name in WORK_FIELDS}


def _edge(tensors: tuple[str, ...], workload: Workload) -> dict[str, Flat]:
    infos = [workload.tensors[name] for name in tensors]
    return {
        "tensors": _tensors(tensors, workload),
        "elements": sum(info.elements for info in infos),
        "bytes": sum(info.elements * info.bytes_per_element for info in infos),
    }


def _tensors(names: Iterable[str], workload: Workload) -> str:
    return _listed(f"{name} {_shape(workload.tensors[name].shape)}" for name in names)


def _shape(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "scalar"


def _listed(texts: Iterable[str]) -> str:
    return "; ".join(texts)


def _filled(attributes: Mapping[str, Flat]) -> dict[str, Flat]:
    """What says something, with texts in plain characters."""
    return {
        name: visible(value) if isinstance(value, str) else value
        for name, value in attributes.items()
        if value
    }
