"""The forward graph as a file: GraphML and DOT for other programs, SVG for the eye.

The format follows from the file's extension.  GraphML and DOT hold the same graph: a node per
operator, an edge per producer and consumer, and what an operator holds as plain numbers, truth
values and texts (`flat_graph`), so that any program reads them without archsim.
"""

from __future__ import annotations

import io
import os
import secrets
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TypeAlias

import networkx as nx

from archsim.errors import InputError, did_you_mean
from archsim.workload.drawing.colours import LIGHT
from archsim.workload.drawing.svg import draw_svg
from archsim.workload.drawing.text import visible
from archsim.workload.graph import WORK_FIELDS, DigitalWork, Op, OpKind, Workload
from archsim.workload.modules import module_paths
from archsim.workload.places import where_it_runs

Flat: TypeAlias = str | int | bool


def write_graph(workload: Workload, path: Path) -> None:
    """Write the forward graph of `workload` to `path`, whole or not at all.

    The extension chooses the format: `.graphml`, `.dot` (or `.gv`) or `.svg`.  An existing file is
    replaced.  Raises `InputError` for another extension, for something at `path` that is no file,
    and for a path that cannot be written.
    """
    render = _renderer(path)
    _check_target(path)
    _replace(path, render(workload))


def check_graph_path(path: Path) -> None:
    """Refuse a path that `write_graph` could not write, before any work; touches nothing."""
    _renderer(path)
    _check_target(path)


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


def graphml(workload: Workload) -> bytes:
    """The graph as GraphML, which networkx, Gephi, yEd and others read."""
    buffer = io.BytesIO()
    nx.write_graphml_xml(flat_graph(workload), buffer, named_key_ids=True)
    return buffer.getvalue()


def dot(workload: Workload) -> bytes:
    """The graph in the DOT language of Graphviz, with all attributes."""
    flat = flat_graph(workload)
    lines = [f"digraph {_quoted(workload.name)} {{"]
    lines += [f"  {name}={_quoted(value)};" for name, value in flat.graph.items() if name != "name"]
    lines.append('  node [shape=box, style="rounded,bold", fontname="Helvetica"];')
    for name, attributes in flat.nodes(data=True):
        shown = {
            "label": f"{name}\n{attributes['op_type']}",
            "color": LIGHT[OpKind(attributes["kind"])],
        }
        lines.append(f"  {_quoted(name)} [{_dot_list({**shown, **attributes})}];")
    for source, target, attributes in flat.edges(data=True):
        listed = _dot_list(attributes)
        lines.append(f"  {_quoted(source)} -> {_quoted(target)} [{listed}];")
    return "\n".join([*lines, "}", ""]).encode()


_RENDERERS: Mapping[str, Callable[[Workload], bytes]] = MappingProxyType(
    {".graphml": graphml, ".dot": dot, ".gv": dot, ".svg": draw_svg}
)


def _renderer(path: Path) -> Callable[[Workload], bytes]:
    suffix = path.suffix.lower()
    found = _RENDERERS.get(suffix)
    if found is None:
        what = f"'{suffix}' is no format for a graph" if suffix else "the name has no extension"
        raise InputError(
            f"{what}; .graphml, .dot and .svg are.",
            place=str(path),
            remedy=_hint(suffix),
        )
    return found


def _hint(suffix: str) -> str:
    hint = did_you_mean(suffix, _RENDERERS) if suffix else ""
    return hint if hint.startswith("Did") else "Give the file one of these extensions."


def _check_target(path: Path) -> None:
    """Refuse what is no plain file, and a folder that is not there or may not be written."""
    try:
        target = Path(os.path.realpath(path))
        if target.exists() and not target.is_file():
            kind = "a folder" if target.is_dir() else "no plain file"
            raise InputError(
                f"this is {kind}, and a graph is written to a file.",
                place=str(path),
                remedy="Give another name.",
            )
        folder = target.parent
        if not folder.is_dir():
            raise InputError(
                f"there is no folder '{path.parent}' to write in.",
                place=str(path),
                remedy="Make it first, or give another name.",
            )
    except (OSError, ValueError) as error:
        raise _unwritable(path, error) from None
    if not os.access(folder, os.W_OK | os.X_OK):
        raise InputError(
            f"no permission to write in the folder '{path.parent}'.",
            place=str(path),
            remedy="Give a name in a folder that can be written.",
        )


def _replace(path: Path, content: bytes) -> None:
    """Put `content` at `path` by a rename, so that a reader never sees half of it."""
    target = Path(os.path.realpath(path))
    fresh = target.with_name(f".archsim-{secrets.token_hex(6)}.tmp")
    try:
        fresh.write_bytes(content)
        fresh.replace(target)
    except OSError as error:
        raise _unwritable(path, error) from None
    finally:
        fresh.unlink(missing_ok=True)


def _unwritable(path: Path, error: OSError | ValueError) -> InputError:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return InputError(f"the graph cannot be written: {reason}.", place=str(path))


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


def _dot_list(attributes: Mapping[str, Flat]) -> str:
    return ", ".join(f"{name}={_quoted(value)}" for name, value in attributes.items())


def _quoted(value: Flat) -> str:
    """A quoted DOT string; a line end becomes the escape that labels know."""
    text = str(value).lower() if isinstance(value, bool) else visible(str(value), keep="\n")
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
