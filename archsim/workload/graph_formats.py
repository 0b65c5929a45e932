"""GraphML and DOT: the flat graph (`archsim.workload.flat_graph`) in two languages.

Both hold a node per operator, an edge per producer and consumer, and all attributes as plain
numbers, truth values and texts, so that any program reads them without archsim.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain
from types import MappingProxyType
from xml.sax.saxutils import escape, quoteattr

import networkx as nx

from archsim.workload.drawing.colours import LIGHT
from archsim.workload.drawing.text import visible
from archsim.workload.flat_graph import Flat, flat_graph
from archsim.workload.graph import OpKind, Workload

_GRAPHML_TYPES: Mapping[type, str] = MappingProxyType({bool: "boolean", int: "long", str: "string"})


def graphml(workload: Workload) -> bytes:
    """The graph as GraphML, which networkx, Gephi, yEd and others read."""
    flat = flat_graph(workload)
    lines = [
        "<?xml version='1.0' encoding='utf-8'?>",
        '<graphml xmlns="http://graphml.graphdrawing.org/xmlns">',
        *_graphml_keys(flat),
        '<graph edgedefault="directed">',
        *_graphml_data("graph", flat.graph),
    ]
    for name, attributes in flat.nodes(data=True):
        data = "".join(_graphml_data("node", attributes))
        lines.append(f"<node id={quoteattr(name)}>{data}</node>")
    for source, target, attributes in flat.edges(data=True):
        ends = f"source={quoteattr(source)} target={quoteattr(target)}"
        lines.append(f"<edge {ends}>{''.join(_graphml_data('edge', attributes))}</edge>")
    return "\n".join([*lines, "</graph>", "</graphml>", ""]).encode()


def _graphml_keys(flat: nx.DiGraph[str]) -> Iterator[str]:
    """A declaration for every attribute of the graph, its nodes and its edges."""
    for scope, holders in (
        ("graph", [flat.graph]),
        ("node", (data for _, data in flat.nodes(data=True))),
        ("edge", (data for _, _, data in flat.edges(data=True))),
    ):
        found = dict(chain.from_iterable(data.items() for data in holders))
        for name, value in found.items():
            kind = _GRAPHML_TYPES[type(value)]
            yield (
                f'<key id="{scope}.{name}" for="{scope}" attr.name="{name}" attr.type="{kind}"/>'
            )


def _graphml_data(scope: str, attributes: Mapping[str, Flat]) -> Iterator[str]:
    for name, value in attributes.items():
        text = str(value).lower() if isinstance(value, bool) else escape(str(value))
        yield f'<data key="{scope}.{name}">{text}</data>'


def dot(workload: Workload) -> bytes:
    """The graph in the DOT language of Graphviz, with all attributes."""
    flat = flat_graph(workload)
    lines = [f"digraph {_quoted(workload.name)} {{"]
    lines += [f"  {name}={_quoted(value)};" for name, value in flat.graph.items()]
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


def _dot_list(attributes: Mapping[str, Flat]) -> str:
    return ", ".join(f"{name}={_quoted(value)}" for name, value in attributes.items())


def _quoted(value: Flat) -> str:
    """A quoted DOT string; a line end becomes the escape that labels know."""
    text = str(value).lower() if isinstance(value, bool) else visible(str(value), keep="\n")
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
